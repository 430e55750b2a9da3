"""How many requests a month brings, from the times of those seen.

Owns the projection; refuses to know what a request costs.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.estimate import Estimate
from tierwright.core.profile import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAYS_PER_MONTH = 365.25 / 12
_DAY_S, _HOUR_S = 86_400, 3600


def project(at: NDArray[np.float64], since: float, until: float) -> Volume:
    """The volume of requests at the given instants (seconds since 1970, UTC) of a period.

    The interval is that of the mean of daily counts; less than three days tell nothing of how days differ: then it is
    that of a Poisson count.
    """
    first, last = int(since // _DAY_S), int(until // _DAY_S)
    daily = np.bincount((at // _DAY_S).astype(np.int64) - first, minlength=last - first + 1)
    days = max((until - since) / _DAY_S, 1.0)
    value = len(at) * DAYS_PER_MONTH / days
    if len(daily) > 2:
        half = 1.96 * float(daily.std(ddof=1)) / math.sqrt(len(daily)) * DAYS_PER_MONTH
        method = "mean of daily counts, normal interval"
    else:
        half = 1.96 * math.sqrt(len(at)) * DAYS_PER_MONTH / days
        method = "Poisson count, normal interval"
    weekday = np.array([datetime.fromtimestamp(day * _DAY_S, UTC).weekday() for day in range(first, last + 1)])
    seen = np.maximum(np.bincount(weekday, minlength=7), 1)
    hours = np.bincount((at % _DAY_S // _HOUR_S).astype(np.int64), minlength=24) / days
    return Volume(
        monthly=Estimate(value=value, ci_low=max(0.0, value - half), ci_high=value + half, n=len(daily), method=method),
        trend=Estimate(value=0.0, ci_low=-math.inf, ci_high=math.inf, n=len(daily), method="not estimated"),
        hourly=tuple(hours.tolist()),
        weekly=tuple((np.bincount(weekday, weights=daily, minlength=7) / seen).tolist()),
        daily=tuple(daily.tolist()),
    )
