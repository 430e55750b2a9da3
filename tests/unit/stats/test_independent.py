"""Differences of independent groups against the examples that their papers and textbooks print."""

from __future__ import annotations

import math

import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.independent import Sums, difference_of_means, difference_of_shares


def sums(values: list[float]) -> Sums:
    """What is needed of a group."""
    return Sums(n=len(values), total=sum(values), squares=sum(value * value for value in values))


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_newcombes_own_examples(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    """Table II of Newcombe (1998), method 10."""
    found = difference_of_shares(*counts)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=5e-5)


def test_welchs_interval() -> None:
    """Two samples of 15 with t = -2.46 at 25.0 degrees of freedom (Wikipedia, Welch's t-test, first example)."""
    first = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    second = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.0, 23.9]
    found = difference_of_means(sums(first), sums(second))
    value = sum(first) / 15 - sum(second) / 15
    # Student's quantile at 0.975 and 25 degrees of freedom is 2.060.
    half = 2.060 * value / -2.46
    assert found.value == pytest.approx(value)
    assert (found.ci_low, found.ci_high) == pytest.approx((value - half, value + half), abs=0.01)
    assert found.n == 15


def test_groups_that_say_nothing_are_refused() -> None:
    """An empty group, one observation, equal observations and NaN are refused with the reason."""
    with pytest.raises(NotEnoughData):
        difference_of_shares(0, 0, 1, 2)
    with pytest.raises(NotEnoughData, match="at least two"):
        difference_of_means(sums([1.0]), sums([1.0, 2.0]))
    with pytest.raises(NotEnoughData, match="all observations of both groups are equal"):
        difference_of_means(sums([1.0, 1.0]), sums([2.0, 2.0]))
    with pytest.raises(InputError, match="NaN"):
        difference_of_means(Sums(n=3, total=math.nan, squares=1.0), sums([1.0, 2.0]))
