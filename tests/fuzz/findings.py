"""What was found by fuzzing and mended: input at which a harness failed once, kept so that it never does again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fakes import a_request, a_response, an_inference
from tierwright.gateway.record import Record, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

_ASKED = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"a"}],'
_HALF_PAIR = '{"city":"\\ud83d"}'


def _deep(before: bytes, after: bytes = b"}") -> tuple[bytes, ...]:
    """A value that can just be read, and then not be written again: where that is depends on how deep the reader is."""
    return tuple(before + b"[" * depth + b"]" * depth + after for depth in range(880, 1000, 3))


def _chat(members: bytes) -> bytes:
    return _ASKED + members + b"}"


def _called(arguments: str) -> bytes:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}
    tool = {"type": "function", "function": {"name": "f"}}
    turns: list[Any] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "b"},
    ]
    return json.dumps({"model": "m", "messages": turns, "tools": [tool]}).encode()


def _line(instant: str) -> bytes:
    asked, answered = json.loads(a_request()), json.loads(a_response())
    return json.dumps({"timestamp": instant, "client_id": "c", "request": asked, "response": answered}).encode()


#: By harness.
FINDINGS: Mapping[str, tuple[bytes, ...]] = {
    "chat-requests": (
        # Options that are no object were taken for one where the usage of a stream was asked for beside them.
        _chat(b'"stream_options":[1]'),
        _chat(b'"stream_options":"{}"'),
        # Half a surrogate pair, escaped once more inside of a tool's arguments.
        _called(_HALF_PAIR),
        *_deep(_ASKED + b'"response_format":'),
        *_deep(_ASKED + b'"tools":[', b"]}"),
    ),
    "responses-requests": (
        *_deep(b'{"model":"m","input":"a","text":{"format":', b"}}"),
        *_deep(b'{"model":"m","input":"a","tools":[{"type":', b"}]}"),
        *_deep(b'{"model":"m","input":"a","unknown":'),
    ),
    "messages-requests": (
        # A member's name stood in the error message at any length.
        _ASKED + b'"tools":[{"name":"f","input_schema":{},"%b":1}]}' % (b"x" * 5000),
    ),
    # An Origin or Host that is no address.
    "headers": (b"http://[\x00localhost", b"http://[:h1]\x00", b"http://localhost\x00[::1"),
    "whole-answers": (
        # Errors and answers whose text is no UTF-8, or holds half a surrogate pair.
        b'{"error":{"message":"\xff","code":"x"}}',
        b'{"id":"a","model":"gpt\xff","choices":[]}',
        b'{"id":"a","model":"\\ud83d","choices":[]}',
        b'{"id":"a","choices":[],"usage":{"prompt_tok\xffens":1}}',
        b'{"id":"\\ud83d","type":"message","model":"\\ud83d","content":[{"type":"text","text":"\\ud83d"}]}',
    ),
    "streams": (
        b'\x07\x03data: {"id":"a","choices":[],"x":"\xff"}\n\ndata: [DONE]\n\n',
        b'\x07\x03data: {"id":"a","choices":[{"index":0,"delta":{"content":"\\ud83d"},"finish_reason":"stop"}]}\n\n',
        b'\x07\x03data: {"id":"a","model":"\\ud83d","choices":[]}\n\n',
        # An id that goes on in another line, which no JSON does.
        b'\x07\x03data: {"id":"a\ndata: b","choices":[]}\n\n',
    ),
    "chunks": (b'{"\xa4d":', *_deep(b'{"choices":[{"delta":{"x":', b"}}]}")),
    # A price that is no number; more brackets than the interpreter follows.
    "records": (
        b"".join(encode(Record(an_inference()))).replace(b"0.0003", b"0.000x"),
        b"1" + b"\x91" * 5000 + b"\xc0",
    ),
    "feedback": (
        b'{"traceId":"i","name":"n","value":1,"dataType":{}}',
        *_deep(b'{"inference_id":"i","output":'),
    ),
    # A line end of another kind within the first line of a CSV file.
    "feedback-files": (b"id;label\r;t\ni;a;1\n",),
    "log-lines": (
        b'{"timestamp":1,"client_id":"c","latency_ms":"\\ud83d","request":{},"response":{}}',
        # Instants that a time zone leads out of the calendar, and one that could not be read again once it was written.
        *(
            _line(instant)
            for instant in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "1012-09-01T12:00:00Z")
        ),
    ),
}
