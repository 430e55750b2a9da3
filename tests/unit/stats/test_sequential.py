"""The e-process against a limit and the confidence sequence: by hand, at their edges, and what they refuse."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import betaln

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.sequential import ExcessRisk, e_values, mean_loss, spent


def test_the_first_bets_by_hand() -> None:
    """Half of the capital is bet on the first observation, a sixth is added for the eleventh; 20 sizes share it."""
    # Sizes as shares of 1 / limit: 0.01 times powers of 98 ** (1 / 19), so that the largest is 0.98.
    ratio = 98 ** (1 / 19)
    shares = [0.01 * ratio**place for place in range(20)]
    # At the limit 1/2 an error multiplies a bet by 1 + share, a right answer by 1 - share.
    first = 1 / 2 + sum(1 / 40 * (1 + share) for share in shares)
    second = 1 / 2 + sum(1 / 40 * (1 + share) * (1 - share) for share in shares)
    eleventh = 1 / 3 + sum((1 / 40 * (1 + share) * (1 - share) ** 9 + 1 / 120) * (1 + share) for share in shares)
    begun = ExcessRisk(limit=0.5)
    assert begun.e_value == 1.0
    assert begun.after([1]).e_value == pytest.approx(first, rel=1e-12)
    assert begun.after([1]).after([0]).e_value == pytest.approx(second, rel=1e-12)
    assert begun.after([1, *[0] * 9, 1]).e_value == pytest.approx(eleventh, rel=1e-12)


def test_evidence_is_the_same_in_one_piece_or_many() -> None:
    """What is kept between two looks is all that matters: no look is lost, and none counts twice."""
    losses = (np.random.default_rng(7).random(200) < 0.2).astype(float)
    whole, parts = ExcessRisk(limit=0.1).after(losses), ExcessRisk(limit=0.1)
    for part in np.array_split(losses, 13):
        parts = parts.after(part)
    assert parts.e_value == pytest.approx(whole.e_value, rel=1e-12)
    assert (parts.n, parts.highest_at) == (whole.n, whole.highest_at) == (200, whole.highest_at)
    path = e_values(losses[None, :], 0.1)[0]
    assert whole.highest == pytest.approx(path.max())
    assert whole.highest_at == int(path.argmax()) + 1


def test_errors_raise_the_alarm_and_right_answers_do_not() -> None:
    """Twenty errors in a row refute a limit of a tenth for good; two hundred right answers leave it standing."""
    failed = ExcessRisk(limit=0.1).after([1] * 20)
    assert failed.alarms(0.05)
    assert failed.after([0] * 500).alarms(0.05)
    assert failed.after([0] * 500).e_value < failed.e_value
    fine = ExcessRisk(limit=0.1).after([0] * 200)
    assert not fine.alarms(0.05)
    assert fine.e_value < 1.0


def test_a_long_good_time_costs_little() -> None:
    """After 20,000 answers with no error a run of errors is found within thirty of them."""
    good = ExcessRisk(limit=0.1).after([0] * 20_000)
    assert good.after([1] * 30).alarms(0.05)
    assert not good.after([1] * 2).alarms(0.05)


def test_a_long_stream_of_errors_stays_a_number() -> None:
    """Capital is capped where it can't say more: neither infinity nor NaN."""
    found = ExcessRisk(limit=0.01).after([1] * 2_000)
    assert math.isfinite(found.e_value)
    assert found.alarms(1e-9)


def test_an_observation_that_was_likelier_drawn_weighs_less() -> None:
    """Errors of weight 1/10 say less than errors of weight 1, and more than none."""
    heavy, light = (ExcessRisk(limit=0.1).after([1] * 5, [weight] * 5) for weight in (1.0, 0.1))
    assert heavy.e_value > light.e_value > 1.0


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, math.nan])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    """A limit of 0 or 1 can't be bet against."""
    with pytest.raises(InputError, match="limit of the mean loss"):
        ExcessRisk(limit=limit)


@pytest.mark.parametrize(
    ("losses", "weights", "said"),
    [
        ([0.5, math.nan], None, "NaN or infinite"),
        ([0.5, 1.5], None, "position 1 is 1.5"),
        ([-0.1], None, "position 0"),
        ([1.0], [0.0], "weight at position 0"),
        ([1.0], [1.5], "weight at position 0"),
        ([1.0, 0.0], [1.0], "differ in length"),
    ],
)
def test_what_is_no_loss_or_weight_is_refused(losses: list[float], weights: list[float] | None, said: str) -> None:
    """Both the test and the interval say which value is wrong."""
    with pytest.raises(InputError, match=said):
        ExcessRisk(limit=0.1).after(losses, weights)
    with pytest.raises(InputError, match=said):
        mean_loss(losses, weights)


def test_no_observation_is_too_few() -> None:
    """Nothing can be said of nothing."""
    with pytest.raises(NotEnoughData):
        mean_loss([])


def test_five_errors_of_five_by_hand() -> None:
    """Robbins' mixture: the low end m solves m^5 = (1/20) B(11/2, 1/2) / B(1/2, 1/2), which is 63/256 / 20."""
    found = mean_loss([1] * 5)
    assert found.ci_low == pytest.approx(float(Fraction(63, 256) / 20) ** 0.2, abs=1e-4)
    assert (found.value, found.ci_high, found.n) == (1.0, 1.0, 5)


@pytest.mark.parametrize(("errors", "n"), [(0, 30), (3, 100), (40, 200), (150, 3000)])
def test_the_interval_is_the_beta_binomial_mixture(errors: int, n: int) -> None:
    """At both ends the closed form of Robbins' mixture with Jeffreys' prior is 20, within the grid's error."""
    found = mean_loss([1] * errors + [0] * (n - errors))
    ends = [end for end in (found.ci_low, found.ci_high) if 0 < end < 1]
    assert ends
    for end in ends:
        wealth = betaln(errors + 0.5, n - errors + 0.5) - betaln(0.5, 0.5)
        wealth -= errors * math.log(end) + (n - errors) * math.log1p(-end)
        assert wealth == pytest.approx(math.log(20), abs=0.05)
    assert found.ci_low <= errors / n <= found.ci_high


def test_weights_turn_a_tilted_sample_back() -> None:
    """Where errors were drawn ten times as often, the weighted interval holds the true rate and the plain one not."""
    generator = np.random.default_rng(5)
    losses = (generator.random(40_000) < 0.05).astype(float)
    drawn = generator.random(losses.size) < np.where(losses == 1, 0.5, 0.05)
    weights = np.where(losses == 1, 0.05 / 0.5, 1.0)
    found, plain = mean_loss(losses[drawn], weights[drawn]), mean_loss(losses[drawn])
    assert found.ci_low <= 0.05 <= found.ci_high < 0.1
    assert plain.ci_low > 0.2


def test_a_series_of_tests_spends_no_more_than_it_has() -> None:
    """Half, a sixth, a twelfth and so on: never more than delta in all."""
    assert [spent(0.06, place) for place in (1, 2, 3)] == pytest.approx([0.03, 0.01, 0.005])
    assert sum(spent(0.05, place) for place in range(1, 5_000)) < 0.05
    with pytest.raises(InputError, match="count from 1"):
        spent(0.05, 0)
