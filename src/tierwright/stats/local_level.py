"""Forecast of the mean of what comes next in a series whose level may drift.

Owns the model: a value is a level plus noise, and the level walks at random. How much of what is seen is walk and how
much noise is not known: ratios of the two from a thousandth to one are weighed by how well they explain the past, each
power of ten as likely as another beforehand. So a level that stands still is forecast by nearly the mean, one that
wanders by its last values, with an interval that grows with the horizon. Refuses to know what is counted.

Of the families tried (independent values, fractional Gaussian noise, fractional Brownian motion, and mixtures of these
with the walk), this one held its level best in the worst of six simulated kinds of series; it is too wide, by about
half, for values that are independent (`tests/simulation/test_volume_coverage.py`).

References:
    West and Harrison (1997), Bayesian Forecasting and Dynamic Models, 2nd edition, Springer, sections 2.2 and 2.5: the
    first-order polynomial model with unknown variance, whose forecasts have Student's distribution.
    Durbin and Koopman (2012), Time Series Analysis by State Space Methods, 2nd edition, Oxford, sections 2.9 and 2.10:
    diffuse start, and the likelihood with the variance concentrated out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Variances of one step of the walk, in variances of the noise.
_RATIOS = np.geomspace(1e-3, 1.0, 13)
#: How many observations the prior variance of the noise counts for.
_PRIOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanForecast:
    """The mean of the next stretch."""

    mean: float
    #: Ends of the central interval.
    low: float
    high: float


def forecast_mean(
    seen: NDArray[np.float64], spread: NDArray[np.float64], *, horizon: float, noise: float, level: float
) -> MeanForecast:
    """The mean of the next `horizon` values after those `seen`, which are equally far apart, in order of time.

    `spread` is the variance of each one's noise relative to the others', around 1; `noise` the variance that is there
    at least, as a prior guess worth two observations. One value suffices: the guess then stands alone.
    """
    mean, variance = np.full(len(_RATIOS), seen[0]), np.full(len(_RATIOS), spread[0])
    squares, log_weight = np.full(len(_RATIOS), _PRIOR * noise), np.zeros(len(_RATIOS))
    for value, share in zip(seen[1:].tolist(), spread[1:].tolist(), strict=True):
        before = variance + _RATIOS
        total = before + share
        error = value - mean
        gain = before / total
        mean = mean + gain * error
        variance = gain * share
        squares += error**2 / total
        log_weight -= 0.5 * np.log(total)
    freedom = len(seen) - 1 + _PRIOR
    log_weight -= 0.5 * freedom * np.log(squares)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    # The walk goes on from the middle of the last value, and is averaged over the horizon.
    ahead = variance + _RATIOS * (horizon / 3 + 0.5) + 1 / horizon
    scale = np.sqrt(squares / freedom * ahead)
    tail = (1 - level) / 2
    return MeanForecast(
        mean=float(weight @ mean),
        low=_quantile(tail, mean, scale, weight, freedom),
        high=_quantile(1 - tail, mean, scale, weight, freedom),
    )


def _quantile(
    share: float,
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    weight: NDArray[np.float64],
    freedom: float,
) -> float:
    """Of the mixture of Student's distributions, by bisection."""
    width = 200.0 * float(scale.max())
    low, high = float(mean.min()) - width, float(mean.max()) + width
    for _ in range(60):
        middle = (low + high) / 2
        below = float(weight @ stdtr(freedom, (middle - mean) / scale))
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2
