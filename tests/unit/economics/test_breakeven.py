"""From which volume on one's own is cheaper."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.economics.hosting_builder import HOSTINGS, hosted, untimed
from tierwright.economics.breakeven import BreakEven, break_even, monthly_saving_usd, own_monthly_usd
from tierwright.economics.hosting import Hosting, capacity_calls
from tierwright.economics.outlook import outlook

#: What division may leave of a zero.
_DUST = Decimal("1E-12")


def flat(task: Hosting, calls: int) -> Hosting:
    """The same month over and over: no growth, no falling price, no interest."""
    nothing = Decimal(0)
    return replace(
        task,
        calls_per_month=Decimal(calls),
        growth_per_month=nothing,
        api_price_fall_per_year=nothing,
        machine_price_fall_per_year=nothing,
        discount_per_year=nothing,
    )


def test_by_hand_on_one_machine() -> None:
    """$73.05 of machine and $20 of people are 930.5 calls at 10 cents: the 931st pays."""
    task = hosted(hours_per_month=2, usd_per_hour=10)
    assert break_even(task).first_calls == 931
    assert monthly_saving_usd(task, Decimal(931)) == Decimal("0.05")
    assert monthly_saving_usd(task, Decimal(930)) == Decimal("-0.05")


def test_a_second_machine_is_not_paid_for_at_once() -> None:
    """931 calls pay, and 1,001 do not: two machines and $20 are 1,661 calls; with 2,391.5 three of them are paid."""
    task = hosted(hours_per_month=2, usd_per_hour=10)
    assert monthly_saving_usd(task, Decimal(1001)) < 0
    # Step k begins at (k - 1) 1,000 + 1 calls, which pay where they bring k times 73.05 and 20: from the fifth on.
    begins = [monthly_saving_usd(task, Decimal((k - 1) * 1000 + 1)) for k in range(1, 7)]
    assert [saving >= 0 for saving in begins] == [False, False, False, False, True, True]
    # In the fourth the line crosses 0 at (4 x 73.05 + 20) / 0.1 calls.
    assert break_even(task) == BreakEven(first_calls=931, stays_calls=3122)


def test_what_is_paid_once_is_spread_over_the_months() -> None:
    """$120 over 12 months are $10 a month: 100 calls more."""
    assert break_even(hosted(labels=120, usd_per_label=1)).first_calls == 731 + 100


def test_a_machine_that_does_not_pay_full_never_does() -> None:
    """1,000 calls at 7 cents don't pay $73.05, whatever the volume; nor does a judge dearer than the call."""
    assert break_even(hosted(api_usd_per_call="0.07")) == BreakEven(first_calls=None, stays_calls=None)
    judged = hosted(judge_share=1, judge_usd_per_call="0.1", machine_usd_per_hour=0)
    assert break_even(judged).stays_calls == 0
    assert break_even(replace(judged, judge_usd_per_call=Decimal("0.11"), usd_per_hour=Decimal(1))).stays_calls is None


def test_machines_for_nothing_leave_people() -> None:
    """A free machine: only hours have to be earned, and there are no steps."""
    task = hosted(machine_usd_per_hour=0, hours_per_month=1, usd_per_hour=100)
    assert break_even(task) == BreakEven(first_calls=1000, stays_calls=1000)


@given(HOSTINGS)
@untimed
def test_first_volume_pays_and_none_below_does(task: Hosting) -> None:
    """The first volume found saves 0 or more; the call before it, and the fullest of each smaller step, do not."""
    first = break_even(task).first_calls
    capacity = capacity_calls(task)
    fullest = range(capacity, min(first if first is not None else 10**6, 12 * capacity), capacity)
    assert all(monthly_saving_usd(task, Decimal(calls)) < _DUST for calls in fullest)
    if first is not None:
        assert monthly_saving_usd(task, Decimal(first)) >= -_DUST
        assert first == 0 or monthly_saving_usd(task, Decimal(first - 1)) < _DUST


@given(HOSTINGS, st.lists(st.integers(0, 10**6), max_size=5))
@untimed
def test_from_there_on_it_stays_cheaper(task: Hosting, beyond: list[int]) -> None:
    """No larger volume costs more than the API, not even the first call of a new machine; the call before does."""
    even = break_even(task)
    if even.stays_calls is None:
        return
    stays, capacity = even.stays_calls, capacity_calls(task)
    assert even.first_calls is not None
    assert even.first_calls <= stays
    step = stays // capacity
    volumes = [stays, *(stays + more for more in beyond), *((step + k) * capacity + 1 for k in range(1, 8))]
    assert all(monthly_saving_usd(task, Decimal(calls)) >= -_DUST for calls in volumes)
    assert stays == 0 or monthly_saving_usd(task, Decimal(stays - 1)) < _DUST


@given(HOSTINGS)
@untimed
def test_simulated_months_agree(task: Hosting) -> None:
    """At the volume found, months simulated one by one come out at 0 or more; with a call less they do not."""
    level = flat(task, 0)
    first = break_even(level).first_calls
    if first is None:
        return
    assert outlook(flat(level, first)).net_present_saving_usd >= -100 * _DUST
    assert first == 0 or outlook(flat(level, first - 1)).net_present_saving_usd < 100 * _DUST


@given(HOSTINGS, st.integers(0, 100))
@untimed
def test_dearer_apis_break_even_earlier_and_dearer_machines_later(task: Hosting, percent: int) -> None:
    """Monotone in price; never is later than any volume."""
    more = 1 + Decimal(percent) / 100
    even, never = break_even(task), 10**18
    api = break_even(replace(task, api_usd_per_call=task.api_usd_per_call * more))
    rent = break_even(replace(task, machine_usd_per_hour=task.machine_usd_per_hour * more))
    for found in ("first_calls", "stays_calls"):
        value = getattr(even, found)
        value = never if value is None else value
        dearer, rented = getattr(api, found), getattr(rent, found)
        assert (never if dearer is None else dearer) <= value
        assert (never if rented is None else rented) >= value


@given(HOSTINGS, st.integers(0, 10**5))
@untimed
def test_saving_is_the_difference_of_the_bills(task: Hosting, calls: int) -> None:
    """To the last digit but for rounding."""
    own = own_monthly_usd(task, Decimal(calls))
    assert abs(calls * task.api_usd_per_call - own - monthly_saving_usd(task, Decimal(calls))) <= _DUST
