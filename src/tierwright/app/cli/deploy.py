"""`tierwright deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table
from tierwright.app.cli.task import TaskArgument
from tierwright.core.deployment import Stage
from tierwright.core.errors import InvalidTransition

if TYPE_CHECKING:
    from tierwright.core.deployment import Deployment

app = typer.Typer(no_args_is_help=True, help="What serves: canary → live → retired.")
ApproverOption = Annotated[str | None, typer.Option(help="Who decides; kept with the decision.")]


@app.command("set")
def set_(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The model version's id, or the start of it.")],
    stage: Annotated[Stage, typer.Option(help="How far it may go.")] = Stage.LIVE,
    share: Annotated[float | None, typer.Option(help="Share of the traffic; for a canary.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Confidence from which it answers; default: the evaluated one.")
    ] = None,
    approver: ApproverOption = None,
    reason: Annotated[str, typer.Option(help="Why; needed to overrule the gate.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Put a version live; the gateway serves it from then on, without a restart."""
    from tierwright.lifecycle.promotion import Proposal, promote  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = parts.store.version(version)
        evaluation = next((e for e in parts.store.evaluations(found.task_id) if e.candidate == found.id), None)
        chosen = threshold if threshold is not None else evaluation.threshold if evaluation else found.threshold
        if chosen is None:
            raise InvalidTransition(
                f"model {found.id[:12]} was calibrated and found no confidence from which it should answer; "
                "give one with --threshold, a name with --approver and a --reason to serve it all the same"
            )
        proposal = Proposal(
            version=found,
            evaluation=evaluation,
            stage=stage,
            threshold=chosen,
            share=share if share is not None else (0.1 if stage is Stage.CANARY else 1.0),
            approver=approver,
            reason=reason,
        )
        deployment = promote(parts.store, proposal, at=parts.clock(), entropy=parts.entropy())
        names = {task.id: task.name for task in parts.store.tasks()}
    _show_one(deployment, names.get(deployment.task_id, deployment.task_id), as_json=as_json)


@app.command("list")
def list_(
    history: Annotated[bool, typer.Option(help="All decisions, not only those in force.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List what serves."""
    with opened(config) as parts:
        found = parts.store.deployments() if history else parts.store.deployments_in_force()
        names = {task.id: task.name for task in parts.store.tasks()}
    rows = [
        (
            names.get(d.task_id, d.task_id),
            d.stage.value,
            d.model_version_id[:12],
            f"{d.share:.0%}",
            f"{d.threshold:.3f}",
            f"{d.created_at:%Y-%m-%d %H:%M}",
            d.approver or "the gate",
            d.reason,
        )
        for d in found
    ]
    columns = ("task", "stage", "version", ">share", ">answers from", "since", "by", "reason")
    show(
        [_deployment_json(d, names.get(d.task_id, d.task_id)) for d in found],
        as_json=as_json,
        text=lambda console: table(console, "Deployments", columns, rows),
    )


@app.command()
def rollback(
    task: TaskArgument,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")],
    approver: ApproverOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Put back what was live before, or the frontier model."""
    from tierwright.lifecycle.promotion import Withdrawal  # noqa: PLC0415 - as above
    from tierwright.lifecycle.promotion import rollback as run  # noqa: PLC0415

    with opened(config) as parts:
        found = parts.store.task(task)
        withdrawal = Withdrawal(task_id=found.id, reason=reason, approver=approver)
        deployment = run(parts.store, withdrawal, at=parts.clock(), entropy=parts.entropy())
    _show_one(deployment, found.name, as_json=as_json)


def _show_one(deployment: Deployment, task: str, *, as_json: bool) -> None:
    show(
        _deployment_json(deployment, task),
        as_json=as_json,
        text=lambda console: console.print(
            f"{task}: version {deployment.model_version_id[:12]} is {deployment.stage.value}"
            + ("" if deployment.stage is Stage.RETIRED else f", answers from confidence {deployment.threshold:.3f}")
        ),
    )


def _deployment_json(deployment: Deployment, task: str) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "task": task,
        "task_id": deployment.task_id,
        "version": deployment.model_version_id,
        "stage": deployment.stage.value,
        "share": deployment.share,
        "threshold": deployment.threshold,
        "created_at": deployment.created_at,
        "evaluation_id": deployment.evaluation_id,
        "approver": deployment.approver,
        "reason": deployment.reason,
    }
