"""What `tierwright task audit` prints: one JSON document, or a table and the reasons.

Owns the document's keys and how the table reads; refuses to compute anything.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tierwright.app.cli.audit_groups import groups_json, tell_groups
from tierwright.app.cli.output import usd
from tierwright.core.estimate import Estimate
from tierwright.core.profile import Action
from tierwright.curation.figures import latency_ms
from tierwright.curation.framework import fields_by_learnability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tierwright.app.task_audit import AuditedTask, TaskAudit
    from tierwright.core.estimate import UsdEstimate
    from tierwright.core.profile import Advice, TaskProfile

#: Tasks whose reasons are printed for people, and reasons of each; the document has them all.
_TOLD, _REASONS = 8, 4
#: US dollars from which and up to which a table shows cents, and nothing finer.
_CENTS_FROM, _CENTS_UP_TO = Decimal("0.1"), 1000


def audit_json(report: TaskAudit) -> dict[str, Any]:
    """The document of `task audit --json`; an end of an interval that is not finite is null."""
    found, tail = report.found, report.long_tail
    document: dict[str, Any] = _finite(
        {
            "requests": found.requests,
            "unassigned": found.unassigned,
            "period": {"since": found.period.since, "until": found.period.until},
            "totals": {
                "monthly_cost_usd": report.monthly_cost_usd,
                "projected_monthly_saving_usd": report.monthly_saving_usd,
            },
            "long_tail": {
                "requests": tail.requests,
                "monthly_cost_usd": tail.monthly_cost_usd,
                "recommendation": tail.advice.action,
                "reasons": tail.advice.reasons,
            },
            "refused": found.refused,
            "left_out": {
                "unpriced_calls": report.left_out.unpriced_calls,
                "uncounted_calls": report.left_out.uncounted_calls,
                "estimated_calls": report.left_out.estimated_calls,
            },
            "proposed_groups": groups_json(found),
            "tasks": [_task_json(task) for task in report.tasks],
        }
    )
    return document


def audit_table(console: Console, report: TaskAudit) -> None:
    """The audit for people, 100 columns wide."""
    found = report.found
    rows = [
        (
            task.finding.task.name,
            task.finding.task.contract.kind.value,
            f"{task.volume.monthly.value:,.0f}",
            _cost(task.monthly_cost_usd),
            _learnable(task.profile),
            f"{task.profile.complexity.score.value:.2f}" if task.profile else "-",
            task.advice.action.value if task.advice else "-",
            _briefly(task.advice.monthly_saving_usd if task.advice else None),
        )
        for task in report.tasks
    ]
    period = f"{found.period.since:%d %b} to {found.period.until:%d %b %Y}"
    _table(console, f"Tasks in {found.requests:,} requests, {period}; requests, cost and saving are a month's", rows)
    for task in report.tasks[:_TOLD]:
        if task.advice is not None:
            _tell(console, task.finding.task.name, task.advice)
    if len(report.tasks) > _TOLD:
        console.print(f"{len(report.tasks) - _TOLD} more tasks: their reasons are in --json")
    _tell(console, "long tail", report.long_tail.advice)
    tell_groups(console, found)
    _tell_totals(console, report)


def _table(console: Console, title: str, rows: Sequence[Sequence[str]]) -> None:
    """A table in which only names are folded, so that it fits a hundred columns."""
    from rich.box import SIMPLE  # noqa: PLC0415 - as in `output.table`
    from rich.table import Table  # noqa: PLC0415 - as above

    shown = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0)
    )
    shown.add_column("task", overflow="fold", min_width=12)
    for column in ("answers", ">requests", ">cost", "learnable", ">complex", "advice", ">saves"):
        right = column.startswith(">")
        shown.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=column != "learnable")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def _tell(console: Console, name: str, advice: Advice) -> None:
    from rich.padding import Padding  # noqa: PLC0415 - as in `output.show`

    rung = f" ({advice.rung})" if advice.rung else ""
    console.print(f"{name}: {advice.action.value}{rung}", style="bold")
    for reason in advice.reasons[:_REASONS]:
        console.print(Padding(f"- {reason}", (0, 0, 0, 2)))
    for action, reason in advice.also:
        console.print(Padding(f"- also {action.value}: {reason.partition(':')[0]}", (0, 0, 0, 2)))


def _tell_totals(console: Console, report: TaskAudit) -> None:
    for what, counts in (
        ("have no price and are in no cost", report.left_out.unpriced_calls),
        ("came without tokens and are in no cost", report.left_out.uncounted_calls),
        ("have tokens that are an estimate of ours", report.left_out.estimated_calls),
    ):
        if counts:
            models = ", ".join(f"{model} {count:,}" for model, count in counts.items())
            console.print(f"{sum(counts.values()):,} calls {what}: {models}")
    cost, saving = report.monthly_cost_usd, report.monthly_saving_usd
    if cost is None:
        console.print("No call has a known price; give the models one in [[economics.prices]].")
        return
    told = f"All traffic costs {_money(cost)} a month"
    console.print(f"{told}; following the advice saves {_money(saving)}." if saving else f"{told}.")


def _learnable(profile: TaskProfile | None) -> str:
    """The probe's agreement, and which fields can't be learned."""
    if profile is None or profile.learnability is None:
        return "-"
    found = profile.learnability
    share = f"{found.agreement.value:.0%}"
    known, rest = fields_by_learnability(found)
    if not rest:
        return share if known else "constant"
    if not known:
        return "no"
    return f"{known[0].name} only" if len(known) == 1 else f"{len(known)} of {len(found.fields)}"


def _money(amount: UsdEstimate | None) -> str:
    """An amount with its interval."""
    if amount is None:
        return "-"
    return f"{usd(amount.value)} ({usd(amount.ci_low)} to {usd(amount.ci_high)})"


def _cost(amount: UsdEstimate | None) -> str:
    """To the cent from ten cents on, without cents where they don't matter."""
    if amount is None or amount.value < _CENTS_FROM:
        return usd(None if amount is None else amount.value)
    return f"${amount.value:,.{2 if amount.value < _CENTS_UP_TO else 0}f}"


def _briefly(amount: UsdEstimate | None) -> str:
    """The same in two digits."""
    if amount is None:
        return "-"
    value, low, high = (_two_digits(float(end)) for end in (amount.value, amount.ci_low, amount.ci_high))
    sign = "-" if value.startswith("-") else ""
    return f"{sign}${value.removeprefix('-')} ({low} to {high})"


def _two_digits(number: float) -> str:
    """With k and M for thousands and millions."""
    rounded = float(f"{number:.2g}")
    for size, suffix in ((1_000_000, "M"), (1000, "k")):
        if abs(rounded) >= size:
            return f"{rounded / size:g}{suffix}"
    return f"{rounded:g}"


def _task_json(task: AuditedTask) -> dict[str, Any]:
    finding, traffic = task.finding, task.finding.traffic
    return {
        "id": finding.task.id,
        "name": finding.task.name,
        "contract": finding.task.contract.kind,
        "process": finding.task.process,
        "tools_called": finding.task.contract.calls,
        "servable": finding.task.is_servable,
        "requests": finding.requests,
        "share": finding.share,
        "monthly_requests": task.volume.monthly,
        "monthly_cost_usd": task.monthly_cost_usd,
        "unpriced_calls": traffic.unpriced_calls,
        "latency_ms": (found := latency_ms(traffic)) and asdict(found),
        "distinct_outputs": finding.distinct_outputs,
        "prompt_versions": len(finding.task.frames),
        "clients": len(traffic.clients),
        "clients_by_requests": traffic.clients,
        "models": traffic.models,
        "volume": {
            "trend": task.volume.trend,
            "hourly": task.volume.hourly,
            "weekly": task.volume.weekly,
            "daily": task.volume.daily,
        },
        **_scores_json(task.profile),
        **_advice_json(task.advice),
    }


#: The keys of `_scores_json`; null where the task was not scored.
_SCORES = (
    "entropy_bits",
    "determinism",
    "learnability",
    "complexity",
    "sensitive_share",
    "languages",
    "duplicate_share",
    "tool_share",
    "multi_turn_share",
    "drift",
    "prompt",
    "retrieval",
    "prompt_tokens",
    "completion_tokens",
)


def _scores_json(profile: TaskProfile | None) -> dict[str, Any]:
    if profile is None:
        return dict.fromkeys(_SCORES)
    learned = profile.learnability
    found: dict[str, Any] = {name: getattr(profile, name) for name in _SCORES}
    return found | {
        # The agreement's own members, and what it is held against.
        "learnability": learned
        and {
            **asdict(learned.agreement),
            "majority": learned.majority,
            "learnable": learned.learnable,
            "fields": [asdict(field) for field in learned.fields],
            "curve": [asdict(point) for point in learned.curve],
        },
        "complexity": {
            **asdict(profile.complexity.score),
            "signals": [asdict(signal) for signal in profile.complexity.signals],
        },
        "languages": dict(profile.languages),
        "drift": profile.drift and asdict(profile.drift),
        "prompt": asdict(profile.prompt),
        "retrieval": asdict(profile.retrieval),
    }


def _advice_json(advice: Advice | None) -> dict[str, Any]:
    if advice is None:
        return {"recommendation": None, "rung": None, "reasons": [], "also": [], "projected_monthly_saving_usd": None}
    return {
        "recommendation": advice.action,
        "rung": advice.rung,
        "reasons": advice.reasons,
        "also": [{"action": action, "reason": reason} for action, reason in advice.also],
        # What keeps a task where it is saves nothing, and what fetches facts costs.
        "projected_monthly_saving_usd": (
            None if advice.action in (Action.KEEP, Action.RETRIEVE) else advice.monthly_saving_usd
        ),
    }


def _finite(value: Any) -> Any:
    """The same with null for every number that JSON can't write."""
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    if isinstance(value, Estimate):
        return _finite(asdict(value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
