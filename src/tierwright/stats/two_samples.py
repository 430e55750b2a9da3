"""The difference of two shares from different examples: error rates of two groups of users.

Owns Newcombe's hybrid score interval, also from intervals that are robust to clusters. Refuses to know what is shared.

References:
    Newcombe (1998), Interval estimation for the difference between independent proportions: comparison of eleven
        methods, Statistics in Medicine 17:873-890, method 10.
    Zou and Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27:1693-1702:
        the same construction from any two intervals.
"""

from __future__ import annotations

import math

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.stats.intervals import wilson


def newcombe(first: int, first_n: int, second: int, second_n: int, *, level: float = 0.95) -> Estimate:
    """The difference of two independent shares, first minus second, from counts.

    Raises InputError for impossible counts, NotEnoughData where a group is empty.
    """
    return share_gap(wilson(first, first_n, level=level), wilson(second, second_n, level=level))


def share_gap(first: Estimate, second: Estimate) -> Estimate:
    """The difference of two shares with independent intervals of the same level, first minus second.

    `n` is the smaller one. Raises InputError where the levels differ.
    """
    if first.level != second.level:
        raise InputError(f"the intervals have levels {first.level} and {second.level}; take both at one level")
    value = first.value - second.value
    low, high = gap_ends(first.value, (first.ci_low, first.ci_high), second.value, (second.ci_low, second.ci_high))
    method = "Newcombe hybrid score"
    if first.method != "Wilson score" or second.method != "Wilson score":
        method += f", from {first.method} and {second.method}"
    return Estimate(
        value=value,
        ci_low=max(-1.0, low),
        ci_high=min(1.0, high),
        level=first.level,
        n=min(first.n, second.n),
        method=method,
    )


def gap_ends(
    first: float, of_first: tuple[float, float], second: float, of_second: tuple[float, float]
) -> tuple[float, float]:
    """The ends of the interval of a difference, first minus second, from two shares and the ends of their intervals."""
    below = math.hypot(first - of_first[0], of_second[1] - second)
    above = math.hypot(of_first[1] - first, second - of_second[0])
    return first - second - below, first - second + above
