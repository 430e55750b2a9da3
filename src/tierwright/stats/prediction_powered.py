"""Means from few gold labels and many cheap ones, with intervals that hold however wrong the cheap ones are.

Owns prediction-powered inference for means and paired differences. Refuses to know where cheap labels come from (a
judge, the incumbent, a classifier).

The cheap labels lower the variance as far as they follow the gold ones; their error is measured on the observations
that have both and enters the interval. Gold observations must be a random sample of all. Cheap labels made by something
that was fitted on the gold ones must be out-of-fold where they meet them (`cross_fitted_mean`), otherwise their error
looks smaller than it is.

Few gold labels: the interval is by normal approximation with Student's t, and what is missed by it is rare large errors
of the cheap labels that the gold sample happens not to show. Two imagined gold observations, one a whole label too high
and one too low, keep the variance from being taken for zero (in the manner of Agresti and Coull 1998); below `MIN_GOLD`
it is refused: use the gold labels alone, with a score interval.

References:
    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), Prediction-powered inference, Science 382:669-674,
        arXiv 2301.09633, algorithm 1.
    Angelopoulos, Duchi and Zrnic (2023), PPI++: efficient prediction-powered inference, arXiv 2311.01453, section 6:
        power tuning.
    Zrnic and Candes (2024), Cross-prediction-powered inference, PNAS 121(15), arXiv 2309.16598.
    Agresti and Coull (1998), Approximate is better than "exact" for interval estimation of binomial proportions,
        The American Statistician 52:119-126.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_counts, check_level, same_length, scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Gold labels below which a prediction-powered interval is refused.
MIN_GOLD = 30


def ppi_mean(
    gold: ArrayLike,
    cheap: ArrayLike,
    cheap_elsewhere: ArrayLike,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    weight: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """The mean of gold labels over all observations, from n gold ones and cheap ones of these and of N others.

    `gold` and `cheap` have shape (n,), `cheap_elsewhere` (N,); all lie within `bounds`. `weight` in [0, 1] is how far
    cheap labels are trusted: 1 is PPI, 0 the gold labels alone, None tunes it (PPI++). `n` of the result is the number
    of gold labels. Raises InputError for NaN, unequal lengths and numbers out of bounds, NotEnoughData below
    `MIN_GOLD` gold labels and where there is no other observation.
    """
    right, near = scores(gold, "gold labels"), scores(cheap, "cheap labels of gold observations")
    same_length(right, near, "the gold labels and the cheap labels of the same observations")
    far = scores(cheap_elsewhere, "cheap labels elsewhere")
    _check(right, near, far, bounds=bounds, level=level)
    if weight is not None and not 0.0 <= weight <= 1.0:
        raise InputError(f"the weight of the cheap labels is {weight}; give a number from 0 to 1")
    used = tuned_weight(right, near, far) if weight is None else weight
    value = float(right.mean() + used * (far.mean() - near.mean()))
    reach = max(abs(bounds[0]), abs(bounds[1]))
    variance = used**2 * _variance(far) / far.size + _guarded(right - used * near, reach) / right.size
    name = "PPI++" if weight is None else "PPI"
    return _estimate(value, variance, bounds=bounds, n=right.size, level=level, method=f"{name}, t")


def ppi_difference(
    gold: tuple[ArrayLike, ArrayLike],
    cheap: tuple[ArrayLike, ArrayLike],
    cheap_elsewhere: tuple[ArrayLike, ArrayLike],
    *,
    weight: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """The mean difference, candidate minus baseline, of two scores in [0, 1] on the same observations.

    Each argument is (the candidate's, the baseline's). The weight is tuned for the difference, not for each of the two.
    Raises as `ppi_mean` does.
    """
    pairs: list[NDArray[np.float64]] = []
    for name, (candidate, baseline) in (
        ("gold", gold),
        ("cheap", cheap),
        ("cheap elsewhere", cheap_elsewhere),
    ):
        first, second = scores(candidate, f"candidate's {name} scores"), scores(baseline, f"baseline's {name} scores")
        same_length(first, second, f"the candidate's and the baseline's {name} scores")
        pairs.append(first - second)
    return ppi_mean(pairs[0], pairs[1], pairs[2], bounds=(-1.0, 1.0), weight=weight, level=level)


def ppi_of_disagreements(
    gold: ArrayLike,
    cheap: ArrayLike,
    cheap_elsewhere: ArrayLike,
    *,
    disagreements: int,
    n: int,
    effect: float = 1.0,
    level: float = 0.95,
) -> Estimate:
    """The paired difference over n examples, from gold and cheap labels of those on which the two disagree.

    All labels are differences in [-1, 1] on disagreements, the gold ones of a random sample of them. The mean over
    disagreements is `ppi_mean`'s; times their share among n it is the difference, and the share's own binomial error is
    added. `effect` is the design effect of groups that count as copies. Raises as `ppi_mean` does.
    """
    inside = ppi_mean(gold, cheap, cheap_elsewhere, bounds=(-1.0, 1.0), level=level)
    check_counts(disagreements, n, "disagreements")
    share = disagreements / n
    critical = float(stdtrit(inside.n - 1, 0.5 + level / 2))
    counted = critical * abs(inside.value) * math.sqrt(share * (1 - share) / n)
    value, stretch = share * inside.value, math.sqrt(effect)
    below, above = share * (inside.value - inside.ci_low), share * (inside.ci_high - inside.value)
    return Estimate(
        value=value,
        ci_low=max(-1.0, value - stretch * math.hypot(below, counted)),
        ci_high=min(1.0, value + stretch * math.hypot(above, counted)),
        level=level,
        n=inside.n,
        method="PPI++ on disagreements, t" + ("" if effect == 1.0 else ", groups as copies"),
    )


def cross_fitted_mean(
    gold: ArrayLike,
    cheap_out_of_fold: ArrayLike,
    cheap_elsewhere: ArrayLike,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
) -> Estimate:
    """The same where what makes the cheap labels was fitted on the gold ones, once without each of K folds.

    `cheap_out_of_fold`, shape (n,), holds for each gold observation the cheap label of the fit that has not seen it;
    `cheap_elsewhere`, shape (K, N), those of all fits for the others, whose mean is used. The weight is 1, as in the
    paper: a fit to the gold labels needs no second one. Raises as `ppi_mean` does.
    """
    elsewhere = np.asarray(cheap_elsewhere, dtype=np.float64)
    if elsewhere.ndim != 2 or elsewhere.shape[0] < 2:
        raise InputError(
            f"the cheap labels elsewhere have the shape {elsewhere.shape}; give one row for each of two or more fits"
        )
    found = ppi_mean(gold, cheap_out_of_fold, elsewhere.mean(axis=0), bounds=bounds, weight=1.0, level=level)
    return Estimate(
        value=found.value,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        level=level,
        n=found.n,
        method=f"cross-PPI of {elsewhere.shape[0]} folds, t",
    )


def tuned_weight(gold: NDArray[np.float64], cheap: NDArray[np.float64], elsewhere: NDArray[np.float64]) -> float:
    """The weight in [0, 1] that makes the variance least: cov(gold, cheap) / ((1 + n/N) var(cheap))."""
    variance = _variance(np.concatenate([cheap, elsewhere]))
    if variance == 0.0:
        return 0.0
    shared = float(((gold - gold.mean()) * (cheap - cheap.mean())).sum() / (gold.size - 1))
    return min(1.0, max(0.0, shared / ((1 + gold.size / elsewhere.size) * variance)))


def _check(
    gold: NDArray[np.float64],
    cheap: NDArray[np.float64],
    elsewhere: NDArray[np.float64],
    *,
    bounds: tuple[float, float],
    level: float,
) -> None:
    check_level(level)
    low, high = bounds
    if not low < high:
        raise InputError(f"the bounds of the labels are {low} and {high}; the first must be the smaller one")
    for name, found in (("gold labels", gold), ("cheap labels", cheap), ("cheap labels elsewhere", elsewhere)):
        if found.min() < low or found.max() > high:
            raise InputError(f"the {name} run from {found.min():g} to {found.max():g}, outside of {low:g} to {high:g}")
    if gold.size < MIN_GOLD:
        raise NotEnoughData(
            f"there are {gold.size} gold labels; a prediction-powered interval needs {MIN_GOLD}, since rare errors of "
            "the cheap labels don't show in fewer: use the gold labels alone, or label more"
        )


def _variance(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1)) if values.size > 1 else 0.0


def _guarded(residuals: NDArray[np.float64], reach: float) -> float:
    """The variance of residuals with two imagined ones, `reach` above and below their mean."""
    squares = float(((residuals - residuals.mean()) ** 2).sum())
    return (squares + 2 * reach**2) / (residuals.size + 1)


def _estimate(
    value: float, variance: float, *, bounds: tuple[float, float], n: int, level: float, method: str
) -> Estimate:
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * math.sqrt(variance)
    kept = min(bounds[1], max(bounds[0], value))
    return Estimate(
        value=kept,
        ci_low=max(bounds[0], value - half),
        ci_high=min(bounds[1], value + half),
        level=level,
        n=n,
        method=method,
    )
