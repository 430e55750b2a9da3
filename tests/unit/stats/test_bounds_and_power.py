"""Bounds on an error rate, power and sample size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.bounds import bounded_rate_power, error_upper_bound, labels_needed
from tierwright.stats.clusters import design_effect
from tierwright.stats.power import PairedDesign, power, sample_size, simulated_power


def test_upper_bound_without_errors_is_the_rule_of_three() -> None:
    """No error among 59 bounds the rate by 1 - 0.05^(1/59) = 4.95 %, about 3/n (Hanley and Lippman-Hand 1983)."""
    found = error_upper_bound(0, 59)
    assert found.ci_high == pytest.approx(1 - 0.05 ** (1 / 59), rel=1e-12)
    assert found.ci_high < 0.05 < error_upper_bound(0, 58).ci_high
    assert found.ci_low == 0.0


@pytest.mark.parametrize(("errors", "n"), [(0, 1), (3, 50), (10, 10), (17, 400)])
def test_upper_bound_leaves_the_stated_probability_below(errors: int, n: int) -> None:
    """If the rate were the bound, so few errors would come up with probability 1 - level."""
    bound = error_upper_bound(errors, n, level=0.9).ci_high
    assert stats.binom.cdf(errors, n, bound) == pytest.approx(1.0 if errors == n else 0.1, abs=1e-9)


def test_upper_bound_of_impossible_counts_is_refused() -> None:
    """More errors than observations are wrong, no observation is too little."""
    with pytest.raises(InputError, match="5 errors among 4"):
        error_upper_bound(5, 4)
    with pytest.raises(NotEnoughData, match="errors"):
        error_upper_bound(0, 0)


@pytest.mark.parametrize(
    ("limit", "level", "needed"),
    [(0.05, 0.95, 59), (0.05, 0.9875, 86), (0.10, 0.95, 29), (0.10, 0.9875, 42), (0.20, 0.95, 14), (0.5, 0.5, 1)],
)
def test_labels_needed_are_the_fewest_that_do(limit: float, level: float, needed: int) -> None:
    """That many without error are enough, one fewer is not."""
    assert labels_needed(limit, level=level) == needed
    assert error_upper_bound(0, needed, level=level).ci_high <= limit + 1e-12
    assert needed == 1 or error_upper_bound(0, needed - 1, level=level).ci_high > limit


def test_labels_needed_for_no_limit_are_refused() -> None:
    """A limit of zero can't be met by any number of labels."""
    with pytest.raises(InputError, match="limit"):
        labels_needed(0.0)


@pytest.mark.parametrize(("n", "rate", "limit"), [(10, 0.01, 0.05), (300, 0.005, 0.01), (2000, 0.005, 0.01)])
def test_power_of_a_bound_is_the_sum_over_counts_that_pass(n: int, rate: float, limit: float) -> None:
    """It equals the binomial probabilities of all counts whose bound stays below the limit, added one by one."""
    passing = [k for k in range(n + 1) if error_upper_bound(k, n, level=0.975).ci_high < limit]
    wanted = float(stats.binom.pmf(passing, n, rate).sum()) if passing else 0.0
    assert bounded_rate_power(n, rate=rate, limit=limit, level=0.975).value == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("codes", "effect"), [([0, 1, 2], 1.0), ([0, 0, 1, 1], 2.0), ([0, 0, 0, 1], 2.5), ([0, 0, 0], 3.0)]
)
def test_design_effect_is_the_mean_group_size_an_observation_is_in(codes: list[int], effect: float) -> None:
    """Sum of squared sizes over observations: 1 for single members, n for one group of all."""
    assert design_effect(np.array(codes)) == effect


@pytest.mark.parametrize(
    ("discordance", "difference", "margin", "n"),
    [
        (0.1, 0.0, 0.01, 1000),
        (0.1, 0.03, 0.01, 500),
        (0.05, 0.0, 0.02, 800),
        (0.2, -0.01, 0.05, 600),
        (0.02, 0, 0.01, 700),
    ],
)
def test_power_approximation_agrees_with_simulation(
    discordance: float, difference: float, margin: float, n: int
) -> None:
    """The normal approximation lies within four points of 20,000 simulated comparisons."""
    design = PairedDesign(discordance=discordance, difference=difference, margin=margin)
    counted = simulated_power(design, n, np.random.default_rng(11), simulations=20_000)
    assert power(design, n).value == pytest.approx(counted.value, abs=0.04)
    assert counted.n == 20_000


@pytest.mark.parametrize(("discordance", "difference"), [(0.1, 0.0), (0.1, 0.02), (0.02, 0.0), (0.0, 0.0)])
def test_sample_size_is_the_fewest_that_reach_the_power(discordance: float, difference: float) -> None:
    """That many examples reach 80 %, one fewer does not."""
    design = PairedDesign(discordance=discordance, difference=difference, margin=0.01)
    n = sample_size(design)
    assert power(design, n).value >= 0.8
    assert power(design, n - 1).value < 0.8


def test_sample_size_without_discordance_is_what_the_score_test_needs() -> None:
    """Even arms that never differ need more than z^2(1 - m)/m pairs, 381 at one point, before the test can pass."""
    assert sample_size(PairedDesign(discordance=0.0, margin=0.01)) == 381


def test_sample_size_for_a_candidate_at_the_margin_is_refused() -> None:
    """No number of examples shows that a difference lies above where it lies."""
    with pytest.raises(InputError, match="better candidate"):
        sample_size(PairedDesign(discordance=0.1, difference=-0.01, margin=0.01))


@pytest.mark.parametrize(
    "wrong",
    [
        {"discordance": 1.5},
        {"margin": 0.0},
        {"discordance": 0.01, "difference": 0.02},
        {"level": 1.0},
        {"discordance": float("nan")},
    ],
)
def test_design_that_contradicts_itself_is_refused(wrong: dict[str, float]) -> None:
    """Shares outside [0, 1], no margin, more difference than discordance and NaN are refused."""
    with pytest.raises(InputError):
        PairedDesign(**{"discordance": 0.1, "margin": 0.01} | wrong)


def test_power_of_no_examples_is_refused() -> None:
    """Nothing is planned with nothing."""
    design = PairedDesign(discordance=0.1, margin=0.01)
    with pytest.raises(InputError, match="0 examples"):
        power(design, 0)
    with pytest.raises(InputError, match="0 simulations"):
        simulated_power(design, 10, np.random.default_rng(1), simulations=0)
