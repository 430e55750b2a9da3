"""What an answer from one's own machine costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tierwright.core.errors import InputError, SettingsError
from tierwright.economics.machine import MachineCost

HALF_BUSY = MachineCost(usd_per_hour=Decimal("0.36"), utilisation=0.5)


def test_cost_spreads_idle_time_over_the_answers() -> None:
    """At 0.36 dollars an hour and half busy, ten seconds of answering cost twice 0.001 dollars."""
    assert HALF_BUSY.cost(10.0) == Decimal("0.002")


def test_cost_of_calls_from_the_throughput() -> None:
    """3,600 calls at one a second keep the machine busy for an hour, hence cost two hours of it."""
    assert HALF_BUSY.cost_of_calls(3_600, calls_per_second=1.0) == Decimal("0.72")


def test_cost_of_no_time_is_nothing() -> None:
    """An answer that took no time costs nothing, which is not the same as unpriced."""
    assert HALF_BUSY.cost(0.0) == 0


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_time_that_is_none_is_refused(seconds: float) -> None:
    """A negative or endless time is an InputError."""
    with pytest.raises(InputError, match="seconds"):
        HALF_BUSY.cost(seconds)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_throughput_that_is_none_is_refused(rate: float) -> None:
    """No throughput means the cost of a call can't be told."""
    with pytest.raises(InputError, match="throughput"):
        HALF_BUSY.cost_of_calls(1, calls_per_second=rate)


@pytest.mark.parametrize(
    ("price", "utilisation"), [("-1", 0.5), ("NaN", 0.5), ("1", 0.0), ("1", 1.5), ("1", float("nan"))]
)
def test_machine_that_can_not_be_is_refused(price: str, utilisation: float) -> None:
    """A negative price, no utilisation or more than all of it are settings errors."""
    with pytest.raises(SettingsError, match="machine"):
        MachineCost(usd_per_hour=Decimal(price), utilisation=utilisation)
