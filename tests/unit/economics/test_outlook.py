"""What the months to come save."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.economics.hosting_builder import HOSTINGS, hosted, untimed
from tierwright.economics.hosting import monthly_cost
from tierwright.economics.outlook import outlook

if TYPE_CHECKING:
    from tierwright.economics.hosting import Hosting

#: What rounding to 28 digits may leave of a zero.
_DUST = Decimal("1E-12")


def test_two_months_by_hand() -> None:
    """1,000 calls save $100 less $73.05; the price then halves within the year, and the calls grow by a tenth."""
    task = hosted(horizon_months=2, growth_per_month="0.1", api_price_fall_per_year="0.5", labels=10, usd_per_label=1)
    found = outlook(task)
    assert [month.calls for month in found.months] == [1000, 1100]
    assert [month.machines for month in found.months] == [1, 2]
    second = Decimal(110) * Decimal("0.5") ** (1 / Decimal(12)) - 2 * Decimal("73.05")
    assert found.net_present_saving_usd == pytest.approx(Decimal("26.95") + second - 10, abs=Decimal("1E-20"))
    # $10 of $26.95 come back in the first month.
    assert found.payback_months == Decimal(10) / Decimal("26.95")


def test_later_money_counts_less() -> None:
    """A saving at the end of month 12 at 21 % interest is worth 1 / 1.21 of itself."""
    year = outlook(hosted(horizon_months=12, discount_per_year="0.21"))
    eleven = outlook(hosted(horizon_months=11, discount_per_year="0.21"))
    last = year.net_present_saving_usd - eleven.net_present_saving_usd
    assert last == pytest.approx(Decimal("26.95") / Decimal("1.21"), abs=Decimal("1E-20"))


def test_nothing_to_pay_back_is_paid_back_at_once() -> None:
    """Without a beginning the first month that saves is soon enough; where every month loses, it never is."""
    assert outlook(hosted()).payback_months == 0
    assert outlook(hosted(api_usd_per_call="0.01")).payback_months is None
    assert outlook(hosted(labels=10_000, usd_per_label=1)).payback_months is None


def test_a_falling_rent_leaves_power_and_room_alone() -> None:
    """Half the rent in the thirteenth month, the whole of the rest."""
    task = hosted(machine_price_fall_per_year="0.5", colocation_usd_per_month=10, horizon_months=13)
    assert outlook(task).months[-1].own_usd == pytest.approx(Decimal("46.525"), abs=Decimal("1E-20"))


@given(HOSTINGS, st.integers(0, 100))
@untimed
def test_dearer_apis_make_it_save_more(task: Hosting, percent: int) -> None:
    """Monotone in price: a dearer API never lowers the saving, a faster fall of its price never raises it."""
    saving = outlook(task).net_present_saving_usd
    if task.judge_share == 0 or task.judge_usd_per_call == 0:
        # Judging gets cheaper with the API, which can outweigh the calls it is there for.
        faster = replace(task, api_price_fall_per_year=(1 + task.api_price_fall_per_year) / 2)
        assert outlook(faster).net_present_saving_usd <= saving + _DUST
    dearer = replace(task, api_usd_per_call=task.api_usd_per_call * (1 + Decimal(percent) / 100))
    # Where nothing is relieved, both sides of the bill differ in their last digit alone.
    assert outlook(dearer).net_present_saving_usd >= saving - _DUST


@given(HOSTINGS)
@untimed
def test_the_first_month_is_the_month_by_its_parts(task: Hosting) -> None:
    """What is summed quickly is what `monthly_cost` shows part by part."""
    first = outlook(task).months[0]
    parts = monthly_cost(task, task.calls_per_month)
    assert first.machines == parts.machines
    assert first.own_usd == pytest.approx(parts.total_usd, abs=Decimal("1E-15"))
    assert first.api_usd == task.calls_per_month * task.api_usd_per_call


@given(HOSTINGS)
@untimed
def test_saving_is_what_the_months_say(task: Hosting) -> None:
    """Without interest it is the sum of the months less the beginning, payback is where that sum reaches 0."""
    found = outlook(replace(task, discount_per_year=Decimal(0)))
    savings = [month.api_usd - month.own_usd for month in found.months]
    balances = [sum(savings[: done + 1], -found.setup_usd) for done in range(len(savings))]
    assert found.net_present_saving_usd == pytest.approx(balances[-1], abs=Decimal("1E-12"))
    reached = [done for done, balance in enumerate(balances) if balance >= 0]
    if not reached:
        assert found.payback_months is None
    else:
        assert found.payback_months is not None
        assert reached[0] <= found.payback_months <= reached[0] + 1
