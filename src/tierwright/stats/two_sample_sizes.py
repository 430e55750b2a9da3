"""How far apart two samples are, with intervals that hold where observations come in blocks.

Owns the area under the curve, the difference of two shares, and the division into what finds a difference and what
measures it. Refuses to know what is predicted.

Blocks lie on one side as wholes, so the variance is that of the sums of blocks, side by side; with few blocks the
normal quantile is replaced by Student's, with Welch's degrees of freedom.

References:
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
        characteristic curves, Biometrics 44:837-845.
    Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53:567-578.
    Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine
        17:873-890: method 10.
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
        estimated from survey data, Survey Methodology 24:193-201: the effective number of observations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit
from scipy.stats import rankdata

from tierwright.core.errors import NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, outcomes
from tierwright.stats.intervals import wilson_ends
from tierwright.stats.two_samples import gap_ends

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.permutation import Design

#: Blocks of each side without which a difference can't be found in some and measured in others.
FEWEST_BLOCKS = 4
#: Degrees of freedom that stand for as many as one likes: Student's quantile is then the normal one.
_MANY = 1e9


def halves(
    design: Design, generator: np.random.Generator, *, finding: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Observations that say what a difference looks like, about this share of the blocks, and those that measure it.

    Blocks are drawn as wholes, side by side: what sets one day apart from others must not be taken for what sets late
    from early. Raises NotEnoughData where a side has fewer than four blocks.
    """
    found = np.zeros(design.late_blocks.size, dtype=np.bool_)
    for side in (design.late_blocks, ~design.late_blocks):
        blocks = generator.permutation(np.flatnonzero(side))
        if len(blocks) < FEWEST_BLOCKS:
            raise NotEnoughData(
                f"one side has {len(blocks)} blocks; {FEWEST_BLOCKS} are needed to find a difference in some and "
                "measure it in others"
            )
        found[blocks[: max(1, int(len(blocks) * finding))]] = True
    inside = found[design.blocks]
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def area_under_curve(predicted: NDArray[np.float64], design: Design, *, level: float = 0.95) -> Estimate:
    """The share of pairs in which the late observation is ranked above the early one, ties half.

    Where every observation is its own block this is DeLong's estimate and interval. Predictions must come from a model
    that has not seen these observations.
    """
    check_level(level)
    late, early = predicted[design.late], predicted[~design.late]
    ranks = rankdata(predicted)
    above = np.empty(len(predicted))
    above[design.late] = (ranks[design.late] - rankdata(late)) / len(early)
    above[~design.late] = 1 - (ranks[~design.late] - rankdata(early)) / len(late)
    area = float(above[design.late].mean())
    sizes = np.where(design.late, len(late), len(early))
    variances, freedom = _variances((above - area) / sizes, design)
    half = _quantile(level, _MANY if design.by_itself else freedom) * float(np.sqrt(sum(variances)))
    return Estimate(
        value=area,
        ci_low=max(0.0, area - half),
        ci_high=min(1.0, area + half),
        level=level,
        n=design.late_blocks.size,
        method="area under the curve, DeLong" if design.by_itself else "area under the curve, Obuchowski, blocks",
    )


def difference_of_shares(hits: ArrayLike, design: Design, *, name: str, level: float = 0.95) -> Estimate:
    """Late minus early share of 0/1 outcomes: Newcombe's hybrid score interval, with effective numbers for blocks.

    The effective number of a side is what would give independent outcomes the variance seen between blocks, and never
    more than there are. `name` says what is shared and goes into the method.
    """
    found = outcomes(hits)
    check_level(level)
    sides = (design.late, ~design.late)
    shares = [float(found[side].mean()) for side in sides]
    sizes, critical = [float(side.sum()) for side in sides], _quantile(level, _MANY)
    if not design.by_itself:
        residual = np.where(design.late, (found - shares[0]) / sizes[0], (found - shares[1]) / sizes[1])
        variances, freedom = _variances(residual, design)
        critical = _quantile(level, freedom)
        sizes = [_effective(*of) for of in zip(shares, sizes, variances, strict=True)]
    (late, early) = shares
    of_late, of_early = (wilson_ends(of * size, size, critical) for of, size in zip(shares, sizes, strict=True))
    low, high = gap_ends(late, of_late, early, of_early)
    return Estimate(
        value=late - early,
        ci_low=low,
        ci_high=high,
        level=level,
        n=design.late_blocks.size,
        method=f"{name}, Newcombe hybrid score" + ("" if design.by_itself else ", blocks"),
    )


def _variances(residual: NDArray[np.float64], design: Design) -> tuple[tuple[float, float], float]:
    """The variance that each side brings, late first, and Welch's degrees of freedom of their sum."""
    sums = np.bincount(design.blocks, weights=residual, minlength=design.late_blocks.size)
    found, freedom = [], 0.0
    for side in (design.late_blocks, ~design.late_blocks):
        blocks = int(side.sum())
        found.append(blocks / (blocks - 1) * float((sums[side] ** 2).sum()))
        freedom += found[-1] ** 2 / (blocks - 1)
    total = sum(found)
    return (found[0], found[1]), (total**2 / freedom if freedom > 0 else _MANY)


def _effective(share: float, size: float, variance: float) -> float:
    alone = share * (1 - share)
    return size if variance <= 0 or alone <= 0 else min(size, alone / variance)


def _quantile(level: float, freedom: float) -> float:
    return float(stdtrit(freedom, 0.5 + level / 2))
