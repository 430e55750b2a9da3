"""Intervals for one proportion and for one mean.

Owns the Wilson, Clopper-Pearson and bootstrap intervals, each also for observations that come in groups. Refuses to
know what was observed.

References:
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22:209-212.
    Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26:404-413.
    Newcombe (1998), Two-sided confidence intervals for the single proportion, Statistics in Medicine 17:857-872.
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
        estimated from survey data, Survey Methodology 24:193-201.
    Efron (1987), Better bootstrap confidence intervals, JASA 82:171-185.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

from tierwright.core.errors import NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.clusters import design_effect
from tierwright.stats.inputs import check_counts, check_level, group_codes, outcomes, scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.inputs import Groups

#: Most random indices drawn at once: bounds the memory of a bootstrap at about 64 MB.
_BLOCK = 4_000_000


def wilson(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """The Wilson score interval of a proportion; good coverage on average, never outside [0, 1].

    Raises InputError for impossible counts, NotEnoughData for n = 0.
    """
    check_counts(successes, n)
    check_level(level)
    low, high = wilson_ends(successes, n, float(ndtri(0.5 + level / 2)))
    return Estimate(value=successes / n, ci_low=low, ci_high=high, level=level, n=n, method="Wilson score")


def clopper_pearson(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """The Clopper-Pearson interval of a proportion; exact: it covers at least as often as it says.

    Raises InputError for impossible counts, NotEnoughData for n = 0.
    """
    check_counts(successes, n)
    check_level(level)
    low, high = _clopper_pearson_ends(successes, n, level)
    return Estimate(value=successes / n, ci_low=low, ci_high=high, level=level, n=n, method="Clopper-Pearson")


def wilson_by_group(values: ArrayLike, groups: Groups, *, level: float = 0.95) -> Estimate:
    """The Wilson interval of the mean of 0/1 outcomes whose groups count as copies (see `stats.clusters`).

    Where every group has one member this is `wilson`. `n` of the result is the number of groups. Raises as `outcomes`
    does.
    """
    found = outcomes(values)
    check_level(level)
    codes = group_codes(groups, found.size)
    effect = design_effect(codes)
    if effect == 1.0:
        return wilson(int(found.sum()), found.size, level=level)
    ends = wilson_ends(float(found.sum()) / effect, found.size / effect, float(ndtri(0.5 + level / 2)))
    return _grouped(found, codes, ends, level=level, method="Wilson score")


def clopper_pearson_by_group(values: ArrayLike, groups: Groups, *, level: float = 0.95) -> Estimate:
    """The Clopper-Pearson interval of the mean of 0/1 outcomes whose groups count as copies.

    Counts that are not whole enter the beta quantiles as they are (Korn and Graubard 1998). Where every group has one
    member this is `clopper_pearson`. `n` of the result is the number of groups. Raises as `outcomes` does.
    """
    found = outcomes(values)
    check_level(level)
    codes = group_codes(groups, found.size)
    effect = design_effect(codes)
    if effect == 1.0:
        return clopper_pearson(int(found.sum()), found.size, level=level)
    ends = _clopper_pearson_ends(float(found.sum()) / effect, found.size / effect, level)
    return _grouped(found, codes, ends, level=level, method="Clopper-Pearson")


def bootstrap_mean(
    values: ArrayLike,
    generator: np.random.Generator,
    *,
    groups: Groups | None = None,
    level: float = 0.95,
    resamples: int = 4_000,
) -> Estimate:
    """The bias-corrected and accelerated (BCa) bootstrap interval of a mean, of whole groups where groups are given.

    The values must be finite; the mean is over observations, also where groups are resampled. `n` of the result is the
    number of values, or of groups. Raises InputError for NaN, NotEnoughData where all means of the groups are equal:
    resampling equal values can't say how far another value may lie; for outcomes that are 0 or 1 use a score interval.
    """
    found = scores(values)
    check_level(level)
    codes = np.arange(found.size) if groups is None else group_codes(groups, found.size)
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.bincount(codes, weights=found).astype(np.float64)
    if sizes.size < 2 or np.ptp(sums / sizes) == 0.0:
        raise NotEnoughData(
            f"all {sizes.size} independent observations are equal, so resampling can't tell how far the mean may lie; "
            "collect more, or use a score interval where the outcomes are 0 or 1"
        )
    mean = float(found.mean())
    means = _resampled_means(sums, sizes, generator, resamples)
    low, high = bca_ends(mean, means, _jackknife_means(sums, sizes), level)
    return Estimate(
        value=mean,
        ci_low=low,
        ci_high=high,
        level=level,
        n=sizes.size,
        method="BCa bootstrap" if groups is None else "BCa bootstrap of groups",
    )


def _grouped(
    found: NDArray[np.float64], codes: NDArray[np.int64], ends: tuple[float, float], *, level: float, method: str
) -> Estimate:
    return Estimate(
        value=float(found.mean()),
        ci_low=ends[0],
        ci_high=ends[1],
        level=level,
        n=int(codes.max()) + 1,
        method=f"{method}, groups as copies",
    )


def wilson_ends(successes: float, n: float, critical: float) -> tuple[float, float]:
    """The ends of the Wilson interval, for counts that need not be whole."""
    square = critical * critical
    share = successes / n
    centre = (successes + square / 2) / (n + square)
    half = critical / (n + square) * math.sqrt(max(0.0, n * share * (1 - share)) + square / 4)
    return (0.0 if successes <= 0 else max(0.0, centre - half)), (1.0 if successes >= n else min(1.0, centre + half))


def _clopper_pearson_ends(successes: float, n: float, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes >= n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def _resampled_means(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    means = np.empty(resamples)
    block = max(1, _BLOCK // sizes.size)
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        drawn = generator.integers(0, sizes.size, size=(stop - start, sizes.size), dtype=np.int32)
        means[start:stop] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def _jackknife_means(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((sums.sum() - sums) / (sizes.sum() - sizes))


def bca_ends(
    mean: float, means: NDArray[np.float64], jackknife: NDArray[np.float64], level: float
) -> tuple[float, float]:
    """The BCa ends of any figure from its resampled values and its values with one observation left out each."""
    # Ties count half, else the bias of a mean of few distinct values is overstated.
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * means.size)
    edge = 0.5 / means.size
    bias = float(ndtri(min(max(below, edge), 1 - edge)))
    spread = jackknife.mean() - jackknife
    scale = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6 * scale) if scale > 0 else 0.0
    ends: list[float] = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + float(ndtri(tail))
        ends.append(float(ndtr(bias + shifted / (1 - acceleration * shifted))))
    low, high = np.quantile(means, ends)
    return float(low), float(high)
