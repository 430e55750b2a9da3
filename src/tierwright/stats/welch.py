"""The difference between the means of two groups of different observations, such as requests drawn into one or other.

Owns Welch's interval, from sums that a database can make. Refuses to know what was observed. The difference is the
first group minus the second.

References:
    Welch (1947), The generalization of "Student's" problem when several different population variances are involved,
        Biometrika 34:28-35.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """All that Welch's interval needs of a group, so that a database can add it up."""

    n: int
    total: float
    #: Sum of the squares.
    squares: float

    @property
    def mean(self) -> float:
        """The mean; NaN of nothing."""
        return self.total / self.n if self.n else math.nan

    @property
    def variance(self) -> float:
        """The unbiased variance, at least 0; NaN of fewer than two."""
        return max(0.0, self.squares - self.n * self.mean**2) / (self.n - 1) if self.n > 1 else math.nan


def difference_of_means(first: Sums, second: Sums, *, level: float = 0.95) -> Estimate:
    """The difference of two independent means, with Welch's interval.

    `n` of the result is the size of the smaller group. Raises InputError where a sum is NaN or infinite, NotEnoughData
    where a group has fewer than two observations or all of both are equal.
    """
    check_level(level)
    if not all(math.isfinite(number) for sums in (first, second) for number in (sums.total, sums.squares)):
        raise InputError("a sum of the groups is NaN or infinite; leave out what was not measured, and count it")
    smaller = min(first.n, second.n)
    if smaller < 2:
        raise NotEnoughData(f"one of the groups has {smaller} observations; at least two are needed in each")
    one, two = first.variance / first.n, second.variance / second.n
    if one + two == 0.0:
        raise NotEnoughData("all observations of both groups are equal, which can't tell how far the means may lie")
    freedom = (one + two) ** 2 / (one**2 / (first.n - 1) + two**2 / (second.n - 1))
    half = float(stdtrit(freedom, 0.5 + level / 2)) * math.sqrt(one + two)
    value = first.mean - second.mean
    return Estimate(value=value, ci_low=value - half, ci_high=value + half, level=level, n=smaller, method="Welch")
