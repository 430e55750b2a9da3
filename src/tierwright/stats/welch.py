"""Two means of different observations, such as requests that were drawn into one group or the other.

Owns Welch's interval of the difference and Fieller's of the ratio, from sums that a database can make. Refuses to know
what was observed. The difference is the first group minus the second, the ratio the first through the second.

References:
    Welch (1947), The generalization of "Student's" problem when several different population variances are involved,
        Biometrika 34:28-35.
    Fieller (1954), Some problems in interval estimation, JRSS B 16:175-185.
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
    one, two = _squared_errors(first, second, level)
    freedom = (one + two) ** 2 / (one**2 / (first.n - 1) + two**2 / (second.n - 1))
    half = float(stdtrit(freedom, 0.5 + level / 2)) * math.sqrt(one + two)
    value = first.mean - second.mean
    return Estimate(
        value=value, ci_low=value - half, ci_high=value + half, level=level, n=min(first.n, second.n), method="Welch"
    )


def ratio_of_means(first: Sums, second: Sums, *, level: float = 0.95) -> Estimate:
    """The ratio of two independent means, with Fieller's interval; Student's quantile is that of the smaller group.

    Raises as `difference_of_means` does, and NotEnoughData where the second mean may as well be 0.
    """
    one, two = _squared_errors(first, second, level)
    square = float(stdtrit(min(first.n, second.n) - 1, 0.5 + level / 2)) ** 2
    lead = second.mean**2 - square * two
    if lead <= 0.0:
        raise NotEnoughData("the second group's mean is not told from 0, so that no ratio to it can be bounded")
    centre = first.mean * second.mean / lead
    half = math.sqrt(max(0.0, centre**2 - (first.mean**2 - square * one) / lead))
    return Estimate(
        value=first.mean / second.mean,
        ci_low=centre - half,
        ci_high=centre + half,
        level=level,
        n=min(first.n, second.n),
        method="Fieller",
    )


def _squared_errors(first: Sums, second: Sums, level: float) -> tuple[float, float]:
    """The squared standard errors of both means, after looking at what was given."""
    check_level(level)
    if not all(math.isfinite(number) for sums in (first, second) for number in (sums.total, sums.squares)):
        raise InputError("a sum of the groups is NaN or infinite; leave out what was not measured, and count it")
    smaller = min(first.n, second.n)
    if smaller < 2:
        raise NotEnoughData(f"one of the groups has {smaller} observations; at least two are needed in each")
    one, two = first.variance / first.n, second.variance / second.n
    if one + two == 0.0:
        raise NotEnoughData("all observations of both groups are equal, which can't tell how far the means may lie")
    return one, two
