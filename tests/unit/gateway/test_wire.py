"""What is read of requests, and what is said in headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes import a_request
from tierwright.core.chat import decode_request
from tierwright.gateway.dialects.chat import ChatDialect
from tierwright.gateway.dialects.dialect import Asked
from tierwright.gateway.problems import Problem
from tierwright.gateway.wire import alias_of, conversation_of, forwarded, header_text, named_task, recorded_at


def read_body(body: bytes) -> Asked | Problem:
    """A chat's body, read."""
    return ChatDialect().read(body, {})


def read(**members: Any) -> Asked:
    """A request read, with members added."""
    found = read_body(a_request(**members))
    assert isinstance(found, Asked)
    return found


@pytest.mark.parametrize(
    "members",
    [{}, {"stream": True}, {"n": 3}, {"response_format": {"type": "json_object", "a": 1}}, {"tools": [{"x": 1}]}],
)
def test_requests_are_read_as_core_reads_them(members: dict[str, Any]) -> None:
    """The fast decoder and the standard library's give the same request."""
    body = a_request("größer \U0001f600", **members)
    found = read_body(body)
    assert isinstance(found, Asked)
    assert found.chat == decode_request(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_request"),
        (b'{"messages": []}', "invalid_request"),
        (b'{"model": "m"}', "invalid_request"),
        (b'{"model": "m", "messages": [{"role": "user", "content": 7}]}', "invalid_request"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, code: str) -> None:
    """Broken JSON and missing members get a 400 whose code says which."""
    found = read_body(body)
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (400, code)


def test_refusals_hold_no_prompt() -> None:
    """What is wrong with a body is said without repeating it."""
    found = read_body(b'{"model": "m", "messages": [{"role": "user", "content": {"secret": 1}}], "x": "hush"}')
    assert isinstance(found, Problem)
    assert "secret" not in found.message
    assert "hush" not in found.message


@pytest.mark.parametrize(
    "members",
    [
        {"n": 2},
        {"logprobs": True},
        {"audio": {"voice": "alloy"}},
        {"modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
    ],
)
def test_requests_a_specialist_cannot_honour_stay_with_the_frontier(members: dict[str, Any]) -> None:
    """Several answers, log probabilities, audio, pictures and old-style functions are for the frontier model."""
    assert not read(**members).for_specialists


@pytest.mark.parametrize("members", [{}, {"n": 1}, {"logprobs": False}, {"modalities": ["text"]}, {"stream": True}])
def test_plain_requests_may_go_to_a_specialist(members: dict[str, Any]) -> None:
    """Saying the default is the same as not saying it."""
    assert read(**members).for_specialists


def test_usage_is_asked_for_in_stream_options() -> None:
    """Only include_usage: true asks for the usage chunk."""
    assert read(stream=True, stream_options={"include_usage": True}).include_usage
    assert not read(stream=True, stream_options={}).include_usage
    assert not read(stream=True, stream_options=None).include_usage


def test_recorded_time_is_unix_seconds() -> None:
    """A replay's time is read to the millisecond; anything else is refused, not guessed."""
    name = b"x-tierwright-recorded-at"
    assert recorded_at({}) is None
    assert recorded_at({name: b"1756684940.5"}) == datetime(2025, 9, 1, 0, 2, 20, 500_000, UTC)
    for wrong in (b"yesterday", b"", b"nan", b"inf", b"1e30"):
        assert isinstance(recorded_at({name: wrong}), Problem)


def test_only_harmless_headers_go_upstream() -> None:
    """The caller's key, cookies and our own headers never leave; trace and idempotency headers do."""
    headers = {
        b"authorization": b"Bearer secret",
        b"x-api-key": b"secret",
        b"cookie": b"a=b",
        b"x-tierwright-recorded-at": b"1",
        b"openai-organization": b"org",
        b"traceparent": b"00-1",
        b"idempotency-key": b"k",
    }
    assert forwarded(headers) == {"traceparent": "00-1", "idempotency-key": "k"}


def test_conversations_are_named_by_several_headers() -> None:
    """The most explicit name of a conversation counts; an empty one is none."""
    assert conversation_of({b"x-session-id": b"s", b"x-conversation-id": b"c"}) == "c"
    assert conversation_of({b"x-conversation-id": b"", b"x-claude-code-session-id": b"z"}) == "z"
    assert conversation_of({}) is None


@pytest.mark.parametrize("text", ["card-intent", "größe\r\nx-evil: 1", "a b/c", "日本"])
def test_any_text_makes_a_safe_header(text: str) -> None:
    """Line breaks and non-ASCII are encoded; plain names stay readable."""
    value = header_text(text)
    assert value.isascii()
    assert value.decode().isprintable()


def test_plain_names_stay_readable_in_headers() -> None:
    """A task's usual name is its own header value."""
    assert header_text("card-intent v2") == b"card-intent v2"


@pytest.mark.parametrize(
    ("model", "meaning"),
    [
        ("gpt-4o", (None, None)),
        ("task:card-intent", ("card-intent", None)),
        ("card-intent@v3", ("card-intent", 3)),
        ("task:card-intent@v12", ("card-intent", 12)),
        ("card-intent@v0", (None, None)),
        ("openai/gpt-4o@latest", (None, None)),
    ],
)
def test_aliases(model: str, meaning: tuple[str | None, int | None]) -> None:
    """`task:` names a task, `@v` and a number one of its versions; everything else is a model."""
    assert alias_of(model) == meaning


def test_a_request_may_name_its_task() -> None:
    """The header goes before the metadata, and may be percent-encoded."""
    assert named_task({"metadata": {"task": "a"}}, {}) == "a"
    assert named_task({"metadata": {"task": "a"}}, {b"x-tierwright-task": b"gr%C3%BCn"}) == "grün"
    assert named_task({"metadata": {"task": 7}}, {}) is None
