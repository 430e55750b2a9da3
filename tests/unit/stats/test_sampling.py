"""Estimates from labels that were drawn by a design."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.intervals import wilson
from tierwright.stats.paired import tango
from tierwright.stats.sampling import (
    Stratum,
    disagreement_difference,
    hajek_mean,
    horvitz_thompson_mean,
    neyman_allocation,
    stratified_mean,
    stratified_proportion,
)


def with_moments(n: int, mean: float, variance: float) -> np.ndarray:
    """Some n values with exactly this mean and sample variance."""
    drawn = np.linspace(-1, 1, n)
    return np.asarray(mean + drawn * math.sqrt(variance / drawn.var(ddof=1)))


def test_stratified_mean_of_the_agricultural_census() -> None:
    """Lohr (2010), Sampling: Design and Analysis, example 3.2: total 909,736,035 acres, standard error 50,417,248."""
    found = stratified_mean(
        [
            Stratum(size=1054, values=with_moments(103, 300504.16, 29618183543)),
            Stratum(size=220, values=with_moments(21, 97629.81, 7647472708)),
            Stratum(size=1382, values=with_moments(135, 211315.04, 53587487856)),
            Stratum(size=422, values=with_moments(41, 662295.51, 396185950266)),
        ]
    )
    assert found.value * 3078 == pytest.approx(909_736_035, rel=1e-6)
    # Satterthwaite's degrees of freedom are those of the western stratum in the main, near 60.
    standard_error = (found.ci_high - found.ci_low) / 2 * 3078
    assert standard_error / 50_417_248 == pytest.approx(stats.t.ppf(0.975, 60), rel=0.01)
    assert found.n == 300


def test_a_census_has_no_error_but_beyond_it_the_one_of_a_sample() -> None:
    """All observations drawn: a point for these, and near the textbook t interval for what they are a sample of."""
    values = np.array([0.0, 1.0, 2.0, 5.0])
    here = stratified_mean([Stratum(size=4, values=values)])
    assert here.ci_low == here.value == here.ci_high == 2.0
    beyond = stratified_mean([Stratum(size=4, values=values)], beyond=True)
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert (beyond.ci_low, beyond.ci_high) == (pytest.approx(2 - half), pytest.approx(2 + half))


def test_one_stratum_proportion_is_wilson_where_all_are_drawn() -> None:
    """With every example labelled the stratified proportion is Wilson's interval of all of them."""
    found = stratified_proportion([Stratum(size=40, values=np.repeat([1.0, 0.0], [30, 10]))])
    assert (found.ci_low, found.ci_high) == (
        pytest.approx(wilson(30, 40).ci_low),
        pytest.approx(wilson(30, 40).ci_high),
    )


def test_equal_outcomes_in_a_stratum_are_no_certainty() -> None:
    """Ten right ones of a stratum of a thousand leave room below one."""
    found = stratified_proportion(
        [Stratum(size=1000, values=np.ones(10)), Stratum(size=100, values=np.repeat([1.0, 0.0], 25))]
    )
    assert found.value == pytest.approx(1050 / 1100)
    assert found.ci_low < 0.9


def test_disagreements_all_labelled_are_tangos_interval() -> None:
    """With all of 60 disagreements among 500 labelled the result is Tango's of 500 pairs, from 60 labels."""
    found, full = disagreement_difference(35, 20, 60, disagreements=60, n=500), tango(35, 20, 500)
    assert (found.value, found.ci_low, found.ci_high) == (
        pytest.approx(full.value),
        pytest.approx(full.ci_low),
        pytest.approx(full.ci_high),
    )
    assert found.n == 60


def test_half_of_the_disagreements_are_worth_half_of_the_examples() -> None:
    """30 of 60 labelled: the interval of 250 pairs with those counts, found with 30 labels; copies halve that again."""
    found = disagreement_difference(18, 10, 30, disagreements=60, n=500)
    assert (found.ci_low, found.ci_high) == pytest.approx((tango(18, 10, 250).ci_low, tango(18, 10, 250).ci_high))
    assert found.value == pytest.approx(8 / 250)
    copies = disagreement_difference(18, 10, 30, disagreements=60, n=500, effect=2.0)
    assert copies.ci_low == pytest.approx(tango(9, 5, 125).ci_low)


def test_no_disagreement_needs_no_label() -> None:
    """Two arms that always agree differ by 0 with Tango's width for all examples; none labelled is refused."""
    found = disagreement_difference(0, 0, 0, disagreements=0, n=400)
    assert (found.value, found.ci_low, found.n) == (0.0, tango(0, 0, 400).ci_low, 400)
    with pytest.raises(NotEnoughData):
        disagreement_difference(0, 0, 0, disagreements=5, n=400)
    with pytest.raises(InputError):
        disagreement_difference(3, 3, 5, disagreements=5, n=400)


def test_horvitz_thompson_by_hand() -> None:
    """Values 2, 3 drawn with 1/2 and 1/4 of 10: (4 + 12) / 10, variance (1/2 * 16 + 3/4 * 144) / 100."""
    found = horvitz_thompson_mean([2.0, 3.0], [0.5, 0.25], 10)
    assert found.value == pytest.approx(1.6)
    assert (found.ci_high - found.value) / stats.t.ppf(0.975, 1) == pytest.approx(math.sqrt(116) / 10)


def test_hajek_by_hand() -> None:
    """Values 0, 1 drawn with 1/2 and 1/4: weights 2 and 4, mean 2/3, variance ((2 * 2/3)^2 + (4 * 1/3)^2) / 36."""
    found = hajek_mean([0.0, 1.0], [0.5, 0.25])
    assert found.value == pytest.approx(2 / 3)
    assert (found.ci_high - found.value) / stats.t.ppf(0.975, 1) == pytest.approx(math.sqrt(32 / 9 / 36))
    here = hajek_mean([0.0, 1.0], [0.5, 0.25], beyond=False)
    assert here.ci_high - here.ci_low < found.ci_high - found.ci_low


def test_equal_weighted_observations_are_refused() -> None:
    """All equal outcomes and impossible probabilities are refused with the reason."""
    with pytest.raises(NotEnoughData, match="equal"):
        hajek_mean([1.0, 1.0], [0.5, 0.5])
    with pytest.raises(InputError, match="inclusion probabilities"):
        hajek_mean([1.0, 0.0], [0.5, 0.0])
    with pytest.raises(InputError, match="population"):
        horvitz_thompson_mean([1.0, 0.0], [0.5, 0.5], 1)


def test_neyman_allocation_by_hand() -> None:
    """Sizes 100 and 200 with deviations 10 and 5 share equally; no stratum gets more than it has."""
    assert neyman_allocation([100, 200], [10, 5], 40) == (20, 20)
    assert neyman_allocation([100, 200], [30, 5], 40) == (30, 10)
    assert neyman_allocation([10, 200], [30, 1], 40) == (10, 30)
    assert neyman_allocation([3, 4], [1, 1], 100) == (3, 4)
    assert neyman_allocation([50, 50], [1, 0], 10) == (8, 2)


def test_bad_budgets_and_strata_are_refused() -> None:
    """A budget below the least, more drawn than there are, and a single observation are refused."""
    with pytest.raises(InputError, match="budget"):
        neyman_allocation([10, 10], [1, 1], 3)
    with pytest.raises(InputError, match="drawn"):
        Stratum(size=1, values=np.ones(2))
    with pytest.raises(NotEnoughData, match="two are needed"):
        stratified_mean([Stratum(size=9, values=np.ones(1))])
    with pytest.raises(NotEnoughData):
        stratified_proportion([])
