"""Deployed specialists answer, escalate and fail as their deployment says, from the moment it is made."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web

from tests.fakes import a_contract, a_dataset, a_deployment, a_frame, a_task, a_version, after, an_example
from tests.integration.gateway.conftest import Running, Sure, eventually
from tests.integration.gateway.upstream import completion
from tierwright.core.deployment import Stage
from tierwright.core.ids import DeploymentId, ModelVersionId, TaskId
from tierwright.core.inference import CallRole, RouteReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.core.inference import Inference

MESSAGES: Any = [{"role": "system", "content": "Name the intent."}, {"role": "user", "content": "Where is my card?"}]


def ask(gateway: Running, **changes: Any) -> tuple[Any, dict[str, str]]:
    """One completion of the task by a real client, and the headers of its answer."""
    raw = gateway.client().chat.completions.with_raw_response.create(
        **{"model": "gpt-4o", "messages": MESSAGES, **changes}
    )
    return raw.parse(), dict(raw.headers)


def deploy(gateway: Running, specialist: Sure, *, number: int = 1, **changes: Any) -> None:
    """Puts a specialist live, and waits until the gateway has seen it."""
    version = a_version(id=ModelVersionId(f"version{number:010d}"))
    gateway.shelf.predictors[version.id] = specialist
    gateway.store.put_task(a_task())
    gateway.store.add_dataset(a_dataset(), [an_example()])
    gateway.store.add_version(version)
    gateway.store.add_deployment(
        a_deployment(
            **{
                "id": DeploymentId(f"deployment-{number}"),
                "model_version_id": version.id,
                "created_at": after(number),
                "evaluation_id": None,
                **changes,
            }
        )
    )
    seen(gateway)


def seen(gateway: Running) -> None:
    """Waits until the gateway has looked at the store as it is now."""
    revision = gateway.store.revision()
    eventually(lambda: gateway.readiness()["specialists"]["revision"] == revision)


def last(gateway: Running, count: int) -> Inference:
    """The newest of so many inferences in the store."""
    return max(gateway.captured(count), key=lambda kept: kept.id)


def test_specialist_answers_without_a_restart(gateway: Running) -> None:
    """A deployment made while the gateway runs is served from then on, in the incumbent's form, and never upstream."""
    answer, headers = ask(gateway)
    assert headers["x-tierwright-served-by"] == "frontier"
    deploy(gateway, Sure())
    answer, headers = ask(gateway)
    assert answer.choices[0].message.content == "card_lost"
    assert headers["x-tierwright-served-by"] == "specialist"
    assert headers["x-tierwright-route-reason"] == "specialist"
    assert headers["x-tierwright-task"] == "card-intent"
    assert headers["x-tierwright-confidence"] == "0.9900"
    assert headers["x-tierwright-cost-usd"] == "0.000001"
    assert len(gateway.upstream.seen) == 1
    kept = last(gateway, 2)
    assert answer.id == kept.id
    assert (kept.task_id, kept.route.reason, kept.route.threshold) == ("task-1", RouteReason.SPECIALIST, 0.8)
    assert (kept.route.deployment_id, kept.route.confidence) == ("deployment-1", 0.99)
    (call,) = kept.calls
    assert (call.role, call.backend, call.model) == (CallRole.PRIMARY, "specialist", "ngram-version00000")
    assert (call.model_version_id, call.status, call.answered) == ("version0000000001", 200, True)
    assert call.cost_usd == Decimal("0.000001")
    characters = sum(len(message["content"]) for message in MESSAGES)
    assert (call.prompt_tokens, call.completion_tokens) == (round(characters / 4), 4)


def test_local_answer_has_the_members_of_a_frontier_answer(gateway: Running) -> None:
    """Member for member a specialist's answer looks like the model's own, but for its fingerprint."""
    deploy(gateway, Sure())
    ask(gateway)
    found = json.loads(last(gateway, 1).response or b"")
    theirs = completion()
    assert set(found) == {*theirs, "system_fingerprint"}
    assert found["choices"][0] == theirs["choices"][0] | {
        "message": {"role": "assistant", "content": "card_lost", "refusal": None}
    }
    assert set(found["usage"]) == set(theirs["usage"])
    assert found["usage"]["total_tokens"] == found["usage"]["prompt_tokens"] + found["usage"]["completion_tokens"]
    assert (found["model"], found["object"]) == ("gpt-4o", "chat.completion")
    assert found["system_fingerprint"] == "tierwright-version00000"


@pytest.mark.parametrize("include_usage", [True, False])
def test_local_answers_stream(gateway: Running, include_usage: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A caller who wants a stream gets role, content, end and, where asked for, usage; the store gets one answer."""
    deploy(gateway, Sure(output='{"intent": "größe"}'))
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if include_usage else {}
    chunks = list(gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, **options))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == '{"intent": "größe"}'
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices] == [None, None, "stop"]
    assert [c.usage.completion_tokens for c in chunks if c.usage] == ([4] if include_usage else [])
    kept = last(gateway, 1)
    assert {chunk.id for chunk in chunks} == {kept.id}
    assert kept.streamed
    assert json.loads(kept.response or b"")["choices"][0]["message"]["content"] == '{"intent": "größe"}'


def test_low_confidence_is_escalated(gateway: Running) -> None:
    """Below its threshold the specialist's answer is not given; both calls are recorded and both are paid for."""
    deploy(gateway, Sure(confidence=0.5))
    answer, headers = ask(gateway)
    assert answer.choices[0].message.content == "card_arrival"
    assert headers["x-tierwright-route-reason"] == "low_confidence"
    assert headers["x-tierwright-served-by"] == "frontier"
    assert headers["x-tierwright-confidence"] == "0.5000"
    assert headers["x-tierwright-cost-usd"] == "0.000106"
    kept = last(gateway, 1)
    assert (kept.route.reason, kept.route.confidence) == (RouteReason.LOW_CONFIDENCE, 0.5)
    assert [(call.role, call.backend, call.answered, call.status) for call in kept.calls] == [
        (CallRole.PRIMARY, "specialist", False, 200),
        (CallRole.ESCALATION, "frontier", True, 200),
    ]


@pytest.mark.parametrize("confidence", [float("nan"), -1.0])
def test_confidence_that_is_no_probability_is_escalated(gateway: Running, confidence: float) -> None:
    """Only a number above the threshold lets a specialist answer."""
    deploy(gateway, Sure(confidence=confidence))
    assert ask(gateway)[1]["x-tierwright-served-by"] == "frontier"


@pytest.mark.parametrize(
    ("specialist", "code"),
    [
        (Sure(error=RuntimeError("a secret prompt")), "specialist_failed"),
        (Sure(delay_s=1.0), "specialist_timeout"),
    ],
)
def test_failing_specialist_costs_no_answer(
    start: Callable[..., Running], specialist: Sure, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A specialist that raises or hangs is replaced by the frontier model, recorded, and its message is not logged."""
    gateway = start(routing={"specialist_timeout_s": 0.2})
    deploy(gateway, specialist)
    answer, headers = ask(gateway)
    assert answer.choices[0].message.content == "card_arrival"
    assert headers["x-tierwright-route-reason"] == "specialist_failed"
    kept = last(gateway, 1)
    assert [(call.role, call.status, call.error_code, call.answered) for call in kept.calls] == [
        (CallRole.PRIMARY, None, code, False),
        (CallRole.FALLBACK, 200, None, True),
    ]
    assert "secret" not in caplog.text


def test_hanging_specialist_costs_one_deadline_only(start: Callable[..., Running]) -> None:
    """While a batch hangs, later requests go to the frontier model at once."""
    gateway = start(routing={"specialist_timeout_s": 0.3})
    deploy(gateway, Sure(delay_s=3.0))
    ask(gateway)
    began = time.monotonic()
    answers = [ask(gateway)[1]["x-tierwright-route-reason"] for _ in range(5)]
    assert answers == ["specialist_failed"] * 5
    # Five deadlines would be 1.5 seconds, and the specialist itself takes 3.
    assert time.monotonic() - began < 1.5


def test_frontier_that_is_down_is_not_papered_over(gateway: Running) -> None:
    """An unsure specialist does not answer in place of a failed frontier model: the caller gets the error."""
    deploy(gateway, Sure(confidence=0.5))

    async def dropping(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    gateway.upstream.script = dropping
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_lost")
    kept = last(gateway, 1)
    assert (kept.status, kept.answering_call, len(kept.calls)) == (502, None, 2)


def test_artifact_that_cannot_be_loaded_leaves_the_frontier(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged artifact replaces the specialist before it by nobody; it is logged once, and readiness says so."""
    deploy(gateway, Sure())
    assert ask(gateway)[1]["x-tierwright-served-by"] == "specialist"
    version = a_version(id=ModelVersionId("damaged0"))
    gateway.store.add_version(version)
    gateway.store.add_deployment(
        a_deployment(id=DeploymentId("d9"), model_version_id=version.id, created_at=after(99), evaluation_id=None)
    )
    seen(gateway)
    assert ask(gateway)[1]["x-tierwright-served-by"] == "frontier"
    state = gateway.readiness()
    assert state["status"] == "degraded"
    assert state["specialists"]["failed"] == {"card-intent": "ArtifactError"}
    assert caplog.text.count("damaged0") == 1


def test_retired_deployment_serves_no_more(gateway: Running) -> None:
    """Retiring a deployment sends the task's requests back to the model the caller asked for."""
    deploy(gateway, Sure())
    deploy(gateway, Sure(), number=2, stage=Stage.RETIRED)
    _, headers = ask(gateway)
    assert (headers["x-tierwright-served-by"], headers["x-tierwright-route-reason"]) == ("frontier", "requested")
    assert headers["x-tierwright-task"] == "card-intent"


def test_newer_deployment_replaces_the_older(gateway: Running) -> None:
    """Deploying another version changes who answers, without a restart and without an error on the way."""
    deploy(gateway, Sure(output="old"))
    assert ask(gateway)[0].choices[0].message.content == "old"
    deploy(gateway, Sure(output="new"), number=2)
    assert ask(gateway)[0].choices[0].message.content == "new"


def test_holdout_and_share_are_sticky_by_conversation(start: Callable[..., Running]) -> None:
    """With a holdout of a half, a conversation keeps its side, both sides occur, and propensities are recorded."""
    gateway = start(routing={"holdout_share": 0.5})
    deploy(gateway, Sure())

    def reason(conversation: int) -> str:
        header = {"x-conversation-id": f"c{conversation}"}
        return ask(gateway, extra_headers=header)[1]["x-tierwright-route-reason"]

    first = [reason(number) for number in range(20)]
    assert set(first) == {"holdout", "specialist"}
    assert [reason(number) for number in range(20)] == first
    assert {kept.route.propensity for kept in gateway.captured(40)} == {0.5}


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 2},
        {"logprobs": True},
        {
            "messages": [
                MESSAGES[0],
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
                {"role": "assistant", "content": "?"},
                MESSAGES[1],
            ]
        },
    ],
)
def test_what_a_specialist_cannot_do_stays_with_the_frontier(gateway: Running, changes: dict[str, Any]) -> None:
    """Several answers, log probabilities and pictures go to the model the caller asked for."""
    deploy(gateway, Sure())
    assert ask(gateway, **changes)[1]["x-tierwright-served-by"] == "frontier"


def test_requests_at_the_same_time_are_predicted_together(gateway: Running) -> None:
    """While one prediction runs, those that wait are gathered into one batch, and each gets its own answer."""
    specialist = Sure(delay_s=0.2)
    deploy(gateway, specialist)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: ask(gateway)[0].choices[0].message.content, range(12)))
    assert found == ["card_lost"] * 12
    assert sum(specialist.batches[1:]) == 12
    assert max(specialist.batches) > 1


def test_live_tasks_are_listed_as_models(gateway: Running) -> None:
    """A task with a specialist is listed beside the models; one without is not."""
    gateway.store.put_task(a_task(id=TaskId("other"), name="other"))
    deploy(gateway, Sure())
    listed = [(model.id, model.owned_by) for model in gateway.client().models.list()]
    assert listed[-1] == ("task:card-intent", "tierwright")
    assert "task:other" not in dict(listed)


TOOLS: Any = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]


def test_what_calls_tools_is_never_asked_of_a_specialist(gateway: Running) -> None:
    """A task of which an answer ever called a tool, and a caller who demands a call, stay on the frontier model."""
    deploy(gateway, Sure())
    frame = a_frame(tools=("find",))
    gateway.store.put_task(a_task(frames=(a_frame(), frame)))
    seen(gateway)
    assert ask(gateway, tools=TOOLS)[1]["x-tierwright-served-by"] == "specialist"
    for choice in ("required", {"type": "function", "function": {"name": "find"}}):
        assert ask(gateway, tools=TOOLS, tool_choice=choice)[1]["x-tierwright-served-by"] == "frontier"
    calling = replace(a_contract(), calls=("find",))
    gateway.store.put_task(a_task(frames=(a_frame(), frame), contract=calling))
    seen(gateway)
    for more in ({"tools": TOOLS}, {}, {"model": "task:card-intent"}):
        _, headers = ask(gateway, **more)
        assert headers["x-tierwright-task"] == "card-intent"
        assert headers["x-tierwright-served-by"] == "frontier"
