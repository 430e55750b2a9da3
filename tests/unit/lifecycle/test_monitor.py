"""What takes a specialist off by itself, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import a_contract, a_deployment, a_task, after, an_estimate, an_evaluation
from tierwright.core.certificate import Certificate, Risk
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource
from tierwright.core.deployment import Deployment, Stage
from tierwright.core.ids import (
    CertificateId,
    DatasetId,
    DeploymentId,
    EvaluationId,
    InferenceId,
    ModelVersionId,
    TaskId,
)
from tierwright.core.incident import Incident, JudgedAnswer, JudgedOutcome, Signal
from tierwright.core.inference import RouteReason
from tierwright.lifecycle.monitor import Monitor, MonitorRules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tierwright.core.evaluation import Evaluation
    from tierwright.core.incident import ArmTotals
    from tierwright.lifecycle.monitor import Standing

TASK = a_task()


class Memory:
    """A store in memory of what a monitor needs."""

    def __init__(self, *decisions: Deployment, **evaluation: Any) -> None:
        self.rows = list(decisions) or [a_deployment()]
        self.found = an_evaluation(**evaluation)
        self.certified: list[Certificate] = []
        self.said: list[JudgedAnswer] = []
        self.entered: list[JudgedOutcome] = []
        self.kept: list[Incident] = []
        self.asked_since: list[datetime | None] = []

    def add_deployment(self, deployment: Deployment) -> None:
        """Keeps a decision."""
        self.rows.append(deployment)

    def deployments(self, task_id: TaskId | None = None) -> list[Deployment]:
        """Newest first."""
        return self.rows[::-1]

    def evaluation(self, evaluation_id: EvaluationId) -> Evaluation:
        """The one there is."""
        return self.found

    def certificates(self, task_id: TaskId | None = None) -> list[Certificate]:
        """Newest first."""
        return self.certified

    def judged_answers(
        self, deployment_ids: Sequence[DeploymentId], *, unless_entered_for: DeploymentId, since: datetime | None = None
    ) -> list[JudgedAnswer]:
        """What was said and is not entered."""
        self.asked_since.append(since)
        entered = {(one.service_id, one.signal, one.inference_id) for one in self.entered}
        return [one for one in self.said if (unless_entered_for, one.signal, one.inference_id) not in entered]

    def enter_judged(self, outcomes: Sequence[JudgedOutcome]) -> bool:
        """At the next places only."""
        if outcomes and outcomes[0].place != len(self.judged_outcomes(outcomes[0].service_id)):
            return False
        self.entered += outcomes
        return True

    def judged_outcomes(self, service_id: DeploymentId, *, start: int = 0) -> list[JudgedOutcome]:
        """Of a service."""
        return [one for one in self.entered if one.service_id == service_id][start:]

    def arm_totals(self, deployment_id: DeploymentId) -> list[ArmTotals]:
        """None."""
        return []

    def add_incident(self, incident: Incident, decision: Deployment) -> bool:
        """Once for each decision."""
        if self.rows[-1].id != incident.deployment_id:
            return False
        self.kept.append(incident)
        self.rows.append(decision)
        return True

    def say(self, count: int, *, right: bool = True, **changes: Any) -> None:
        """Labels of so many random answers."""
        fields: dict[str, Any] = {
            "signal": Signal.LABEL,
            "reason": RouteReason.SPECIALIST,
            "given": "card_lost",
            "wanted": "card_lost" if right else "card_arrival",
            "agrees": None,
            "propensity": 1.0,
        }
        for _ in range(count):
            number = len(self.said)
            self.said.append(
                JudgedAnswer(inference_id=InferenceId(f"i-{number}"), answered_at=after(number), **fields | changes)
            )


def a_certificate(**changes: Any) -> Certificate:
    """Errors of what `a_deployment` puts into service, by people's labels."""
    fields: dict[str, Any] = {
        "id": CertificateId("certificate-1"),
        "task_id": TASK.id,
        "dataset_id": DatasetId("dataset-1"),
        "model_version_id": ModelVersionId("abc123"),
        "created_at": after(0),
        "risk": Risk.ERROR,
        "level": 0.08,
        "delta": 0.05,
        "threshold": 0.8,
        "n": 500,
        "seed": 7,
        "reference": LabelSource.HUMAN,
        "coverage": None,
        "realised_risk": None,
        "labels_needed": None,
        "reason": "",
    }
    return Certificate(**fields | changes)


def look(store: Memory, monitor: Monitor | None = None, **rules: Any) -> Standing:
    """How the service stands."""
    found = (monitor or Monitor(store, MonitorRules(**rules))).look(TASK, at=after(1_000))
    assert found is not None
    return found


def act(store: Memory, **rules: Any) -> Incident | None:
    """One look with all that follows."""
    monitor = Monitor(store, MonitorRules(**rules))
    standing = monitor.look(TASK, at=after(1_000))
    assert standing is not None
    return monitor.act(standing, at=after(1_000), entropy=bytes(range(16)))


def test_a_specialist_that_keeps_its_promise_stays() -> None:
    """Three errors in two hundred random answers, where 6 % are allowed, take nothing off."""
    store = Memory()
    store.say(197)
    store.say(3, right=False)
    assert act(store) is None
    assert len(store.rows) == 1
    reading = look(store).readings[0]
    assert reading.limit is not None
    # The evaluation was right in 95 % of its own answers or more; the margin is one point.
    assert reading.limit.value == pytest.approx(0.06)
    assert reading.rate is not None
    assert (reading.rate.value, reading.rate.n) == (pytest.approx(0.015), 200)


def test_a_specialist_that_fails_is_taken_off_and_written_up() -> None:
    """Half of the answers wrong: the frontier model is back, and the incident says what was seen."""
    store = Memory()
    store.say(20)
    store.say(20, right=False)
    store.say(2, right=False, signal=Signal.REPORT)
    found = act(store)
    assert found is not None
    assert store.kept == [found]
    assert store.rows[-1].stage is Stage.RETIRED
    assert store.rows[-1].id == found.followed_by
    assert store.rows[-1].approver is None
    assert (found.signal, found.limit, found.delta) == (Signal.LABEL, pytest.approx(0.06), 0.05)
    assert found.e_value >= 20
    assert (found.rate.value, found.rate.n) == (0.5, 40)
    assert found.rate.ci_low > 0.06
    assert (found.first_at, found.last_at, found.reports) == (after(0), after(39), 2)
    assert found.examples == tuple(InferenceId(f"i-{number}") for number in range(20, 40))
    assert "50.0% of 40 answers" in found.summary
    assert "6.0% allowed" in store.rows[-1].reason
    assert look_again(store) is None


def look_again(store: Memory) -> Standing | None:
    """What a look finds after a specialist was taken off."""
    return Monitor(store, MonitorRules()).look(TASK, at=after(2_000))


def test_what_was_live_before_comes_back() -> None:
    """A second version that fails gives way to the first, which is watched anew."""
    second = a_deployment(id=DeploymentId("second"), model_version_id=ModelVersionId("def456"))
    store = Memory(a_deployment(), second)
    store.say(30, right=False)
    assert act(store) is not None
    assert (store.rows[-1].stage, store.rows[-1].model_version_id) == (Stage.LIVE, "abc123")
    store.said.clear()
    again = look(store)
    assert again.service.number == 3
    assert again.readings[0].rate is None


def test_two_that_see_the_same_act_once() -> None:
    """The second one's act finds another decision in force, and does nothing."""
    store = Memory()
    store.say(30, right=False)
    monitors = [Monitor(store, MonitorRules()) for _ in range(2)]
    standings = [monitor.look(TASK, at=after(100)) for monitor in monitors]
    incidents = []
    for monitor, standing in zip(monitors, standings, strict=True):
        assert standing is not None
        assert standing.breach is not None
        incidents.append(monitor.act(standing, at=after(100), entropy=bytes(16)))
    assert incidents[0] is not None
    assert incidents[1] is None
    assert len(store.kept) == 1
    assert len(store.rows) == 2


def test_complaints_alone_take_nothing_off() -> None:
    """A thousand corrections of answers that people picked themselves are counted, and no rate follows from them."""
    store = Memory()
    store.say(1_000, right=False, signal=Signal.REPORT)
    store.say(5, right=True, signal=Signal.REPORT)
    assert act(store) is None
    found = look(store)
    assert (len(found.reports), found.complaints) == (1_005, 1_000)
    assert all(reading.rate is None for reading in found.readings)


def test_answers_of_the_frontier_model_count_for_no_rate() -> None:
    """Wrong answers of the holdout and of escalated requests say nothing about the specialist."""
    store = Memory()
    store.say(50, right=False, reason=RouteReason.HOLDOUT)
    store.say(50, right=False, reason=RouteReason.LOW_CONFIDENCE)
    assert act(store) is None
    assert len(look(store).outcomes) == 100


def test_disagreements_have_a_limit_of_their_own() -> None:
    """Audits are held against the agreement that was measured, 70 % or more here, and not against the errors."""
    store = Memory(local_agreement=an_estimate(0.72))
    for _ in range(20):
        store.say(4, signal=Signal.AUDIT, agrees=True)
        store.say(1, signal=Signal.AUDIT, agrees=False)
    found = look(store)
    assert not any(reading.breached for reading in found.readings)
    label, audit = found.readings
    assert audit.limit is not None
    assert audit.limit.value == pytest.approx(1 - 0.70 + 0.01)
    assert label.rate is None
    # Two tests share delta.
    assert (label.delta, audit.delta) == (0.025, 0.025)
    store.say(100, signal=Signal.AUDIT, agrees=False)
    incident = act(store)
    assert incident is not None
    assert incident.signal is Signal.AUDIT


def test_without_evidence_nothing_is_tested_but_by_a_fixed_limit() -> None:
    """A person's decision without evaluation promises no rate: it is shown; `limit` in the settings makes one."""
    store = Memory(a_deployment(evaluation_id=None))
    store.say(50, right=False)
    assert act(store) is None
    reading = look(store).readings[0]
    assert (reading.limit, reading.evidence) == (None, None)
    assert reading.rate is not None
    found = act(store, limit=0.2)
    assert found is not None
    assert found.limit_from == "the settings: monitor.limit"


def test_an_evaluation_by_agreement_promises_nothing_about_errors() -> None:
    """Its rate is the limit of the audits; people's labels have none."""
    store = Memory(reference=LabelSource.INCUMBENT)
    limits = [reading.limit for reading in look(store).readings]
    assert limits[0] is None
    assert limits[1] is not None


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        ({}, (0.08, 0.04)),
        ({"reference": LabelSource.INCUMBENT}, (0.06, 0.08)),
        ({"threshold": 0.7}, (0.06, 0.04)),
        ({"threshold": None}, (0.06, 0.04)),
        ({"model_version_id": ModelVersionId("other")}, (0.06, 0.04)),
        ({"risk": Risk.REGRET}, (0.06, 0.04)),
    ],
)
def test_what_was_certified_is_the_limit(change: dict[str, Any], limits: tuple[float, float]) -> None:
    """Of the rate it is about, of exactly what is in service; otherwise the evaluation's."""
    store = Memory(local_agreement=an_estimate(0.99))
    store.certified = [a_certificate(**change)]
    found = [reading.limit.value for reading in look(store).readings if reading.limit is not None]
    assert found == pytest.approx(limits)


def test_each_answer_counts_once_whoever_looks_and_how_often() -> None:
    """Further looks, another process and a label that is changed later add nothing to what was entered."""
    store = Memory()
    store.say(10)
    monitor = Monitor(store, MonitorRules())
    first = look(store, monitor)
    store.said[0] = replace(store.said[0], wanted="card_arrival")
    for other in (monitor, Monitor(store, MonitorRules()), monitor):
        again = look(store, other)
        assert again.outcomes == first.outcomes
        assert again.readings[0].evidence is not None
        assert first.readings[0].evidence is not None
        assert again.readings[0].evidence.e_value == first.readings[0].evidence.e_value
    assert store.asked_since[0] is None
    assert store.asked_since[1] is not None


def test_a_look_at_the_same_time_is_made_up_for() -> None:
    """Where another process has entered more meanwhile, its rows are read, and the tests are those of one process."""
    store = Memory()
    store.say(10)
    one, other = Monitor(store, MonitorRules()), Monitor(store, MonitorRules())
    look(store, one)
    store.say(10, right=False)
    look(store, other)
    found, whole = look(store, one), look(store)
    assert found.outcomes == whole.outcomes
    assert found.readings[0].evidence is not None
    assert whole.readings[0].evidence is not None
    assert found.readings[0].evidence.e_value == pytest.approx(whole.readings[0].evidence.e_value)


def test_a_share_that_grows_keeps_what_was_learned() -> None:
    """From canary to live is one service; another threshold begins a new one."""
    canary = a_deployment(id=DeploymentId("canary"), stage=Stage.CANARY, share=0.1)
    live = a_deployment(id=DeploymentId("live"))
    store = Memory(canary)
    store.say(10)
    look(store)
    store.rows.append(live)
    found = look(store)
    assert (found.service.id, found.service.deployment.id) == ("canary", "live")
    assert len(found.outcomes) == 10
    store.rows.append(a_deployment(id=DeploymentId("higher"), threshold=0.9))
    assert look(store).service.id == "higher"
    assert look(store).service.number == 2


def test_a_series_of_services_can_share_one_delta() -> None:
    """`per_task`: the second service of a task spends a sixth of delta, so that all together spend at most delta."""
    store = Memory(a_deployment(), a_deployment(id=DeploymentId("b"), threshold=0.9))
    assert look(store).readings[0].delta == pytest.approx(0.05)
    assert look(store, per_task=True).readings[0].delta == pytest.approx(0.05 / 6)


def test_what_can_t_be_compared_is_counted_and_bets_on_nothing() -> None:
    """Content that was not kept, and texts, which are never equal to the letter."""
    store = Memory()
    store.say(3, given=None)
    found = look(store)
    assert (found.uncomparable, found.readings[0].rate) == (3, None)
    texts = replace(TASK, contract=replace(a_contract(), kind=ContractKind.TEXT, labels=()))
    other = Memory()
    other.say(3, right=False)
    standing = Monitor(other, MonitorRules()).look(texts, at=after(1))
    assert standing is not None
    assert standing.uncomparable == 3


def test_answers_that_were_likelier_audited_weigh_less() -> None:
    """Half of the chance is half of the weight; one below the smallest chance counts once."""
    store = Memory(local_agreement=an_estimate(0.9))
    for propensity in (0.02, 0.04, 0.01, 0.0):
        store.say(1, signal=Signal.AUDIT, propensity=propensity, agrees=True)
    assert [one.weight for one in look(store, least_propensity=0.02).outcomes] == [1.0, 0.5, 1.0, 1.0]


def test_a_task_without_specialist_is_not_looked_at() -> None:
    """Never deployed, or retired."""
    store = Memory(a_deployment(), a_deployment(id=DeploymentId("off"), stage=Stage.RETIRED))
    assert look_again(store) is None
    store.rows.clear()
    assert look_again(store) is None
