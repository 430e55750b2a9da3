"""What drift reads out of captured requests, and what is counted as new."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import (
    NOON,
    a_call,
    a_contract,
    a_request,
    a_response,
    a_task,
    after,
    an_inference,
    inferences,
    some_feedback,
)
from tierwright.core.ids import DeploymentId, InferenceId, ModelVersionId
from tierwright.core.inference import Route, RouteReason
from tierwright.lifecycle.traffic import MOST, Reader

READER = Reader(task=a_task(), contract=a_contract(), deployments={DeploymentId("deployment-1")})


def served(number: int = 0, *, local: bool = True, answer: str = "card_lost", **changes: Any) -> Any:
    """A request that the specialist was asked."""
    route = Route(
        reason=RouteReason.SPECIALIST if local else RouteReason.LOW_CONFIDENCE,
        deployment_id=DeploymentId("deployment-1"),
        confidence=0.9 if local else 0.4,
        threshold=0.8,
    )
    call = a_call(model_version_id=ModelVersionId("abc123") if local else None)
    fields = {"route": route, "calls": (call,), "response": a_response(answer), **changes}
    return an_inference(id=InferenceId(f"i-{number:04d}"), created_at=after(number), **fields)


def test_local_answer_is_read_with_its_confidence() -> None:
    """Input without the boilerplate, canonical answer, confidence, and who answered."""
    found = READER.observed(served(answer=' "Card_Lost". '))
    assert found is not None
    assert (found.input, found.answer, found.confidence, found.local) == ("Where is my card?", "card_lost", 0.9, True)


def test_handed_on_request_is_not_local() -> None:
    """The specialist was asked and not sure enough."""
    found = READER.observed(served(local=False))
    assert found is not None
    assert (found.confidence, found.local) == (0.4, False)


def test_confidence_of_another_deployment_is_not_compared() -> None:
    """Another version's confidence, or that of another threshold, is left out; the request itself is not."""
    other = Reader(task=a_task(), contract=a_contract(), deployments=())
    found = other.observed(served())
    assert found is not None
    assert (found.confidence, found.local) == (None, None)


@pytest.mark.parametrize(
    "changes", [{"request": None}, {"request": b"not JSON"}, {"request": a_request(system="Another task.")}]
)
def test_what_can_not_be_read_is_left_out(changes: dict[str, Any]) -> None:
    """Content that was not kept, is damaged or has another frame is no observation."""
    assert READER.observed(served(**changes)) is None


@pytest.mark.parametrize(
    "changes", [{"response": None}, {"response": b"{"}, {"answer": "none of these"}, {"status": 500}]
)
def test_answer_that_breaks_the_contract_is_missing(changes: dict[str, Any]) -> None:
    """Such a request has an input and no answer."""
    found = READER.observed(served(**changes))
    assert found is not None
    assert found.answer is None


def test_sample_is_bounded_and_takes_all_parts_alike() -> None:
    """Of more requests than are kept, the first and the last half are kept about as often."""
    count = MOST + 4_000
    found = READER.sample(inferences(count), seed=1)
    assert len(found) == MOST
    first = sum(one.at < after(count // 2) for one in found)
    assert abs(first - MOST / 2) < 200


def test_new_data_is_counted() -> None:
    """Frontier answers within the contract, people's labels, answers outside of it, and how far confidence is off."""
    rows = [served(number) for number in range(60)]
    rows += [served(100 + number, local=False, answer="card_arrival") for number in range(7)]
    rows += [served(200 + number, local=False, answer="card_eaten") for number in range(3)]
    words = {
        one.id: some_feedback(inference_id=one.id, output="card_lost" if place % 2 else "card_arrival")
        for place, one in enumerate(rows[:60])
    }
    found = READER.new_data(rows, words, since=NOON, seed=1)
    assert (found.inferences, found.frontier_answers, found.human_labels) == (70, 7, 60)
    assert found.new_labels == {"card_eaten": 3}
    assert found.gap is not None
    assert found.gap.value == pytest.approx(0.5 - 0.9)


def test_few_labels_say_nothing_of_confidence() -> None:
    """With fewer than fifty labels on local answers there is no gap."""
    rows = [served(number) for number in range(20)]
    words = {one.id: some_feedback(inference_id=one.id) for one in rows}
    assert READER.new_data(rows, words, since=NOON, seed=1).gap is None
