"""Welch's interval against a printed example, and what it refuses."""

from __future__ import annotations

import math

import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.welch import Sums, difference_of_means, ratio_of_means


def sums(values: list[float]) -> Sums:
    """What is needed of a group."""
    return Sums(n=len(values), total=sum(values), squares=sum(value * value for value in values))


def test_welchs_interval() -> None:
    """Two groups of 15 with means 20.8 and 23.0 and variances 7.9 and 3.8: 25.0 degrees of freedom, by hand.

    The figures are those of the first example in Wikipedia's article on Welch's test.
    """
    first = Sums(n=15, total=15 * 20.8, squares=14 * 7.9 + 15 * 20.8**2)
    second = Sums(n=15, total=15 * 23.0, squares=14 * 3.8 + 15 * 23.0**2)
    found = difference_of_means(first, second)
    # Student's quantile at 0.975 and 25 degrees of freedom is 2.060; the error is the root of (7.9 + 3.8) / 15, 0.8832.
    assert found.value == pytest.approx(-2.2)
    assert (found.ci_low, found.ci_high) == pytest.approx((-2.2 - 2.060 * 0.8832, -2.2 + 2.060 * 0.8832), abs=0.002)
    assert found.n == 15


def test_fiellers_interval_by_hand() -> None:
    """Means 2 and 10 with squared errors 0.04 and 0.25 of ten each: t(9) = 2.262, roots of 98.721 r^2 - 40 r + 3.795.

    98.721 is 100 - 2.262^2 * 0.25 and 3.795 is 4 - 2.262^2 * 0.04; the roots are 0.1516 and 0.2536 to four places.
    """
    first = Sums(n=10, total=20.0, squares=9 * 0.4 + 10 * 4.0)
    second = Sums(n=10, total=100.0, squares=9 * 2.5 + 10 * 100.0)
    found = ratio_of_means(first, second)
    assert found.value == 0.2
    half = math.sqrt(20.0**2 - 98.721 * 3.795) / 98.721
    assert (found.ci_low, found.ci_high) == pytest.approx((20 / 98.721 - half, 20 / 98.721 + half), abs=2e-4)


def test_a_ratio_to_nothing_is_refused() -> None:
    """Where the second mean may be 0, no ratio to it is bounded."""
    with pytest.raises(NotEnoughData, match="not told from 0"):
        ratio_of_means(sums([1.0, 2.0]), sums([-1.0, 1.1]))


def test_groups_that_say_nothing_are_refused() -> None:
    """One observation, equal observations and NaN are refused with the reason."""
    with pytest.raises(NotEnoughData, match="at least two"):
        difference_of_means(sums([1.0]), sums([1.0, 2.0]))
    with pytest.raises(NotEnoughData, match="all observations of both groups are equal"):
        difference_of_means(sums([1.0, 1.0]), sums([2.0, 2.0]))
    with pytest.raises(InputError, match="NaN"):
        difference_of_means(Sums(n=3, total=math.nan, squares=1.0), sums([1.0, 2.0]))
