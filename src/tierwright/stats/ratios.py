"""How many times more: ratios of two independent samples, with intervals.

Owns the two ratios and their bootstrap; refuses to know what is measured (costs, times). Both sides are independent
samples and are resampled apart (Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13: percentile
intervals, so that a ratio and its inverse have the same one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

_RESAMPLES = 2_000
#: Most random indices drawn at once.
_BLOCK = 4_000_000


def ratio_of_means(before: ArrayLike, after: ArrayLike, *, seed: int, level: float = 0.95) -> Estimate:
    """The mean before over the mean after: how many times cheaper, or faster on average. Raises as `_ratio`."""
    return _ratio(before, after, np.mean, "ratio of means", seed=seed, level=level)


def ratio_of_medians(before: ArrayLike, after: ArrayLike, *, seed: int, level: float = 0.95) -> Estimate:
    """The median before over the median after: how many times faster the usual request is. Raises as `_ratio`."""
    return _ratio(before, after, np.median, "ratio of medians", seed=seed, level=level)


def _ratio(
    before: ArrayLike,
    after: ArrayLike,
    figure: Callable[..., NDArray[np.float64]],
    what: str,
    *,
    seed: int,
    level: float,
) -> Estimate:
    """Raises InputError for NaN and for a number that is not above 0, NotEnoughData for fewer than two on a side."""
    first, second = scores(before, "measurements before"), scores(after, "measurements after")
    check_level(level)
    if min(first.size, second.size) < 2:
        raise NotEnoughData(f"a ratio with an interval takes two measurements on each side, not {second.size}")
    if first.min() <= 0 or second.min() <= 0:
        raise InputError("a cost or time is 0 or less, and has no ratio; leave requests without a price out, counted")
    generator = np.random.default_rng(seed)
    logs = np.log(_resampled(first, figure, generator)) - np.log(_resampled(second, figure, generator))
    low, high = np.exp(np.quantile(logs, [(1 - level) / 2, (1 + level) / 2]))
    value = float(figure(first) / figure(second))
    return Estimate(
        value=value,
        ci_low=min(float(low), value),
        ci_high=max(float(high), value),
        level=level,
        n=min(first.size, second.size),
        method=f"{what}, percentile bootstrap",
    )


def _resampled(
    values: NDArray[np.float64], figure: Callable[..., NDArray[np.float64]], generator: np.random.Generator
) -> NDArray[np.float64]:
    block = max(1, _BLOCK // values.size)
    found = [
        figure(values[generator.integers(0, values.size, (min(block, _RESAMPLES - at), values.size))], axis=1)
        for at in range(0, _RESAMPLES, block)
    ]
    return np.concatenate(found)
