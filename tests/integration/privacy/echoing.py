"""A third party's model server: says back what it was told, in the API it was asked in, whole or in small pieces."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

#: Characters of a piece of a stream: fewer than any token has.
PIECE = 3
_USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
_USAGE_OF_OTHERS = {"input_tokens": 11, "output_tokens": 7}


async def echo(request: web.Request) -> web.StreamResponse:
    """Says back the last thing that was said; with tools, calls the first of them with it."""
    asked = await request.json()
    said = _said(asked)
    if request.path.endswith("/messages"):
        return await _answered(request, asked, _message(said), _message_events(said))
    if request.path.endswith("/responses"):
        return await _answered(request, asked, _response(said), _response_events(said))
    return await _answered(request, asked, _completion(said, asked), _chunks(said, asked))


async def _answered(
    request: web.Request, asked: dict[str, Any], whole: dict[str, Any], events: list[dict[str, Any]]
) -> web.StreamResponse:
    if not asked.get("stream"):
        return web.json_response(whole)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for event in events:
        name = f"event: {event['type']}\n" if "type" in event else ""
        await response.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        await asyncio.sleep(0)
    if request.path.endswith("/chat/completions"):
        await response.write(b"data: [DONE]\n\n")
    return response


def _said(asked: dict[str, Any]) -> str:
    turns = asked.get("messages") or asked.get("input")
    content = turns if isinstance(turns, str) else turns[-1]["content"]
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return f"You said: {text}"


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def _arguments(said: str) -> str:
    return json.dumps({"text": said})


def _completion(said: str, asked: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if asked.get("tools"):
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": _arguments(said)}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "up-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": _USAGE}


def _chunks(said: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    head = {"id": "up-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if asked.get("tools"):
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": ""}
        deltas.append({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in _pieces(_arguments(said))
        ]
    else:
        deltas += [{"content": piece} for piece in _pieces(said)]
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [*chunks, {**head, "choices": [], "usage": _USAGE}]


def _message(said: str) -> dict[str, Any]:
    return {
        "id": "up-2",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": said}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _USAGE_OF_OTHERS,
    }


def _message_events(said: str) -> list[dict[str, Any]]:
    return [
        {"type": "message_start", "message": {**_message(said), "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in _pieces(said)
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": _USAGE_OF_OTHERS,
        },
        {"type": "message_stop"},
    ]


def _response(said: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": said, "annotations": []}
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": "resp_up",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            **_USAGE_OF_OTHERS,
            "total_tokens": 18,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _response_events(said: str) -> list[dict[str, Any]]:
    whole = _response(said)
    item = whole["output"][0]
    place = {"output_index": 0, "item_id": "m1", "content_index": 0}
    events = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**item["content"][0], "text": ""}},
        *({"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []} for piece in _pieces(said)),
        {"type": "response.output_text.done", **place, "text": said, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]
