"""`tierwright report breakeven`."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.html_option import HtmlOption, write_html
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, Ticker, opened, show, table, usd
from tierwright.app.settings import MAX_SEED
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from rich.console import Console

    from tierwright.app.breakeven import Basis
    from tierwright.core.estimate import UsdEstimate
    from tierwright.economics.appraisal import Appraisal, NumberRange

#: Assumptions that are shown although nothing they may be flips the decision.
_WIDEST = 6


def breakeven(
    task: Annotated[str | None, typer.Option(help="A task's own volume, price and share; its name or id.")] = None,
    scenario: Annotated[str | None, typer.Option(help="Named assumptions; `list` shows them.")] = None,
    assume: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, or NAME=LOW..VALUE..HIGH; may be repeated.")
    ] = None,
    measure: Annotated[bool, typer.Option(help="Time the task's specialist on this machine, for a second.")] = False,
    model: Annotated[
        str | None, typer.Option(help="Price calls by this model's list price and their mean tokens.")
    ] = None,
    prompt_tokens: Annotated[
        int | None, typer.Option(min=0, help="Of a call; default: the task's or the scenario's.")
    ] = None,
    completion_tokens: Annotated[
        int | None, typer.Option(min=0, help="Of a call; default: the task's or the scenario's.")
    ] = None,
    tokens_per_second: Annotated[
        str | None, typer.Option(metavar="INPUT,OUTPUT", help="Throughput of a machine, instead of calls_per_second.")
    ] = None,
    draws: Annotated[int, typer.Option(min=40, max=100_000, help="Of all assumptions at once.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0, max=MAX_SEED)] = 1,
    html: HtmlOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """From which volume on one's own model is cheaper than the API, and what would have to be true for it."""
    from tierwright.app import breakeven as bases  # noqa: PLC0415 - `--help` is quick
    from tierwright.economics.prices import PriceList  # noqa: PLC0415 - as above

    if scenario == "list":
        _list(as_json=as_json)
        return
    if scenario is not None and task is None and not measure:
        # A scenario stands for itself: the same figures everywhere, with or without a settings file.
        basis, prices = bases.scenario_basis(scenario), PriceList()
    else:
        with opened(config) as parts:
            basis, prices = bases.own_basis(parts, scenario, task, time_it=measure), parts.prices
    if (prompt_tokens, completion_tokens) != (None, None) and (model, tokens_per_second) == (None, None):
        raise InputError("tokens alone change nothing; give --model for what they cost, or --tokens-per-second")
    if prompt_tokens is not None:
        basis = replace(basis, prompt_tokens=prompt_tokens)
    if completion_tokens is not None:
        basis = replace(basis, completion_tokens=completion_tokens)
    if model is not None:
        basis = bases.priced(basis, model, prices, datetime.now(UTC))
    if tokens_per_second is not None:
        basis = bases.paced(basis, tokens_per_second)
    _tell(bases.stated_by_caller(basis, assume or []), draws=draws, seed=seed, html=html, as_json=as_json)


def _tell(basis: Basis, *, draws: int, seed: int, html: Path | None, as_json: bool) -> None:
    import numpy as np  # noqa: PLC0415 - as above

    from tierwright.app.html.money_pages import breakeven_page  # noqa: PLC0415 - as above
    from tierwright.economics.appraisal import appraise  # noqa: PLC0415 - as above

    found = appraise(basis.assumptions, np.random.default_rng(seed), draws=draws, progress=Ticker("drawing"))
    document = breakeven_json(basis, found) | {"seed": seed, "draws": draws}
    if html is not None:
        write_html(html, document, breakeven_page)
    show(document, as_json=as_json, text=lambda console: breakeven_table(console, basis, found))


def _list(*, as_json: bool) -> None:
    from tierwright.economics.scenarios import scenario, scenario_names  # noqa: PLC0415 - as above

    found = [scenario(name) for name in scenario_names()]
    show(
        [{"name": one.name, "about": one.about, "model": one.model} for one in found],
        as_json=as_json,
        text=lambda console: table(console, "Scenarios", ("name", "about"), [(one.name, one.about) for one in found]),
    )


def breakeven_json(basis: Basis, found: Appraisal) -> dict[str, Any]:
    """The document of `report breakeven --json`; without the seed."""
    from tierwright.app.breakeven import sources  # noqa: PLC0415 - as above
    from tierwright.economics.hosting import QUANTITIES  # noqa: PLC0415 - as above

    month, setup = found.month, found.setup
    return {
        "scenario": basis.scenario.name,
        "about": basis.scenario.about,
        "task": basis.task,
        "assumptions": {
            one.name: {
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "about": QUANTITIES[one.name].about,
                "source": one.source,
            }
            for one in sources(basis.assumptions)
        },
        "prompt_tokens": basis.prompt_tokens,
        "completion_tokens": basis.completion_tokens,
        "unpriced_calls": basis.unpriced_calls,
        "decision": found.decision,
        "pays_share": found.pays_share,
        "api_monthly_usd": found.api_monthly_usd,
        "self_hosted_monthly_usd": found.own_monthly_usd,
        "self_hosted_month": asdict(month),
        "setup": asdict(setup) | {"total_usd": setup.total_usd},
        "break_even_calls": found.break_even_calls and asdict(found.break_even_calls),
        "first_break_even_calls": found.first_calls and asdict(found.first_calls),
        "payback_months": found.payback_months and asdict(found.payback_months),
        "horizon_months": len(found.outlook.months),
        "net_present_saving_usd": found.net_present_saving_usd,
        "sensitivity": [
            {
                "name": s.name,
                "value": s.value,
                "low": s.low,
                "high": s.high,
                "low_usd": s.low_usd,
                "high_usd": s.high_usd,
            }
            for s in found.swings
            if s.width_usd
        ],
        "flips": [
            {
                "name": s.name,
                "value": s.value,
                "below": s.flips_below,
                "above": s.flips_above,
                "within_range": s.flips_within,
            }
            for s in found.swings
            if s.flips_below is not None or s.flips_above is not None
        ],
        "price_falls": [asdict(fall) for fall in found.price_falls],
        "curve": [
            {"calls": point.calls, "api_usd": point.api_usd, "self_hosted_usd": point.own_usd} for point in found.curve
        ],
        "months": [
            {"calls": m.calls, "api_usd": m.api_usd, "self_hosted_usd": m.own_usd, "machines": m.machines}
            for m in found.outlook.months
        ],
    }


def breakeven_table(console: Console, basis: Basis, found: Appraisal) -> None:
    """The appraisal for people."""
    whose = (
        f"task {basis.task}, and scenario {basis.scenario.name}" if basis.task else f"scenario {basis.scenario.name}"
    )
    console.print(f"{whose}: {basis.scenario.about}.", style="bold")
    net, months = found.net_present_saving_usd, len(found.outlook.months)
    if found.decision.value == "self-host":
        verdict = f"Self-hosting pays: over {months} months it saves {_money(net)} in today's money"
    else:
        verdict = f"Stay on the API: over {months} months self-hosting loses {_loss(net)} in today's money"
    console.print(f"{verdict}; in {found.pays_share:.0%} of {net.n:,} draws it saves anything.")
    console.print(_break_even(found))
    month = found.month
    rows = [
        ("the API alone", _money(found.api_monthly_usd)),
        ("one's own, with its part of what is paid once", _money(found.own_monthly_usd)),
        (f"  {month.machines} machines", _usd(month.machines_usd)),
        ("  people", _usd(month.people_usd)),
        ("  retraining and its labels", _usd(month.retraining_usd)),
        ("  what the API still gets", _usd(month.api_usd)),
        ("  judging", _usd(month.judge_usd)),
    ]
    table(console, "A month", ("", ">US dollars"), rows)
    swings = [
        (
            s.name,
            _plain(s.value),
            f"{_plain(s.low)} to {_plain(s.high)}" if s.width_usd else "",
            f"{_usd(s.low_usd)} to {_usd(s.high_usd)}" if s.width_usd else "",
            _flips(s.flips_below, s.flips_above) + (" *" if s.flips_within else ""),
        )
        for place, s in enumerate(found.swings)
        if place < _WIDEST or s.flips_below is not None or s.flips_above is not None
    ]
    columns = ("assumption", ">stated", "range", "saves at its ends", "decision flips at")
    table(console, "What would have to be true (*: within the range)", columns, swings)
    falls = [
        (
            f"{fall.fall_per_year:.0%}",
            _usd(fall.net_present_saving_usd),
            "-" if fall.payback_months is None else f"{fall.payback_months:.1f}",
            "never" if fall.last_break_even_calls is None else f"{fall.last_break_even_calls:,}",
        )
        for fall in found.price_falls
    ]
    fallen = (">API price falls a year", ">saves", ">back after months", ">break-even in the last month")
    table(console, "If the API gets cheaper", fallen, falls)
    if basis.unpriced_calls:
        console.print(
            f"{basis.unpriced_calls:,} calls of the task have no known price and are in no mean.", style="bold"
        )


def _usd(amount: Decimal) -> str:
    """Whole dollars where there are hundreds of them."""
    if amount < 0:
        return f"-{_usd(-amount)}"
    return f"${amount:,.0f}" if amount >= 100 else usd(amount)


def _number(found: NumberRange | None, digits: int = 0) -> str:
    if found is None:
        return "never"
    end = "no end" if found.ci_high is None else f"{found.ci_high:,.{digits}f}"
    return f"{found.value:,.{digits}f} ({found.ci_low:,.{digits}f} to {end})"


def _break_even(found: Appraisal) -> str:
    """In a sentence or two."""
    even, first, payback = found.break_even_calls, found.first_calls, found.payback_months
    if even is None:
        said = "Break-even: at no volume."
    elif first is not None and first.value < even.value:
        said = f"Break-even: {_number(even)} calls a month; the first volume that pays is {first.value:,.0f}."
    else:
        said = f"Break-even: {_number(even)} calls a month."
    back = "does not come back" if payback is None else f"comes back after {_number(payback, 1)} months"
    return f"{said} What is paid once, {_usd(found.setup.total_usd)}, {back}."


def _loss(found: UsdEstimate) -> str:
    """A saving below 0, as what is lost."""
    return f"{_usd(-found.value)} ({_usd(-found.ci_high)} to {_usd(-found.ci_low)})"


def _money(found: UsdEstimate) -> str:
    return f"{_usd(found.value)} ({_usd(found.ci_low)} to {_usd(found.ci_high)})"


def _plain(number: Decimal) -> str:
    """At most four significant digits, without an exponent."""
    text = f"{number:,.0f}" if abs(number) >= 1000 else f"{float(number):.4g}"
    return text if "e" not in text else f"{number:.7f}"


def _flips(below: Decimal | None, above: Decimal | None) -> str:
    found = [f"{_plain(one)} or {word}" for one, word in ((below, "less"), (above, "more")) if one is not None]
    return "; ".join(found) or "-"
