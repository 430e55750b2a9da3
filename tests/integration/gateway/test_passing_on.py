"""What goes through the gateway arrives as it was sent, both ways."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import openai
import pytest
from aiohttp import web

from tests.integration.gateway.conftest import KEY, UPSTREAM_KEY, Running
from tests.integration.gateway.upstream import completion, events, streaming

MESSAGES = [{"role": "system", "content": "Name the intent."}, {"role": "user", "content": "Where is my card?"}]


def post(gateway: Running, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request, byte for byte."""
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/v1/chat/completions", body, sent)
    answer = connection.getresponse()
    found = (answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


def test_plain_answer_reaches_a_real_client_and_the_store(gateway: Running) -> None:
    """An OpenAI client gets the model's answer under the inference's id, and the store all there is to know of it."""
    answer = gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "card_arrival"
    (kept,) = gateway.captured()
    assert answer.id == kept.id
    assert kept.id.startswith("chatcmpl-0")
    assert (kept.client_id, kept.model, kept.status, kept.error_code) == ("desk", "gpt-4o", 200, None)
    assert kept.task_id is None
    assert json.loads(kept.request or b"")["messages"] == MESSAGES
    assert json.loads(kept.response or b"") == completion() | {"id": kept.id}
    (call,) = kept.calls
    assert (call.backend, call.model, call.upstream_id) == ("frontier", "gpt-4o", "chatcmpl-upstream-1")
    assert (call.prompt_tokens, call.completion_tokens, call.status) == (100, 5, 200)
    assert call.cost_usd == Decimal("0.000105")
    assert kept.latency_ms is not None
    assert call.latency_ms is not None
    assert 0 < call.latency_ms <= kept.latency_ms


def test_every_byte_but_the_id_is_passed_on(gateway: Running) -> None:
    """Unknown fields, odd spacing and escapes travel untouched in both directions; only the answer's id changes."""
    sent = b'{ "model":"gpt-4o",\n"x_new": {"b":1.0, "a":"\\u00e9"},"messages":[{"role":"user","content":"hi"}]}'
    answered = b'{"choices": [{"index":0, "message":{"role":"assistant","content":"\\u00e9","x":{"id":"n"}},'
    answered += b'"finish_reason":"stop"}],\n  "id" : "up-1", "x_new":[1.50, {"id":"up-1"}]}'

    async def script(_: web.Request) -> web.Response:
        return web.Response(body=answered, content_type="application/json")

    gateway.upstream.script = script
    status, headers, body = post(gateway, sent)
    assert status == 200
    assert gateway.upstream.seen[0][1] == sent
    new_id = headers["x-tierwright-inference-id"]
    assert body == answered.replace(b'"id" : "up-1"', b'"id" : "%b"' % new_id.encode())
    (kept,) = gateway.captured()
    assert (kept.request, kept.response) == (sent, body)
    assert kept.calls[0].usage_estimated


def test_keys_stay_on_their_side(gateway: Running) -> None:
    """The model server sees its own key and never the caller's; trace headers go along."""
    body = json.dumps({"model": "gpt-4o", "messages": MESSAGES}).encode()
    post(gateway, body, x_api_key=KEY, traceparent="00-abc", cookie="a=b")
    headers = gateway.upstream.seen[0][0]
    assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert KEY not in str(headers)
    assert headers["traceparent"] == "00-abc"
    assert "cookie" not in headers


def test_compressed_answers_are_unpacked(gateway: Running) -> None:
    """A gzip body is decoded, its encoding no longer announced, and useful headers are kept."""

    async def script(_: web.Request) -> web.Response:
        headers = {"content-encoding": "gzip", "x-ratelimit-remaining-requests": "9", "openai-version": "v", "x-a": "1"}
        body = gzip.compress(json.dumps(completion()).encode())
        return web.Response(body=body, content_type="application/json", headers=headers)

    gateway.upstream.script = script
    _, headers, body = post(gateway, json.dumps({"model": "gpt-4o", "messages": MESSAGES}).encode())
    assert json.loads(body)["choices"] == completion()["choices"]
    assert "content-encoding" not in headers
    assert (headers["x-ratelimit-remaining-requests"], headers["openai-version"]) == ("9", "v")
    assert "x-a" not in headers


def test_headers_say_who_answered(gateway: Running) -> None:
    """Inference, backend, reason, cost and overhead are in the answer's headers."""
    _, headers, body = post(gateway, json.dumps({"model": "gpt-4o", "messages": MESSAGES}).encode())
    assert headers["x-tierwright-inference-id"] == json.loads(body)["id"]
    assert headers["x-tierwright-served-by"] == "frontier"
    assert headers["x-tierwright-route-reason"] == "requested"
    assert headers["x-tierwright-cost-usd"] == "0.000105"
    assert float(headers["x-tierwright-overhead-ms"]) >= 0


def test_streams_arrive_in_order_and_are_joined_for_the_store(gateway: Running) -> None:
    """A streaming client gets every chunk in order under one id; the store gets one answer with its usage and cost."""
    words = [f"w{number} " for number in range(200)]
    gateway.upstream.script = streaming(events(*words))
    stream = gateway.client().chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,  # type: ignore[arg-type]
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == words
    (kept,) = gateway.captured()
    assert {chunk.id for chunk in chunks} == {kept.id}
    assert kept.streamed
    answer = json.loads(kept.response or b"")
    assert answer["id"] == kept.id
    assert answer["choices"][0]["message"]["content"] == "".join(words)
    (call,) = kept.calls
    assert (call.prompt_tokens, call.upstream_id) == (7, "chatcmpl-upstream-2")
    assert call.cost_usd == Decimal("0.00001")
    assert kept.error_code is None


def test_async_client_streams_many_at_once(gateway: Running) -> None:
    """Fifty streams at the same time keep their chunks apart and in order."""
    words = [str(number) for number in range(20)]
    gateway.upstream.script = streaming(events(*words), pause_s=0.001)

    async def one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)  # type: ignore[arg-type,call-overload]
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(50)))

    assert set(asyncio.run(all_of_them())) == {"".join(words)}
    assert len({kept.id for kept in gateway.captured(50)}) == 50


def test_replays_may_say_when_they_were_recorded(start: object) -> None:
    """With the switch on, a replayed request keeps the time of its log; with it off, the header changes nothing."""
    assert callable(start)
    body = json.dumps({"model": "gpt-4o", "messages": MESSAGES}).encode()
    replaying = start(capture={"accept_recorded_at": True})
    post(replaying, body, x_tierwright_recorded_at="1756684940.5", x_tierwright_workload_id="w")
    (kept,) = replaying.captured()
    assert kept.created_at == datetime(2025, 9, 1, 0, 2, 20, 500_000, UTC)
    assert kept.workload_id == "w"
    assert post(replaying, body, x_tierwright_recorded_at="soon")[0] == 400
    post(start(), body, x_tierwright_recorded_at="1756684940.5")
    assert max(kept.created_at for kept in replaying.captured(2)).year > 2025


@pytest.mark.parametrize("size", [10, 600_000])
def test_bodies_of_any_size_are_forwarded(gateway: Running, size: int) -> None:
    """Small and large requests arrive whole."""
    messages = [{"role": "user", "content": "x" * size}]
    body = json.dumps({"model": "gpt-4o", "messages": messages}).encode()
    assert post(gateway, body)[0] == 200
    assert gateway.upstream.seen[0][1] == body
