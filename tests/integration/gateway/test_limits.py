"""Keys of the store at a running gateway: who is let in, for what, and how much."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web

from tests.fakes import a_key
from tests.integration.gateway.conftest import Running, Sure, eventually
from tests.integration.gateway.test_capture import uncounted
from tests.integration.gateway.test_endpoints import failing
from tests.integration.gateway.test_specialists import MESSAGES, deploy, seen
from tests.integration.gateway.upstream import completion, events, plain, streaming
from tierwright.core.caller import Limits
from tierwright.core.ids import CallerKeyId
from tierwright.core.inference import Content
from tierwright.gateway.upstreams.config import DeploymentConfig, ResilienceConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAIN = "tw_live_abcdefgh_secret"


@pytest.fixture
def let_in(gateway: Running) -> Iterator[Callable[..., openai.OpenAI]]:
    """Makes a key with changes and a real client that has it."""
    made: list[openai.OpenAI] = []

    def make(**changes: Any) -> openai.OpenAI:
        key = a_key(sha256=hashlib.sha256(PLAIN.encode()).hexdigest(), expires_at=None, **changes)
        gateway.store.add_key(key)
        seen(gateway)
        made.append(openai.OpenAI(base_url=gateway.url, api_key=PLAIN, max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()


def ask(client: openai.OpenAI, **changes: Any) -> Any:
    """One completion with its headers."""
    asked = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 10, **changes}
    return client.chat.completions.with_raw_response.create(**asked)


def test_a_key_of_the_store_is_let_in_until_it_is_revoked(gateway: Running, let_in: Callable[..., Any]) -> None:
    """A new key works without a restart, is in the ledger, and is dead within a second of its revocation."""
    client = let_in(id=CallerKeyId("key-1"))
    ask(client)
    assert gateway.captured()[0].key_id == "key-1"
    gateway.store.revoke_key(CallerKeyId("key-1"), datetime.now(UTC))

    def refused() -> bool:
        try:
            ask(client)
        except openai.AuthenticationError as error:
            return error.code == "invalid_api_key"
        return False

    eventually(refused, within_s=1.0)


def test_a_key_for_some_models_is_refused_others(let_in: Callable[..., Any]) -> None:
    """403 with a code of its own, and no model is asked."""
    client = let_in(models=("gpt-4o-mini",))
    ask(client, model="gpt-4o-mini")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client)
    assert caught.value.code == "model_not_allowed"


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({}, ["gpt-4o", "gpt-4o-mini", "task:card-intent"]),
        ({"models": ("gpt-4o",)}, ["gpt-4o", "task:card-intent"]),
        # The task's incumbent is a model that the key is not for.
        ({"models": ("gpt-4o-m*",)}, ["gpt-4o-mini"]),
        ({"models": ()}, []),
        ({"tasks": ("card-intent",)}, ["gpt-4o", "gpt-4o-mini", "task:card-intent"]),
        ({"tasks": ("card-intent",), "models": ("gpt-4o-mini",)}, ["gpt-4o-mini"]),
        # A key for a task that is not known may ask for nothing.
        ({"tasks": ("other",)}, []),
    ],
)
def test_only_what_a_key_is_for_is_listed(
    gateway: Running, let_in: Callable[..., Any], changes: dict[str, Any], listed: list[str]
) -> None:
    """GET /v1/models and /v1/models/NAME know what the key may ask for; anything else is as if it were not there."""
    deploy(gateway, Sure())
    client = let_in(**changes)
    assert [model.id for model in client.models.list()] == listed
    for name in ("gpt-4o", "gpt-4o-mini", "task:card-intent"):
        if name in listed:
            assert client.models.retrieve(name).id == name
        else:
            with pytest.raises(openai.NotFoundError) as caught:
                client.models.retrieve(name)
            assert caught.value.code == "model_not_found"
    for name in listed:
        request = {"messages": MESSAGES, "extra_headers": {"x-tierwright-task": "card-intent"}}
        assert client.chat.completions.create(model=name, max_tokens=10, **request).id


def test_requests_a_minute_are_counted_exactly(gateway: Running, let_in: Callable[..., Any]) -> None:
    """Of 20 at the same time just five are let in; the others are told when to come back, as OpenAI would."""
    client = let_in(limits=Limits(requests_per_minute=5))

    def attempt(_: int) -> Any:
        try:
            return ask(client)
        except openai.RateLimitError as error:
            return error

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(attempt, range(20)))
    errors = [one for one in found if isinstance(one, openai.RateLimitError)]
    answers = [one for one in found if not isinstance(one, openai.RateLimitError)]
    assert (len(answers), len(errors), len(gateway.upstream.seen)) == (5, 15, 5)
    assert {error.code for error in errors} == {"rate_limit_exceeded"}
    assert all(int(error.response.headers["retry-after"]) >= 1 for error in errors)
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"5"}


def test_a_budget_is_never_passed(gateway: Running, let_in: Callable[..., Any]) -> None:
    """Reserved before the call and settled after it: what is spent stays within the budget, then nobody is let in."""
    client = let_in(limits=Limits(budget_usd=Decimal("0.0006")))
    answered = 0
    codes: set[str | None] = set()
    for _ in range(12):
        try:
            ask(client, max_tokens=100)
            answered += 1
        except openai.RateLimitError as error:
            codes.add(error.code)
    assert codes == {"insufficient_quota"}
    gateway.captured(12)
    spent = sum(call.cost_usd or 0 for kept in gateway.store.scan() for call in kept.calls)
    assert 0 < answered < 12
    assert spent <= Decimal("0.0006")


def test_content_of_a_key_can_be_switched_off(gateway: Running, let_in: Callable[..., Any]) -> None:
    """The ledger has the request; question and answer are not kept."""
    ask(let_in(keep_content=False))
    (kept,) = gateway.captured()
    assert (kept.request, kept.response, kept.content) == (None, None, Content.OFF)


@pytest.mark.parametrize(
    ("settings", "members", "refused"),
    [
        # 8,000 tokens are too many for a budget of 0.005 dollars at a micro-dollar a token, 4,000 are not.
        ({}, {"max_tokens": 4000}, False),
        ({}, {"max_tokens": 8000}, True),
        ({}, {"max_tokens": 4000, "n": 2}, True),
        ({"deployments": (DeploymentConfig(name="d", backend="frontier", model="gpt-4o"),)}, {}, False),
        (
            {"deployments": (DeploymentConfig(name="d", backend="frontier", model="gpt-4o", max_output_tokens=8000),)},
            {},
            True,
        ),
        # The model's own name has no price, and its fallback or what its server knows it as has one.
        (
            {"resilience": ResilienceConfig(fallbacks={"gpt-4o-mini": ("gpt-4o",)})},
            {"model": "gpt-4o-mini", "max_tokens": 8000},
            True,
        ),
        (
            {"deployments": (DeploymentConfig(name="d", backend="frontier", model="fast", upstream_model="gpt-4o"),)},
            {"model": "fast", "max_tokens": 8000},
            True,
        ),
        ({}, {"model": "gpt-4o-mini", "max_tokens": 8000}, False),
    ],
)
def test_what_a_request_may_cost_is_reserved(
    start: Callable[..., Running], settings: dict[str, Any], members: dict[str, Any], *, refused: bool
) -> None:
    """All answers wanted, as long as they may be, at the dearest of those who may answer: before a model is asked."""
    gateway = start(**settings)
    digest = hashlib.sha256(PLAIN.encode()).hexdigest()
    limits = Limits(budget_usd=Decimal("0.005"))
    gateway.store.add_key(a_key(sha256=digest, expires_at=None, limits=limits))
    seen(gateway)
    with openai.OpenAI(base_url=gateway.url, api_key=PLAIN, max_retries=0) as client:
        asked: Any = {"model": "gpt-4o", "messages": MESSAGES, **members}
        if refused:
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(**asked)
            assert caught.value.code == "insufficient_quota"
        else:
            assert client.chat.completions.create(**asked).id
    assert len(gateway.upstream.seen) == (0 if refused else 1)


def test_what_exceeds_its_reservation_stops_the_next_request(gateway: Running, let_in: Callable[..., Any]) -> None:
    """Where nobody says how long an answer may be, the true cost is settled, and the budget is passed once."""
    client = let_in(limits=Limits(budget_usd=Decimal("0.005")))
    usage = {"prompt_tokens": 100, "completion_tokens": 9000, "total_tokens": 9100}

    async def long(_: web.Request) -> web.StreamResponse:
        return web.json_response(completion(usage=usage))

    gateway.upstream.script = long
    unlimited: Any = {"model": "gpt-4o", "messages": MESSAGES}
    assert client.chat.completions.create(**unlimited).id
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**unlimited, max_tokens=1)
        assert caught.value.code == "insufficient_quota"
    assert len(gateway.upstream.seen) == 1


def test_an_answer_without_counts_is_settled_by_an_estimate(gateway: Running, let_in: Callable[..., Any]) -> None:
    """Where the provider sends no usage a caller's tokens and dollars are used up all the same."""
    client = let_in(keep_content=False, limits=Limits(tokens_per_minute=4000, budget_usd=Decimal("0.004")))
    gateway.upstream.script = uncounted("word " * 1500)
    first = ask(client, max_tokens=3000)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, max_tokens=3000)
    assert caught.value.code == "insufficient_quota"
    (kept, _) = gateway.captured(2)
    assert kept.id == first.parse().id
    assert 1500 <= (kept.calls[0].completion_tokens or 0) <= 1600


def test_a_stream_that_its_caller_cuts_off_is_settled_by_what_was_written(
    gateway: Running, let_in: Callable[..., Any]
) -> None:
    """Neither nothing nor all that was reserved: the rest of the budget is there for the next request."""
    client = let_in(limits=Limits(budget_usd=Decimal("0.002")))
    written = [b"".join(events(*["word "] * 1500, usage=False)[:-2]), b": nothing more\n\n"]
    gateway.upstream.script = streaming(written, pause_s=5)
    asked: Any = {"model": "gpt-4o", "messages": MESSAGES}
    stream = client.chat.completions.create(**asked, max_tokens=1700, stream=True)
    assert next(stream).id
    stream.close()
    (kept,) = gateway.captured()
    assert kept.error_code == "client_disconnected"
    gateway.upstream.script = plain
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**asked, max_tokens=1000)
    assert caught.value.code == "insufficient_quota"
    assert client.chat.completions.create(**asked, max_tokens=100).id


def test_an_error_of_the_provider_costs_nothing(gateway: Running, let_in: Callable[..., Any]) -> None:
    """What was reserved for a request that the provider refused can be spent by the next one."""
    client = let_in(limits=Limits(budget_usd=Decimal("0.004")))
    gateway.upstream.script = failing(400)
    for _ in range(3):
        with pytest.raises(openai.BadRequestError):
            ask(client, max_tokens=3000)
    gateway.upstream.script = plain
    assert ask(client, max_tokens=3000).parse().id


def test_feedback_over_http(gateway: Running, let_in: Callable[..., Any]) -> None:
    """A corrected answer and a score are kept once, however often they are sent."""
    client = let_in()
    answer = ask(client).parse()
    word = {"id": answer.id, "output": "card_lost", "score": 0.5, "name": "helpful"}
    first = client.post("/feedback", body=word, cast_to=object)
    again = client.post("/feedback", body=word, cast_to=object)
    assert first != again
    assert len(list(gateway.store.scores_of([answer.id]))) == 1
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/feedback", body={"score": 1}, cast_to=object)
    assert caught.value.code == "invalid_feedback"


def test_feedback_is_for_the_client_that_got_the_answer(gateway: Running) -> None:
    """Any key of that client will do, at once; another client's answer is told from an unknown one by nothing."""
    clients = {}
    for name, client_id in (("k1", "shop"), ("k2", "shop"), ("k3", "desk2")):
        digest = hashlib.sha256(name.encode()).hexdigest()
        gateway.store.add_key(a_key(name, client_id=client_id, sha256=digest, expires_at=None))
        clients[name] = openai.OpenAI(base_url=gateway.url, api_key=name, max_retries=0)
    seen(gateway)
    answer = ask(clients["k1"]).parse()
    for name in ("k1", "k2"):
        said = clients[name].post("/feedback", body={"id": answer.id, "score": 1, "comment": name}, cast_to=object)
        assert said["new"] is True  # type: ignore[index]
    bodies = []
    for inference_id in (answer.id, "chatcmpl-nobody"):
        with pytest.raises(openai.NotFoundError) as caught:
            clients["k3"].post("/feedback", body={"id": inference_id, "output": "wrong"}, cast_to=object)
        assert caught.value.code == "inference_not_found"
        bodies.append(caught.value.response.content)
    assert bodies[0] == bodies[1]
    # A caller of the settings file is a client like any other.
    with pytest.raises(openai.NotFoundError):
        gateway.client().post("/feedback", body={"id": answer.id, "score": 0}, cast_to=object)
    assert sorted(score.comment or "" for score in gateway.store.scores_of([answer.id])) == ["k1", "k2"]
    for client in clients.values():
        client.close()


def test_a_refused_request_of_a_task_without_content_keeps_none(start: Callable[..., Running]) -> None:
    """Also where the caller's key is not for it: the task's word on content comes first."""
    gateway = start(capture={"no_content_tasks": ("card-intent",)})
    deploy(gateway, Sure())
    digest = hashlib.sha256(PLAIN.encode()).hexdigest()
    gateway.store.add_key(a_key(sha256=digest, expires_at=None, models=("other",)))
    seen(gateway)
    with (
        openai.OpenAI(base_url=gateway.url, api_key=PLAIN, max_retries=0) as client,
        pytest.raises(openai.PermissionDeniedError),
    ):
        ask(client)
    (kept,) = gateway.captured()
    assert (kept.task_id, kept.request, kept.content) == ("task-1", None, Content.OFF)
