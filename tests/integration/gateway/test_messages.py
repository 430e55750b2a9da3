"""Anthropic's Messages, spoken by Anthropic's own client, and chats that an Anthropic server answers."""

from __future__ import annotations

import asyncio
import http.client
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
from aiohttp import web

from tests.integration.gateway.conftest import KEY, UPSTREAM_KEY, Running, Sure
from tests.integration.gateway.test_specialists import MESSAGES, deploy
from tests.integration.gateway.upstream import completion, events, streaming
from tierwright.core.inference import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGE: dict[str, Any] = {
    "id": "msg_upstream",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "card_arrival"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 4, "output_tokens": 3},
}
TOOL: dict[str, Any] = {"name": "find", "description": "Finds.", "input_schema": {"type": "object", "properties": {}}}


def framed(kind: str, **members: Any) -> bytes:
    """One event as Anthropic frames it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def told(*, stop: bool = True) -> list[bytes]:
    """The events of a streamed answer; without `stop` it breaks off."""
    begun = {**MESSAGE, "content": [], "stop_reason": None}
    found = [
        framed("message_start", message=begun),
        framed("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        framed("ping"),
        framed("content_block_delta", index=0, delta={"type": "text_delta", "text": "card"}),
        framed("content_block_delta", index=0, delta={"type": "text_delta", "text": "_arrival"}),
        framed("content_block_stop", index=0),
    ]
    if stop:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        found += [framed("message_delta", delta=delta, usage={"output_tokens": 3}), framed("message_stop")]
    return found


async def claude(request: web.Request) -> web.StreamResponse:
    """A server that speaks Messages."""
    assert request.path == "/v1/messages"
    assert request.headers["x-api-key"] == UPSTREAM_KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers
    if (await request.json()).get("stream"):
        return await streaming(told())(request)
    return web.json_response(MESSAGE)


@pytest.fixture
def native(start: Callable[..., Running]) -> Running:
    """A gateway in front of an Anthropic server."""
    gateway = start(backend={"kind": "anthropic", "models": ("claude-x",)})
    gateway.upstream.script = claude
    return gateway


@pytest.fixture
def clients() -> Iterator[Callable[[Running], anthropic.Anthropic]]:
    """Makes real clients of a gateway, which are closed at the end."""
    made: list[anthropic.Anthropic] = []

    def make(gateway: Running) -> anthropic.Anthropic:
        made.append(anthropic.Anthropic(base_url=gateway.listener.address, api_key=KEY, max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()


def asked(**changes: Any) -> dict[str, Any]:
    """A request of the task."""
    messages = [{"role": "user", "content": "Where is my card?"}]
    return {"model": "gpt-4o", "max_tokens": 50, "system": "Name the intent.", "messages": messages, **changes}


def test_messages_reach_an_anthropic_server_untouched(native: Running, clients: Callable[..., Any]) -> None:
    """The answer arrives under the inference's id; the ledger counts cached tokens as a part of the prompt."""
    answer = clients(native).messages.create(**asked(model="claude-x"))
    assert answer.content[0].text == "card_arrival"
    (kept,) = native.captured()
    assert answer.id == kept.id
    assert (kept.endpoint, kept.calls[0].upstream_id) == (Endpoint.MESSAGES, "msg_upstream")
    call = kept.calls[0]
    assert (call.prompt_tokens, call.cached_tokens, call.cache_write_tokens, call.completion_tokens) == (20, 6, 4, 3)
    assert [message["role"] for message in json.loads(kept.request or b"")["messages"]] == ["system", "user"]
    assert json.loads(kept.response or b"")["choices"][0]["finish_reason"] == "stop"


def test_streamed_messages_of_an_anthropic_server(native: Running, clients: Callable[..., Any]) -> None:
    """The client's own stream reader puts the answer together; so does the store."""
    with clients(native).messages.stream(**asked(model="claude-x")) as stream:
        assert "".join(stream.text_stream) == "card_arrival"
        final = stream.get_final_message()
    (kept,) = native.captured()
    assert final.id == kept.id
    assert (kept.streamed, kept.error_code, kept.calls[0].completion_tokens) == (True, None, 3)
    assert json.loads(kept.response or b"")["choices"][0]["message"]["content"] == "card_arrival"


def test_messages_reach_a_chat_server_as_a_chat(gateway: Running, clients: Callable[..., Any]) -> None:
    """Tools go there and calls come back; stop reason and usage are Anthropic's."""
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}

    async def calling(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/chat/completions"
        answer = completion()
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer["choices"][0] |= {"message": message, "finish_reason": "tool_calls"}
        return web.json_response(answer)

    gateway.upstream.script = calling
    answer = clients(gateway).messages.create(**asked(tools=[TOOL]))
    assert answer.stop_reason == "tool_use"
    (block,) = [block for block in answer.content if block.type == "tool_use"]
    assert (block.name, block.input) == ("find", {"q": 1})
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 5)
    sent = json.loads(gateway.upstream.seen[-1][1])
    assert sent["messages"][0] == {"role": "system", "content": "Name the intent."}
    assert sent["tools"][0]["function"]["name"] == "find"


def test_a_chat_servers_stream_is_told_in_anthropics_events(gateway: Running, clients: Callable[..., Any]) -> None:
    """Text, stop reason and usage arrive through the client's own reader."""
    gateway.upstream.script = streaming(events("card", "_arrival"))
    with clients(gateway).messages.stream(**asked()) as stream:
        assert "".join(stream.text_stream) == "card_arrival"
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 7, 3)


def test_a_stream_that_breaks_off_never_says_that_it_stopped(gateway: Running, clients: Callable[..., Any]) -> None:
    """The client raises an error instead of returning half an answer."""
    gateway.upstream.script = streaming(events("card", done=False, usage=False)[:2])
    with pytest.raises(anthropic.APIError), clients(gateway).messages.stream(**asked()) as stream:
        stream.get_final_message()
    (kept,) = gateway.captured()
    assert kept.error_code == "upstream_broken"


def test_errors_are_anthropics(gateway: Running, clients: Callable[..., Any]) -> None:
    """A wrong request, an unknown model and a failing server raise the client's own classes."""
    client = clients(gateway)
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(**asked(model="gpt-9"))
    assert caught.value.body["type"] == "error"  # type: ignore[index, call-overload]
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**asked(messages=[]))

    async def overloaded(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no", "type": "x", "code": None}}, status=429)

    gateway.upstream.script = overloaded
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(**asked())


@pytest.mark.parametrize("stream", [False, True])
def test_a_specialist_answers_with_a_message(gateway: Running, clients: Callable[..., Any], *, stream: bool) -> None:
    """The task is recognised in a Messages request, and its specialist answers in that API."""
    deploy(gateway, Sure())
    if stream:
        with clients(gateway).messages.stream(**asked()) as reader:
            answer = reader.get_final_message()
    else:
        answer = clients(gateway).messages.create(**asked())
    assert (answer.content[0].text, answer.stop_reason) == ("card_lost", "end_turn")
    assert gateway.captured()[0].task_id == "task-1"
    assert not gateway.upstream.seen


def test_tokens_are_counted_where_no_server_does(gateway: Running, clients: Callable[..., Any]) -> None:
    """An estimate, for a model of a chat server."""
    found = clients(gateway).messages.count_tokens(
        model="gpt-4o", messages=[{"role": "user", "content": "hello world"}]
    )
    assert found.input_tokens == 9
    assert not gateway.upstream.seen


def test_tokens_are_counted_by_the_server_that_can(native: Running, clients: Callable[..., Any]) -> None:
    """Anthropic's own count."""

    async def counting(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/messages/count_tokens"
        return web.json_response({"input_tokens": 77})

    native.upstream.script = counting
    asking = {"model": "claude-x", "messages": [{"role": "user", "content": "hello"}]}
    assert clients(native).messages.count_tokens(**asking).input_tokens == 77


def test_a_chat_is_answered_by_an_anthropic_server(native: Running) -> None:
    """OpenAI's client gets Anthropic's answer as a chat, usage and stop reason included."""
    answer = native.client().chat.completions.create(model="claude-x", messages=MESSAGES)
    assert answer.choices[0].message.content == "card_arrival"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 3)
    sent = json.loads(native.upstream.seen[-1][1])
    assert sent["system"] in ("Name the intent.", [{"type": "text", "text": "Name the intent."}])
    (kept,) = native.captured()
    assert (answer.id, kept.endpoint, kept.calls[0].upstream_id) == (kept.id, Endpoint.CHAT, "msg_upstream")


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_streamed_chat_of_an_anthropic_server(native: Running, *, include_usage: bool) -> None:
    """The chunks are a chat's, with usage where it was asked for; the ledger has it in any case."""
    options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
    with native.client().chat.completions.create(model="claude-x", messages=MESSAGES, stream=True, **options) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "card_arrival"
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([23] if include_usage else [])
    (kept,) = native.captured()
    assert (kept.error_code, kept.calls[0].prompt_tokens) == (None, 20)


def test_a_chat_whose_anthropic_stream_breaks_off_is_an_error(native: Running) -> None:
    """No finish reason is invented."""
    native.upstream.script = streaming(told(stop=False))
    reasons: list[str | None] = []
    with (
        pytest.raises(openai.APIError),
        native.client().chat.completions.create(model="claude-x", messages=MESSAGES, stream=True) as stream,
    ):
        reasons.extend(chunk.choices[0].finish_reason for chunk in stream if chunk.choices)
    assert not any(reasons)


def test_asynchronous_clients(native: Running) -> None:
    """Both real clients, asynchronous, at the same time."""

    async def both() -> tuple[Any, Any]:
        async with (
            openai.AsyncOpenAI(base_url=native.url, api_key=KEY, max_retries=0) as chat,
            anthropic.AsyncAnthropic(base_url=native.listener.address, api_key=KEY, max_retries=0) as messages,
        ):
            return await asyncio.gather(
                chat.chat.completions.create(model="claude-x", messages=MESSAGES),
                messages.messages.create(**asked(model="claude-x")),
            )

    chat_answer, message = asyncio.run(both())
    assert chat_answer.choices[0].message.content == message.content[0].text == "card_arrival"


@pytest.mark.parametrize("speaks", ["messages", "chat"])
@pytest.mark.parametrize("keep", [True, False])
def test_an_answer_that_its_caller_cuts_off_is_kept_and_counted(
    start: Callable[..., Running], speaks: str, *, keep: bool
) -> None:
    """The server has counted the prompt when the stream begins; what it wrote until the end is estimated and priced."""
    gateway = start(backend={"kind": "anthropic", "models": ("gpt-4o",)}, capture={"keep_content": keep})
    words = [
        framed("content_block_delta", index=0, delta={"type": "text_delta", "text": "some more words "})
        for _ in range(20)
    ]
    gateway.upstream.script = streaming([b"".join([*told(stop=False)[:2], *words]), *told()[3:]], pause_s=5)
    if speaks == "messages":
        with anthropic.Anthropic(base_url=gateway.listener.address, api_key=KEY, max_retries=0) as client:
            stream = client.messages.create(model="gpt-4o", max_tokens=99, messages=MESSAGES[1:], stream=True)
            assert [next(stream).type for _ in range(10)]
            stream.close()
    else:
        chunks = gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        assert [next(chunks).id for _ in range(10)]
        chunks.close()
    (kept,) = gateway.captured()
    (call,) = kept.calls
    assert (kept.error_code, call.prompt_tokens, call.cached_tokens) == ("client_disconnected", 20, 6)
    assert call.usage_estimated
    assert 60 <= (call.completion_tokens or 0) <= 62
    assert call.cost_usd == Decimal(20 + (call.completion_tokens or 0)) / 1_000_000
    assert (b"some more words" in (kept.response or b"")) == keep


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    ("method", "headers", "status", "kind"),
    [
        ("POST", {"x-api-key": "wrong"}, 401, "authentication_error"),
        ("POST", {"x-api-key": KEY, "content-encoding": "gzip"}, 415, "invalid_request_error"),
        ("POST", {"x-api-key": KEY, "content-length": "2000000"}, 413, "request_too_large"),
        ("GET", {"x-api-key": KEY}, 405, "invalid_request_error"),
    ],
)
def test_what_is_refused_unread_has_the_form_too(
    gateway: Running, path: str, method: str, headers: dict[str, str], status: int, kind: str
) -> None:
    """A key, a method or a body that is refused before the request is read is refused in Anthropic's form."""
    parts = urlsplit(gateway.listener.address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    told = json.load(answer)
    connection.close()
    assert (answer.status, told["type"], told["error"]["type"]) == (status, "error", kind)
