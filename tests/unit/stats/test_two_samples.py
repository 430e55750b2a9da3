"""Differences of two independent shares."""

from __future__ import annotations

import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.intervals import wilson
from tierwright.stats.two_samples import newcombe, share_gap


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
        ((10, 10, 0, 10), 0.6075, 1.0000),
    ],
)
def test_published_examples(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17:873-890, Table II, method 10."""
    found = newcombe(*counts)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=5e-5)


def test_swapped_groups_swap_the_interval() -> None:
    """First minus second is minus second minus first."""
    there, back = newcombe(5, 20, 9, 40), newcombe(9, 40, 5, 20)
    assert (there.value, there.ci_low) == pytest.approx((-back.value, -back.ci_high))
    assert there.n == 20


def test_levels_must_agree_and_groups_have_members() -> None:
    """Two intervals of different levels have no common one, and an empty group has none at all."""
    with pytest.raises(InputError, match="levels"):
        share_gap(wilson(1, 2), wilson(1, 2, level=0.9))
    with pytest.raises(NotEnoughData):
        newcombe(0, 0, 1, 2)
