"""Sound requests, answers and streams of every API: what mutations begin with."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.gateway.well_behaved import STREAMED, WHOLE
from tests.unit.gateway.anthropic.test_broken_input import ANSWER, CHAT, CHUNKS, EVENTS, MESSAGE, MESSAGES

CHATS: tuple[dict[str, Any], ...] = (
    CHAT,
    {"model": "task:card-intent", "messages": [{"role": "user", "content": "Where is my card?"}], "n": 2},
    {
        "model": "card-intent@v1",
        "messages": [
            {"role": "system", "content": "Name the intent."},
            {"role": "user", "content": "Where is my card?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": False},
        "max_completion_tokens": 7,
        "metadata": {"task": "card-intent"},
    },
)
RESPONSES: tuple[dict[str, Any], ...] = (
    {"model": "m", "input": "Where is my card?", "instructions": "Name the intent.", "stream": True},
    {
        "model": "m",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "b"}],
            },
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "c"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "d"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "e"}]},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "f"},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
            {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "service_tier": "flex",
    },
)
MESSAGES_REQUESTS: tuple[dict[str, Any], ...] = (
    MESSAGES,
    {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Where is my card?"}], "system": "a"},
)
PLAIN: tuple[dict[str, Any], ...] = (
    {"model": "m", "input": ["a", "b"], "encoding_format": "float"},
    {"input": [{"type": "text", "text": "a"}]},
)
#: Answers in one piece, good and bad, of every API.
ANSWERS: tuple[Any, ...] = (
    *WHOLE.values(),
    ANSWER,
    {"type": "message", **MESSAGE},
    {"error": {"message": "slow down", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
)


def _stream(*told: dict[str, Any], done: bool = True) -> bytes:
    data = b"".join(b"data: %b\n\n" % json.dumps(each, separators=(",", ":")).encode() for each in told)
    return data + (b"data: [DONE]\n\n" if done else b"")


#: Streams of every API, with every kind of line end.
STREAMS: tuple[bytes, ...] = (
    *(b"".join(pieces) for pieces in STREAMED.values()),
    _stream(*CHUNKS[:2]),
    _stream(*CHUNKS, done=False),
    _stream(*EVENTS, done=False),
    b'data:{"choices":[],"id":"up-1"}\r\n\r\nevent: x\rdata: {"id":\rdata: "up-1",\rdata: "choices":[]}\r\r',
    b": warming up\n\nevent: message\ndata: {}\n\ndata: [DONE]",
)
