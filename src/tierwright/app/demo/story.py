"""What the demo found out, as nouns, as the document of `tierwright demo --json`, and as a story in tables.

Owns the words and the numbers' form; refuses to measure anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tierwright.app.cli.output import estimate_json, percent, table, usd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rich.console import Console

    from tierwright.app.ring import Turn
    from tierwright.core.estimate import Estimate
    from tierwright.curation.audit import Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Milliseconds."""

    #: Of local answers, measured by the client, through the gateway; None: there were none.
    local_p50: float | None
    local_p95: float | None
    #: Of the frontier model, as the log has it, not shortened; None: the log has none.
    frontier_p50: float | None
    frontier_p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """One task, from the audit to the last day."""

    turn: Turn
    #: What the audit proposed to call it.
    proposed_name: str
    #: In the whole log.
    requests: int
    #: In the last days, with specialists live.
    live_requests: int
    #: Of what the gateway answered in the last days, escalations included; None: nothing says what is right.
    accuracy: Estimate | None
    #: Of what the log's model answered to the same requests.
    incumbent_accuracy: Estimate | None
    #: Share of the last days' requests that a specialist answered.
    local_share: Estimate | None
    latency: Latencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The whole demo."""

    #: What the traffic is, in words; says so if it is synthetic.
    traffic: str
    requests: int
    live_requests: int
    live_days: int
    audit: Audit
    tasks: Sequence[TaskOutcome]
    #: Requests of the last days that got no answer.
    failed: int
    #: New wordings that joined their task while it was live.
    joined: Sequence[str]
    cost_before_usd: Decimal
    cost_after_usd: Decimal
    saving_share: Estimate | None
    monthly_saving_usd: Decimal
    unpriced_requests: int
    #: How much faster than in the log the replayed frontier model answered.
    speedup: float
    #: Stage to seconds.
    seconds: dict[str, float]
    #: Largest resident memory of one process, MB.
    peak_memory_mb: float


def document(outcome: Outcome) -> dict[str, Any]:
    """The document of `tierwright demo --json`."""
    return {
        "traffic": outcome.traffic,
        "tasks": [_task(task) for task in outcome.tasks],
        "totals": {
            "requests": outcome.requests,
            "live_requests": outcome.live_requests,
            "unassigned": outcome.audit.unassigned,
            "failed": outcome.failed,
            "cost_before_usd": float(outcome.cost_before_usd),
            "cost_after_usd": float(outcome.cost_after_usd),
            "saving_share": outcome.saving_share.value if outcome.saving_share else None,
            "monthly_saving_usd": float(outcome.monthly_saving_usd),
            "unpriced_requests": outcome.unpriced_requests,
        },
        "joined": list(outcome.joined),
        "replay_speedup": outcome.speedup,
        "seconds": outcome.seconds,
        "peak_memory_mb": outcome.peak_memory_mb,
    }


def tell(console: Console, outcome: Outcome) -> None:
    """The story for people."""
    _tell_tasks(console, outcome)
    _tell_ladder(console, outcome)
    _tell_verdicts(console, outcome)
    _tell_live(console, outcome)
    _tell_money(console, outcome)
    if outcome.failed:
        console.print(f"{outcome.failed} requests got no answer.", style="bold")
    console.print(
        f"{sum(outcome.seconds.values()):.0f} s in all, {outcome.peak_memory_mb:,.0f} MB at most in one process. "
        f"{outcome.traffic} The frontier model is a replay of the log, {outcome.speedup:g} times faster than it was."
    )


def _tell_tasks(console: Console, outcome: Outcome) -> None:
    names = {task.turn.task.id: task.turn.task.name for task in outcome.tasks}
    named = [
        replace(finding, task=replace(finding.task, name=names.get(finding.task.id, finding.task.name)))
        for finding in outcome.audit.tasks
    ]
    rows = [
        (finding.task.name, finding.task.contract.kind.value, f"{finding.requests:,}", str(len(finding.task.frames)))
        for finding in named
    ]
    rows.append(("(no task)", "", f"{outcome.audit.unassigned:,}", ""))
    title = f"1. Tasks found in {outcome.audit.requests:,} requests without labels"
    table(console, title, ("task", "answers", ">requests", ">prompts"), rows)


def _tell_ladder(console: Console, outcome: Outcome) -> None:
    rows = []
    for task in outcome.tasks:
        for rung in task.turn.rungs:
            if rung.status == "not needed":
                continue
            version = rung.version
            mark = "←" if version is not None and task.turn.chosen == version else ""
            seconds = f"{version.train_seconds:.1f}" if version else rung.why
            rows.append((task.turn.task.name, rung.recipe, percent(rung.quality), seconds, mark))
    title = "2. The ladder: specialists trained on the first days"
    table(console, title, ("task", "recipe", ">right, alone", ">seconds", ""), rows)


def _tell_verdicts(console: Console, outcome: Outcome) -> None:
    rows = []
    for task in outcome.tasks:
        evaluation = task.turn.evaluation
        if evaluation is None or not evaluation.verdict.allows_promotion or task.turn.deployment is None:
            rows.append((task.turn.task.name, task.turn.verdict, "", "", task.turn.reason))
            continue
        difference = evaluation.difference
        points = f"{100 * difference.value:+.1f} ({100 * difference.ci_low:+.1f} to {100 * difference.ci_high:+.1f})"
        by = f"{evaluation.metric} on {difference.n:,} examples, margin {100 * evaluation.margin:g}"
        rows.append((task.turn.task.name, task.turn.verdict, points, f"{evaluation.local_share.value:.0%}", by))
    title = "3. The experiment: specialist and escalation, against the incumbent"
    table(console, title, ("task", "verdict", ">points", ">local", ""), rows)


def _tell_live(console: Console, outcome: Outcome) -> None:
    rows = []
    for task in outcome.tasks:
        latency = task.latency
        rows.append(
            (
                task.turn.task.name,
                f"{task.live_requests:,}",
                f"{task.local_share.value:.1%}" if task.local_share else "-",
                _share(task.accuracy),
                _share(task.incumbent_accuracy),
                _pair(latency.local_p50, latency.local_p95),
                _pair(latency.frontier_p50, latency.frontier_p95),
            )
        )
    title = (
        f"4. The last {outcome.live_days} days, through the gateway with the specialists live (latencies: p50 / p95)"
    )
    columns = ("task", ">requests", ">local", ">right, %", ">incumbent, %", ">local ms", ">frontier ms")
    table(console, title, columns, rows)
    for line in outcome.joined:
        console.print(f"  {line}", markup=False)


def _tell_money(console: Console, outcome: Outcome) -> None:
    rows = [
        ("before", usd(outcome.cost_before_usd)),
        ("after", usd(outcome.cost_after_usd)),
        ("saved", f"{outcome.saving_share.value:.1%}" if outcome.saving_share else "-"),
        ("saved in a month at this volume", usd(outcome.monthly_saving_usd)),
    ]
    table(console, f"5. What the last {outcome.live_days} days cost", ("", ">US dollars"), rows)
    if outcome.unpriced_requests:
        console.print(f"{outcome.unpriced_requests:,} requests have no known price and are left out.", style="bold")


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{100 * estimate.value:.1f} ({100 * estimate.ci_low:.1f} to {100 * estimate.ci_high:.1f})"


def _pair(p50: float | None, p95: float | None) -> str:
    if p50 is None or p95 is None:
        return "-"
    # No wider than it needs to be: on a slow machine a wider column would break the lines of the table.
    return " / ".join(f"{value:.1f}" if value < 10 else f"{value:,.0f}" for value in (p50, p95))


def _task(task: TaskOutcome) -> dict[str, Any]:
    turn = task.turn
    return {
        "name": turn.task.name,
        "proposed_name": task.proposed_name,
        "id": turn.task.id,
        "requests": task.requests,
        "live_requests": task.live_requests,
        "contract": turn.task.contract.kind.value,
        "prompt_versions": len(turn.task.frames),
        "verdict": turn.verdict,
        "reason": turn.reason,
        "deployed": turn.deployment is not None,
        "recipe": turn.chosen.recipe if turn.chosen else None,
        "accuracy": estimate_json(task.accuracy),
        "incumbent_accuracy": estimate_json(task.incumbent_accuracy),
        "local_share": task.local_share.value if task.local_share else 0.0,
        "latency_ms": {
            "local_p50": task.latency.local_p50,
            "local_p95": task.latency.local_p95,
            "frontier_p50": task.latency.frontier_p50,
            "frontier_p95": task.latency.frontier_p95,
        },
    }
