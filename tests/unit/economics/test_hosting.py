"""What a month on one's own machines costs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.economics.hosting_builder import HOSTINGS, hosted, untimed
from tierwright.core.errors import InputError
from tierwright.economics.hosting import (
    QUANTITIES,
    Hosting,
    annuity_usd,
    api_usd,
    calls_per_second_of_tokens,
    capacity_calls,
    machine_usd,
    monthly_cost,
    setup_cost,
)

if TYPE_CHECKING:
    from tierwright.economics.hosting import MonthlyCost

VOLUMES = st.integers(0, 100_000)


def test_machines_come_whole() -> None:
    """One bears 1,000 calls; the next call needs a second one, and the spare ones come on top."""
    task = hosted()
    assert capacity_calls(task) == 1000
    machines = [monthly_cost(task, Decimal(n)).machines for n in (0, 1, 1000, 1001, 2000, 2001)]
    assert machines == [1, 1, 1, 2, 2, 3]
    assert monthly_cost(hosted(spare_machines=1), Decimal(1001)).machines == 3
    assert monthly_cost(task, Decimal(1001)).machines_usd == 2 * Decimal("73.05")


def test_idle_time_makes_a_machine_bear_less() -> None:
    """At half the utilisation it bears half, and what stays on the API it need not bear."""
    assert capacity_calls(hosted(utilisation="0.5")) == 500
    assert capacity_calls(hosted(utilisation="0.5", holdout_share="0.5")) == 1000
    assert capacity_calls(hosted(holdout_share=1)) > 10**12


def test_what_the_api_still_gets() -> None:
    """By hand: of 1,000 calls 100 are held out; 720 of the other 900 are answered, 72 of these audited: 352 to the API.

    A judge looks at 72, for a cent each.
    """
    task = hosted(
        holdout_share="0.1", local_share="0.8", audit_share="0.1", judge_share="0.1", judge_usd_per_call="0.01"
    )
    month = monthly_cost(task, Decimal(1000))
    assert month.api_usd == Decimal("35.2")
    assert month.judge_usd == Decimal("0.72")


def test_throughput_by_tokens() -> None:
    """By hand: 1,500 tokens at 30,000 a second and 250 at 2,500 take 0.15 s: 6.67 calls a second."""
    found = calls_per_second_of_tokens(
        prompt_tokens=1500, completion_tokens=250, input_per_second=Decimal(30_000), output_per_second=Decimal(2_500)
    )
    assert found == 1 / Decimal("0.15")
    with pytest.raises(InputError, match="takes no time"):
        calls_per_second_of_tokens(
            prompt_tokens=0, completion_tokens=0, input_per_second=Decimal(1), output_per_second=Decimal(1)
        )


def test_power_and_room_of_a_machine_of_ones_own() -> None:
    """By hand: 500 W at a PUE of 1.4 draw 0.7 kW, 511.35 kWh in a month, $61.362 at 12 cents; and $40 for the room."""
    task = hosted(machine_usd_per_hour=0, watts=500, pue="1.4", usd_per_kwh="0.12", colocation_usd_per_month=40)
    assert machine_usd(task) == Decimal("101.362")


def test_annuity_without_interest_is_straight_depreciation() -> None:
    """$3,600 less a tenth over 36 months are $90 a month."""
    assert annuity_usd(hosted(purchase_usd=3600, life_months=36, residual_share="0.1")) == 90


@untimed
@given(HOSTINGS)
def test_annuity_is_worth_the_price_less_the_residual_value(task: Hosting) -> None:
    """All payments and the residual value, discounted to the day of purchase, are the price."""
    growth = float(1 + task.discount_per_year) ** (1 / 12)
    payments = sum(float(annuity_usd(task)) / growth**month for month in range(1, int(task.life_months) + 1))
    residual = float(task.purchase_usd * task.residual_share) / growth ** int(task.life_months)
    assert payments + residual == pytest.approx(float(task.purchase_usd), abs=1e-6)


def test_setup_by_hand() -> None:
    """10 hours at $50, 3 runs of 2 hours at $4, 100 labels at $0.5; two months of machine and of 5 hours a month."""
    task = hosted(
        setup_hours=10,
        usd_per_hour=50,
        hours_per_month=5,
        training_runs=3,
        training_hours=2,
        training_usd_per_hour=4,
        labels=100,
        usd_per_label="0.5",
        trial_months=2,
    )
    found = setup_cost(task, Decimal(1000))
    assert (found.people_usd, found.training_usd, found.labels_usd) == (500, 24, 50)
    assert found.trial_usd == 2 * (Decimal("73.05") + 250)
    assert found.total_usd == 574 + found.trial_usd


def parts(month: MonthlyCost) -> tuple[Decimal, ...]:
    """Every amount of a month."""
    return (month.machines_usd, month.people_usd, month.retraining_usd, month.api_usd, month.judge_usd)


@untimed
@given(HOSTINGS, VOLUMES)
def test_no_amount_is_negative_and_all_are_decimal(task: Hosting, calls: int) -> None:
    """Whatever is assumed, no part of a month or of the beginning is below 0, and none is a float."""
    beginning = setup_cost(task, Decimal(calls))
    amounts = (
        *parts(monthly_cost(task, Decimal(calls))),
        api_usd(task, Decimal(calls)),
        *(beginning.people_usd, beginning.training_usd, beginning.labels_usd, beginning.trial_usd),
    )
    assert all(type(amount) is Decimal and amount >= 0 for amount in amounts)


@untimed
@given(HOSTINGS, VOLUMES, VOLUMES)
def test_more_calls_never_cost_less(task: Hosting, one: int, other: int) -> None:
    """Monotone in volume: both the API's bill and one's own."""
    few, many = sorted((Decimal(one), Decimal(other)))
    assert api_usd(task, few) <= api_usd(task, many)
    assert all(a <= b for a, b in zip(parts(monthly_cost(task, few)), parts(monthly_cost(task, many)), strict=True))


@untimed
@given(HOSTINGS, VOLUMES, st.sampled_from(sorted(n for n in QUANTITIES if "usd" in n)), st.integers(0, 100))
def test_no_dearer_price_costs_less(task: Hosting, calls: int, name: str, more_percent: int) -> None:
    """Monotone in every price: month and beginning cost no less where one of them is higher."""
    price = getattr(task, name)
    dearer = replace(task, **{name: price * (1 + Decimal(more_percent) / 100)})
    assert monthly_cost(task, Decimal(calls)).total_usd <= monthly_cost(dearer, Decimal(calls)).total_usd
    assert setup_cost(task, Decimal(calls)).total_usd <= setup_cost(dearer, Decimal(calls)).total_usd


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_usd_per_call", "-0.01"),
        ("local_share", "1.01"),
        ("calls_per_second", "0"),
        ("pue", "0.9"),
        ("utilisation", "NaN"),
        ("spare_machines", "0.5"),
        ("horizon_months", "0"),
        ("api_price_fall_per_year", "1"),
    ],
)
def test_what_can_not_be_is_refused_by_name(name: str, value: str) -> None:
    """Negative money, shares beyond 1, half a machine: each is named."""
    with pytest.raises(InputError, match=name):
        hosted(**{name: value})
