"""What every store promises of calls made after the answer, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.fakes import (
    NOON,
    a_call,
    a_dataset,
    a_deployment,
    a_key,
    a_response,
    a_task,
    a_version,
    after,
    an_evaluation,
    an_inference,
)
from tierwright.core.deployment import Stage
from tierwright.core.ids import DeploymentId, InferenceId, TaskId
from tierwright.core.inference import CallRole, Content, Route, RouteReason
from tierwright.core.second import SecondAnswer

if TYPE_CHECKING:
    from tierwright.core.inference import Inference
    from tierwright.store.sql import SqlStore

TASK = TaskId("task-1")


def answered_locally(name: str = "i-1", **changes: Any) -> Inference:
    """An inference that a specialist answered."""
    fields: dict[str, Any] = {
        "id": InferenceId(name),
        "task_id": TASK,
        "calls": (a_call(backend="specialist", model="ngram-abc123", cost_usd=Decimal("0.000001")),),
        "route": Route(
            reason=RouteReason.SPECIALIST,
            propensity=0.99,
            deployment_id=DeploymentId("deployment-1"),
            confidence=0.93,
            threshold=0.8,
        ),
        "response": a_response("card_lost"),
    }
    return an_inference(**fields | changes)


def an_audit(name: str = "i-1", **changes: Any) -> SecondAnswer:
    """The frontier model's answer to a request that a specialist answered."""
    fields: dict[str, Any] = {
        "inference_id": InferenceId(name),
        "call": a_call(role=CallRole.AUDIT, answered=False, started_at=after(2)),
        "deployment_id": DeploymentId("deployment-1"),
        "propensity": 0.05,
        "confidence": 0.93,
        "output": "card_arrival",
        "agrees": False,
    }
    return SecondAnswer(**fields | changes)


def _with_evidence(store: SqlStore) -> None:
    store.put_task(a_task())
    store.add_dataset(a_dataset(), [])
    store.add_version(a_version())
    store.add_evaluation(an_evaluation())


def test_an_audit_is_read_beside_the_answer_it_is_about(store: SqlStore) -> None:
    """Both answers, the confidence, the propensity and the threshold come back as they were given."""
    _with_evidence(store)
    store.add_deployment(a_deployment())
    store.append([answered_locally()])
    assert store.add_second_answers([an_audit()]) == set()
    (found,) = store.second_answers(TASK, role=CallRole.AUDIT)
    assert found.second == an_audit()
    assert (found.created_at, found.client_id, found.given_latency_ms) == (NOON, "helpdesk", 815.0)
    assert (found.specialist_output, found.frontier_output) == ("card_lost", "card_arrival")
    assert found.threshold == 0.8


def test_it_is_a_call_of_the_inference(store: SqlStore) -> None:
    """The call stands behind the others, is paid for, and is not the one that answered."""
    store.append([answered_locally()])
    store.add_second_answers([an_audit()])
    found = store.get(InferenceId("i-1"))
    assert [call.role for call in found.calls] == [CallRole.PRIMARY, CallRole.AUDIT]
    assert found.answering_call is not None
    assert found.answering_call.backend == "specialist"
    assert found.cost_usd == Decimal("0.000301")


def test_it_waits_for_its_inference(store: SqlStore) -> None:
    """What has no inference yet is named and not kept; once the inference is there it can be given again."""
    assert store.add_second_answers([an_audit()]) == {InferenceId("i-1")}
    assert store.second_answers(TASK) == []
    store.append([answered_locally()])
    assert store.add_second_answers([an_audit()]) == set()
    assert len(store.second_answers(TASK)) == 1


def test_the_same_role_twice_is_kept_once(store: SqlStore) -> None:
    """A second audit of one inference changes nothing, in the same batch and in a later one."""
    store.append([answered_locally()])
    store.add_second_answers([an_audit(), an_audit(output="card_lost")])
    store.add_second_answers([an_audit(output="card_lost")])
    assert [found.second.output for found in store.second_answers(TASK)] == ["card_arrival"]
    assert len(store.get(InferenceId("i-1")).calls) == 2


def test_they_are_found_by_role_deployment_and_time(store: SqlStore) -> None:
    """Each condition narrows, `since` inclusive and `until` exclusive, the oldest first."""
    store.append([answered_locally(f"i-{n}", created_at=after(n)) for n in range(4)])
    shadow = a_call(role=CallRole.SHADOW, answered=False)
    store.add_second_answers(
        [
            an_audit("i-3"),
            an_audit("i-1"),
            an_audit("i-2", deployment_id=DeploymentId("deployment-2")),
            an_audit("i-0", call=shadow),
        ]
    )

    def ids(**conditions: Any) -> list[str]:
        return [found.second.inference_id for found in store.second_answers(TASK, **conditions)]

    assert ids() == ["i-0", "i-1", "i-2", "i-3"]
    assert ids(role=CallRole.AUDIT) == ["i-1", "i-2", "i-3"]
    assert ids(deployment_id=DeploymentId("deployment-2")) == ["i-2"]
    assert ids(since=after(1), until=after(3)) == ["i-1", "i-2"]
    assert store.second_answers(TaskId("task-2")) == []


def test_without_content_the_agreement_is_kept(store: SqlStore) -> None:
    """Neither answer is there, and whether they agreed is."""
    store.append([answered_locally(request=None, response=None, content=Content.OFF)])
    store.add_second_answers([an_audit(output=None)])
    (found,) = store.second_answers(TASK)
    assert (found.given, found.second.output, found.second.agrees) == (None, None, False)


def test_what_it_said_expires_with_the_content(store: SqlStore) -> None:
    """The output goes, also where the inference's own content was never kept; call and agreement stay."""
    dropped = answered_locally("i-2", request=None, response=None, content=Content.DROPPED)
    store.append([answered_locally(), dropped, answered_locally("i-3", created_at=after(60))])
    store.add_second_answers([an_audit(), an_audit("i-2"), an_audit("i-3")])
    removed = 0
    while found := store.expire_content(after(30), batch=1):
        removed += found
        assert removed < 10
    assert [found.second.output for found in store.second_answers(TASK)] == [None, None, "card_arrival"]
    assert [found.second.agrees for found in store.second_answers(TASK)] == [False, False, False]


def test_it_is_removed_with_its_inference(store: SqlStore) -> None:
    """Nothing of a second answer outlives the ledger line it belongs to."""
    store.append([answered_locally()])
    store.add_second_answers([an_audit()])
    assert store.expire_inferences(after(1)) == 1
    assert store.second_answers(TASK) == []
    store.append([answered_locally()])
    assert store.second_answers(TASK) == []


def test_the_ledger_says_what_second_answers_cost(store: SqlStore) -> None:
    """Their cost is part of the line, said by itself, and the request is counted once."""
    store.append([answered_locally()])
    store.add_second_answers([an_audit()])
    (line,) = store.ledger()
    assert (line.requests, line.reason, line.backend) == (1, RouteReason.SPECIALIST, "specialist")
    assert (line.cost_usd, line.second_usd) == (Decimal("0.000301"), Decimal("0.0003"))


def test_a_caller_does_not_pay_for_audits(store: SqlStore) -> None:
    """What a key has spent leaves out the calls that nobody was answered by."""
    key = a_key()
    store.add_key(key)
    store.append([answered_locally(key_id=key.id)])
    store.add_second_answers([an_audit()])
    assert store.spent(key.id, NOON) == Decimal("0.000001")


def test_a_shadow_is_in_force_beside_what_serves(store: SqlStore) -> None:
    """A shadow takes nothing off, and ends with the next decision about its task."""
    _with_evidence(store)
    live = a_deployment()
    shadow = replace(live, id=DeploymentId("deployment-2"), stage=Stage.SHADOW, share=0.5, evaluation_id=None)
    store.add_deployment(live)
    store.add_deployment(shadow)
    assert store.deployments_in_force() == [live]
    assert store.shadows_in_force() == [shadow]
    later = replace(live, id=DeploymentId("deployment-3"))
    store.add_deployment(later)
    assert store.deployments_in_force() == [later]
    assert store.shadows_in_force() == []


def test_a_shadow_alone_serves_nothing(store: SqlStore) -> None:
    """A task whose only decision is a shadow has nothing in force."""
    _with_evidence(store)
    shadow = a_deployment(stage=Stage.SHADOW, share=0.5, evaluation_id=None)
    store.add_deployment(shadow)
    assert store.deployments_in_force() == []
    assert store.shadows_in_force() == [shadow]
