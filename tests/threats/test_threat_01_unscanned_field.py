"""Threat 1: a field or an endpoint that nobody looks at, through which data leave."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.canaries.values import FORMS, leaks, phrase
from tests.threats.asking import BODIES, COUNTED_HERE, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.threats.asking import Answer
    from tests.threats.gates import Gated

_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "finds",
        "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "d", "enum": ["e"]}}},
    },
}
#: Members that requests may have besides those that they need.
MORE: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [
            {"role": "system", "content": "s", "name": "n"},
            {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "text", "text": "u"}]},
            {
                "role": "assistant",
                "content": "a",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "user", "content": "q"},
        ],
        "tools": [_TOOL],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": "t"}}},
        "metadata": {"m": "v"},
        "user": "u",
        "stop": ["x"],
        "an_unknown_member": {"deep": ["er"]},
    },
    "/v1/responses": {
        "instructions": "i",
        "metadata": {"m": "v"},
        "user": "u",
        "tools": [{**_TOOL["function"], "type": "function"}],
    },  # type: ignore[dict-item]
    "/v1/messages": {"system": "s", "metadata": {"user_id": "u"}, "stop_sequences": ["x"]},
    "/v1/messages/count_tokens": {"system": "s"},
    "/v1/embeddings": {"input": ["a", "b"], "user": "u"},
    "/v1/moderations": {"input": ["a", "b"]},
}


#: Codes of refusals, elsewhere and in the API whose errors have types alone.
_BLOCKED = ("privacy_blocked", "permission_error")
_MISSING = ("model_not_found", "not_found_error")
#: What nobody can look into: pictures, sound, files, references to what is kept elsewhere, and token arrays.
UNREADABLE: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [
        {"messages": [{"role": "user", "content": [part]}]}
        for part in (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            {"type": "image_url", "image_url": {"url": "https://pictures.example/1.png"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-abc"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"}},
            {"type": "a_kind_to_come", "data": "x"},
        )
    ],
    "/v1/responses": [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,iVBO"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-abc"}]}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
    ],
    "/v1/messages": [
        {"messages": [{"role": "user", "content": [part]}]}
        for part in (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "document", "source": {"type": "url", "url": "https://papers.example/1.pdf"}},
        )
    ],
    "/v1/embeddings": [{"input": [1, 2, 3]}, {"input": [[1, 2], [3]]}],
}


def planted(value: Any, form: str, number: int) -> Iterator[Any]:
    """The same value once for each text and each name in it, with a canary there."""
    if isinstance(value, str):
        yield f"{value} {phrase(form, number)}"
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for changed in planted(item, form, number):
                yield [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, dict):
        for name, item in value.items():
            for changed in planted(item, form, number):
                yield {**value, name: changed}
        yield {**value, phrase(form, number): "x"}


def test_threat_01_unscanned_field(gated: Callable[..., Gated], probes: Callable[[int], None]) -> None:
    """A canary in any text or name of any endpoint, plain or streamed, is a 403 that repeats none; none leaves."""
    gate = gated()
    tried = 0
    for path, needed in BODIES.items():
        sound = deepcopy({**needed, **MORE[path]})
        # The server says the same whatever API it is asked in, which is an answer in one of them only.
        assert ask(gate.url, path, sound).status in (200, 502), path
        for place, _ in enumerate(planted(sound, FORMS[0], 0)):
            for stream in (False, True):
                tried += 1
                body = list(planted(sound, FORMS[tried % len(FORMS)], tried))[place]
                answer = ask(gate.url, path, {**body, "stream": stream} if stream else body)
                _stays(path, answer, body)
    assert gate.upstream.seen
    assert not leaks(gate.sent)
    # Not a byte left without a permit for exactly these.
    assert all(gate.permitted(body) for _, body in gate.upstream.seen)
    probes(tried)


def test_threat_01_unscanned_field_unreadable(gated: Callable[..., Gated], probes: Callable[[int], None]) -> None:
    """What nobody can look into is no harmless text: each kind of it is a 403, and nothing leaves."""
    gate = gated()
    tried = 0
    for path, changes in UNREADABLE.items():
        for change in changes:
            for stream in (False, True):
                answer = ask(gate.url, path, {**BODIES[path], **change, "stream": stream})
                _stays(path, answer, {**BODIES[path], **change})
                tried += 1
    assert gate.upstream.seen == []
    assert all(refused["unread"] for refused in gate.facts("refused"))
    probes(tried)


def test_threat_01_unscanned_field_headers(gated: Callable[..., Gated], probes: Callable[[int], None]) -> None:
    """Headers that would go along are looked at like the body; those that would not are not sent."""
    gate = gated()
    tried = 0
    for path, body in BODIES.items():
        for name in ("x-request-id", "traceparent", "tracestate", "idempotency-key", "openai-beta", "x-anything"):
            ask(gate.url, path, body, headers={name: phrase("card", tried).removeprefix("card ")})
            tried += 1
    assert not leaks(gate.sent)
    assert all(gate.permitted(body) for _, body in gate.upstream.seen)
    probes(tried)


def _stays(path: str, answer: Answer, body: dict[str, Any]) -> None:
    """A refusal, exactly; of a model that there is not, or tokens counted here, as the server may not see them."""
    code = answer.code
    if body.get("model", "gpt-4o") != "gpt-4o":
        assert (answer.status, code) == (404, _MISSING[path.startswith("/v1/messages")]), body
    elif path.startswith("/v1/messages") and body["messages"][0].get("role") != "user":
        # That API's bodies are read here, and this is none of them.
        assert (answer.status, code) == (400, "invalid_request_error"), body
    elif path == COUNTED_HERE:
        assert answer.status == 200, body
    else:
        assert (answer.status, code) == (403, _BLOCKED[path.startswith("/v1/messages")]), body
    assert answer.status == 404 or not leaks(answer.body)
