"""Watches specialists in service, and takes off those that break their promise.

Owns which answers count, the tests and what is written up. Refuses to know who judges answers, when it is asked to
look, and how traffic is routed. Fails safe: a look that fails changes nothing, and the next one goes on where the last
one that succeeded ended, since all it knows is in the store.

Two rates are watched, each against its own limit (`lifecycle.limits`):

- errors: people's labels of answers picked at random (`core.incident.Signal.LABEL`);
- disagreements: the frontier model's answers to a random sample of requests (`Signal.AUDIT`).

Each has a test that may be looked at after every answer (`stats.sequential`) at an equal part of delta, so that a
specialist which keeps its limits is taken off, in all its service, with probability at most delta. People's words on
answers they picked themselves (`Signal.REPORT`) are counted and shown, and take nothing off: who complains about wrong
answers only makes any model look bad.

An answer is entered in the store once, in the order in which it became known, with its loss; the tests are functions of
these rows alone. So any process may look, at any time, after any crash: none bets on an answer twice, two never act
twice, and the rows with an incident show anyone how it came to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from tierwright.core.contract import ContractKind
from tierwright.core.ids import IncidentId, uuid7
from tierwright.core.incident import Incident, JudgedOutcome, Signal
from tierwright.core.inference import RouteReason
from tierwright.lifecycle.limits import certificate_of, limit_of
from tierwright.lifecycle.promotion import DeploymentLog, Withdrawal, rolled_back
from tierwright.lifecycle.service import service_of
from tierwright.stats.sequential import ExcessRisk, mean_loss, spent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tierwright.core.certificate import Certificate
    from tierwright.core.deployment import Deployment
    from tierwright.core.estimate import Estimate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.ids import DeploymentId, EvaluationId, TaskId
    from tierwright.core.incident import ArmTotals, JudgedAnswer
    from tierwright.core.task import Task
    from tierwright.lifecycle.limits import Limit
    from tierwright.lifecycle.service import Service

#: The rates that are watched.
WATCHED = (Signal.LABEL, Signal.AUDIT)
CALLED = {
    Signal.LABEL: "errors, by people's labels of random answers,",
    Signal.AUDIT: "disagreements with the frontier model",
}
#: Answers named in an incident.
_EXAMPLES = 20
#: How far before the last look words are looked for again: clocks differ, and records arrive late.
_OVERLAP = timedelta(hours=1)
#: Looks between two that go through everything.
_THOROUGH_EVERY = 120


class MonitoredStore(DeploymentLog, Protocol):
    """The little of a store that is needed here; every `core.protocols.Store` is one."""

    def evaluation(self, evaluation_id: EvaluationId) -> Evaluation:
        """As `EvaluationStore.evaluation`."""

    def certificates(self, task_id: TaskId | None = None) -> list[Certificate]:
        """As `CertificateStore.certificates`."""

    def judged_answers(
        self, deployment_ids: Sequence[DeploymentId], *, unless_entered_for: DeploymentId, since: datetime | None = None
    ) -> list[JudgedAnswer]:
        """As `MonitorStore.judged_answers`."""

    def enter_judged(self, outcomes: Sequence[JudgedOutcome]) -> bool:
        """As `MonitorStore.enter_judged`."""

    def judged_outcomes(self, service_id: DeploymentId, *, start: int = 0) -> list[JudgedOutcome]:
        """As `MonitorStore.judged_outcomes`."""

    def arm_totals(self, deployment_id: DeploymentId) -> list[ArmTotals]:
        """As `MonitorStore.arm_totals`."""

    def add_incident(self, incident: Incident, decision: Deployment) -> bool:
        """As `MonitorStore.add_incident`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRules:
    """What is watched for."""

    #: Probability that a specialist which keeps its limits is taken off, in all its service.
    delta: float = 0.05
    #: Whether that holds for all services of a task together, the k-th spending delta / (k (k + 1)).
    per_task: bool = False
    #: Confidence level of the intervals.
    level: float = 0.95
    #: The rate that is allowed whatever the evidence says; 0: what the evidence says.
    limit: float = 0.0
    #: The smallest probability with which an answer is audited.
    least_propensity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a rate is like."""

    signal: Signal
    #: None: nothing says how often is too often, so the rate is shown and not tested.
    limit: Limit | None
    #: The part of delta that its test has.
    delta: float
    #: None: there is no limit.
    evidence: ExcessRisk | None
    #: None: nothing is known yet.
    rate: Estimate | None
    #: The outcomes it rests on, in the order of entry.
    outcomes: tuple[JudgedOutcome, ...]

    @property
    def breached(self) -> bool:
        """Whether the promise is broken."""
        return self.evidence is not None and self.evidence.alarms(self.delta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a service is doing."""

    task: Task
    service: Service
    readings: tuple[Reading, ...]
    #: All outcomes of the service, also those that no rate counts.
    outcomes: tuple[JudgedOutcome, ...]

    @property
    def breach(self) -> Reading | None:
        """The rate whose promise is broken, the one with the most evidence; None: none is."""
        broken = [reading for reading in self.readings if reading.breached]
        return max(broken, key=lambda reading: reading.evidence.highest if reading.evidence else 0.0, default=None)

    @property
    def reports(self) -> tuple[JudgedOutcome, ...]:
        """People's words on answers of the specialist that they picked themselves."""
        return tuple(one for one in self.outcomes if one.signal is Signal.REPORT and _is_its_own(one))

    @property
    def complaints(self) -> int:
        """How many of the reports say that the answer was wrong."""
        return sum(one.loss == 1.0 for one in self.reports)

    @property
    def uncomparable(self) -> int:
        """Answers on which somebody has spoken, and whose loss can't be told."""
        return sum(one.loss is None for one in self.outcomes)


@dataclass(slots=True)
class _Known:
    """What one process remembers of a service, so that it need not read everything at each look."""

    service_id: DeploymentId
    outcomes: list[JudgedOutcome] = field(default_factory=list)
    #: The tests so far.
    tests: dict[Signal, ExcessRisk] = field(default_factory=dict)
    looks: int = 0
    looked_at: datetime | None = None


class Monitor:
    """Looks at services. Not thread-safe; any number of them may share a store."""

    def __init__(self, store: MonitoredStore, rules: MonitorRules) -> None:
        self._store = store
        self._rules = rules
        self._known: dict[TaskId, _Known] = {}

    def look(self, task: Task, *, at: datetime) -> Standing | None:
        """How the task's service is doing, after entering what became known since; None: no specialist serves it.

        Raises StoreError where the store fails; nothing is lost then.
        """
        service = service_of(self._store.deployments(task.id))
        if service is None:
            return None
        known = self._renewed(task, service, at)
        rules = self._rules
        deployment = service.deployment
        evaluation = None if deployment.evaluation_id is None else self._store.evaluation(deployment.evaluation_id)
        certificate = certificate_of(self._store.certificates(task.id), deployment)
        limits = {signal: limit_of(signal, evaluation, certificate, fixed=rules.limit) for signal in WATCHED}
        tested = sum(limit is not None for limit in limits.values())
        delta = (spent(rules.delta, service.number) if rules.per_task else rules.delta) / max(1, tested)
        return Standing(
            task=task,
            service=service,
            readings=tuple(self._reading(known, signal, limits[signal], delta) for signal in WATCHED),
            outcomes=tuple(known.outcomes),
        )

    def act(self, standing: Standing, *, at: datetime, entropy: bytes) -> Incident | None:
        """Takes the specialist off where a promise is broken, and writes it up; None: none is, or somebody was faster.

        What was live before comes back, or the frontier model. `entropy` holds at least 10 random bytes.
        """
        breach = standing.breach
        if breach is None or breach.limit is None or breach.evidence is None or breach.rate is None:
            return None
        deployment = standing.service.deployment
        now = service_of(self._store.deployments(standing.task.id))
        if now is None or now.deployment.id != deployment.id:
            return None
        summary = _in_words(standing, breach)
        decision = rolled_back(
            self._store, Withdrawal(task_id=standing.task.id, reason=summary), at=at, entropy=entropy
        )
        wrong = [one.inference_id for one in breach.outcomes if one.loss]
        incident = Incident(
            # Other bytes than the decision's.
            id=IncidentId(uuid7(at, entropy[::-1])),
            task_id=standing.task.id,
            deployment_id=deployment.id,
            service_id=standing.service.id,
            model_version_id=deployment.model_version_id,
            created_at=at,
            signal=breach.signal,
            limit=breach.limit.value,
            limit_from=breach.limit.source,
            e_value=breach.evidence.highest,
            delta=breach.delta,
            rate=breach.rate,
            first_at=min(one.answered_at for one in breach.outcomes),
            last_at=max(one.answered_at for one in breach.outcomes),
            examples=tuple(wrong[-_EXAMPLES:]),
            reports=standing.complaints,
            followed_by=decision.id,
            summary=summary,
        )
        return incident if self._store.add_incident(incident, decision) else None

    def _renewed(self, task: Task, service: Service, at: datetime) -> _Known:
        """What is known of a service, everything new entered."""
        known = self._known.get(task.id)
        if known is None or known.service_id != service.id:
            known = self._known[task.id] = _Known(service_id=service.id)
        since = None
        if known.looked_at is not None and known.looks % _THOROUGH_EVERY:
            since = known.looked_at - _OVERLAP
        known.outcomes += self._store.judged_outcomes(service.id, start=len(known.outcomes))
        judged = self._store.judged_answers(
            [row.id for row in service.decisions], unless_entered_for=service.id, since=since
        )
        begin = len(known.outcomes)
        entered = [self._outcome(task, service, begin + place, one) for place, one in enumerate(judged)]
        # Where another process was faster, its rows are read at the next look.
        if entered and self._store.enter_judged(entered):
            known.outcomes += entered
        known.looks, known.looked_at = known.looks + 1, at
        return known

    def _outcome(self, task: Task, service: Service, place: int, judged: JudgedAnswer) -> JudgedOutcome:
        return JudgedOutcome(
            service_id=service.id,
            place=place,
            inference_id=judged.inference_id,
            signal=judged.signal,
            reason=judged.reason,
            answered_at=judged.answered_at,
            loss=_loss(task, judged),
            weight=min(1.0, self._rules.least_propensity / judged.propensity) if judged.propensity > 0 else 1.0,
        )

    def _reading(self, known: _Known, signal: Signal, limit: Limit | None, delta: float) -> Reading:
        counted = tuple(
            one for one in known.outcomes if one.signal is signal and one.loss is not None and _is_its_own(one)
        )
        losses, weights = [one.loss or 0.0 for one in counted], [one.weight for one in counted]
        evidence = None
        if limit is not None:
            evidence = known.tests.get(signal, ExcessRisk(limit=limit.value))
            if evidence.limit != limit.value:
                evidence = ExcessRisk(limit=limit.value)
            if evidence.n < len(counted):
                evidence = evidence.after(losses[evidence.n :], weights[evidence.n :])
            known.tests[signal] = evidence
        return Reading(
            signal=signal,
            limit=limit,
            delta=delta,
            evidence=evidence,
            rate=mean_loss(losses, weights, level=self._rules.level) if counted else None,
            outcomes=counted,
        )


def _is_its_own(outcome: JudgedOutcome) -> bool:
    """Whether the specialist gave the answer."""
    return outcome.reason is RouteReason.SPECIALIST


def _loss(task: Task, judged: JudgedAnswer) -> float | None:
    """1 where the answer was wrong, 0 where it was right; None: it can't be told."""
    if judged.agrees is not None:
        return float(not judged.agrees)
    # Two good texts differ in wording.
    if judged.given is None or judged.wanted is None or task.contract.kind is ContractKind.TEXT:
        return None
    return float(task.contract.canonical(judged.given) != task.contract.canonical(judged.wanted))


def _in_words(standing: Standing, breach: Reading) -> str:
    """What was seen, for the decision that follows."""
    assert breach.limit is not None
    assert breach.evidence is not None
    assert breach.rate is not None
    rate = breach.rate
    return (
        f"the monitor: {CALLED[breach.signal]} in {rate.value:.1%} of {rate.n} answers "
        f"[{rate.ci_low:.1%}, {rate.ci_high:.1%}], {breach.limit.value:.1%} allowed "
        f"({breach.limit.source}); e-value {breach.evidence.highest:.3g} after {breach.evidence.highest_at} answers, "
        f"{1 / breach.delta:.3g} needed; {standing.complaints} corrections besides"
    )
