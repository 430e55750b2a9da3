"""The paired bootstrap of figures of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.bounds import error_upper_bound
from tierwright.stats.resampling import equal_mean, paired_bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Fifteen law schools: Efron (1987), JASA 82:171-185.
LSAT = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]
GPA = [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]


def moments(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a correlation adds up, one row for each pair."""
    return np.stack([np.ones_like(first), first, second, first**2, second**2, first * second], axis=1)


def correlation(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation of sums of moments."""
    n, a, b, aa, bb, ab = sums.T
    with np.errstate(all="ignore"):  # a resample of one school has none
        return np.asarray((ab / n - a * b / n**2) / np.sqrt((aa / n - (a / n) ** 2) * (bb / n - (b / n) ** 2)))


def ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """First column over second."""
    return np.asarray(sums[:, 0] / sums[:, 1])


def test_law_schools() -> None:
    """Efron (1987): correlation 0.776 with the central 90 % BCa interval 0.43 to 0.92."""
    first, second = np.array(LSAT) / 100, np.array(GPA)
    rows, other = moments(first, second), moments(first, second[::-1].copy())
    found = paired_bootstrap(rows, other, correlation, np.random.default_rng(1), level=0.9, resamples=20_000)
    assert found.candidate.value == pytest.approx(0.776, abs=5e-4)
    assert (found.candidate.ci_low, found.candidate.ci_high) == pytest.approx((0.43, 0.92), abs=0.015)
    assert found.candidate.n == 15


def test_agrees_with_scipys_bca() -> None:
    """The difference of two ratios on the same draws has scipy's BCa interval, within the noise of resampling."""
    generator = np.random.default_rng(2)
    weight = generator.integers(1, 6, size=80).astype(float)
    first = np.stack([generator.binomial(weight.astype(int), 0.7), weight], axis=1).astype(float)
    second = np.stack([generator.binomial(weight.astype(int), 0.6), weight], axis=1).astype(float)
    found = paired_bootstrap(first, second, ratio, np.random.default_rng(3), resamples=20_000)
    other = stats.bootstrap(
        (first[:, 0], second[:, 0], weight),
        lambda a, b, w, axis=-1: a.sum(axis=axis) / w.sum(axis=axis) - b.sum(axis=axis) / w.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="BCa",
        rng=np.random.default_rng(4),
    ).confidence_interval
    assert (found.difference.ci_low, found.difference.ci_high) == pytest.approx((other.low, other.high), abs=0.004)
    assert found.difference.value == pytest.approx(found.candidate.value - found.baseline.value)


def test_whole_clusters_are_resampled() -> None:
    """Ten copies of each example as a cluster give the interval of the originals."""
    generator = np.random.default_rng(5)
    first, second = generator.random((30, 1)), generator.random((30, 1))
    first, second = (np.hstack([rows, np.ones((30, 1))]) for rows in (first, second))
    alone = paired_bootstrap(first, second, ratio, np.random.default_rng(6))
    copied = paired_bootstrap(
        np.repeat(first, 10, axis=0),
        np.repeat(second, 10, axis=0),
        ratio,
        np.random.default_rng(6),
        clusters=np.repeat(np.arange(30), 10).tolist(),
    )
    assert copied.difference.n == 30
    assert copied.difference.ci_low == pytest.approx(alone.difference.ci_low)
    assert copied.candidate.ci_high == pytest.approx(alone.candidate.ci_high)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws in many small blocks are the draws in one."""
    generator = np.random.default_rng(7)
    first, second = generator.random((40, 2)), generator.random((40, 2))
    whole = paired_bootstrap(first, second, ratio, np.random.default_rng(8), resamples=500)
    monkeypatch.setattr("tierwright.stats.resampling._BLOCK", 120)
    assert paired_bootstrap(first, second, ratio, np.random.default_rng(8), resamples=500) == whole


def test_what_tells_nothing_is_refused() -> None:
    """Equal arms, one observation, a figure that is not defined, NaN and unequal shapes, each with its reason."""
    rows, generator = np.array([[1.0, 2.0], [2.0, 3.0], [1.0, 4.0]]), np.random.default_rng(0)
    with pytest.raises(NotEnoughData, match="score the same on all 3"):
        paired_bootstrap(rows, rows, ratio, generator)
    with pytest.raises(NotEnoughData, match="takes at least 2"):
        paired_bootstrap(rows[:1], rows[1:2], ratio, generator)
    with pytest.raises(NotEnoughData, match="takes at least 2"):
        paired_bootstrap(rows, rows + 1, ratio, generator, clusters=["a", "a", "a"])
    with pytest.raises(NotEnoughData, match="not defined"):
        paired_bootstrap(rows, rows + 1, lambda sums: np.full(len(sums), np.nan), generator)
    with pytest.raises(InputError, match="shapes"):
        paired_bootstrap(rows, rows[:2], ratio, generator)
    with pytest.raises(InputError, match="NaN"):
        paired_bootstrap(rows, rows * np.nan, ratio, generator)
    with pytest.raises(InputError, match="dimensions"):
        paired_bootstrap([1.0, 2.0], [1.0, 2.0], ratio, generator)


def test_equal_values_have_the_exact_bound() -> None:
    """59 equal values leave 5 % for others at one-sided 95 %: as the exact bound of no event has it."""
    found = equal_mean([0.0] * 59, (-1.0, 1.0), level=0.9)
    assert found.ci_high == pytest.approx(error_upper_bound(0, 59, level=0.95).ci_high)
    assert found.ci_low == -found.ci_high
    at_end = equal_mean([1.0] * 20, (0.0, 1.0))
    assert (at_end.value, at_end.ci_high) == (1.0, 1.0)
    assert at_end.ci_low == pytest.approx(0.025 ** (1 / 20))
    clustered = equal_mean([1.0] * 20, (0.0, 1.0), clusters=[n // 2 for n in range(20)])
    assert (clustered.n, clustered.ci_low) == (10, pytest.approx(0.025 ** (1 / 10)))
    with pytest.raises(InputError, match="differ"):
        equal_mean([1.0, 0.0], (0.0, 1.0))
