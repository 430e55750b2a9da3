"""Settings that change while a gateway answers: what began with the old ones ends with them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web

from tests.integration.gateway.conftest import KEY, Running, eventually
from tests.integration.gateway.upstream import Upstream, completion, events, streaming
from tierwright.core.errors import SettingsError
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.config import BackendConfig, CallerConfig
from tierwright.gateway.trail import Pricing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierwright.gateway.compose import Offer

MESSAGES: Any = [{"role": "user", "content": "hello"}]
WORDS = [f"word-{number} " for number in range(20)]


@pytest.fixture
def other() -> Iterator[Upstream]:
    """Another model server."""
    with Upstream() as server:
        yield server


def moved(offer: Offer, url: str) -> Offer:
    """The same offer with its backend at another address."""
    (served,) = offer.backends
    config = BackendConfig(name="frontier", base_url=url, models=served.models, timeout_s=10.0)
    return replace(offer, backends=[replace(served, backend=HttpBackend(config, offer.gate))])


def text_of(gateway: Running, key: str = KEY) -> str:
    """The text of a plain answer."""
    client = openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0)
    with client:
        return client.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices[0].message.content or ""


def streamed(gateway: Running) -> str:
    """The text of a streamed answer."""
    stream = gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def closed(offer: Offer) -> bool:
    """Whether an offer's backend was closed."""
    backend = offer.backends[0].backend
    assert isinstance(backend, HttpBackend)
    return backend._pool._closed


def test_answers_under_way_end_where_they_began(gateway: Running, other: Upstream) -> None:
    """A stream goes on with its old server after two changes; that server's connections close when it has ended."""
    gateway.upstream.script = streaming(events(*WORDS), pause_s=0.05)
    first, second = gateway.changes.offer, moved(gateway.changes.offer, other.url)
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(streamed, gateway)
        eventually(lambda: len(gateway.upstream.seen) == 1)
        # The first change keeps the backend, the second drops it: the stream began before both.
        gateway.changes.make(replace(first, pricing=Pricing(lambda *_: Decimal(7))))
        gateway.changes.make(second)
        assert text_of(gateway) == "card_arrival"
        assert len(other.seen) == 1
        assert not closed(first)
        assert stream.result(30) == "".join(WORDS)
    eventually(lambda: closed(first))
    assert not closed(second)
    assert len(gateway.upstream.seen) == 1
    begun_first, _ = sorted(gateway.captured(2), key=lambda one: one.created_at)
    # Priced as when it began.
    assert [call.cost_usd for call in begun_first.calls] == [Decimal("0.00001")]


def test_keys_change_with_the_settings(gateway: Running) -> None:
    """A caller that is new is let in at once and one that is gone refused; a broken pair changes nothing."""
    offer = gateway.changes.offer
    new = CallerConfig(client_id="shop", key_sha256=hashlib.sha256(b"tw-new-key").hexdigest())
    gateway.changes.make(replace(offer, config=replace(offer.config, callers=(new,))))
    assert text_of(gateway, "tw-new-key") == "card_arrival"
    with pytest.raises(openai.AuthenticationError):
        text_of(gateway)
    with pytest.raises(SettingsError, match="same client_id"):
        gateway.changes.make(replace(offer, config=replace(offer.config, callers=(new, new))))
    assert text_of(gateway, "tw-new-key") == "card_arrival"


def test_a_gateway_that_ends_closes_what_it_left(start: Callable[..., Running], other: Upstream) -> None:
    """Stopped while a stream of replaced settings is under way: the stream ends, then both servers' connections do."""
    running = start()
    running.upstream.script = streaming(events(*WORDS), pause_s=0.05)
    first, second = running.changes.offer, moved(running.changes.offer, other.url)
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(streamed, running)
        eventually(lambda: len(running.upstream.seen) == 1)
        running.changes.make(second)
        running.listener.stop()
        assert stream.result(30) == "".join(WORDS)
    running.thread.join(30)
    assert closed(first)
    assert closed(second)


def test_a_retry_keeps_the_settings_it_began_with(gateway: Running, other: Upstream) -> None:
    """Refused once before the change and tried again after it, a request stays with the server it was sent to."""

    async def refusing(_: web.Request) -> web.StreamResponse:
        gateway.changes.make_soon(moved(gateway.changes.offer, other.url))
        gateway.upstream.script = well
        return web.json_response({"error": {"message": "busy"}}, status=429, headers={"retry-after": "0.3"})

    async def well(_: web.Request) -> web.StreamResponse:
        return web.json_response(completion("from the old one"))

    gateway.upstream.script = refusing
    assert text_of(gateway) == "from the old one"
    assert other.seen == []
    assert text_of(gateway) == "card_arrival"
    assert len(other.seen) == 1
