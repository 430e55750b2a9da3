"""The savings and the break-even as pages, from the documents of `report savings --json` and `report breakeven --json`.

Owns what stands where and in which words; every figure is the document's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.app.html.charts import Bar, Line, bars, lines
from tierwright.app.html.page import dollars, facts, listing, number, page, share, spread, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    _Document = Mapping[str, Any]

#: Bars that a chart shows at most.
_CHARTED = 20


def savings_page(document: _Document) -> str:
    """What was saved."""
    saving, saved_share = document["saving_usd"], document["saving_share"]
    tasks: Sequence[_Document] = document["tasks"]
    body = facts(
        [
            ("would have cost on the incumbents", dollars(document["cost_before_usd"])),
            ("did cost", dollars(document["cost_after_usd"])),
            ("saved", spread(saving, dollars)),
            ("of what it would have cost", spread(saved_share, share) if saved_share else "-"),
            ("a month at this volume", spread(document["monthly_saving_usd"], dollars)),
            ("requests answered locally", f"{number(document['local_requests'])} of {number(document['requests'])}"),
        ]
    )
    charted = [task for task in tasks if task["requests"]][:_CHARTED]
    if charted:
        saved = [
            Bar(
                label=_name(task),
                value=task["saving_usd"]["value"],
                low=task["saving_usd"]["ci_low"],
                high=task["saving_usd"]["ci_high"],
                shown=dollars(task["saving_usd"]["value"]),
            )
            for task in charted
        ]
        body += "<h2>Saved by task</h2>\n" + bars("Saved by task, US dollars", saved)
    deductions = {name: usd for name, usd in (document.get("deductions") or {}).items() if usd is not None}
    if deductions:
        rows = [(name.removesuffix("_usd").replace("_", " "), dollars(usd)) for name, usd in deductions.items()]
        body += "<h2>Deducted</h2>\n" + table(("for", ">US dollars"), rows)
    body += "<h2>Tasks</h2>\n" + table(
        ("task", "incumbent", ">requests", ">local", ">would have cost", ">did cost", ">saved"),
        [
            (
                _name(task),
                task["incumbent"] or "",
                number(task["requests"]),
                share(task["local_requests"] / task["requests"]) if task["requests"] else "-",
                dollars(task["cost_before_usd"]),
                dollars(task["cost_after_usd"]),
                dollars(task["saving_usd"]["value"]),
            )
            for task in tasks
        ],
    )
    notes = []
    if document["unpriced_requests"] or document["unpriced_calls"]:
        notes.append(
            f"{number(document['unpriced_requests'])} requests and {number(document['unpriced_calls'])} calls have no "
            "known price and are in none of these figures."
        )
    if document["estimated_calls"]:
        notes.append(
            f"{number(document['estimated_calls'])} calls came without token counts; what they cost is an estimate."
        )
    body += listing(notes)
    return page("Savings", f"Over {float(document['days']):.1f} days, from the ledger.", body)


def breakeven_page(document: _Document) -> str:
    """From which volume an own machine is cheaper."""
    body = facts(
        [
            ("on the API in a month", spread(document["api_monthly_usd"], dollars)),
            ("self-hosted in a month", spread(document["self_hosted_monthly_usd"], dollars)),
            ("calls a month to break even", _if_ever(document["break_even_calls"], number)),
            ("months to pay back", _if_ever(document["payback_months"], lambda months: number(months, digits=1))),
            ("net present saving", spread(document["net_present_saving_usd"], dollars)),
        ]
    )
    curve = document.get("curve") or []
    if curve:
        api = [(float(point["calls"]), float(point["api_usd"])) for point in curve]
        own = [(float(point["calls"]), float(point["self_hosted_usd"])) for point in curve]
        body += "<h2>Cost of a month by volume</h2>\n" + lines(
            "Cost of a month by calls a month",
            [Line(name="API", points=api), Line(name="self-hosted", points=own)],
            x_shown=lambda x: f"{x:,.0f}",
            y_shown=dollars,
        )
        body += '<p class="soft">Calls a month, on a logarithmic axis.</p>\n'
    sensitivity = document.get("sensitivity") or []
    if sensitivity:
        body += "<h2>What the saving depends on</h2>\n" + _as_table(sensitivity)
    flips = document.get("flips") or []
    if flips:
        body += "<h2>What would have to be true for the other answer</h2>\n" + _as_table(flips)
    body += "<h2>Assumptions</h2>\n" + _as_table(
        [{"assumption": name} | stated for name, stated in document["assumptions"].items()]
    )
    return page(f"Break-even: {document['scenario']}", "API against self-hosted.", body)


def _as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of like keys as a table, numbers to the right."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {key for key in keys if any(isinstance(row.get(key), int | float) for row in rows)}
    names = [f">{_words(key)}" if key in numeric else _words(key) for key in keys]
    return table(names, [[_cell(row.get(key)) for key in keys] for row in rows])


def _words(key: str) -> str:
    return key.replace("_usd", " (US dollars)").replace("_", " ")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _if_ever(estimate: _Document | None, shown: Callable[[float], str]) -> str:
    return "never" if estimate is None else spread(estimate, shown)


def _name(task: _Document) -> str:
    return task["task"] or task["task_id"] or "(no task)"
