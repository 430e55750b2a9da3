"""The mean of measurements, with Student's interval.

Owns the interval of one mean; refuses to know what was measured. For means of skewed or clustered values see
`stats.intervals.bootstrap_mean`: this one is for large samples, where it costs nothing.

References:
    Student (1908), The probable error of a mean, Biometrika 6:1-25.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import stdtrit

from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def student_mean(values: ArrayLike, *, level: float = 0.95, low: float = -math.inf, high: float = math.inf) -> Estimate:
    """The mean of finite values and Student's interval, cut to the range that the values can have.

    One value alone says nothing of how others differ: its interval is the whole range. Raises InputError for NaN,
    NotEnoughData where there is no value.
    """
    found = scores(values)
    check_level(level)
    mean = float(found.mean())
    if found.size < 2:
        return Estimate(value=mean, ci_low=low, ci_high=high, level=level, n=1, method="mean of one value")
    half = float(stdtrit(found.size - 1, 0.5 + level / 2)) * float(found.std(ddof=1)) / math.sqrt(found.size)
    return Estimate(
        value=mean,
        ci_low=max(low, mean - half),
        ci_high=min(high, mean + half),
        level=level,
        n=found.size,
        method="mean, Student's interval",
    )
