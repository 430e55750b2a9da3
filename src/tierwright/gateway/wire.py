"""What the gateway reads of a request and says in the headers of an answer.

Owns header names and what every dialect reads alike. Refuses to change a body: what is read here is read beside the
bytes that travel.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from tierwright.core.chat import read_usage
from tierwright.core.inference import Endpoint
from tierwright.core.privacy import DataClass
from tierwright.gateway import problems
from tierwright.gateway.lenient_json import UNREADABLE, decoded
from tierwright.gateway.privacy_problems import invalid_data_class
from tierwright.gateway.problems import Problem
from tierwright.gateway.splice import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.chat import ChatRequest, Usage
    from tierwright.gateway.splice import Head

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
#: On every answer: what is in it is for its caller, and for no store on the way.
NO_STORE = (b"cache-control", b"no-store")

#: Where each kind of request is asked for.
PATHS = {
    Endpoint.CHAT: "/v1/chat/completions",
    Endpoint.RESPONSES: "/v1/responses",
    Endpoint.MESSAGES: "/v1/messages",
    Endpoint.COUNT_TOKENS: "/v1/messages/count_tokens",
    Endpoint.EMBEDDINGS: "/v1/embeddings",
    Endpoint.MODERATIONS: "/v1/moderations",
}
DATA_CLASS = b"x-tierwright-data-class"
#: Names the person that a request is about, where the request itself does not.
SUBJECT = b"x-tierwright-subject"
RECORDED_AT = b"x-tierwright-recorded-at"
WORKLOAD = b"x-tierwright-workload-id"
#: Headers that name a conversation, the most explicit first: its requests share one draw.
_CONVERSATION = (b"x-conversation-id", b"x-session-id", b"x-claude-code-session-id")
#: Request headers a model server may see; everything else stays here, the caller's key above all.
_FORWARDED = (b"openai-beta", b"idempotency-key", b"traceparent", b"tracestate", b"x-request-id")
#: What a task is asked for by, and listed as, beside the models.
TASK_PREFIX = "task:"
_VERSION = re.compile(r"(?:task:)?(?P<name>.+)@v(?P<number>[1-9][0-9]{0,8})")
#: The header by which a caller names the task of a request.
TASK = b"x-tierwright-task"


def decode_json(body: bytes) -> object:
    """The JSON that a caller sent, to the letter; a Problem where it is none."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE as error:
        return problems.invalid_request(
            f"the request body is not JSON ({error.__class__.__name__})", code=problems.INVALID_JSON
        )


def decode_object(body: bytes) -> dict[str, Any] | Problem:
    """The JSON object in a body; a Problem where it is none."""
    payload = decode_json(body)
    if isinstance(payload, Problem):
        return payload
    if not isinstance(payload, dict):
        return problems.invalid_request("the request body is not a JSON object")
    return payload


def object_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a server sent; None: it sent none."""
    try:
        found = decoded(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def code_in(body: bytes) -> str | None:
    """The error code in an error body of OpenAI's or Anthropic's form; None: there is none."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    error = found.get("error") if isinstance(found, dict) else None
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None


def text_or_none(value: object) -> str | None:
    """What a server sent where a text belongs; None: something else, or text that no record can hold."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def whole_number(value: object) -> int | None:
    """A number that servers take for a whole one, rounded up; None: it is none. Some take 3.0 for 3."""
    if isinstance(value, float) and math.isfinite(value):
        return math.ceil(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def named_task(payload: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str | None:
    """The task a request names itself, by header or in `metadata.task`; None: it names none."""
    header = headers.get(TASK)
    if header is not None:
        return unquote(header.decode("latin-1"))
    metadata = payload.get("metadata")
    name = metadata.get("task") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None


def alias_of(model: str) -> tuple[str | None, int | None]:
    """The task that a model name stands for, and the version of it: `task:NAME`, `NAME@vN`, `task:NAME@vN`.

    (None, None): it stands for itself; the version is None where none is named.
    """
    found = _VERSION.fullmatch(model)
    if found is not None:
        return found["name"], int(found["number"])
    return (model.removeprefix(TASK_PREFIX), None) if model.startswith(TASK_PREFIX) else (None, None)


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


def headers_in(raw: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """A request's headers by name. Of several with one name the last counts, but all that declare a class do."""
    headers = dict(raw)
    if len(headers) < len(raw) and DATA_CLASS in headers:
        headers[DATA_CLASS] = b",".join(value for name, value in raw if name == DATA_CLASS)
    return headers


def declared_class(headers: Mapping[bytes, bytes]) -> DataClass | Problem | None:
    """The highest class that a request's header declares; None: it declares none."""
    value = headers.get(DATA_CLASS)
    if value is None:
        return None
    try:
        return max(DataClass.of(label.strip()) for label in value.decode("latin-1").split(","))
    except ValueError as error:
        return invalid_data_class(str(error))


def forwarded(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The request headers that a model server may see."""
    return {name.decode(): headers[name].decode("latin-1") for name in _FORWARDED if name in headers}


def header_text(text: str) -> bytes:
    """A text as a header value: what is not printable ASCII is percent-encoded."""
    return quote(text, safe=" !#$&'()*+,/:;=?@[]~").encode("ascii")


def usage_of(head: Head) -> Usage | None:
    """The usage a model server sent; None where it sent none that can be counted."""
    if head.usage == NULL:
        return None
    return read_usage(_value(head.usage), service_tier=_value(head.service_tier))


def model_of(head: Head) -> str | None:
    """The model that a model server says it used; None: not said."""
    return text_or_none(_value(head.model))


def _value(raw: bytes | msgspec.Raw) -> object:
    """What a server sent as one member; None where that is no JSON, which only looking into it shows."""
    try:
        return decoded(bytes(raw))
    except ValueError:
        return None


def characters_of(request: ChatRequest) -> int:
    """Characters in the text of all messages: what token estimates are proportional to."""
    return sum(len(message.text) for message in request.messages)
