"""`tierwright deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli import monitor as monitoring
from tierwright.app.cli.drift import drift
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table
from tierwright.app.cli.road import advance, status
from tierwright.app.cli.task import TaskArgument
from tierwright.core.deployment import Stage
from tierwright.core.errors import InvalidTransition

if TYPE_CHECKING:
    from tierwright.app.wiring import Parts
    from tierwright.core.deployment import Deployment
    from tierwright.core.model import ModelVersion

app = typer.Typer(no_args_is_help=True, help="What serves: shadow → canary → live → retired.")
for command in (status, advance, drift, monitoring.watch, monitoring.monitor, monitoring.incidents):
    app.command()(command)
ApproverOption = Annotated[str | None, typer.Option(help="Who decides; kept with the decision.")]


@app.command("set")
def set_(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The model version's id, or the start of it, or its task's name.")
    ],
    stage: Annotated[Stage, typer.Option(help="How far it may go.")] = Stage.LIVE,
    share: Annotated[float | None, typer.Option(help="Share of the traffic; for a canary or a shadow.")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Confidence from which it answers; default: the certified, else the evaluated one."),
    ] = None,
    approver: ApproverOption = None,
    reason: Annotated[str, typer.Option(help="Why; needed to overrule the gate.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Put a version live, or take it off; the gateway follows within seconds, without a restart."""
    from tierwright.app.ring import version_of  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = version_of(parts, version)
        if stage is Stage.RETIRED:
            deployment = _retire(parts, found, approver=approver, reason=reason)
        else:
            deployment = _promote(
                parts, found, stage=stage, share=share, threshold=threshold, approver=approver, reason=reason
            )
        names = {task.id: task.name for task in parts.store.tasks()}
    show_one(deployment, names.get(deployment.task_id, deployment.task_id), as_json=as_json)


@app.command("list")
def list_(
    history: Annotated[bool, typer.Option(help="All decisions, not only those in force.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List what serves."""
    with opened(config) as parts:
        in_force = [*parts.store.deployments_in_force(), *parts.store.shadows_in_force()]
        found = parts.store.deployments() if history else in_force
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
        [deployment_json(d, names.get(d.task_id, d.task_id)) for d in found],
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
    from tierwright.lifecycle.promotion import rollback as run  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.task(task)
        withdrawal = Withdrawal(task_id=found.id, reason=reason, approver=approver)
        deployment = run(parts.store, withdrawal, at=parts.clock(), entropy=parts.entropy())
    show_one(deployment, found.name, as_json=as_json)


def _promote(
    parts: Parts,
    version: ModelVersion,
    *,
    stage: Stage,
    share: float | None,
    threshold: float | None,
    approver: str | None,
    reason: str,
) -> Deployment:
    """Onto a share of the traffic or all of it, at the threshold given, certified, evaluated or calibrated."""
    from tierwright.app.certification import certificate_for  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.road import newest_evaluation, road_check  # noqa: PLC0415 - as above
    from tierwright.lifecycle.gate import GateRules  # noqa: PLC0415 - as above
    from tierwright.lifecycle.promotion import Proposal, promote  # noqa: PLC0415 - as above

    certificate = certificate_for(parts.store.certificates(version.task_id), version, threshold)
    wanted = threshold if threshold is not None or certificate is None else certificate.threshold
    evaluation = newest_evaluation(parts, version.id, version.task_id, wanted)
    chosen = wanted if wanted is not None else evaluation.threshold if evaluation else version.threshold
    if chosen is None and stage is Stage.SHADOW:
        # It would answer nothing, and may be compared all the same.
        chosen = 1.01
    if chosen is None:
        raise InvalidTransition(
            f"model {version.id[:12]} was calibrated and found no confidence from which it should answer; "
            "give one with --threshold, a name with --approver and a --reason to serve it all the same"
        )
    proposal = Proposal(
        version=version,
        evaluation=evaluation,
        stage=stage,
        threshold=chosen,
        share=share if share is not None else (0.1 if stage is Stage.CANARY else 1.0),
        approver=approver,
        reason=reason,
        certificate=certificate,
    )
    check = road_check(parts, version, None if stage is Stage.SHADOW else evaluation)
    rules = GateRules(require_certificate=parts.settings.file.evaluation.require_certificate)
    return promote(parts.store, proposal, at=parts.clock(), entropy=parts.entropy(), rules=rules, road=check)


def _retire(parts: Parts, version: ModelVersion, *, approver: str | None, reason: str) -> Deployment:
    """Off the traffic, if it is this version that serves."""
    from tierwright.lifecycle.promotion import Withdrawal, end_shadow, retire  # noqa: PLC0415 - as above

    withdrawal = Withdrawal(task_id=version.task_id, reason=reason, approver=approver)
    shadow = next((d for d in parts.store.shadows_in_force() if d.task_id == version.task_id), None)
    if shadow is not None and shadow.model_version_id == version.id:
        return end_shadow(parts.store, withdrawal, at=parts.clock(), entropy=parts.entropy())
    current = next((d for d in parts.store.deployments_in_force() if d.task_id == version.task_id), None)
    if current is not None and current.stage is not Stage.RETIRED and current.model_version_id != version.id:
        raise InvalidTransition(
            f"version {version.id[:12]} does not serve, version {current.model_version_id[:12]} does; retire that one"
        )
    return retire(parts.store, withdrawal, at=parts.clock(), entropy=parts.entropy())


def show_one(deployment: Deployment, task: str, *, as_json: bool) -> None:
    """A decision that was just made."""
    show(
        deployment_json(deployment, task),
        as_json=as_json,
        text=lambda console: console.print(
            f"{task}: version {deployment.model_version_id[:12]} is {deployment.stage.value}" + _extent(deployment)
        ),
    )


def _extent(deployment: Deployment) -> str:
    """What it may do, for people."""
    if deployment.stage is Stage.RETIRED:
        return ""
    if deployment.stage is Stage.SHADOW:
        return f", answers copies of {deployment.share:.0%} of the requests and no caller"
    share = "" if deployment.stage is Stage.LIVE else f" for {deployment.share:.0%} of the conversations"
    return f"{share}, answers from confidence {deployment.threshold:.3f}"


def deployment_json(deployment: Deployment, task: str) -> dict[str, Any]:
    """A decision as JSON types."""
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
