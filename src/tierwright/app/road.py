"""What the steps of the road have shown: counted in the store, and handed to those who decide.

Owns what is counted as evidence of a step; the rules are `lifecycle.road`'s, the sums `economics.cascade`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

from tierwright.app.appraisal import measure_latency
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.dataset import Split
from tierwright.core.deployment import Stage
from tierwright.core.inference import CallRole, RouteReason
from tierwright.economics.cascade import cascade_cost
from tierwright.lifecycle.promotion import Proposal, RoadCheck, promote
from tierwright.lifecycle.road import StepEvidence, next_step
from tierwright.stats.intervals import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.app.wiring import Parts
    from tierwright.core.deployment import Deployment
    from tierwright.core.estimate import Estimate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.ids import ModelVersionId, TaskId
    from tierwright.core.ledger import LedgerLine
    from tierwright.core.model import ModelVersion
    from tierwright.core.second import ComparedAnswer
    from tierwright.core.task import Task
    from tierwright.economics.cascade import CascadeCost

#: Test examples that a specialist is timed on before it has traffic.
_TIMED = 60
_ASKED = frozenset({RouteReason.SPECIALIST, RouteReason.LOW_CONFIDENCE, RouteReason.SPECIALIST_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Milliseconds:
    """How long calls took."""

    p50: float
    p95: float
    mean: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """One deployment in force and what it has shown since it was made."""

    deployment: Deployment
    evidence: StepEvidence
    #: Share of the requests that it answers itself, or would; None: it was asked for none.
    local_share: Estimate | None
    #: Agreement of all its answers, also of those it would not give; None: nothing was compared.
    agreement_of_all: Estimate | None
    #: Of a shadow the copies that should have been answered, about: its share of the task's requests; else the audits.
    drawn: float
    #: Of these answered a second time and stored.
    second_answers: int
    #: Of the specialist's own calls; None: none was timed.
    specialist_ms: Milliseconds | None
    #: Of what the callers waited for meanwhile, by frontier models; None: none was timed.
    frontier_ms: Milliseconds | None
    #: None: a price or a share is not known.
    cost: CascadeCost | None

    @property
    def missing(self) -> float:
        """About how many second answers there should be and are not: dropped, or still under way."""
        return max(0.0, self.drawn - self.second_answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadStatus:
    """Where a task's specialists are on the road."""

    task: Task
    #: None: no specialist answers.
    serving: StepStatus | None
    #: None: none is on trial.
    shadow: StepStatus | None


def road_status(parts: Parts, task: Task) -> RoadStatus:
    """What is in force for a task, with what it has shown."""
    rows = parts.store.deployments(task.id)
    shadow = rows[0] if rows and rows[0].stage is Stage.SHADOW else None
    serving = next((row for row in rows if row.stage is not Stage.SHADOW), None)
    return RoadStatus(
        task=task,
        serving=None if serving is None or serving.stage is Stage.RETIRED else _status(parts, serving, rows),
        shadow=None if shadow is None else _status(parts, shadow, rows),
    )


def road_check(
    parts: Parts, version: ModelVersion, evaluation: Evaluation | None, *, strict: bool = False
) -> RoadCheck:
    """What promotion is to look at besides the evaluation: what the last step has shown, and what a request costs."""
    rows = parts.store.deployments(version.task_id)
    last = next((row for row in rows if row.model_version_id == version.id), None)
    status = None if last is None or last.stage not in {Stage.SHADOW, Stage.CANARY} else _status(parts, last, rows)
    cost = None if status is None else status.cost
    return RoadCheck(
        rules=parts.settings.promotion,
        evidence=None if status is None else status.evidence,
        cost=cost if cost is not None or evaluation is None else expected_cost(parts, version, evaluation),
        strict=strict,
    )


def expected_cost(parts: Parts, version: ModelVersion, evaluation: Evaluation) -> CascadeCost | None:
    """What a request will cost by the evaluation's local share, before there is traffic; None: it can't be known yet.

    The specialist is timed here on its test examples; the frontier model's cost is that of the task's traffic so far.
    """
    frontier = _frontier_usd([line for line in parts.store.ledger() if line.task_id == version.task_id])
    inputs = [example.input for example in parts.store.examples(version.dataset_id, Split.TEST)[:_TIMED]]
    # A language model is served elsewhere, and loading it here would take minutes.
    if frontier is None or not inputs or version.recipe == "lora":
        return None
    latency = measure_latency(ArtifactLoader(parts).load(version), inputs)
    local = parts.machine.cost(latency.mean_ms / 1000 / parts.cores)
    return cascade_cost(local_usd=local, frontier_usd=frontier, local_share=evaluation.local_share)


def advance(parts: Parts, task: Task, *, approver: str | None = None, reason: str = "") -> Deployment:
    """Takes a task's specialist one step further if its evidence allows; raises InvalidTransition otherwise."""
    rules = parts.settings.promotion
    current, stage, share = next_step(parts.store.deployments(task.id), rules)
    version = parts.store.version(current.model_version_id)
    evaluation = newest_evaluation(parts, version.id, task.id, current.threshold)
    proposal = Proposal(
        version=version,
        evaluation=evaluation,
        stage=stage,
        threshold=current.threshold,
        share=share,
        approver=approver,
        reason=reason,
    )
    check = road_check(parts, version, evaluation, strict=True)
    return promote(parts.store, proposal, at=parts.clock(), entropy=parts.entropy(), road=check)


def newest_evaluation(
    parts: Parts, version: ModelVersionId, task_id: TaskId, threshold: float | None = None
) -> Evaluation | None:
    """The newest evaluation of a version, of one at a threshold where there is one; None: it has none."""
    found = [one for one in parts.store.evaluations(task_id) if one.candidate == version]
    at = (one for one in found if one.threshold == threshold)
    return next(at, next(iter(found), None))


def _status(parts: Parts, row: Deployment, newest_first: Sequence[Deployment]) -> StepStatus:
    """What a deployment has shown since it, or one alike right before it, was made, until another took its place."""
    is_shadow = row.stage is Stage.SHADOW
    # A shadow ends with any decision, what serves with the next that is no shadow.
    rows = newest_first if is_shadow else [one for one in newest_first if one.stage is not Stage.SHADOW]
    place = [one.id for one in rows].index(row.id)
    alike = [row, *takewhile(lambda one: _alike(one, row), rows[place + 1 :])]
    since, until = alike[-1].created_at, rows[place - 1].created_at if place else parts.clock()
    lines = [line for line in parts.store.ledger(since=since, until=until) if line.task_id == row.task_id]
    ids = {one.id for one in alike}
    role = CallRole.SHADOW if is_shadow else CallRole.AUDIT
    compared = [
        found
        for found in parts.store.second_answers(row.task_id, role=role, since=since)
        if found.second.deployment_id in ids
    ]
    asked = sum(line.requests for line in lines if line.reason in _ASKED)
    local = sum(line.requests for line in lines if line.reason is RouteReason.SPECIALIST)
    failed = sum(line.requests for line in lines if line.reason is RouteReason.SPECIALIST_FAILED)
    if is_shadow:
        said = [found for found in compared if found.second.confidence is not None]
        asked, local = len(compared), sum(found.would_answer for found in said)
        failed = len(compared) - len(said)
    # A specialist that serves already is no yardstick: agreement is with the frontier model.
    opinions = [
        found for found in compared if found.second.agrees is not None and (not is_shadow or _by_frontier(found))
    ]
    share = clopper_pearson(local, asked) if asked else None
    drawn = row.share * sum(line.requests for line in lines) if is_shadow else parts.settings.second.audit_share * local
    return StepStatus(
        deployment=row,
        evidence=StepEvidence(
            deployment=row,
            requests=asked,
            failed=failed,
            hours=(until - since).total_seconds() / 3600,
            agreement=_agreement([found for found in opinions if found.would_answer]),
        ),
        local_share=share,
        agreement_of_all=_agreement(opinions) if is_shadow else None,
        drawn=drawn,
        second_answers=len(compared),
        specialist_ms=_milliseconds([found.second.call.latency_ms for found in compared] if is_shadow else []),
        frontier_ms=_milliseconds(
            [found.given_latency_ms for found in compared if _by_frontier(found)]
            if is_shadow
            else [found.second.call.latency_ms for found in compared]
        ),
        cost=_cost(lines, compared if is_shadow else None, share),
    )


def _alike(first: Deployment, second: Deployment) -> bool:
    """Whether no request would notice the difference."""
    return (first.model_version_id, first.stage, first.share, first.threshold) == (
        second.model_version_id,
        second.stage,
        second.share,
        second.threshold,
    )


def _by_frontier(found: ComparedAnswer) -> bool:
    return not found.given_locally


def _agreement(found: Sequence[ComparedAnswer]) -> Estimate | None:
    return clopper_pearson(sum(bool(one.second.agrees) for one in found), len(found)) if found else None


def _milliseconds(measured: Sequence[float | None]) -> Milliseconds | None:
    known = sorted(one for one in measured if one is not None)
    if not known:
        return None
    cuts = quantiles(known, n=20, method="inclusive") if len(known) > 1 else known * 19
    return Milliseconds(p50=cuts[9], p95=cuts[18], mean=fmean(known), n=len(known))


def _cost(
    lines: Sequence[LedgerLine], shadowed: Sequence[ComparedAnswer] | None, share: Estimate | None
) -> CascadeCost | None:
    """What a request costs by the ledger; None where the share, or the price of either model, is not known."""
    frontier = _frontier_usd(lines)
    if shadowed is None:
        answered = [line for line in lines if line.reason is RouteReason.SPECIALIST]
        requests = sum(line.requests for line in answered)
        local = _mean([line.cost_usd - line.second_usd for line in answered], requests)
    else:
        costs = [found.second.call.cost_usd for found in shadowed]
        known = [cost for cost in costs if cost is not None]
        local = _mean(known, len(known))
    if share is None or frontier is None or local is None:
        return None
    return cascade_cost(local_usd=local, frontier_usd=frontier, local_share=share)


def _frontier_usd(lines: Sequence[LedgerLine]) -> Decimal | None:
    """What a request costs where the frontier model is asked at once; None: there was none, or it has no price."""
    at_once = [line for line in lines if line.reason not in _ASKED and line.model is not None]
    # A line may hold some requests that have a price and some that have none.
    priced = [(line, line.requests - line.unpriced_calls) for line in at_once if line.unpriced_calls < line.requests]
    return _mean([line.cost_usd - line.second_usd for line, _ in priced], sum(count for _, count in priced))


def _mean(amounts: Sequence[Decimal], count: int) -> Decimal | None:
    return sum(amounts, start=Decimal(0)) / count if count else None
