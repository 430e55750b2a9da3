"""Bounds on an error rate that hold with a stated confidence.

Owns the exact binomial bound and the counts it needs; refuses to know what an error is.

References:
    Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26:404-413.
    Geifman and El-Yaniv (2017), Selective classification for deep neural networks, arXiv 1705.08500.
"""

from __future__ import annotations

import math

from scipy.special import bdtr, betaincinv

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_counts, check_level, check_share


def error_upper_bound(errors: int, n: int, *, level: float = 0.95) -> Estimate:
    """The exact upper bound of an error rate: with probability `level` or more the rate is not above `ci_high`.

    One-sided: `ci_low` is 0. Raises InputError for impossible counts, NotEnoughData for n = 0.
    """
    check_counts(errors, n, "errors")
    check_level(level)
    high = 1.0 if errors == n else float(betaincinv(errors + 1, n - errors, level))
    return Estimate(
        value=errors / n, ci_low=0.0, ci_high=high, level=level, n=n, method="Clopper-Pearson, one-sided upper"
    )


def labels_needed(limit: float, *, level: float = 0.95) -> int:
    """The fewest error-free observations that bound an error rate by `limit`.

    That is ln(1 - level) / ln(1 - limit), rounded up: 59 for a limit of 0.05 at level 0.95. Raises InputError unless
    the limit lies strictly between 0 and 1.
    """
    check_level(level)
    if not 0.0 < limit < 1.0:
        raise InputError(f"the limit of the error rate is {limit}; give a number between 0 and 1, for example 0.05")
    return math.ceil(math.log1p(-level) / math.log1p(-limit) - 1e-12)


def bounded_rate_power(n: int, *, rate: float, limit: float, level: float = 0.95) -> Estimate:
    """The probability that n observations of an event with this rate give an upper bound strictly below `limit`.

    Exact, so the interval has no width. Raises InputError for a rate or limit outside [0, 1].
    """
    check_counts(0, n)
    check_level(level)
    check_share(rate, "rate")
    check_share(limit, "limit")
    low, high = -1, n  # most events that pass, and fewest that do not: the bound grows with the count
    while high - low > 1:
        middle = (low + high) // 2
        if float(betaincinv(middle + 1, n - middle, level)) < limit:
            low = middle
        else:
            high = middle
    value = float(bdtr(low, n, rate)) if low >= 0 else 0.0
    return Estimate(value=value, ci_low=value, ci_high=value, level=level, n=n, method="exact binomial power")
