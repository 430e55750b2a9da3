"""What every store promises of outcomes and incidents, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.test_second_answers import TASK, an_audit, answered_locally
from tests.fakes import (
    NOON,
    a_call,
    a_dataset,
    a_deployment,
    a_task,
    a_version,
    after,
    an_estimate,
    an_evaluation,
    some_feedback,
)
from tierwright.core.deployment import Stage
from tierwright.core.ids import DeploymentId, FeedbackId, IncidentId, InferenceId
from tierwright.core.incident import Incident, JudgedOutcome, Signal
from tierwright.core.inference import Content, Route, RouteReason

if TYPE_CHECKING:
    from tierwright.store.sql import SqlStore

SERVICE = DeploymentId("deployment-1")


def an_outcome(place: int = 0, **changes: Any) -> JudgedOutcome:
    """A right answer."""
    fields: dict[str, Any] = {
        "service_id": SERVICE,
        "place": place,
        "inference_id": InferenceId(f"i-{place}"),
        "signal": Signal.AUDIT,
        "reason": RouteReason.SPECIALIST,
        "answered_at": after(place),
        "loss": 0.0,
    }
    return JudgedOutcome(**fields | changes)


def an_incident(**changes: Any) -> Incident:
    """The deployment `a_deployment` builds differs from the frontier model too often."""
    fields: dict[str, Any] = {
        "id": IncidentId("incident-1"),
        "task_id": TASK,
        "deployment_id": SERVICE,
        "service_id": SERVICE,
        "model_version_id": a_version().id,
        "created_at": after(60),
        "signal": Signal.AUDIT,
        "limit": 0.05,
        "limit_from": "the evaluation",
        "e_value": 31.5,
        "delta": 0.05,
        "rate": an_estimate(0.2),
        "first_at": NOON,
        "last_at": after(50),
        "examples": (InferenceId("i-3"), InferenceId("i-4")),
        "reports": 2,
        "followed_by": DeploymentId("deployment-2"),
        "summary": "too many",
    }
    return Incident(**fields | changes)


@pytest.fixture
def served(store: SqlStore) -> SqlStore:
    """A store with a specialist in service."""
    store.put_task(a_task())
    store.add_dataset(a_dataset(), [])
    store.add_version(a_version())
    store.add_evaluation(an_evaluation())
    store.add_deployment(a_deployment())
    return store


def a_retirement() -> Any:
    """The decision that takes it off."""
    return a_deployment(id=DeploymentId("deployment-2"), stage=Stage.RETIRED, share=0.0, evaluation_id=None)


def test_words_and_audits_are_found_until_they_are_entered(served: SqlStore) -> None:
    """By who spoke and when; an answer that is entered for one signal is still found for another."""
    served.append([answered_locally("i-1"), answered_locally("i-2"), answered_locally("i-3")])
    served.add_second_answers([an_audit("i-2")])
    served.add_feedback(
        [
            some_feedback(
                id=FeedbackId("f1"), inference_id=InferenceId("i-1"), author="audit:eva", created_at=after(9)
            ),
            some_feedback(id=FeedbackId("f2"), inference_id=InferenceId("i-2"), author="auditor", created_at=after(1)),
            some_feedback(id=FeedbackId("f3"), inference_id=InferenceId("i-2"), author=None, created_at=after(3)),
        ]
    )
    found = served.judged_answers([SERVICE], unless_entered_for=SERVICE)
    assert [(one.inference_id, one.signal) for one in found] == [
        ("i-2", Signal.REPORT),
        ("i-2", Signal.AUDIT),
        ("i-1", Signal.LABEL),
    ]
    report, audit, label = found
    assert (label.given, label.wanted, label.agrees, label.propensity) == ("card_lost", "card_lost", None, 1.0)
    assert (audit.given, audit.wanted, audit.propensity) == ("card_lost", "card_arrival", 0.05)
    assert (report.reason, report.answered_at) == (RouteReason.SPECIALIST, NOON)
    assert served.enter_judged([an_outcome(inference_id=InferenceId("i-2"))])
    assert [one.signal for one in served.judged_answers([SERVICE], unless_entered_for=SERVICE)] == [
        Signal.REPORT,
        Signal.LABEL,
    ]
    assert [one.signal for one in served.judged_answers([SERVICE], unless_entered_for=SERVICE, since=after(5))] == [
        Signal.LABEL
    ]
    assert served.judged_answers([DeploymentId("another")], unless_entered_for=SERVICE) == []


def test_an_answer_whose_content_is_gone_is_found_without_it(served: SqlStore) -> None:
    """What can't be compared any more is still known to have been spoken on."""
    served.append([answered_locally("i-1", request=None, response=None, content=Content.OFF)])
    served.add_feedback([some_feedback(inference_id=InferenceId("i-1"), author="audit")])
    (found,) = served.judged_answers([SERVICE], unless_entered_for=SERVICE)
    assert found.given is None
    assert found.wanted == "card_lost"


def test_outcomes_are_kept_in_their_places_and_entered_once(served: SqlStore) -> None:
    """Places follow without gaps; who comes second with the same places, or the same answers, enters nothing."""
    assert served.enter_judged([])
    given = [an_outcome(0), an_outcome(1, loss=1.0, weight=0.25), an_outcome(2, loss=None, signal=Signal.LABEL)]
    assert served.enter_judged(given)
    assert served.judged_outcomes(SERVICE) == given
    assert served.judged_outcomes(SERVICE, start=2) == given[2:]
    assert not served.enter_judged([an_outcome(2, inference_id=InferenceId("other"))])
    assert not served.enter_judged([an_outcome(4)])
    assert not served.enter_judged([an_outcome(3), an_outcome(4, inference_id=InferenceId("i-1"))])
    assert served.judged_outcomes(SERVICE) == given


def test_arms_are_summed_by_what_was_drawn(served: SqlStore) -> None:
    """Escalated requests belong to the specialist's arm; what has no price or no latency is counted and not summed."""
    route = Route(reason=RouteReason.SPECIALIST, deployment_id=SERVICE)
    cheap, dear = a_call(cost_usd=Decimal("0.001")), a_call(cost_usd=Decimal("0.003"))
    served.append(
        [
            answered_locally("i-1", calls=(cheap,), latency_ms=10.0),
            answered_locally(
                "i-2",
                calls=(replace(cheap, answered=False), dear),
                latency_ms=30.0,
                route=replace(route, reason=RouteReason.LOW_CONFIDENCE),
            ),
            answered_locally("i-3", calls=(a_call(cost_usd=None),), latency_ms=None, status=502),
            answered_locally("i-4", calls=(dear,), route=replace(route, reason=RouteReason.HOLDOUT), latency_ms=900.0),
            answered_locally("i-5", route=replace(route, reason=RouteReason.PINNED)),
            answered_locally("i-6", route=replace(route, deployment_id=DeploymentId("another"))),
        ]
    )
    ours, frontier = served.arm_totals(SERVICE)
    assert (ours.specialist, frontier.specialist) == (True, False)
    assert (ours.requests, ours.failed, ours.priced, ours.timed) == (3, 1, 2, 2)
    assert ours.cost_usd == pytest.approx(0.005)
    assert ours.cost_squares == pytest.approx(0.001**2 + 0.004**2)
    assert (ours.latency_ms, ours.latency_squares) == pytest.approx((40.0, 1000.0))
    assert (frontier.requests, frontier.latency_ms) == (1, 900.0)
    assert frontier.cost_usd == pytest.approx(0.003)


def test_an_incident_and_its_decision_are_kept_together_and_once(served: SqlStore) -> None:
    """The decision is in force, the revision has grown, and the same incident again changes nothing."""
    before = served.revision()
    assert served.add_incident(an_incident(), a_retirement())
    assert served.incidents() == served.incidents(TASK) == [an_incident()]
    assert [found.id for found in served.deployments_in_force()] == ["deployment-2"]
    assert served.revision() == before + 1
    second = an_incident(id=IncidentId("incident-2"), followed_by=DeploymentId("deployment-3"))
    assert not served.add_incident(second, replace(a_retirement(), id=DeploymentId("deployment-3")))
    assert len(served.incidents()) == 1
    assert served.revision() == before + 1


def test_of_many_that_act_at_once_one_does(served: SqlStore) -> None:
    """Eight threads with the same incident: one decision, one incident."""
    acted: list[bool] = []

    def act(number: int) -> None:
        decision = replace(a_retirement(), id=DeploymentId(f"decision-{number}"))
        acted.append(served.add_incident(an_incident(id=IncidentId(f"n-{number}"), followed_by=decision.id), decision))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(acted) == [False] * 7 + [True]
    assert len(served.incidents()) == 1
    assert len(served.deployments()) == 2
