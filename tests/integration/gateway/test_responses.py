"""The Responses API, spoken by OpenAI's own client: passed on, told as a chat, and answered by a specialist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from aiohttp import web

from tests.integration.gateway.conftest import Running, Sure
from tests.integration.gateway.test_specialists import deploy
from tests.integration.gateway.upstream import completion, events, streaming
from tierwright.core.inference import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

NATIVE: dict[str, Any] = {
    "id": "resp_upstream",
    "object": "response",
    "created_at": 1_756_684_940,
    "status": "completed",
    "model": "gpt-4o-2024-08-06",
    "x_new": {"kept": True},
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "card_arrival", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 23,
    },
}


def framed(kind: str, **members: Any) -> bytes:
    """One event as OpenAI frames it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


async def native(request: web.Request) -> web.StreamResponse:
    """A server that has the API."""
    assert request.path == "/v1/responses"
    body = await request.json()
    if not body.get("stream"):
        return web.json_response(NATIVE)
    item = NATIVE["output"][0]
    begun = {**NATIVE, "status": "in_progress", "output": [], "usage": None}
    pieces = [
        framed("response.created", response=begun, sequence_number=0),
        framed("response.output_item.added", item={**item, "content": []}, output_index=0, sequence_number=1),
        framed(
            "response.output_text.delta",
            item_id="msg_1",
            output_index=0,
            content_index=0,
            delta="card_arrival",
            logprobs=[],
            sequence_number=2,
        ),
        framed("response.completed", response=NATIVE, sequence_number=3),
    ]
    return await streaming(pieces)(request)


def test_a_server_that_has_the_api_is_passed_on(gateway: Running) -> None:
    """The Response arrives untouched; the store has it as a chat, with its usage and the provider's id."""
    gateway.upstream.script = native
    raw = gateway.client().responses.with_raw_response.create(model="gpt-4o", instructions="Be brief.", input="Hi")
    assert raw.http_response.json() == NATIVE
    assert raw.parse().output_text == "card_arrival"
    (kept,) = gateway.captured()
    assert raw.headers["x-tierwright-inference-id"] == kept.id
    assert (kept.endpoint, kept.status, kept.calls[0].upstream_id) == (Endpoint.RESPONSES, 200, "resp_upstream")
    assert (kept.calls[0].prompt_tokens, kept.calls[0].cached_tokens, kept.calls[0].completion_tokens) == (20, 4, 3)
    roles = [message["role"] for message in json.loads(kept.request or b"")["messages"]]
    assert roles in (["system", "user"], ["developer", "user"])
    assert json.loads(kept.response or b"")["choices"][0]["message"]["content"] == "card_arrival"


def test_its_stream_is_passed_on(gateway: Running) -> None:
    """The client's own reader finds the whole answer, and the store keeps it reassembled and counted."""
    gateway.upstream.script = native
    with gateway.client().responses.create(model="gpt-4o", input="Hi", stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    (kept,) = gateway.captured()
    assert (kept.streamed, kept.error_code, kept.calls[0].completion_tokens) == (True, None, 3)
    assert json.loads(kept.response or b"")["choices"][0]["message"]["content"] == "card_arrival"


def test_a_chat_server_is_asked_as_a_chat(start: Callable[..., Running]) -> None:
    """Where the server has chats only, request and answer are translated, usage and tool calls included."""
    gateway = start(backend={"kind": "bedrock"})
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q":"card"}'}}

    async def calling(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/chat/completions"
        answer = completion()
        answer["choices"][0] |= {
            "message": {"role": "assistant", "content": None, "tool_calls": [call]},
            "finish_reason": "tool_calls",
        }
        return web.json_response(answer)

    gateway.upstream.script = calling
    answer = gateway.client().responses.create(
        model="gpt-4o",
        input="Hi",
        tools=[{"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}],
    )
    (found,) = [item for item in answer.output if item.type == "function_call"]
    assert (found.name, json.loads(found.arguments), found.call_id) == ("find", {"q": "card"}, "call_1")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 5)
    (kept,) = gateway.captured()
    assert answer.id == kept.id
    sent = json.loads(gateway.upstream.seen[-1][1])
    assert sent["tools"][0]["function"]["name"] == "find"


def test_a_chat_servers_stream_is_retold(start: Callable[..., Running]) -> None:
    """The events are the API's own, in order, and end with the whole answer and its usage."""
    gateway = start(backend={"kind": "bedrock"})
    gateway.upstream.script = streaming(events("card", "_arrival"))
    with gateway.client().responses.create(model="gpt-4o", input="Hi", stream=True) as stream:
        found = list(stream)
    assert [event.sequence_number for event in found] == list(range(len(found)))  # type: ignore[union-attr]
    last = found[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "card_arrival"
    assert last.response.usage is not None
    assert last.response.usage.total_tokens == 10


def test_a_truncated_stream_is_an_error_and_never_completed(start: Callable[..., Running]) -> None:
    """Where the chat breaks off the caller is told so."""
    gateway = start(backend={"kind": "bedrock"})
    gateway.upstream.script = streaming(events("card", done=False, usage=False)[:2])
    with gateway.client().responses.create(model="gpt-4o", input="Hi", stream=True) as stream:
        found = list(stream)
    assert found[-1].type == "error"
    assert found[-1].code == "upstream_broken"
    assert all(event.type != "response.completed" for event in found)
    (kept,) = gateway.captured()
    assert kept.error_code == "upstream_broken"


@pytest.mark.parametrize("stream", [False, True])
def test_a_specialist_answers_in_the_api_that_was_asked(gateway: Running, *, stream: bool) -> None:
    """A task is recognised in a Responses request, and its specialist answers with a Response."""
    deploy(gateway, Sure())
    asked: dict[str, Any] = {"model": "gpt-4o", "instructions": "Name the intent.", "input": "Where is my card?"}
    if stream:
        with gateway.client().responses.create(**asked, stream=True) as events_:
            answer = list(events_)[-1].response
    else:
        answer = gateway.client().responses.create(**asked)
    assert answer.output_text == "card_lost"
    assert answer.status == "completed"
    (kept,) = gateway.captured()
    assert (kept.task_id, kept.endpoint, kept.calls[0].backend) == ("task-1", Endpoint.RESPONSES, "specialist")
    assert not gateway.upstream.seen


def test_what_only_the_provider_has_is_refused_where_it_is_not_asked(start: Callable[..., Running]) -> None:
    """A chat server can't know an earlier response: 400, naming the member."""
    gateway = start(backend={"kind": "bedrock"})
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        gateway.client().responses.create(model="gpt-4o", input="Hi", previous_response_id="resp_0")
    assert not gateway.upstream.seen
