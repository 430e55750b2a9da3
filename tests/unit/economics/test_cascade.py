"""What a request costs where a specialist is asked first."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.economics.cascade import CascadeCost, cascade_cost


def cost(local: str, frontier: str, low: float, value: float, high: float) -> CascadeCost:
    """A cascade whose local share has this interval."""
    share = Estimate(value=value, ci_low=low, ci_high=high, n=100, method="Clopper-Pearson")
    return cascade_cost(local_usd=Decimal(local), frontier_usd=Decimal(frontier), local_share=share)


def test_the_weak_call_is_always_paid() -> None:
    """c_w + (1 - a) c_s, worked by hand: 2 + 0.25 * 10 = 4.5, between 2 + 0.2 * 10 and 2 + 0.3 * 10."""
    found = cost("2", "10", 0.7, 0.75, 0.8)
    assert (found.cascade_usd.low, found.cascade_usd.value, found.cascade_usd.high) == (
        Decimal("4.0"),
        Decimal("4.50"),
        Decimal("5.0"),
    )
    assert (found.saved_usd.low, found.saved_usd.value, found.saved_usd.high) == (
        Decimal("5.0"),
        Decimal("5.50"),
        Decimal("6.0"),
    )
    assert found.break_even_share == Decimal("0.2")
    assert found.pays


@pytest.mark.parametrize(
    ("low", "pays"),
    [(0.19, False), (0.2, True), (0.21, True)],
)
def test_it_pays_from_the_break_even_share(low: float, pays: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """With c_w / c_s = 0.2 the lower end of the share must reach 0.2."""
    assert cost("2", "10", low, 0.5, 0.6).pays is pays


def test_a_specialist_dearer_than_the_frontier_never_pays() -> None:
    """Even where it answers everything itself."""
    found = cost("11", "10", 1.0, 1.0, 1.0)
    assert not found.pays
    assert found.break_even_share == Decimal("1.1")


def test_a_free_frontier_has_no_break_even() -> None:
    """A specialist can't be cheaper than nothing; where neither costs anything it is not dearer either."""
    assert cost("1", "0", 0.9, 0.9, 0.9).break_even_share is None
    assert not cost("1", "0", 0.9, 0.9, 0.9).pays
    assert cost("0", "0", 0.9, 0.9, 0.9).pays


@pytest.mark.parametrize(
    ("local", "frontier", "share", "says"),
    [
        ("-1", "10", 0.5, "the specialist costs -1"),
        ("1", "NaN", 0.5, "the frontier model costs NaN"),
        ("1", "10", 1.5, "local share is 1.5"),
        ("1", "10", float("nan"), "local share is nan"),
    ],
)
def test_impossible_numbers_are_refused(local: str, frontier: str, share: float, says: str) -> None:
    """Negative money and shares outside [0, 1] are named."""
    with pytest.raises(InputError, match=says):
        cost(local, frontier, share, share, share)
