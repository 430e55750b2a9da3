"""`tierwright deploy status` and `tierwright deploy advance`: where a task's specialists are, and one step further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, percent, show, usd
from tierwright.app.cli.task import TaskArgument
from tierwright.core.deployment import Stage

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.road import Milliseconds, RoadStatus, StepStatus
    from tierwright.economics.cascade import CascadeCost
    from tierwright.lifecycle.road import RoadRules


def status(task: TaskArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show what a task's specialists have shown since they were deployed: agreement, share, cost and time."""
    from tierwright.app.road import road_status  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = road_status(parts, parts.store.task(task))
        rules = parts.settings.promotion
    show(_road_json(found, rules), as_json=as_json, text=lambda console: _road_text(console, found, rules))


def advance(
    task: TaskArgument,
    approver: Annotated[str | None, typer.Option(help="Who decides; kept with the decision.")] = None,
    reason: Annotated[str, typer.Option(help="Why; needed to overrule the gate.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Take the next step, from shadow over the shares of promotion.steps to live, on what the last one has shown."""
    from tierwright.app.cli.deploy import show_one  # noqa: PLC0415 - it registers these commands
    from tierwright.app.road import advance as run  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.task(task)
        deployment = run(parts, found, approver=approver, reason=reason)
    show_one(deployment, found.name, as_json=as_json)


def _road_json(found: RoadStatus, rules: RoadRules) -> dict[str, Any]:
    return {
        "task": found.task.name,
        "task_id": found.task.id,
        "serving": None if found.serving is None else _step_json(found.serving, found.task.name, rules),
        "shadow": None if found.shadow is None else _step_json(found.shadow, found.task.name, rules),
    }


def _step_json(step: StepStatus, task: str, rules: RoadRules) -> dict[str, Any]:
    from tierwright.app.cli.deploy import deployment_json  # noqa: PLC0415 - as above

    evidence = step.evidence
    return {
        "deployment": deployment_json(step.deployment, task),
        "requests": evidence.requests,
        "failed": evidence.failed,
        "hours": evidence.hours,
        "local_share": step.local_share,
        "agreement": evidence.agreement,
        "agreement_of_all": step.agreement_of_all,
        "second_answers": {"drawn": step.drawn, "stored": step.second_answers, "missing": step.missing},
        "specialist_ms": _milliseconds_json(step.specialist_ms),
        "frontier_ms": _milliseconds_json(step.frontier_ms),
        "cost": None if step.cost is None else _cost_json(step.cost),
        "lacks": _lacks(step, rules),
    }


def _milliseconds_json(found: Milliseconds | None) -> dict[str, Any] | None:
    return None if found is None else {"p50": found.p50, "p95": found.p95, "mean": found.mean, "n": found.n}


def _cost_json(cost: CascadeCost) -> dict[str, Any]:
    cascade, saved = cost.cascade_usd, cost.saved_usd
    return {
        "specialist_usd": cost.local_usd,
        "frontier_usd": cost.frontier_usd,
        "cascade_usd": {"value": cascade.value, "ci_low": cascade.low, "ci_high": cascade.high},
        "saved_usd": {"value": saved.value, "ci_low": saved.low, "ci_high": saved.high},
        "break_even_share": cost.break_even_share,
        "pays": cost.pays,
    }


def _lacks(step: StepStatus, rules: RoadRules) -> list[str]:
    """What the next step would be refused for; nothing of one that is live."""
    from tierwright.lifecycle.gate import cost_objections  # noqa: PLC0415 - as above
    from tierwright.lifecycle.road import step_objections  # noqa: PLC0415 - as above

    costs = [] if step.cost is None else list(cost_objections(step.cost))
    return costs if step.deployment.stage is Stage.LIVE else [*step_objections(step.evidence, rules), *costs]


def _road_text(console: Console, found: RoadStatus, rules: RoadRules) -> None:
    if found.serving is None and found.shadow is None:
        begin = "begin with `tierwright deploy set VERSION --stage shadow`"
        console.print(f"{found.task.name}: no specialist is on the road; {begin}")
    for step in (found.serving, found.shadow):
        if step is not None:
            _step_text(console, found.task.name, step, rules)


def _step_text(console: Console, task: str, step: StepStatus, rules: RoadRules) -> None:
    deployment, evidence = step.deployment, step.evidence
    is_shadow = deployment.stage is Stage.SHADOW
    verb = "would answer" if is_shadow else "answers"
    console.print(
        f"{task}: version {deployment.model_version_id[:12]} is {deployment.stage.value} at {deployment.share:.0%} "
        f"since {deployment.created_at:%Y-%m-%d %H:%M}, {verb} from confidence {deployment.threshold:.3f}"
    )
    what = "copies answered" if is_shadow else "requests asked of it"
    console.print(f"  {what}: {evidence.requests:,} in {evidence.hours:.1f} h, {evidence.failed:,} failed")
    console.print(f"  {verb} itself: {percent(step.local_share)}")
    console.print(f"  agrees with the frontier model there: {percent(evidence.agreement)}")
    if step.agreement_of_all is not None:
        console.print(f"  agrees with it in all: {percent(step.agreement_of_all)}")
    name, missing = "shadows" if is_shadow else "audits", f"{step.missing:,.0f} missing"
    console.print(f"  {name}: about {step.drawn:,.0f} drawn, {step.second_answers:,} stored, {missing}")
    if step.specialist_ms is not None:
        console.print(f"  {_milliseconds_text('specialist', step.specialist_ms)}")
        console.print("  what it passes on to the frontier model waits so much longer")
    if step.frontier_ms is not None:
        console.print(f"  {_milliseconds_text('frontier model', step.frontier_ms)}")
    if step.cost is not None:
        cascade = step.cost.cascade_usd
        console.print(
            f"  a request costs {usd(cascade.value)} ({usd(cascade.low)} to {usd(cascade.high)}), and "
            f"{usd(step.cost.frontier_usd)} at the frontier model alone"
        )
    for objection in _lacks(step, rules):
        console.print(f"  not yet: {objection}")


def _milliseconds_text(name: str, found: Milliseconds) -> str:
    return f"{name}: {found.p50:.1f} ms at the median, {found.p95:.1f} ms at most for 95 %"
