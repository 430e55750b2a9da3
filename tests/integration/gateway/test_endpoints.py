"""Embeddings, moderations, models, aliases and the choice among several model servers, by real clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web

from tests.fakes import a_task
from tests.integration.gateway.conftest import Running, Sure
from tests.integration.gateway.test_specialists import MESSAGES, ask, deploy, last, seen
from tests.integration.gateway.upstream import Upstream, completion, events, plain, streaming
from tierwright.core.inference import CallRole, Endpoint, RouteReason
from tierwright.gateway.upstreams.config import DeploymentConfig, ResilienceConfig

if TYPE_CHECKING:
    from collections.abc import Callable


def failing(status: int, **headers: str) -> Any:
    """A server that answers every request with an error."""

    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no", "type": "x", "code": "c"}}, status=status, headers=headers)

    return script


def test_embeddings_are_passed_on_and_counted(gateway: Running) -> None:
    """The vectors arrive as they are; the ledger has the tokens, the store has no vectors."""
    vectors = {
        "object": "list",
        "model": "gpt-4o",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }

    async def embedding(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/embeddings"
        return web.json_response(vectors)

    gateway.upstream.script = embedding
    found = gateway.client().embeddings.create(model="gpt-4o", input="Hi", encoding_format="float")
    assert found.data[0].embedding == [0.25, -1.5]
    (kept,) = gateway.captured()
    assert (kept.endpoint, kept.status, kept.response) == (Endpoint.EMBEDDINGS, 200, None)


def test_moderations_are_passed_on(gateway: Running) -> None:
    """The verdict arrives as it is, whether the request names a model or not."""
    gateway.upstream.script = lambda _: _moderated()
    found = gateway.client().moderations.create(model="gpt-4o", input="Hi")
    assert found.results[0].flagged is False
    assert gateway.captured()[0].endpoint is Endpoint.MODERATIONS


async def _moderated() -> web.StreamResponse:
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return web.json_response({"id": "modr-1", "model": "omni", "results": [result]})


def test_one_model_can_be_looked_up(gateway: Running) -> None:
    """GET /v1/models/NAME tells of a model that is served, and 404 of another."""
    assert gateway.client().models.retrieve("gpt-4o").owned_by == "frontier"
    with pytest.raises(openai.NotFoundError):
        gateway.client().models.retrieve("gpt-9")


def test_a_task_can_be_asked_for_by_name(gateway: Running) -> None:
    """`task:NAME` goes to its specialist, and to the task's incumbent model where that is not sure."""
    specialist = Sure()
    deploy(gateway, specialist)
    answer, headers = ask(gateway, model="task:card-intent", messages=[{"role": "user", "content": "any wording"}])
    assert answer.choices[0].message.content == "card_lost"
    assert headers["x-tierwright-task"] == "card-intent"
    specialist.confidence = 0.1
    _, headers = ask(gateway, model="task:card-intent")
    assert headers["x-tierwright-route-reason"] == RouteReason.LOW_CONFIDENCE
    assert b'"model":"gpt-4o"' in gateway.upstream.seen[-1][1]


def test_a_task_of_labelled_history_is_answered_by_its_specialist_alone(start: Callable[..., Running]) -> None:
    """Without frames, incumbent and any model named in the settings, `task:NAME` has its specialist's answer or a 404.

    Its requests are recognised by the name alone; even the holdout goes to the specialist, since nobody else is there.
    """
    gateway = start(backend={"models": ()}, routing={"holdout_share": 1.0})
    specialist = Sure()
    deploy(gateway, specialist)
    gateway.store.put_task(a_task(frames=()))
    seen(gateway)
    answer, headers = ask(gateway, model="task:card-intent")
    assert answer.choices[0].message.content == "card_lost"
    assert headers["x-tierwright-route-reason"] == RouteReason.SPECIALIST
    assert ask(gateway)[1].get("x-tierwright-task") is None
    specialist.confidence = 0.1
    with pytest.raises(openai.NotFoundError, match="task:card-intent"):
        ask(gateway, model="task:card-intent")
    assert len(gateway.upstream.seen) == 1


def test_a_version_can_be_asked_for_by_number(gateway: Running) -> None:
    """`NAME@vN` is answered by that version alone, whatever its confidence; a version that is not there is a 404."""
    deploy(gateway, Sure(confidence=0.1))
    answer, headers = ask(gateway, model="card-intent@v1")
    assert answer.choices[0].message.content == "card_lost"
    assert headers["x-tierwright-route-reason"] == RouteReason.PINNED
    assert not gateway.upstream.seen
    with pytest.raises(openai.NotFoundError, match="card-intent@v2"):
        ask(gateway, model="card-intent@v2")


def test_a_header_can_name_the_task(gateway: Running) -> None:
    """A request whose wording is unknown belongs to the task it names."""
    deploy(gateway, Sure())
    _, headers = ask(
        gateway,
        messages=[{"role": "user", "content": "an unknown wording"}],
        extra_headers={"x-tierwright-task": "card-intent"},
    )
    assert headers["x-tierwright-served-by"] == "specialist"


def test_what_fails_at_one_server_is_answered_by_the_next(start: Callable[..., Running]) -> None:
    """A 503 leads to the next deployment; both attempts are in the ledger, the caller sees one answer."""
    with Upstream() as second:
        gateway = start(
            others=[{"name": "second", "base_url": second.url, "models": ("gpt-4o",)}],
        )
        gateway.upstream.script = failing(503)
        answer, headers = ask(gateway)
        assert answer.choices[0].message.content == "card_arrival"
        assert headers["x-tierwright-served-by"] == "second"
        kept = last(gateway, 1)
        assert [(call.backend, call.role, call.answered) for call in kept.calls] == [
            ("frontier", CallRole.PRIMARY, False),
            ("second", CallRole.RETRY, True),
        ]


def test_a_model_falls_back_to_another(start: Callable[..., Running]) -> None:
    """Where a model can't be had its fallback is asked, and the ledger says so."""
    gateway = start(resilience=ResilienceConfig(fallbacks={"gpt-4o": ("gpt-4o-mini",)}))

    async def only_mini(request: web.Request) -> web.StreamResponse:
        return await (plain if b"mini" in await request.read() else failing(500))(request)

    gateway.upstream.script = only_mini
    answer, _ = ask(gateway)
    assert answer.choices[0].message.content == "card_arrival"
    kept = last(gateway, 1)
    assert [(call.model, call.role) for call in kept.calls] == [
        ("gpt-4o", CallRole.PRIMARY),
        ("gpt-4o-mini", CallRole.FALLBACK),
    ]


def test_what_may_have_been_billed_is_not_sent_again(gateway: Running) -> None:
    """A connection lost after the request was sent is an error, after one attempt."""

    async def dropping(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    gateway.upstream.script = dropping
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert caught.value.code == "upstream_lost"
    assert len(gateway.upstream.seen) == 1


def test_a_callers_mistake_is_passed_on_at_once(gateway: Running) -> None:
    """A 400 of the provider reaches the caller as it is, after one attempt."""
    gateway.upstream.script = failing(400)
    with pytest.raises(openai.BadRequestError, match="no"):
        ask(gateway)
    assert len(gateway.upstream.seen) == 1


def test_a_deployment_may_have_another_name_for_the_model(start: Callable[..., Running]) -> None:
    """The body differs in the model's name and in nothing else."""
    deployment = DeploymentConfig(name="eu", backend="frontier", model="fast", upstream_model="gpt-4o-eu")
    gateway = start(deployments=(deployment,))
    answer, _ = ask(gateway, model="fast")
    assert answer.choices[0].message.content == "card_arrival"
    assert b'"model":"gpt-4o-eu"' in gateway.upstream.seen[-1][1]
    assert last(gateway, 1).calls[0].model == "fast"


def test_the_usage_of_a_stream_is_asked_for_and_not_shown_unasked(gateway: Running) -> None:
    """A stream is priced although the caller did not ask for its usage, and the caller gets no chunk more."""
    gateway.upstream.script = streaming(events("card"))
    with gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert b'"include_usage":true' in gateway.upstream.seen[-1][1]
    kept = last(gateway, 1)
    assert (kept.calls[0].prompt_tokens, kept.calls[0].completion_tokens) == (7, 3)


def test_several_answers_and_unknown_members_pass(gateway: Running) -> None:
    """`n` answers arrive, all of them."""
    both = completion()
    both["choices"].append({**both["choices"][0], "index": 1})

    async def two(_: web.Request) -> web.StreamResponse:
        return web.json_response(both)

    gateway.upstream.script = two
    answer, _ = ask(gateway, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


def test_the_whole_requests_deadline_bounds_the_first_attempt(start: Callable[..., Running]) -> None:
    """A server that would answer within its own limit, but not within the request's, is given up."""
    gateway = start(resilience=ResilienceConfig(request_timeout_s=0.3))

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3)
        return await plain(request)

    gateway.upstream.script = slow
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
