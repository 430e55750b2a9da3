"""What self-hosting costs: the figures the project began with from stated assumptions, and the same sums today.

    python benchmarks/economics.py [--draws 1000] [--seed 1] [--json]

Nothing is measured here: assumptions and their sources stand in `economics/scenarios.toml`, prices of models in
`genai-prices` as installed. Intervals are 95 % of the draws over all ranges at once; "at the ends" takes the named
assumption at the ends of its range and the others as stated.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import numpy as np
from genai_prices.data import providers

from tierwright.core.chat import Usage
from tierwright.economics.appraisal import Appraisal, NumberRange, appraise
from tierwright.economics.assumptions import stated, with_value
from tierwright.economics.breakeven import break_even
from tierwright.economics.hosting import api_usd, monthly_cost
from tierwright.economics.prices import PriceList
from tierwright.economics.scenarios import scenario, scenario_names

TEN_MILLION = Decimal(10_000_000)
#: The day of the prices, so that the figures stay what they are with this version of the catalogue.
PRICES_OF = datetime(2026, 11, 28, tzinfo=UTC)
#: Large, middle and small models of several years and providers.
MODELS = (
    *("gpt-4-turbo", "gpt-4o-2024-05-13", "gpt-4o", "gpt-4o-mini", "gpt-6-astra", "gpt-6.1-sol", "gpt-6.1-terra"),
    *("gpt-6-luna", "gpt-5-nano", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "gemini-3.1-pro-preview"),
    *("gemini-3.5-flash", "gemini-2.5-flash-lite", "mistral-large-2512", "gpt-oss-20b"),
)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {
        "genai_prices": version("genai-prices"),
        "draws": options.draws,
        "thesis": thesis(),
        "implied": implied(),
        "scenarios": {
            name: of_scenario(
                appraise(scenario(name).assumptions, np.random.default_rng(options.seed), draws=options.draws)
            )
            for name in scenario_names()
        },
        "models": models(),
        "catalogue": catalogue(),
    }
    if options.json:
        json.dump(found, sys.stdout, indent=2, default=float)
    else:
        tell(found)


def at_ends(name: str, key: str, figure: Any) -> list[Any]:
    """A figure of a scenario with one assumption at its low end, as stated, and at its high end."""
    found = scenario(name).assumptions
    one = found[key]
    return [figure(with_value(found, key, value)) for value in (one.low, one.value, one.high)]


def thesis() -> dict[str, list[Any]]:
    """The figures of the first section of the design, each at the ends of the assumption it hangs on."""
    return {
        "API, 10 million calls, US dollars a month": at_ends(
            "thesis", "api_usd_per_call", lambda task: api_usd(task, TEN_MILLION)
        ),
        "machines, 10 million calls, US dollars a month": at_ends(
            "thesis", "machine_usd_per_hour", lambda task: monthly_cost(task, TEN_MILLION).machines_usd
        ),
        "machines needed": at_ends("thesis", "calls_per_second", lambda task: monthly_cost(task, TEN_MILLION).machines),
        "LoRA fine-tune, US dollars": at_ends("thesis", "training_hours", lambda task: task.training_run_usd),
        "LoRA fine-tune today, US dollars": at_ends(
            "today", "training_usd_per_hour", lambda task: task.training_run_usd
        ),
        "break-even, machines alone, by the API's price": at_ends(
            "thesis", "api_usd_per_call", lambda task: break_even(task).stays_calls
        ),
        "break-even, staffed, by people's hours": at_ends(
            "thesis-staffed", "hours_per_month", lambda task: break_even(task).stays_calls
        ),
        "break-even, staffed, by the API's price": at_ends(
            "thesis-staffed", "api_usd_per_call", lambda task: break_even(task).stays_calls
        ),
    }


def implied() -> list[dict[str, Decimal]]:
    """What a month must cost in all for a break-even of 1 and of 3 million calls, at three prices of a call."""
    price = scenario("thesis").assumptions["api_usd_per_call"]
    return [
        {"usd_per_call": value, "one_million": value * 10**6, "three_million": value * 3 * 10**6}
        for value in (price.low, price.value, price.high)
    ]


def of_scenario(found: Appraisal) -> dict[str, Any]:
    """The figures of a scenario."""
    return {
        "api_usd": ends(found.api_monthly_usd),
        "own_usd": ends(found.own_monthly_usd),
        "machines": found.month.machines,
        "break_even": ends(found.break_even_calls),
        "payback_months": ends(found.payback_months),
        "net_present_saving_usd": ends(found.net_present_saving_usd),
        "pays_share": found.pays_share,
        "falls": [[fall.fall_per_year, fall.net_present_saving_usd] for fall in found.price_falls],
        "flips_within": [swing.name for swing in found.swings if swing.flips_within],
    }


def ends(found: Any) -> list[Any] | None:
    """Value and interval."""
    return None if found is None else [found.value, found.ci_low, found.ci_high]


def models() -> list[dict[str, Any]]:
    """A call of 1,500 tokens in and 250 out on each model, and the break-even of `today` against it."""
    prices, base = PriceList(), scenario("today")
    usage = Usage(prompt_tokens=base.prompt_tokens, completion_tokens=base.completion_tokens)
    rows = []
    for model in MODELS:
        cost = prices.cost(model, usage, PRICES_OF)
        if cost is None:
            rows.append({"model": model, "usd_per_call": None})
            continue
        # Judged by the same model.
        task = replace(stated(base.assumptions), api_usd_per_call=cost, judge_usd_per_call=cost)
        even = break_even(task)
        rows.append(
            {
                "model": model,
                "usd_per_call": cost,
                "ten_million_usd": cost * TEN_MILLION,
                "own_usd": monthly_cost(task, TEN_MILLION).total_usd,
                "break_even": even.stays_calls,
            }
        )
    return rows


def catalogue() -> dict[str, int]:
    """How many models of the catalogue have prices of text in and out, and how many of these a call is priced for.

    They are asked for by their id; some ids are no names that a caller could give ("regional.…"): these are counted.
    """
    prices, usage = PriceList(), Usage(prompt_tokens=1500, completion_tokens=250)
    sold = priced = 0
    for provider in providers:
        for model in provider.models:
            rates = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
            if rates.input_mtok is not None and rates.output_mtok is not None:
                sold += 1
                priced += prices.cost(f"{provider.id}/{model.id}", usage, PRICES_OF) is not None
    return {"models": sum(len(p.models) for p in providers), "text_in_and_out": sold, "priced_by_id": priced}


def tell(found: dict[str, Any]) -> None:
    """For people."""
    print(f"genai-prices {found['genai_prices']}, {found['draws']:,} draws\n")
    print("From stated assumptions (low end, stated, high end of the assumption):")
    for name, (low, value, high) in found["thesis"].items():
        print(f"  {name}: {number(low)}, {number(value)}, {number(high)}")
    print("\nWhat a month must cost in all for a break-even of 1 and 3 million calls:")
    for row in found["implied"]:
        print(f"  at ${row['usd_per_call']} a call: ${row['one_million']:,.0f} and ${row['three_million']:,.0f}")
    print("\nScenarios (95 % of the draws):")
    for name, row in found["scenarios"].items():
        print(
            f"  {name}: API {spread(row['api_usd'])}, own {spread(row['own_usd'])} a month, {row['machines']} machines"
        )
        print(f"    break-even {spread(row['break_even'])}, payback {spread(row['payback_months'], 1)} months")
        print(f"    saves {spread(row['net_present_saving_usd'])}, in {row['pays_share']:.1%} of the draws anything")
        falls = "; ".join(f"{fall:.0%}: {number(usd)}" for fall, usd in row["falls"])
        print(f"    if the API's price falls a year by {falls}")
        print(f"    flips within its range: {', '.join(row['flips_within']) or 'nothing'}")
    print("\nCatalogue:", ", ".join(f"{name} {count:,}" for name, count in found["catalogue"].items()))
    print("\nA call of 1,500 tokens in and 250 out, against `today`:")
    for row in found["models"]:
        if row["usd_per_call"] is None:
            print(f"  {row['model']}: no price")
        else:
            even = "never" if row["break_even"] is None else f"{row['break_even']:,}"
            print(
                f"  {row['model']}: ${row['usd_per_call']:.6f}; 10 million {number(row['ten_million_usd'])}, "
                f"own {number(row['own_usd'])}; break-even {even}"
            )


def number(value: Any) -> str:
    """Whole, with commas."""
    return "never" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def spread(found: list[Any] | NumberRange | None, digits: int = 0) -> str:
    """Value and interval."""
    if found is None:
        return "never"
    value, low, high = found
    return f"{value:,.{digits}f} ({low:,.{digits}f} to {'no end' if high is None else f'{high:,.{digits}f}'})"


if __name__ == "__main__":
    main()
