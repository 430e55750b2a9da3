"""How often the intervals and verdicts of comparisons are right, counted over simulated samples with fixed seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from tierwright.stats.cluster_robust import clustered_ends, clustered_share
from tierwright.stats.multiplicity import gates, holm
from tierwright.stats.paired import tango_ends
from tierwright.stats.resampling import equal_mean, paired_bootstrap
from tierwright.stats.two_samples import newcombe

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.95
SIMULATIONS = 2_000
#: Three standard deviations of a coverage counted over that many simulations.
NOISE = 3 * math.sqrt(LEVEL * (1 - LEVEL) / SIMULATIONS)


def clustered_counts(
    generator: np.random.Generator, clusters: int, sizes: list[int], shares: tuple[float, float], alike: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sizes, gains and losses of the clusters of each simulation, whose shares vary between clusters (Dirichlet).

    `alike` is the correlation of two members of a cluster.
    """
    size = generator.choice(sizes, size=(SIMULATIONS, clusters))
    gain, loss = shares
    strength = (1 - alike) / alike
    parts = [generator.gamma(max(part * strength, 1e-12), size=size.shape) for part in (gain, loss, 1 - gain - loss)]
    total = parts[0] + parts[1] + parts[2]
    gained = generator.binomial(size, np.clip(parts[0] / total, 0, 1))
    left = np.maximum(total - parts[0], 1e-300)
    lost = generator.binomial(size - gained, np.clip(parts[1] / left, 0, 1))
    return size, gained, lost


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "sizes", "shares", "alike"),
    [
        (200, [2, 3, 5, 10], (0.06, 0.04), 0.1),
        (200, [2, 3, 5, 10], (0.06, 0.04), 0.5),
        (50, [4, 8, 20], (0.06, 0.05), 0.2),
        (20, [10, 50, 100], (0.05, 0.04), 0.05),
        (1000, [2, 3, 5], (0.01, 0.01), 0.2),
        (300, [1, 1, 2, 40], (0.01, 0.02), 0.5),
        (1000, [1] * 100 + [50], (0.005, 0.015), 0.9),
        (200, [1] * 50 + [100], (0.02, 0.03), 0.9),
        (150, [3, 3, 30], (0.02, 0.02), 0.95),
    ],
)
def test_clustered_difference_covers_as_often_as_it_says(
    clusters: int, sizes: list[int], shares: tuple[float, float], alike: float
) -> None:
    """Within noise of 95 % or above, from many small clusters to a few large ones that hold everything."""
    generator = np.random.default_rng(301)
    low, high, design = clustered_ends(*clustered_counts(generator, clusters, sizes, shares, alike))
    truth = shares[0] - shares[1]
    assert ((low <= truth) & (truth <= high)).mean() >= LEVEL - NOISE
    assert (low > truth).mean() <= (1 - LEVEL) / 2 + NOISE
    assert np.isfinite(design.estimated).all()


@pytest.mark.slow
def test_clustered_difference_is_much_shorter_than_that_of_copies() -> None:
    """Where members are little alike, it is less than half as wide."""
    generator = np.random.default_rng(302)
    size, gained, lost = clustered_counts(generator, 200, [2, 3, 5, 10], (0.06, 0.04), 0.1)
    low, high, design = clustered_ends(size, gained, lost)
    more, fewer = gained.sum(axis=1) / design.copies, lost.sum(axis=1) / design.copies
    copies_low, copies_high = tango_ends(more, fewer, design.n / design.copies, 1.96)
    assert design.usable.mean() > 0.99
    assert (high - low).mean() < 0.5 * (copies_high - copies_low).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "sizes", "share", "alike"),
    [(100, [2, 5, 10], 0.85, 0.2), (40, [10, 30], 0.1, 0.1), (300, [1] * 20 + [40], 0.03, 0.8)],
)
def test_clustered_share_covers_as_often_as_it_says(
    clusters: int, sizes: list[int], share: float, alike: float
) -> None:
    """Within noise and two points of 95 %, Wilson's own shortfall, or above."""
    generator = np.random.default_rng(303)
    size, gained, _ = clustered_counts(generator, clusters, sizes, (share, 0.0), alike)
    hits = 0
    for one, right in zip(size, gained, strict=True):
        codes = np.repeat(np.arange(clusters), one)
        place = np.arange(codes.size) - np.repeat(np.cumsum(one) - one, one)
        found = clustered_share((place < np.repeat(right, one)).astype(float), codes.tolist())
        hits += found.ci_low <= share <= found.ci_high
    assert hits / SIMULATIONS >= LEVEL - NOISE - 0.02


@pytest.mark.parametrize(
    ("first", "second"), [((60, 0.1), (50, 0.2)), ((30, 0.05), (100, 0.1)), ((50, 0.5), (20, 0.5))]
)
def test_newcombe_interval_covers_nearly_as_often_as_it_says(
    first: tuple[int, float], second: tuple[int, float]
) -> None:
    """By the exact sum over all outcomes: one and a half points below 95 % at worst, two above."""
    (n, p), (m, q) = first, second
    covers = np.array(
        [[(e := newcombe(i, n, j, m)).ci_low <= p - q <= e.ci_high for j in range(m + 1)] for i in range(n + 1)]
    )
    exact = float(binom.pmf(np.arange(n + 1), n, p) @ covers @ binom.pmf(np.arange(m + 1), m, q))
    assert LEVEL - 0.015 <= exact <= LEVEL + 0.03


def macro_f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of hits, given and wanted of each class."""
    hits, given, wanted = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)
    return np.asarray((2 * hits / np.maximum(given + wanted, 1)).mean(axis=1))


def labelled(
    generator: np.random.Generator, n: int, shares: NDArray[np.float64], quality: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts by class of two arms that are right with these probabilities, and else say any class."""
    right = generator.choice(shares.size, size=n, p=shares)
    arms = []
    hard = generator.random(n)
    for good in quality:
        luck = np.where(generator.random(n) < 0.6, hard, generator.random(n))  # both arms err on the hard ones
        said = np.where(luck < good, right, generator.integers(0, shares.size, size=n))
        own, other = np.eye(shares.size)[right], np.eye(shares.size)[said]
        arms.append(np.hstack([own * other, other, own]))
    return arms[0], arms[1]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "shares"), [(100, [0.7, 0.3]), (150, [0.6, 0.3, 0.1])])
def test_paired_bootstrap_of_macro_f1_covers_nearly_as_often_as_it_says(n: int, shares: list[float]) -> None:
    """Within noise and two points of 95 % for each arm and the difference."""
    generator, law = np.random.default_rng(304), np.array(shares)
    large = labelled(generator, 400_000, law, (0.9, 0.8))
    truth = [float(macro_f1(arm.sum(axis=0)[None, :])[0]) for arm in large]
    hits = np.zeros(3)
    for _ in range(SIMULATIONS):
        found = paired_bootstrap(*labelled(generator, n, law, (0.9, 0.8)), macro_f1, generator, resamples=300)
        hits += [
            found.candidate.ci_low <= truth[0] <= found.candidate.ci_high,
            found.baseline.ci_low <= truth[1] <= found.baseline.ci_high,
            found.difference.ci_low <= truth[0] - truth[1] <= found.difference.ci_high,
        ]
    assert (hits / SIMULATIONS >= LEVEL - NOISE - 0.02).all()
    assert hits[2] / SIMULATIONS <= LEVEL + NOISE + 0.02


def test_exact_bound_of_equal_values_is_missed_no_more_often_than_stated() -> None:
    """Rare differences of one point, none of them seen: where all values are equal, the truth lies inside."""
    generator = np.random.default_rng(305)
    misses = 0
    for rate in (0.01, 0.03, 0.05):
        none_seen = (generator.binomial(100, rate, size=SIMULATIONS) == 0).sum()
        bound = equal_mean([0.0] * 100, (-1.0, 1.0))
        misses += none_seen if bound.ci_high < rate else 0
    assert misses / SIMULATIONS <= (1 - LEVEL) / 2 + NOISE


@pytest.mark.slow
def test_family_wise_error_is_controlled() -> None:
    """Five claims, three of them false, dependent: Holm and gates make a false claim in at most 5 % of families."""
    generator = np.random.default_rng(306)
    shared = generator.standard_normal((SIMULATIONS, 1))
    scores = 0.6 * shared + 0.8 * generator.standard_normal((SIMULATIONS, 5)) + np.array([3.0, 3.0, 0.0, 0.0, 0.0])
    p_values = ndtr(-scores)
    by_holm = np.mean([(holm(row)[2:] <= 0.05).any() for row in p_values])
    by_gates = np.mean(
        [
            bool(gates([[("a", row[0]), ("c", row[2])], [("b", row[1]), ("d", row[3]), ("e", row[4])]]) - {"a", "b"})
            for row in p_values
        ]
    )
    assert max(by_holm, by_gates) <= 0.05 + NOISE
    assert by_holm > 0.01
