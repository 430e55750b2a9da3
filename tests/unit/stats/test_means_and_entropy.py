"""Student's mean and the entropy of Chao, Wang and Jost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.entropy import entropy_bits
from tierwright.stats.means import student_mean


def test_the_interval_is_that_of_the_sleep_data() -> None:
    """Student (1908) himself: additional hours of sleep by laevo-hyoscyamine, mean 2.33, interval [0.90, 3.76]."""
    found = student_mean([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    assert found.value == pytest.approx(2.33)
    assert (found.ci_low, found.ci_high) == (pytest.approx(0.8977, abs=1e-3), pytest.approx(3.7623, abs=1e-3))


def test_one_value_says_nothing_of_how_others_differ() -> None:
    """The interval of one value is all that the values can be."""
    found = student_mean([0.3], low=0.0, high=1.0)
    assert (found.value, found.ci_low, found.ci_high, found.n) == (0.3, 0.0, 1.0, 1)


def test_the_interval_is_cut_to_the_range() -> None:
    """A share's interval does not leave [0, 1]."""
    assert student_mean([0.0, 0.0, 0.1], low=0.0, high=1.0).ci_low == 0.0


def test_much_seen_categories_have_the_entropy_of_their_shares() -> None:
    """With nothing unseen the estimate is the plain one."""
    assert entropy_bits([500, 250, 250]).value == pytest.approx(1.5, abs=0.01)
    assert entropy_bits([1000]).value == 0.0


def test_a_small_sample_by_hand() -> None:
    """Counts 2, 1, 1: what was seen has 2/4 (1/2 + 1/3) + 2 * 1/4 (1 + 1/2 + 1/3) nats, the rest is a series."""
    seen = 2 / 4 * (1 / 2 + 1 / 3) + 2 * 1 / 4 * (1 + 1 / 2 + 1 / 3)
    again = 2 * 1 / (3 * 2 + 2 * 1)
    unseen = 2 / 4 * sum((1 - again) ** j / (j + 3) for j in range(1, 400))
    assert entropy_bits([2, 1, 1]).value == pytest.approx((seen + unseen) / math.log(2))


def test_the_series_is_right_where_it_hardly_falls() -> None:
    """Five hundred categories once, one twice: two million terms added up one by one."""
    n = 502
    again = 2 * 1 / ((n - 1) * 500 + 2 * 1)
    terms = np.arange(1, 5_000_000, dtype=np.float64)
    series = float((np.exp(terms * math.log1p(-again)) / (terms + n - 1)).sum())
    harmonic = float((1 / np.arange(1, n)).sum())
    seen = 500 / n * harmonic + 2 / n * (harmonic - 1)
    assert entropy_bits([2, *[1] * 500]).value == pytest.approx((seen + 500 / n * series) / math.log(2))


def test_what_was_never_seen_twice_is_bounded_from_below_only() -> None:
    """A thousand different texts have an entropy of at least as much as collisions allow, up to the stated most."""
    found = entropy_bits(np.ones(1000, dtype=np.int64), most_bits=64.0)
    assert found.ci_low == pytest.approx(math.log2(1000 * 999 / 2 / -math.log(0.05)))
    assert found.ci_low < found.value < found.ci_high == 64.0


def test_nothing_and_less_than_nothing_are_refused() -> None:
    """No observation is too few, a negative count is wrong."""
    with pytest.raises(NotEnoughData):
        entropy_bits([0, 0])
    with pytest.raises(InputError):
        entropy_bits([3, -1])
