"""The named assumptions: prices are the catalogue's, and the figures the project began with follow from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tierwright.core.chat import Usage
from tierwright.core.errors import InputError
from tierwright.economics.assumptions import stated, with_value
from tierwright.economics.breakeven import break_even
from tierwright.economics.hosting import HOURS_PER_MONTH, api_usd, capacity_calls, machine_usd, monthly_cost
from tierwright.economics.prices import PriceList
from tierwright.economics.scenarios import scenario, scenario_names

#: When the prices of the scenarios were looked up.
LOOKED_UP = datetime(2026, 11, 28, tzinfo=UTC)
TEN_MILLION = Decimal(10_000_000)


@pytest.mark.parametrize("name", scenario_names())
def test_the_price_of_a_call_is_the_catalogues(name: str) -> None:
    """The model, its tokens and the price that a scenario states belong together."""
    found = scenario(name)
    usage = Usage(prompt_tokens=found.prompt_tokens, completion_tokens=found.completion_tokens)
    price = PriceList().cost(found.model, usage, LOOKED_UP)
    assert found.assumptions["api_usd_per_call"].value == price


@pytest.mark.parametrize("name", scenario_names())
def test_every_assumption_has_a_source(name: str) -> None:
    """Each says where it comes from, if only that nobody measured it; and together they are complete."""
    found = scenario(name)
    assert [one.name for one in found.assumptions.values() if not one.source] == []
    assert stated(found.assumptions).calls_per_month > 0


def test_an_unknown_scenario_names_the_known_ones() -> None:
    """So that nobody has to look them up."""
    with pytest.raises(InputError, match="there are thesis, thesis-staffed, today"):
        scenario("tomorrow")


def test_ten_million_calls_cost_what_the_thesis_says() -> None:
    """$150,000 to $300,000 on the API, $8,000 to $15,000 on two A100s: the ends of the stated ranges."""
    found = scenario("thesis").assumptions
    bills = [api_usd(with_value(found, "api_usd_per_call", found["api_usd_per_call"].low), TEN_MILLION)]
    bills.append(api_usd(with_value(found, "api_usd_per_call", found["api_usd_per_call"].high), TEN_MILLION))
    assert bills == [150_000, 300_000]
    rent = found["machine_usd_per_hour"]
    months = [monthly_cost(with_value(found, rent.name, end), TEN_MILLION) for end in (rent.low, rent.high)]
    assert [month.machines for month in months] == [2, 2]
    assert [float(month.machines_usd) for month in months] == pytest.approx([8_000, 15_000], rel=1e-3)


def test_a_fine_tune_costs_what_the_thesis_says() -> None:
    """$20 to $40 for 2 to 4 hours on one A100."""
    found = scenario("thesis").assumptions
    hours = found["training_hours"]
    runs = [with_value(found, hours.name, end).training_run_usd for end in (hours.low, hours.high)]
    assert runs == [20, 40]


def test_the_break_even_follows_only_with_people() -> None:
    """Machines alone break even at a quarter of a million calls; with half to one and a half engineers at 1 to 3."""
    alone = break_even(stated(scenario("thesis").assumptions)).stays_calls
    staffed = break_even(stated(scenario("thesis-staffed").assumptions)).stays_calls
    assert alone is not None
    assert staffed is not None
    assert alone < 300_000
    assert 1_000_000 <= staffed <= 3_000_000


def test_today_is_less_flattering() -> None:
    """Against a small model of today the same machines save nothing at any volume."""
    assert break_even(stated(scenario("today-small").assumptions)).first_calls is None
    then = stated(scenario("thesis").assumptions)
    now = replace(then, api_usd_per_call=scenario("today").assumptions["api_usd_per_call"].value)
    assert api_usd(now, TEN_MILLION) < api_usd(then, TEN_MILLION) / 4


def test_a_bought_machine_is_no_rented_one() -> None:
    """Its month is annuity, power and room; the rent is nothing."""
    owned = stated(scenario("today-owned").assumptions)
    assert owned.machine_usd_per_hour == 0
    power = owned.watts * owned.pue * owned.usd_per_kwh * HOURS_PER_MONTH / 1000
    assert machine_usd(owned) > power + owned.colocation_usd_per_month
    assert capacity_calls(owned) == capacity_calls(stated(scenario("today").assumptions))
