"""What the gateway reads of a request and says in the headers of an answer.

Owns header names, the reading of request bodies and the rule which requests only a frontier model can answer.
Refuses to change a body: what is read here is read beside the bytes that travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from tierwright.core.chat import ChatRequest, Usage, read_request, read_usage
from tierwright.core.errors import InputError
from tierwright.gateway import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.problems import Problem
    from tierwright.gateway.splice import Head

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"

RECORDED_AT = b"x-tierwright-recorded-at"
WORKLOAD = b"x-tierwright-workload-id"
#: Headers that name a conversation, the most explicit first: its requests share one draw.
_CONVERSATION = (b"x-conversation-id", b"x-session-id", b"x-claude-code-session-id")
#: Request headers a model server may see; everything else stays here, the caller's key above all.
_FORWARDED = (b"openai-beta", b"idempotency-key", b"traceparent", b"tracestate", b"x-request-id")
#: Members of a request that a specialist could not honour.
_FRONTIER_ONLY = ("logprobs", "audio", "functions", "function_call", "web_search_options", "prediction")
_TEXT_ONLY = ["text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request body, read."""

    request: ChatRequest
    #: Whether a stream should end with a chunk that holds the usage.
    include_usage: bool
    #: Whether a specialist could answer in the form asked for.
    for_specialists: bool


def read_body(body: bytes) -> Asked | Problem:
    """The request in a body; a Problem that names what is wrong where it is no chat.completions request."""
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return problems.invalid_request(
            f"the request body is not JSON ({error.__class__.__name__})", code=problems.INVALID_JSON
        )
    try:
        request = read_request(payload)
    except InputError as error:
        return problems.invalid_request(str(error))
    options = payload.get("stream_options")
    return Asked(
        request=request,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        for_specialists=_for_specialists(payload, request),
    )


def conversation_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The conversation a request belongs to, as its headers name it; None: they don't."""
    for name in _CONVERSATION:
        value = headers.get(name)
        if value:
            return value.decode("latin-1")
    return None


def recorded_at(headers: Mapping[bytes, bytes]) -> datetime | Problem | None:
    """The instant a replayed request was first made; None: not given."""
    value = headers.get(RECORDED_AT)
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return problems.invalid_request(f"the header {RECORDED_AT.decode()} is not a time in Unix seconds")


def forwarded(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The request headers that a model server may see."""
    return {name.decode(): headers[name].decode("latin-1") for name in _FORWARDED if name in headers}


def header_text(text: str) -> bytes:
    """A text as a header value: what is not printable ASCII is percent-encoded."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]~").encode("ascii")


def usage_of(head: Head) -> Usage | None:
    """The usage a model server sent; None where it sent none that can be counted."""
    raw = bytes(head.usage)
    return None if raw == b"null" else read_usage(msgspec.json.decode(raw))


def model_of(head: Head) -> str | None:
    """The model that a model server says it used; None: not said."""
    found = msgspec.json.decode(head.model)
    return found if isinstance(found, str) else None


def characters_of(request: ChatRequest) -> int:
    """Characters in the text of all messages: what token estimates are proportional to."""
    return sum(len(message.text) for message in request.messages)


def _for_specialists(payload: dict[str, Any], request: ChatRequest) -> bool:
    if request.n != 1 or request.opaque:
        return False
    if any(payload.get(name) for name in _FRONTIER_ONLY):
        return False
    return payload.get("modalities") in (None, _TEXT_ONLY)
