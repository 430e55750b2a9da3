"""Whatever stands in whatever place of a request, an answer or a stream, nothing but a named error comes of it."""

from __future__ import annotations

import json
from typing import Any

from tests.broken import broken
from tierwright.core.errors import BackendBroken, InputError
from tierwright.gateway.anthropic.answers import chat_answer, message
from tierwright.gateway.anthropic.errors import chat_error, messages_error
from tierwright.gateway.anthropic.requests import chat_request, messages_request, read
from tierwright.gateway.anthropic.streams import ChatChunks, MessageEvents
from tierwright.gateway.anthropic.whole import WholeMessage

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}
THOUGHT = {"type": "thinking", "thinking": "a", "signature": "b"}
MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "a"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a", "citations": None},
                {"type": "image", "source": PNG},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
                {"type": "document", "source": PNG, "title": "a", "context": "b", "citations": {"enabled": False}},
                {"type": "search_result", "title": "a", "source": "b", "content": [{"type": "text", "text": "c"}]},
            ],
        },
        {"role": "assistant", "content": [THOUGHT, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "is_error": True,
                    "content": [{"type": "text", "text": "a"}, {"type": "tool_reference", "tool_name": "f"}],
                }
            ],
        },
        {"role": "system", "content": [{"type": "tool_addition", "tool": {"name": "f"}}]},
    ],
    "tools": [
        {
            "type": "custom",
            "name": "f",
            "description": "d",
            "input_schema": {"type": "object"},
            "input_examples": [{}],
            "defer_loading": True,
            "allowed_callers": ["direct"],
        }
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "stop_sequences": ["a"],
    "stream": True,
}
CALL = {"id": "t", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}
SAID = {
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": [{"type": "text", "text": "b"}]}],
    "refusal": "c",
    "thinking_blocks": [THOUGHT],
    "tool_calls": [CALL],
}
CHAT: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "a"}]},
        {
            "role": "user",
            "name": "n",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "file", "file": {"file_data": "data:text/plain;base64,YQ==", "filename": "b"}},
            ],
        },
        SAID,
        {"role": "tool", "tool_call_id": "t", "content": [{"type": "text", "text": "a"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "description": "b"}},
    "output_config": {"effort": "low"},
    "reasoning_effort": "low",
    "service_tier": "auto",
    "user": "u",
    "stop": ["a"],
    "n": 1,
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
ANSWER = {
    "choices": [{"index": 0, "message": SAID, "finish_reason": "stop", "stop_reason": "a", "matched_stop": "b"}],
    "usage": USAGE | {"completion_tokens_details": {"reasoning_tokens": 1}},
}
MESSAGE = {
    "id": "i",
    "model": "m",
    "content": [
        THOUGHT,
        {"type": "text", "text": "a", "citations": [{"url": "b", "title": "c"}]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ],
    "stop_reason": "stop_sequence",
    "stop_sequence": "a",
    "stop_details": {"explanation": "b"},
    "usage": {"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 1}},
}
CHUNKS: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": SAID, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [CALL]}, "finish_reason": "stop"}], "usage": USAGE},
    {"error": {"message": "a", "code": 5, "type": "b"}},
]
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": MESSAGE},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "a", "citations": []}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"url": "a"}}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "a", "stop_details": {"explanation": "b"}}, "usage": {}},
    {"type": "message_stop"},
]


def test_samples_are_sound() -> None:
    """The samples that are broken below are translated as they are."""
    assert read(MESSAGES).needs is None
    assert messages_request(CHAT, default_max_tokens=1)["tools"]
    assert message(ANSWER, model="m", message_id="i")["content"]
    assert chat_answer(MESSAGE)["usage"]


def test_broken_requests() -> None:
    """A broken request is translated or refused, and what is made of it can be written as JSON."""
    for request in broken(MESSAGES):
        for strict in (True, False):
            try:
                json.dumps(chat_request(request, strict=strict))
            except InputError:
                continue
    for request in broken(CHAT):
        try:
            json.dumps(messages_request(request, default_max_tokens=1))
        except InputError:
            continue


def test_broken_answers() -> None:
    """A broken answer of a chat server is read as far as it can be, or is no answer; a Message is always read."""
    for answer in broken(ANSWER):
        if isinstance(answer, dict):
            try:
                json.dumps(message(answer, model="m", message_id="i"))
            except BackendBroken:
                continue
    for answer in broken(MESSAGE):
        if isinstance(answer, dict):
            assert chat_answer(answer)["object"] == "chat.completion"


def test_broken_chunks() -> None:
    """A broken chunk leads to events that end with the end of the answer or with an error, and with nothing twice."""
    for place, sound in enumerate(CHUNKS):
        for each in broken(sound):
            if isinstance(each, dict):
                stream = MessageEvents(model="m", message_id="i")
                chunks = [*CHUNKS[:place], each, *CHUNKS[place + 1 : 2]]
                events = [event for chunk in chunks for event in stream.feed(chunk)] + stream.close()
                json.dumps(events)
                names = [name for name, _ in events]
                assert names[0] == "message_start"
                assert names[-1] in ("message_stop", "error")
                assert names.count("message_start") == names.count("message_stop") + names.count("error") == 1


def test_broken_events() -> None:
    """A broken event leads to chunks with one end at most, and to whatever of a Message there is."""
    for place, sound in enumerate(EVENTS):
        for each in broken(sound):
            if isinstance(each, dict):
                chunks, whole = ChatChunks(include_usage=True), WholeMessage()
                told: list[dict[str, Any]] = []
                for event in [*EVENTS[:place], each, *EVENTS[place + 1 :]]:
                    told += chunks.feed(event)
                    whole.feed(event)
                json.dumps(told)
                ends = [1 for chunk in told for choice in chunk["choices"] if choice["finish_reason"] is not None]
                assert len(ends) == chunks.finished
                assert json.dumps(whole.message)
                assert chunks.usage is None or chunks.usage["total_tokens"] >= 0


def test_broken_errors() -> None:
    """A broken error is an error all the same."""
    for body in broken({"type": "error", "error": {"type": "api_error", "message": "a", "code": "b"}}):
        assert chat_error(body)["error"]["message"]
        for status in (None, 500):
            assert messages_error(body, status=status)["error"]["message"]
