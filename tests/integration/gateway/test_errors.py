"""Whatever fails, a caller gets one honest OpenAI-shaped error, and the store one record of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai
import pytest
from aiohttp import web

from tests.integration.gateway.conftest import KEY, UPSTREAM_KEY, Running, eventually
from tests.integration.gateway.upstream import completion, events, streaming
from tierwright.core.inference import CallRole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES: Any = [{"role": "user", "content": "a secret prompt"}]


def ask(gateway: Running, **changes: Any) -> Any:
    """One plain completion by a real client."""
    return gateway.client().chat.completions.create(**{"model": "gpt-4o", "messages": MESSAGES, **changes})


def raw(gateway: Running, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
    """One request of any kind: the status, and the JSON answered."""
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    sent = {"authorization": f"Bearer {KEY}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else {}


def a_completion_body(**changes: Any) -> bytes:
    """The body of a request."""
    return json.dumps({"model": "gpt-4o", "messages": MESSAGES, **changes}).encode()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def babbling_port() -> Iterator[int]:
    """A port that answers with something that is no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b"220 smtp.example ready\r\n")

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_upstream_errors_pass_through_unchanged(gateway: Running) -> None:
    """A provider's 429 keeps its body and its retry-after, and is captured as an answered error."""

    async def script(_: web.Request) -> web.Response:
        body = {"error": {"message": "slow down", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}}
        return web.json_response(body, status=429, headers={"retry-after": "7"})

    gateway.upstream.script = script
    with pytest.raises(openai.RateLimitError) as caught:
        ask(gateway)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.response.headers["x-tierwright-served-by"] == "frontier"
    (kept,) = gateway.captured()
    assert (kept.status, kept.error_code) == (429, "upstream_error")
    assert caught.value.response.headers["x-tierwright-inference-id"] == kept.id
    assert b"slow down" in (kept.response or b"")
    assert kept.answering_call is not None


def test_unreachable_upstream_is_a_502(start: Callable[..., Running]) -> None:
    """Nobody at the address: 502, a stable code, the backend's name and what to do; the attempt is captured."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gateway = start(backend={"base_url": f"http://127.0.0.1:{port}/v1"})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_unavailable")
    assert "'frontier'" in caught.value.message
    assert "base_url" in caught.value.message
    assert "secret" not in caught.value.message
    (kept,) = gateway.captured()
    assert (kept.status, kept.error_code) == (502, "upstream_unavailable")
    assert kept.answering_call is None
    # Nothing was sent, so it was safe to ask again.
    assert [(call.role, call.error_code) for call in kept.calls] == [
        (CallRole.PRIMARY, "upstream_unavailable"),
        (CallRole.RETRY, "upstream_unavailable"),
        (CallRole.RETRY, "upstream_unavailable"),
    ]


def test_silent_upstream_is_a_504(start: Callable[..., Running], silent_port: int) -> None:
    """A server that never answers costs its deadline and is a timeout."""
    gateway = start(backend={"base_url": f"http://127.0.0.1:{silent_port}/v1", "timeout_s": 0.2})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
    assert gateway.captured()[0].error_code == "upstream_timeout"


def test_something_else_at_the_address_is_a_502(start: Callable[..., Running], babbling_port: int) -> None:
    """A server that speaks another protocol is broken, not unavailable."""
    gateway = start(backend={"base_url": f"http://127.0.0.1:{babbling_port}/v1"})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_broken")


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"content-type": "text/html"}, b"<html>welcome</html>"),
        (200, {"content-type": "application/json"}, b'{"id": "up", "choices"'),
        (200, {"content-type": "application/json"}, b""),
        (307, {"location": "http://elsewhere.example/v1"}, b""),
        (200, {"content-type": "application/json", "content-encoding": "gzip"}, b"no gzip"),
    ],
)
def test_bad_answers_are_a_502(gateway: Running, status: int, headers: dict[str, str], body: bytes) -> None:
    """Web pages, half an answer, redirects and broken compression are never passed off as an answer."""

    async def script(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    gateway.upstream.script = script
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_broken")
    assert len(gateway.upstream.seen) == 1
    assert gateway.captured()[0].answering_call is None


@pytest.mark.parametrize("how", ["connection cut", "ended early"])
def test_cut_stream_is_an_error_and_not_an_answer(gateway: Running, how: str) -> None:
    """A stream that stops half-way ends in an error event, with no reason; what arrived is captured with its error."""
    pieces = [*events("Hal", "f", done=False, usage=False)[:3], b'data: {"id":"half an ev']
    gateway.upstream.script = streaming(pieces, cut=how == "connection cut")
    seen: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        seen.extend(chunk.choices[0].delta.content or "" for chunk in ask(gateway, stream=True))
    assert caught.value.code == "upstream_broken"
    (kept,) = gateway.captured()
    assert (kept.status, kept.error_code) == (200, "upstream_broken")
    answer = json.loads(kept.response or b"")
    assert answer["choices"][0]["message"]["content"] == "Half"
    assert answer["choices"][0]["finish_reason"] is None


def test_stream_without_done_but_with_its_reason_is_complete(gateway: Running) -> None:
    """A server that sends no [DONE] after the last finish_reason has answered; the caller gets the end it waits for."""
    pieces = events("yes", usage=False, done=False)
    gateway.upstream.script = streaming(pieces)
    with gateway.client().chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=MESSAGES, stream=True
    ) as answer:
        body = answer.read()
    assert body.endswith(b'"finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    assert gateway.captured()[0].error_code is None


def test_a_stream_without_end_is_cut(start: Callable[..., Running]) -> None:
    """Good events beyond the longest answer end in an error: what is kept of an answer is bounded."""
    gateway = start(max_answer_bytes=2000)
    gateway.upstream.script = streaming(events(*["word "] * 100), pause_s=0.005)
    with pytest.raises(openai.APIError) as caught:
        list(ask(gateway, stream=True))
    assert caught.value.code == "upstream_broken"
    assert "2000 bytes" in caught.value.message
    (kept,) = gateway.captured()
    assert kept.error_code == "upstream_broken"
    assert 0 < len(kept.response or b"") < 2000


def test_what_asked_for_no_stream_gets_none(gateway: Running) -> None:
    """An answer in one piece that its server calls a stream is an answer; a stream nobody asked for is a 502."""

    async def mislabelled(_: web.Request) -> web.Response:
        return web.Response(body=json.dumps(completion("yes")).encode(), headers={"content-type": "text/event-stream"})

    gateway.upstream.script = mislabelled
    assert ask(gateway).choices[0].message.content == "yes"
    gateway.upstream.script = streaming(events("yes"))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_broken")


def test_caller_that_leaves_ends_the_upstream_call(gateway: Running) -> None:
    """When a caller disconnects mid-stream the model server is told, and what was received is kept."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in events("one ", "two ", done=False, usage=False)[:3]:
            await response.write(event)
        await asyncio.sleep(60)
        return response

    gateway.upstream.script = endless
    stream = ask(gateway, stream=True)
    read = [next(stream).choices[0].delta.content for _ in range(3)]
    assert read == ["", "one ", "two "]
    stream.close()
    assert gateway.upstream.cancelled.wait(10)
    (kept,) = gateway.captured()
    assert (kept.error_code, kept.streamed) == ("client_disconnected", True)
    assert json.loads(kept.response or b"")["choices"][0]["message"]["content"] == "one two "


@pytest.mark.parametrize(
    ("request_", "headers", "refusal"),
    [
        (
            ("POST", "/v1/chat/completions", a_completion_body()),
            {"authorization": "Bearer no"},
            (401, "invalid_api_key"),
        ),
        (("GET", "/v1/models", b""), {"authorization": ""}, (401, "invalid_api_key")),
        (("POST", "/v1/audio/speech", b"{}"), {}, (404, "unknown_url")),
        (("POST", "/v1/embeddings", b"{}"), {}, (400, "invalid_request")),
        (("GET", "/", b""), {}, (404, "unknown_url")),
        (("GET", "/v1/chat/completions", b""), {}, (405, "method_not_allowed")),
        (("POST", "/v1/models", b""), {}, (405, "method_not_allowed")),
        (("POST", "/v1/chat/completions", b"{"), {}, (400, "invalid_json")),
        (("POST", "/v1/chat/completions", b'{"model":"gpt-4o"}'), {}, (400, "invalid_request")),
        (
            ("POST", "/v1/chat/completions", a_completion_body(stream=True, stream_options=[1])),
            {},
            (400, "invalid_request"),
        ),
        (("POST", "/v1/chat/completions", b"x" * 1_000_001), {}, (413, "request_too_large")),
        (("POST", "/v1/chat/completions", b"z"), {"content_encoding": "gzip"}, (415, "unsupported_content_encoding")),
        (("POST", "/v1/chat/completions", a_completion_body(model="gpt-9")), {}, (404, "model_not_found")),
        (("POST", "/v1/chat/completions", a_completion_body(model="task:x")), {}, (404, "task_not_found")),
    ],
)
def test_refusals_have_stable_codes(
    gateway: Running, request_: tuple[str, str, bytes], headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    """Every refusal is OpenAI-shaped, names its reason in a code, and asks no model."""
    status, answer = raw(gateway, *request_, **headers)
    assert (status, answer["error"]["code"]) == refusal
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert "secret" not in answer["error"]["message"]
    assert gateway.upstream.seen == []


def test_chunked_bodies_have_the_same_limit(gateway: Running) -> None:
    """A body that does not say its length is refused when it passes the limit, and not held."""

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    headers = {"authorization": f"Bearer {KEY}"}
    connection.request("POST", "/v1/chat/completions", pieces(), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_unknown_models_are_captured(gateway: Running) -> None:
    """A request for a model nobody serves is in the store, without a call."""
    raw(gateway, "POST", "/v1/chat/completions", a_completion_body(model="gpt-9"))
    (kept,) = gateway.captured()
    assert (kept.model, kept.status, kept.error_code, kept.calls) == ("gpt-9", 404, "model_not_found", ())


def test_models_and_health(gateway: Running) -> None:
    """The configured models are listed; liveliness and readiness answer without a key and show the counters."""
    assert [(model.id, model.owned_by) for model in gateway.client().models.list()] == [
        ("gpt-4o", "frontier"),
        ("gpt-4o-mini", "frontier"),
    ]
    assert raw(gateway, "GET", "/health/liveliness", authorization="") == (200, {"status": "alive"})
    ask(gateway)
    eventually(lambda: raw(gateway, "GET", "/health/readiness")[1]["capture"]["captured"] == 1)
    status, state = raw(gateway, "GET", "/health/readiness", authorization="")
    assert (status, state["status"]) == (200, "ready")
    assert state["capture"] == {
        "captured": 1,
        "waiting": 0,
        "spilled": 0,
        "content_dropped": 0,
        "dropped": 0,
        "store_error": None,
        "journal_error": None,
        "refusal": None,
    }


def test_secrets_and_prompts_are_in_no_log(
    gateway: Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """After answers, failures and an unexpected error neither keys nor prompts were printed or logged."""

    async def dropping(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    ask(gateway)
    gateway.upstream.script = dropping
    with pytest.raises(openai.InternalServerError):
        ask(gateway)
    gateway.stop()
    printed = capfd.readouterr()
    for text in (caplog.text, printed.out, printed.err):
        assert "secret" not in text
        assert KEY not in text
        assert UPSTREAM_KEY not in text


def test_a_refused_key_is_told_to_the_operator(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    """401 of a model server: logged once without the key, degraded in readiness and shown in metrics, until over."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": f"bad {UPSTREAM_KEY}", "code": "invalid_api_key"}}, status=401)

    answering, gateway.upstream.script = gateway.upstream.script, refuse
    for _ in range(3):
        with pytest.raises(openai.AuthenticationError):
            ask(gateway)
    state = gateway.readiness()
    assert (state["status"], state["backends"]) == ("degraded", {"key_refused": {"frontier": 401}})
    assert b'tierwright_backend_key_refused{backend="frontier"} 1.0' in gateway.app.metrics.render()
    assert caplog.text.count("'frontier' refuses our key, or what it is used for (HTTP 401") == 1
    assert UPSTREAM_KEY not in caplog.text
    gateway.upstream.script = answering
    ask(gateway)
    eventually(lambda: gateway.readiness()["status"] == "ready")
    assert "takes our key again" in caplog.text
