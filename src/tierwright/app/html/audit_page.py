"""The task audit as a page, from the document of `task audit --json`.

Owns what stands where and in which words; every figure is the document's own. A part of the document that is missing
(an audit without scores) leaves its place empty.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tierwright.app.html.charts import Bar, bars, columns
from tierwright.app.html.page import dollars, facts, listing, number, page, share, spread, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    _Document = Mapping[str, Any]

#: What the recommendations mean, for those who read nothing else.
_ACTIONS = {
    "specialise": "Train a model of its own",
    "cache": "Answer repeated requests from memory",
    "prompt": "Fix or shorten the prompt",
    "retrieve": "Look facts up and give them to the model",
    "smaller-model": "Use a smaller general model",
    "keep": "Leave it where it is",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Tasks that a chart shows at most; the table has them all.
_CHARTED = 20


def audit_page(document: _Document) -> str:
    """The page."""
    tasks: Sequence[_Document] = document["tasks"]
    since, until = (str(document["period"][end])[:10] for end in ("since", "until"))
    assigned = document["requests"] - document["unassigned"]
    cost, saving = (document["totals"][name] for name in ("monthly_cost_usd", "projected_monthly_saving_usd"))
    body = facts(
        [
            ("requests looked at", number(document["requests"])),
            ("tasks found", number(len(tasks))),
            ("of the requests are in a task", share(assigned / document["requests"])),
            ("a month, all traffic", spread(cost, dollars) if cost else "no price known"),
            ("could be saved a month", spread(saving, dollars) if saving else "nothing sure"),
        ]
    )
    body += _overview(tasks)
    body += _spending(tasks)
    body += _long_tail(document)
    body += "".join(_task(task) for task in tasks)
    body += _how()
    return page("Task audit", f"{since} to {until}. Intervals hold at the level that the document says.", body)


def _overview(tasks: Sequence[_Document]) -> str:
    rows = [
        (
            task["name"],
            task["contract"],
            number(task["monthly_requests"]["value"]),
            _cost(task),
            _learnable(task),
            number(_value(task.get("complexity")), digits=2),
            task.get("recommendation") or "-",
            spread(task.get("projected_monthly_saving_usd"), dollars),
        )
        for task in tasks
    ]
    names = (
        *("task", "contract", ">a month", ">cost a month", "learnable", ">complexity", "recommendation"),
        ">saves a month",
    )
    return "<h2>The tasks</h2>\n" + table(names, rows)


def _spending(tasks: Sequence[_Document]) -> str:
    priced = [task for task in tasks if task.get("monthly_cost_usd")][:_CHARTED]
    if not priced:
        return ""
    spent = [_bar(task["name"], task["monthly_cost_usd"]) for task in priced]
    parts = ["<h2>What a month costs</h2>", bars("Cost of each task in a month, US dollars", spent)]
    saving = [task for task in tasks if task.get("projected_monthly_saving_usd")][:_CHARTED]
    if saving:
        saved = [_bar(task["name"], task["projected_monthly_saving_usd"]) for task in saving]
        parts += ["<h2>What following the recommendations saves</h2>", bars("Saving of each task in a month", saved)]
        parts.append('<p class="soft">Whiskers are intervals; running costs are deducted.</p>')
    return "\n".join(parts)


def _bar(label: str, estimate: _Document) -> Bar:
    return Bar(
        label=label,
        value=estimate["value"],
        low=estimate["ci_low"],
        high=estimate["ci_high"],
        shown=dollars(estimate["value"]),
    )


def _long_tail(document: _Document) -> str:
    tail = document.get("long_tail") or {}
    lines = [f"{number(document['unassigned'])} requests belong to no recurring task."]
    if tail.get("recommendation"):
        lines.append(f"Recommendation: {tail['recommendation']}.")
    lines += tail.get("reasons") or []
    for group in document.get("proposed_groups") or []:
        lines.append(f"Proposed group “{group['name']}”: {number(group['requests'])} requests that look alike.")
    refused = {reason: count for reason, count in (document.get("refused") or {}).items() if count}
    lines += [f"Left out: {number(count)} ({str(reason).replace('_', ' ')})." for reason, count in refused.items()]
    return "<h2>The long tail</h2>\n" + listing(lines)


def _task(task: _Document) -> str:
    action: str | None = task.get("recommendation")
    name = f'<section class="task"><h2>{escape(task["name"])}'
    if action:
        name += f' <span class="tag {escape(action)}">{escape(_ACTIONS.get(action, action))}</span>'
    parts = [f"{name}</h2>\n", listing(task.get("reasons") or [])]
    if task.get("also"):
        parts.append('<p class="soft">Also worth a look:</p>')
        parts.append(listing([f"{one['action']}: {one['reason']}" for one in task["also"]]))
    parts += [facts(_figures(task)), _fields(task), _times(task), _signals(task), "</section>\n"]
    return "".join(parts)


def _figures(task: _Document) -> list[tuple[str, str]]:
    latency, prompt = task.get("latency_ms"), task.get("prompt") or {}
    retrieval = task.get("retrieval") or {}
    found: list[tuple[str, str | None]] = [
        ("requests", number(task["requests"])),
        ("a month", spread(task["monthly_requests"])),
        ("cost a month", _cost(task)),
        ("latency p50 / p95", f"{number(latency['p50'])} / {number(latency['p95'])} ms" if latency else None),
        ("different answers", number(task["distinct_outputs"])),
        ("entropy of the answers, bits", _shown(task.get("entropy_bits"), lambda n: number(n, digits=1))),
        ("incumbent agrees with itself", _shown(task.get("determinism"), share)),
        ("a cache would answer", _shown(task.get("duplicate_share"), share)),
        ("with personal data", _shown(task.get("sensitive_share"), share)),
        ("offer tools", share(task["tool_share"]) if "tool_share" in task else None),
        ("with earlier turns", share(task["multi_turn_share"]) if "multi_turn_share" in task else None),
        ("of a request is fixed text", _shown(prompt.get("boilerplate_share"), share)),
        ("answers that keep no form", _shown(prompt.get("unparsed_share"), share)),
        ("answers that change in time", _shown(retrieval.get("changing_share"), share)),
        ("names and numbers from nowhere", _shown(retrieval.get("ungrounded_share"), share)),
        ("prompt versions", number(task["prompt_versions"])),
        ("clients", number(task["clients"]) if isinstance(task.get("clients"), int) else None),
        ("languages", ", ".join(f"{k} {100 * v:.0f} %" for k, v in list((task.get("languages") or {}).items())[:4])),
        ("likely rung", task.get("rung")),
    ]
    return [(name, figure) for name, figure in found if figure]


def _fields(task: _Document) -> str:
    learned = task.get("learnability")
    if not learned:
        return ""
    rows = [
        (
            field["name"],
            spread(field["agreement"], share),
            share(field["majority"]["value"]),
            "yes" if field["learnable"] else "no",
        )
        for field in learned.get("fields") or []
    ]
    parts = ["<h3>Can it be learned?</h3>\n"]
    if rows:
        parts.append(
            table(("field", ">probe agrees with the incumbent", ">always the commonest answer", "learnable"), rows)
        )
    curve = learned.get("curve") or []
    if curve:
        points = [
            Bar(
                label=f"{number(point['examples'])} examples",
                value=point["agreement"]["value"],
                low=point["agreement"]["ci_low"],
                high=point["agreement"]["ci_high"],
                shown=share(point["agreement"]["value"]),
            )
            for point in curve
        ]
        parts.append(bars("The probe's agreement after so many examples", points))
    return "".join(parts)


def _times(task: _Document) -> str:
    volume = task.get("volume") or {}
    charts: list[tuple[str, str]] = []
    if volume.get("daily"):
        daily = volume["daily"]
        labels = [str(day + 1) for day in range(len(daily))]
        charts.append(("By day of the period", columns("Requests on each day", daily, labels)))
    if volume.get("hourly"):
        hours = [str(hour) for hour in range(24)]
        charts.append(("By hour of the day, UTC", columns("Mean requests in each hour", volume["hourly"], hours)))
    if volume.get("weekly"):
        charts.append(("By day of the week", columns("Mean requests on each weekday", volume["weekly"], _DAYS)))
    if not charts:
        return ""
    inner = "".join(f'<div><p class="soft">{escape(about)}</p>{chart}</div>' for about, chart in charts)
    return f'<h3>When it is asked</h3><div class="pair">{inner}</div>\n'


def _signals(task: _Document) -> str:
    signals = (task.get("complexity") or {}).get("signals") or []
    if not signals:
        return ""
    rows = [
        (
            signal["name"],
            number(signal["value"], digits=2),
            number(signal["weight"], digits=2),
            number(signal["value"] * signal["weight"], digits=3),
            signal["about"],
        )
        for signal in signals
    ]
    head = f"<h3>Complexity {number(_value(task['complexity']), digits=2)}, and what it is made of</h3>\n"
    return head + table(("signal", ">value", ">weight", ">adds", "what was counted"), rows)


def _how() -> str:
    return (
        "<h2>How to read this</h2>\n<p>A task is a group of requests that are the same but for a variable part. "
        "Learnability is the agreement of a quick, cross-validated probe with the answers in the traffic, which are "
        "the incumbent's and not always right. A saving is a projection from these figures; what a specialist is "
        "really worth is known after its experiment.</p>\n"
    )


def _learnable(task: _Document) -> str:
    learned = task.get("learnability")
    if not learned:
        return "-"
    return f"{'yes' if learned['learnable'] else 'no'}, {share(learned['value'])}"


def _cost(task: _Document) -> str:
    return spread(task.get("monthly_cost_usd"), dollars) if task.get("monthly_cost_usd") else "unpriced"


def _value(estimate: _Document | None) -> float | None:
    return None if estimate is None else float(estimate["value"])


def _shown(estimate: _Document | None, shown: Any) -> str | None:
    return None if estimate is None else str(shown(float(estimate["value"])))
