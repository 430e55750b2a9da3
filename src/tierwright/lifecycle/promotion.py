"""The road of a specialist: onto a share of its task's traffic, onto all of it, and off again.

Owns the steps and writes each as a new row. Refuses to know how traffic is routed and how evidence is made. Fails
closed: a step whose evidence or order is in doubt is not taken, and the row in force stays in force. Taking a
specialist off (retiring, rolling back) needs no evidence.

The steps, by what is in force for the task:

    nothing, or retired     -> shadow, canary, live
    canary                  -> shadow, canary (another share), live, retired
    live                    -> shadow, canary, live (another version or threshold), retired
    shadow, beside these    -> what is allowed without it; any of these ends it

A shadow answers copies of requests and no caller, so that it needs no evidence; what serves goes on beside it. Of the
steps onto traffic each needs an evaluation that satisfies the gate, and what the settings ask for besides
(`lifecycle.road`): stages before it, requests and hours at the step before, a named approver.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tierwright.core.deployment import Deployment, Stage
from tierwright.core.errors import InputError, InvalidTransition
from tierwright.core.ids import DeploymentId, uuid7
from tierwright.lifecycle.gate import GateRules, cost_objections, objections, uncertified
from tierwright.lifecycle.road import (
    RoadRules,
    StepEvidence,
    check_approver,
    is_step_back,
    order_objections,
    step_objections,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tierwright.core.certificate import Certificate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.ids import TaskId
    from tierwright.core.model import ModelVersion
    from tierwright.economics.cascade import CascadeCost


class DeploymentLog(Protocol):
    """The little of a `DeploymentStore` that is needed here; every store is one."""

    def add_deployment(self, deployment: Deployment) -> None:
        """As `DeploymentStore.add_deployment`."""

    def deployments(self, task_id: TaskId | None = None) -> Sequence[Deployment]:
        """As `DeploymentStore.deployments`: newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A step somebody, or the gate itself, wants to take.

    Raises InputError where share or threshold make no sense for the stage.
    """

    version: ModelVersion
    #: The evidence; None: there is none.
    evaluation: Evaluation | None
    #: SHADOW, CANARY or LIVE.
    stage: Stage
    #: Confidence from which the specialist answers itself.
    threshold: float
    #: Share of the task's traffic: above 0 and below 1 for CANARY, 1 for LIVE; above 0 for SHADOW, of copies.
    share: float = 1.0
    #: Who decided; None: the gate itself, which then has to be satisfied.
    approver: str | None = None
    #: Why, in words; with an approver it may stand in for evidence.
    reason: str = ""
    #: What the threshold was certified by; None: it was not.
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        if self.stage is Stage.RETIRED:
            raise InputError("a specialist is retired by `retire`; propose shadow, canary or live")
        if self.stage is Stage.LIVE and self.share != 1.0:
            raise InputError(
                f"the share of a live specialist is 1, not {self.share}; use canary for a part of the traffic"
            )
        if self.stage is Stage.CANARY and not 0.0 < self.share < 1.0:
            raise InputError(f"the share of a canary is {self.share}; give a number between 0 and 1, or go live")
        if self.stage is Stage.SHADOW and not 0.0 < self.share <= 1.0:
            raise InputError(f"the share of a shadow is {self.share}; give a number above 0, at most 1")
        if not (math.isfinite(self.threshold) and self.threshold >= 0.0):
            raise InputError(
                f"the threshold is {self.threshold}; give the confidence that was evaluated, for example 0.8"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadCheck:
    """What the settings ask for besides the evaluation, and what the last step has shown."""

    rules: RoadRules
    #: Of the version's own deployment in force; None: it has none, or nothing was measured.
    evidence: StepEvidence | None = None
    #: What a request costs with the specialist asked first; None: not known, and no objection.
    cost: CascadeCost | None = None
    #: Whether the last step must have shown all in any case, as `deploy advance` wants; else where a stage is required.
    strict: bool = False


def promote(
    log: DeploymentLog,
    proposal: Proposal,
    *,
    at: datetime,
    entropy: bytes,
    rules: GateRules | None = None,
    road: RoadCheck | None = None,
) -> Deployment:
    """Puts a version in force for its task and returns the row; `entropy` holds at least 10 random bytes.

    The evaluation must be of exactly this version, dataset and threshold, and satisfy the rules (`lifecycle.gate`), and
    the last step must have shown what the road asks for. A person may override both with a name and a reason; the row
    keeps them and what was objected. Nobody can override the order of stages and the names of approvers that the
    settings ask for. Raises InvalidTransition, with every objection and what to do, where the step is not allowed;
    nothing is written then.
    """
    version, evaluation = proposal.version, proposal.evaluation
    check = road or RoadCheck(rules=RoadRules())
    newest_first = log.deployments(version.task_id)
    check_approver(proposal.approver, proposal.stage, check.rules)
    current = _counterpart(proposal, newest_first)
    if current is not None and _same_step(current, proposal):
        raise InvalidTransition(
            f"version {version.id[:12]} is {current.stage.value} for this task already, at the same share and "
            "threshold; there is nothing to change"
        )
    skipped = order_objections(proposal.stage, proposal.share, version.id, newest_first, check.rules)
    if skipped:
        raise InvalidTransition(f"version {version.id[:12]} can't go {proposal.stage.value}: {'; '.join(skipped)}")
    against: tuple[str, ...] = ()
    if proposal.stage is not Stage.SHADOW:
        at_threshold, wanted = proposal.threshold, rules or GateRules()
        against = objections(evaluation, version=version, threshold=at_threshold, rules=wanted)
        against += uncertified(proposal.certificate, version=version, threshold=at_threshold, rules=wanted)
        if check.cost is not None:
            against += cost_objections(check.cost)
        against += _of_last_step(proposal, newest_first, check)
    reason = _with_evidence(proposal.reason.strip(), check.evidence)
    if against:
        if not (proposal.approver or "").strip():
            raise InvalidTransition(
                f"version {version.id[:12]} can't go {proposal.stage.value}: {'; '.join(against)}. A person may decide "
                "otherwise by giving a name and a reason"
            )
        if not proposal.reason.strip():
            raise InvalidTransition(
                f"{proposal.approver} overrides the gate for version {version.id[:12]} without a reason; say why, it "
                f"is kept with the decision. The gate objects: {'; '.join(against)}"
            )
        reason = f"{reason} [overrides: {'; '.join(against)}]"
    about_it = evaluation is not None and evaluation.candidate == version.id
    return _append(
        log,
        Deployment(
            id=DeploymentId(uuid7(at, entropy)),
            task_id=version.task_id,
            model_version_id=version.id,
            stage=proposal.stage,
            share=proposal.share,
            threshold=proposal.threshold,
            created_at=at,
            evaluation_id=evaluation.id if evaluation is not None and about_it else None,
            approver=proposal.approver,
            reason=reason,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """The wish to take a task's specialist off."""

    task_id: TaskId
    #: Why, in words; kept in the row.
    reason: str
    #: Who decided; None: a monitor.
    approver: str | None = None


def retire(log: DeploymentLog, withdrawal: Withdrawal, *, at: datetime, entropy: bytes) -> Deployment:
    """Takes the specialist in force off: all traffic goes to the frontier model again.

    Raises InvalidTransition where no specialist serves the task.
    """
    return _append(log, _retired(_serving(log, withdrawal.task_id), withdrawal, at, entropy))


def end_shadow(log: DeploymentLog, withdrawal: Withdrawal, *, at: datetime, entropy: bytes) -> Deployment:
    """Ends a task's trial: what serves is said again, or nothing, where nothing does. Needs no evidence.

    Raises InvalidTransition where nothing is on trial.
    """
    rows = log.deployments(withdrawal.task_id)
    if not rows or rows[0].stage is not Stage.SHADOW:
        raise InvalidTransition(
            f"no specialist of task {withdrawal.task_id} is a shadow, so there is nothing to end; see `tierwright "
            "deploy list`"
        )
    serving = next((row for row in rows if row.stage is not Stage.SHADOW), None)
    if serving is None or serving.stage is Stage.RETIRED:
        return _append(log, _retired(rows[0], withdrawal, at, entropy))
    return _append(log, _again(serving, withdrawal, at, entropy))


def rollback(log: DeploymentLog, withdrawal: Withdrawal, *, at: datetime, entropy: bytes) -> Deployment:
    """Puts back what was live before the deployment in force, or retires where nothing was.

    What was rolled back from is not come back to: a second rollback goes one step further into the past. Nothing before
    a retirement is put back. Raises InvalidTransition where no specialist serves the task.
    """
    return _append(log, rolled_back(log, withdrawal, at=at, entropy=entropy))


def rolled_back(log: DeploymentLog, withdrawal: Withdrawal, *, at: datetime, entropy: bytes) -> Deployment:
    """The row that `rollback` writes, not written yet: for who keeps it together with something else."""
    current = _serving(log, withdrawal.task_id)
    before = _live_before(log.deployments(withdrawal.task_id))
    if before is None:
        return _retired(current, withdrawal, at, entropy)
    return _again(before, withdrawal, at, entropy)


def _of_last_step(proposal: Proposal, newest_first: Sequence[Deployment], check: RoadCheck) -> tuple[str, ...]:
    """What the version's last step has not shown, where that is asked for."""
    version = proposal.version.id
    if is_step_back(proposal.stage, proposal.share, version, newest_first):
        return ()
    last = next((row for row in newest_first if row.model_version_id == version), None)
    wanted = check.strict or (last is not None and last.stage in check.rules.require)
    if last is None or last.stage not in {Stage.SHADOW, Stage.CANARY} or not wanted:
        return ()
    about_it = check.evidence is not None and check.evidence.deployment.id == last.id
    return step_objections(check.evidence if about_it else None, check.rules)


def _with_evidence(reason: str, evidence: StepEvidence | None) -> str:
    """The reason, with what the last step has shown."""
    return reason if evidence is None else f"{reason} [after {evidence}]".lstrip()


def _append(log: DeploymentLog, deployment: Deployment) -> Deployment:
    log.add_deployment(deployment)
    return deployment


def _counterpart(proposal: Proposal, newest_first: Sequence[Deployment]) -> Deployment | None:
    """The row in force that the proposed one would replace: a shadow's is a shadow."""
    newest = next(iter(newest_first), None)
    if proposal.stage is Stage.SHADOW:
        return newest
    return next((row for row in newest_first if row.stage is not Stage.SHADOW), None)


def _serving(log: DeploymentLog, task_id: TaskId) -> Deployment:
    current = next((row for row in log.deployments(task_id) if row.stage is not Stage.SHADOW), None)
    if current is None or current.stage is Stage.RETIRED:
        raise InvalidTransition(
            f"no specialist serves task {task_id}, so there is nothing to take off; see `tierwright deploy list`"
        )
    return current


def _same_step(current: Deployment, proposal: Proposal) -> bool:
    return (current.model_version_id, current.stage, current.share, current.threshold) == (
        proposal.version.id,
        proposal.stage,
        proposal.share,
        proposal.threshold,
    )


def _again(before: Deployment, withdrawal: Withdrawal, at: datetime, entropy: bytes) -> Deployment:
    """The same decision once more."""
    return replace(
        before,
        id=DeploymentId(uuid7(at, entropy)),
        created_at=at,
        approver=withdrawal.approver,
        reason=withdrawal.reason,
    )


def _retired(current: Deployment, withdrawal: Withdrawal, at: datetime, entropy: bytes) -> Deployment:
    return Deployment(
        id=DeploymentId(uuid7(at, entropy)),
        task_id=current.task_id,
        model_version_id=current.model_version_id,
        stage=Stage.RETIRED,
        share=0.0,
        threshold=current.threshold,
        created_at=at,
        evaluation_id=None,
        approver=withdrawal.approver,
        reason=withdrawal.reason,
    )


def _live_before(newest_first: Sequence[Deployment]) -> Deployment | None:
    """The live row to go back to, found by replaying the decisions as a stack of what is live.

    A row that puts an earlier one of the stack in force again (a rollback, or a person's choice to the same effect)
    takes everything above it off, so that it is never gone back to.
    """
    stack: list[Deployment] = []
    for row in reversed(newest_first):
        if row.stage is Stage.RETIRED:
            stack.clear()
        elif row.stage is Stage.LIVE:
            places = [place for place, kept in enumerate(stack) if _serves_alike(kept, row)]
            del stack[places[-1] if places else len(stack) :]
            stack.append(row)
    if next(row.stage for row in newest_first if row.stage is not Stage.SHADOW) is Stage.LIVE:
        stack.pop()
    return stack[-1] if stack else None


def _serves_alike(first: Deployment, second: Deployment) -> bool:
    return (first.model_version_id, first.threshold) == (second.model_version_id, second.threshold)
