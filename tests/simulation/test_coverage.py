"""How often the intervals cover the truth, counted over simulated samples with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tierwright.stats.bounds import error_upper_bound
from tierwright.stats.intervals import (
    bootstrap_mean,
    clopper_pearson,
    clopper_pearson_by_group,
    wilson,
    wilson_by_group,
)
from tierwright.stats.paired import paired_difference, tango_ends

LEVEL = 0.95
SIMULATIONS = 2_000
#: Three standard deviations of a coverage counted over that many simulations.
NOISE = 3 * math.sqrt(LEVEL * (1 - LEVEL) / SIMULATIONS)


@pytest.mark.parametrize(("n", "p"), [(20, 0.5), (50, 0.1), (100, 0.9), (400, 0.02), (1000, 0.95)])
def test_proportion_intervals_cover_as_often_as_the_binomial_sum_says(n: int, p: float) -> None:
    """Simulated coverage equals the exact sum; that is nominal or more for Clopper-Pearson and near it for Wilson."""
    drawn = np.random.default_rng(101).binomial(n, p, size=SIMULATIONS)
    for method, floor, ceiling in ((wilson, 0.93, 0.98), (clopper_pearson, 0.95, 1.0)):
        covers = np.array([(e := method(k, n)).ci_low <= p <= e.ci_high for k in range(n + 1)])
        exact = float(stats.binom.pmf(np.arange(n + 1), n, p) @ covers)
        assert covers[drawn].mean() == pytest.approx(exact, abs=NOISE)
        assert floor <= exact <= ceiling


@pytest.mark.parametrize(("n", "p"), [(30, 0.1), (100, 0.05), (500, 0.01)])
def test_upper_bound_is_exceeded_no_more_often_than_stated(n: int, p: float) -> None:
    """The true rate lies above the one-sided bound in at most 5 % of samples, within noise."""
    drawn = np.random.default_rng(102).binomial(n, p, size=SIMULATIONS)
    bounds = np.array([error_upper_bound(k, n).ci_high for k in range(n + 1)])
    assert (bounds[drawn] < p).mean() <= 0.05 + NOISE


@pytest.mark.parametrize(
    ("n", "gained", "lost"),
    [(30, 0.4, 0.3), (50, 0.1, 0.1), (200, 0.05, 0.03), (300, 0.1, 0.05), (1000, 0.02, 0.01), (500, 0.08, 0.0)],
)
def test_tango_interval_covers_as_often_as_it_says(n: int, gained: float, lost: float) -> None:
    """Coverage lies within noise of 95 %, with one point for discreteness below and two above."""
    drawn = np.random.default_rng(103).multinomial(n, [gained, lost, 1 - gained - lost], size=SIMULATIONS)
    low, high = tango_ends(drawn[:, 0], drawn[:, 1], n, float(stats.norm.ppf(0.975)))
    difference = gained - lost
    coverage = ((low <= difference) & (difference <= high)).mean()
    assert LEVEL - NOISE - 0.01 <= coverage <= LEVEL + NOISE + 0.02


@pytest.mark.parametrize(("n", "discordance"), [(200, 0.02), (300, 0.1), (1000, 0.05), (500, 0.01)])
def test_candidate_at_the_margin_seldom_passes(n: int, discordance: float) -> None:
    """A candidate exactly one point worse is called non-inferior in at most 2.5 % of comparisons, within noise."""
    margin = 0.01
    shares = [(discordance - margin) / 2, (discordance + margin) / 2, 1 - discordance]
    drawn = np.random.default_rng(104).multinomial(n, shares, size=SIMULATIONS)
    low, _ = tango_ends(drawn[:, 0], drawn[:, 1], n, float(stats.norm.ppf(0.975)))
    noise = 3 * math.sqrt(0.025 * 0.975 / SIMULATIONS)
    assert (low > -margin).mean() <= 0.025 + noise


def _grouped_outcomes(
    generator: np.random.Generator, sizes: list[int], alike: float, shares: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Outcomes of both sides in groups whose members repeat one draw with probability `alike` each."""
    repeated = generator.choice(sizes, size=150)
    codes = np.repeat(np.arange(repeated.size), repeated)
    weights = [*shares, 1 - sum(shares)]
    shared, own = generator.choice(3, p=weights, size=repeated.size), generator.choice(3, p=weights, size=codes.size)
    drawn = np.where(generator.random(codes.size) < alike, shared[codes], own)
    return (drawn == 0).astype(float), (drawn == 1).astype(float), codes.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "alike", "shares"),
    [([1, 1, 1, 5], 1.0, (0.06, 0.04)), ([1] * 20 + [30], 0.95, (0.02, 0.01)), ([2, 6], 0.7, (0.1, 0.0))],
)
def test_grouped_intervals_cover_at_least_as_often_as_they_say(
    sizes: list[int], alike: float, shares: tuple[float, float]
) -> None:
    """With near-duplicates all three cover 95 % within noise (Wilson 92 %, its own low), where rows alone don't."""
    generator = np.random.default_rng(105)
    hits = np.zeros(4)
    for _ in range(SIMULATIONS):
        candidate, baseline, groups = _grouped_outcomes(generator, sizes, alike, shares)
        found = (
            (paired_difference(candidate, baseline, groups), shares[0] - shares[1]),
            (wilson_by_group(candidate, groups), shares[0]),
            (clopper_pearson_by_group(candidate, groups), shares[0]),
            (wilson(int(candidate.sum()), candidate.size), shares[0]),
        )
        hits += [estimate.ci_low <= truth <= estimate.ci_high for estimate, truth in found]
    coverage = hits / SIMULATIONS
    assert coverage[[0, 2]].min() >= LEVEL - NOISE
    assert coverage[1] >= 0.92 - NOISE
    assert coverage[3] < 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("n", "skew"), [(50, False), (200, False), (100, True)])
def test_bootstrap_of_a_mean_covers_nearly_as_often_as_it_says(n: int, *, skew: bool) -> None:
    """BCa covers within noise and two points of 95 %, the known shortfall of resampling at these sizes."""
    generator = np.random.default_rng(106)
    hits = 0
    for _ in range(SIMULATIONS):
        values = generator.exponential(size=n) if skew else generator.random(n)
        found = bootstrap_mean(values, generator, resamples=1_000)
        hits += found.ci_low <= (1.0 if skew else 0.5) <= found.ci_high
    assert LEVEL - NOISE - 0.02 <= hits / SIMULATIONS <= LEVEL + NOISE
