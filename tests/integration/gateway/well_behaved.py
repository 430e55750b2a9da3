"""A model server that answers every request of every API as its documentation says, plain and streamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.integration.gateway.upstream import completion, events, streaming

if TYPE_CHECKING:
    from collections.abc import Mapping

_USAGE = {"input_tokens": 7, "output_tokens": 3}
_MESSAGE: dict[str, Any] = {
    "id": "msg_upstream",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "card_arrival"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": _USAGE,
}
_RESPONSE: dict[str, Any] = {
    "id": "resp_upstream",
    "object": "response",
    "created_at": 1_756_684_940,
    "model": "gpt-4o",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "card_arrival", "annotations": []}],
        }
    ],
    "usage": _USAGE | {"total_tokens": 10},
}
_VECTORS = {
    "object": "list",
    "model": "gpt-4o",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1.5]}],
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
_VERDICT = {"id": "modr-1", "model": "omni", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]}
#: What is answered in one piece, by path.
WHOLE: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": completion(),
    "/v1/responses": _RESPONSE,
    "/v1/messages": _MESSAGE,
    "/v1/messages/count_tokens": {"input_tokens": 7},
    "/v1/embeddings": _VECTORS,
    "/v1/moderations": _VERDICT,
}


def _framed(*told: dict[str, Any]) -> list[bytes]:
    return [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in told]


#: What is answered as a stream, by path.
STREAMED: Mapping[str, list[bytes]] = {
    "/v1/chat/completions": events("card", "_arrival"),
    "/v1/responses": _framed(
        {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress", "output": []}},
        {"type": "response.completed", "response": _RESPONSE},
    ),
    "/v1/messages": _framed(
        {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "card_arrival"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ),
}


async def well_behaved(request: web.Request) -> web.StreamResponse:
    """A `Script`; asserts that what it is sent is a JSON object which names a model."""
    asked = json.loads(await request.read())
    assert isinstance(asked, dict)
    if asked.get("stream") is True and request.path in STREAMED:
        return await streaming(STREAMED[request.path])(request)
    return web.json_response(WHOLE[request.path])
