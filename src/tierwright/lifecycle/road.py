"""What a step of the road asks for besides an evaluation: stages before it, time and requests at the last step, a name.

Owns these rules as pure functions. Refuses to know how a step's requests are counted (`app.road` measures them) and to
take a step (`lifecycle.promotion`). Fails closed: a step of which nothing is known has seen nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.deployment import Stage
from tierwright.core.errors import InvalidTransition
from tierwright.core.estimate import as_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.deployment import Deployment
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import ModelVersionId

#: What comes before what.
_ORDER = (Stage.SHADOW, Stage.CANARY, Stage.LIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadRules:
    """What a step must have seen before the next one is taken."""

    #: Stages that a version must have been through before it is live.
    require: tuple[Stage, ...] = ()
    #: Shares of the traffic, rising; the last is 1, which is live.
    steps: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0)
    #: Requests: of a shadow copies answered, of a canary those the specialist was asked.
    min_requests: int = 200
    #: Hours.
    min_hours: float = 24.0
    #: What the lower end of the agreement must reach; 0: nothing.
    min_agreement: float = 0.0
    #: Share of requests at which the specialist may have failed.
    max_failed_share: float = 0.01
    #: Who may decide; empty: anybody with a name.
    approvers: tuple[str, ...] = ()
    #: Stages that need one of them.
    require_approver: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvidence:
    """What a deployment has seen since it was made."""

    #: The deployment it is about.
    deployment: Deployment
    #: Of a shadow copies answered, of a canary or a live one requests that the specialist was asked.
    requests: int
    #: Of these the ones at which it failed.
    failed: int
    hours: float
    #: Agreement with what was answered (shadow) or with the frontier model (audits), of the answers that it would give
    #: or gave itself; None: nothing was compared.
    agreement: Estimate | None

    def __str__(self) -> str:
        """In words, as a decision keeps it."""
        found = self.agreement
        agreed = "" if found is None else f", agreement {as_percent(found)}"
        step = f"{self.deployment.stage.value} at {self.deployment.share:.0%}"
        return f"{step}: {self.requests:,} requests, {self.failed:,} failed, {self.hours:.1f} h{agreed}"


def order_objections(
    stage: Stage, share: float, version: ModelVersionId, newest_first: Sequence[Deployment], rules: RoadRules
) -> tuple[str, ...]:
    """Required stages that a version would pass by, in words; nobody can overrule these.

    `newest_first`: the decisions about the task. What a version has been through before it was taken off does not
    count. A step back is always allowed.
    """
    if is_step_back(stage, share, version, newest_first):
        return ()
    passed = [row for row in _since_taken_off(version, newest_first) if row.model_version_id == version]
    wanted = [one for one in _ORDER[: _ORDER.index(stage)] if one in rules.require]
    found = [
        f"it has not been {one.value}, which promotion.require asks for before {stage.value}: "
        f"`tierwright deploy set {version[:12]} --stage {one.value}` first"
        for one in wanted
        if not any(row.stage is one for row in passed)
    ]
    if Stage.CANARY in rules.require and not found:
        reached = max((row.share for row in passed if row.stage is Stage.CANARY), default=0.0)
        most = next((step for step in rules.steps if step > reached), 1.0)
        if share > most and stage is not Stage.SHADOW:
            found.append(
                f"its next step is {most:.0%} of the traffic, after {reached:.0%}: `tierwright deploy advance` takes it"
            )
    return tuple(found)


def step_objections(evidence: StepEvidence | None, rules: RoadRules) -> tuple[str, ...]:
    """What the last step has not shown yet, each point in words with what to do; () where it has."""
    if evidence is None:
        return ("nothing is known of the last step; measure it with `tierwright deploy status`",)
    found: list[str] = []
    if evidence.requests < rules.min_requests:
        found.append(
            f"the last step has seen {evidence.requests:,} of {rules.min_requests:,} requests: wait, or raise its share"
        )
    if not evidence.hours >= rules.min_hours:
        found.append(f"the last step has lasted {evidence.hours:.1f} of {rules.min_hours:g} hours: wait")
    if evidence.failed > rules.max_failed_share * evidence.requests:
        found.append(
            f"the specialist failed at {evidence.failed:,} of {evidence.requests:,} requests, more than "
            f"{rules.max_failed_share:.1%}: read the gateway's log, and mend it"
        )
    if rules.min_agreement > 0.0:
        agreement = evidence.agreement
        if agreement is None:
            found.append(
                "nothing was compared at the last step, and promotion.min_agreement wants a comparison: keep content "
                "of this task, or set routing.audit_share"
            )
        elif not agreement.ci_low >= rules.min_agreement:
            found.append(
                f"agreement is certain to be {agreement.ci_low:.1%} only, not {rules.min_agreement:.1%} "
                f"(n = {agreement.n:,}): wait for more, or train a better version"
            )
    return tuple(found)


def check_approver(approver: str | None, stage: Stage, rules: RoadRules) -> None:
    """Raises InvalidTransition where a stage needs a name that is not given, or the name is none of those allowed."""
    name = (approver or "").strip()
    allowed = f"one of {', '.join(rules.approvers)}" if rules.approvers else "somebody"
    if name and rules.approvers and name not in rules.approvers:
        raise InvalidTransition(
            f"{name} is none of promotion.approvers in the settings; {allowed} decides, with --approver NAME"
        )
    if not name and stage in rules.require_approver:
        raise InvalidTransition(
            f"going {stage.value} needs a name, as promotion.require_approver says: {allowed} decides, with "
            "--approver NAME"
        )


def next_step(newest_first: Sequence[Deployment], rules: RoadRules) -> tuple[Deployment, Stage, float]:
    """The deployment that goes on, and the stage and share it goes to. Raises InvalidTransition where none does."""
    current = newest_first[0] if newest_first else None
    if current is None or current.stage is Stage.RETIRED:
        raise InvalidTransition(
            "no specialist of this task is on the road; begin with `tierwright deploy set VERSION --stage shadow`"
        )
    if current.stage is Stage.LIVE:
        raise InvalidTransition(
            f"version {current.model_version_id[:12]} is live, which is the last step; there is nothing to advance to"
        )
    reached = current.share if current.stage is Stage.CANARY else 0.0
    share = next((step for step in rules.steps if step > reached), 1.0)
    return current, Stage.LIVE if share >= 1.0 else Stage.CANARY, share


def is_step_back(stage: Stage, share: float, version: ModelVersionId, newest_first: Sequence[Deployment]) -> bool:
    """Whether a version that serves would have no more of the traffic than it has."""
    serving = next((row for row in newest_first if row.stage is not Stage.SHADOW), None)
    if serving is None or serving.model_version_id != version or serving.stage is Stage.RETIRED:
        return False
    return _ORDER.index(stage) <= _ORDER.index(serving.stage) and share <= serving.share


def _since_taken_off(version: ModelVersionId, newest_first: Sequence[Deployment]) -> Sequence[Deployment]:
    """The decisions about a task since this version was last taken off: retired, rolled back from, or replaced."""
    kept: list[Deployment] = []
    newer: Deployment | None = None
    for row in newest_first:
        if row.stage is not Stage.SHADOW and row.model_version_id == version:
            replaced = newer is not None and newer.model_version_id != version
            if row.stage is Stage.RETIRED or replaced:
                break
        kept.append(row)
        if row.stage is not Stage.SHADOW:
            newer = row
    return kept
