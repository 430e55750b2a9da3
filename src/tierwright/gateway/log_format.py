r"""One line of a traffic log, as an `Inference` and back.

    {"timestamp": 1756684940.004, "client_id": "desk", "workload_id": null, "latency_ms": 812.5,
     "request": {…a chat.completions request…}, "response": {…the chat.completion…}}

Owns what a line may say. The two payloads are taken and given as the bytes they are. Refuses to know files.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from tierwright.core.chat import ChatAnswer, Usage, decode_request, read_answer
from tierwright.core.errors import InputError
from tierwright.core.ids import InferenceId
from tierwright.core.inference import CallRole, Inference, ModelCall, Route, RouteReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    #: US dollars of a call of a model with a usage at an instant; None: unpriced.
    Price = Callable[[str, Usage, datetime], Decimal | None]
    #: The tokens of a request and what was written in answer, as JSON bytes, for a model; marked as estimated.
    Count = Callable[[bytes, bytes, str], Usage]

#: The backend of imported calls: not one of the settings.
IMPORTED = "imported"

_EPOCH = datetime.fromtimestamp(0, UTC)
#: First second after the last instant a datetime can hold.
_END_OF_TIME_S = 253_402_300_800
#: Largest count a database's integer can hold: the file is no log of ours.
_MOST_TOKENS = 2**63 - 1
#: More than any model reads or writes in one call: not believed.
_MOST_BELIEVED = 20_000_000
#: Longest id kept; providers give some 30 characters, and an index has limits.
_LONGEST_ID = 512


class _Line(msgspec.Struct):
    timestamp: int | float | str
    client_id: str
    request: msgspec.Raw
    response: msgspec.Raw
    workload_id: str | None = None
    latency_ms: int | float | None = None


_LINE = msgspec.json.Decoder(_Line)


def read_line(raw: bytes, price: Price, count: Count | None = None) -> Inference:
    """The inference a line tells of; its id is the response's.

    The price is asked for the model that was asked for and, where that is unpriced, for the one that answered. Where
    the usage is missing, negative or more than can be, `count` estimates it, and the call says so; None: it has none.
    Amounts of money in a line are not read: what a call costs follows from its tokens and the price list, in dollars.
    Raises InputError, which says what is wrong with the line and quotes nothing of it.
    """
    line = _decode(raw)
    created_at = read_instant(line.timestamp)
    request = bytes(line.request)
    try:
        asked = decode_request(request)
        answer = _answer(bytes(line.response))
    except RecursionError:
        raise InputError("it is nested too deeply to be read") from None
    response_id = read_id(answer.id, "response.id")
    usage = answer.usage
    if usage is not None and max(usage.prompt_tokens, usage.completion_tokens) > _MOST_TOKENS:
        raise InputError("'response.usage' counts more tokens than can be")
    if usage is not None and max(usage.prompt_tokens, usage.completion_tokens) > _MOST_BELIEVED:
        usage = None
    if usage is None and count is not None:
        usage = count(request, bytes(line.response), asked.model)
    latency_ms = _latency(line.latency_ms)
    call = ModelCall(
        role=CallRole.PRIMARY,
        backend=IMPORTED,
        model=asked.model,
        upstream_id=response_id,
        started_at=created_at,
        latency_ms=latency_ms,
        status=200,
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
        cached_tokens=None if usage is None or usage.estimated else usage.cached_tokens,
        usage_estimated=usage is not None and usage.estimated,
        cost_usd=_cost(price, asked.model, answer.model, usage, created_at),
    )
    return Inference(
        id=InferenceId(response_id),
        created_at=created_at,
        client_id=line.client_id,
        workload_id=line.workload_id,
        model=asked.model,
        status=200,
        streamed=asked.stream,
        latency_ms=latency_ms,
        route=Route(reason=RouteReason.IMPORTED),
        calls=(call,),
        request=request,
        response=bytes(line.response),
    )


def write_line(inference: Inference) -> bytes | None:
    """The line, newline and all, that `read_line` reads as this traffic; None where there are no payloads to write.

    Line breaks inside a payload, which in JSON stand between tokens only, become spaces.
    """
    if inference.request is None or inference.response is None:
        return None
    head = {
        "timestamp": inference.created_at.timestamp(),
        "client_id": inference.client_id,
        "workload_id": inference.workload_id,
    }
    if inference.latency_ms is not None:
        head["latency_ms"] = inference.latency_ms
    members = json.dumps(head, separators=(",", ":")).encode()[:-1]
    payloads = b',"request":%b,"response":%b}' % (inference.request, inference.response)
    return members + payloads.translate(_ONE_LINE) + b"\n"


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def other_currency(raw: bytes) -> bool:
    """Whether a good line, its response or its usage names a `currency` other than the US dollar."""
    if b'"currency"' not in raw:
        return False
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    response = line.get("response")
    usage = response.get("usage") if isinstance(response, dict) else None
    named = [part.get("currency") for part in (line, response, usage) if isinstance(part, dict)]
    return any(isinstance(name, str) and name.upper() not in {"USD", "US$", "$"} for name in named)


def read_instant(timestamp: float | str) -> datetime:
    """The instant that seconds since 1970, or ISO 8601 with an offset, name; InputError where they name none."""
    if isinstance(timestamp, str):
        try:
            instant = datetime.fromisoformat(timestamp)
        except ValueError:
            raise InputError("'timestamp' is neither seconds since 1970 nor a time as ISO 8601 writes it") from None
        if instant.tzinfo is None:
            raise InputError("'timestamp' does not say its time zone; end it with Z or an offset such as +02:00")
        # Where an offset leads out of what can be told, subtracting does not.
        if not timedelta(0) <= instant - _EPOCH < timedelta(seconds=_END_OF_TIME_S):
            raise InputError("'timestamp' lies before 1970 or after 9999")
        return instant.astimezone(UTC)
    if not math.isfinite(timestamp):
        raise InputError("'timestamp' is not a number")
    if timestamp < 0:
        raise InputError("'timestamp' is negative")
    if timestamp >= _END_OF_TIME_S:
        raise InputError("'timestamp' is too large; it counts seconds since 1970, not milliseconds")
    return datetime.fromtimestamp(timestamp, UTC)


def read_id(value: object, member: str) -> str:
    """The id of an answer, as the member of that name gives it; InputError where it is none."""
    if value is None or value == "":
        raise InputError(f"'{member}' is missing; an answer is told from another by its id")
    if not isinstance(value, str) or len(value) > _LONGEST_ID or not value.isprintable():
        raise InputError(f"'{member}' is no id: not text, longer than {_LONGEST_ID} characters, or not printable")
    return value


def _decode(raw: bytes) -> _Line:
    try:
        try:
            return _LINE.decode(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            return _decode_lenient(raw, str(error))
    except msgspec.ValidationError as error:
        # Names members and types only.
        raise InputError(f"it is not a traffic record ({error})") from None
    except UnicodeDecodeError:
        raise InputError("it is not JSON (not UTF-8)") from None
    except UnicodeEncodeError:
        # A text where a number belongs, with half a surrogate pair in it.
        raise InputError("it is not a traffic record (a member is of another type than it should be)") from None
    except RecursionError:
        raise InputError("it is nested too deeply to be read") from None


def _decode_lenient(raw: bytes, why: str) -> _Line:
    """The same, where a text holds half a surrogate pair (an emoji cut in two): JSON to the letter, not to msgspec.

    Raises InputError with the reason of the strict reader where it is not JSON for the lenient one either.
    """
    text = raw.decode()
    try:
        members = _members(text)
    except (ValueError, IndexError):
        raise InputError(f"it is not JSON ({why})") from None
    values = {name: value for name, (_, value) in members.items()}
    line = msgspec.convert(values, _LenientLine)
    return _Line(
        timestamp=line.timestamp,
        client_id=line.client_id,
        request=msgspec.Raw(members["request"][0].encode()),
        response=msgspec.Raw(members["response"][0].encode()),
        workload_id=line.workload_id,
        latency_ms=line.latency_ms,
    )


class _LenientLine(msgspec.Struct):
    timestamp: int | float | str
    client_id: str
    request: Any
    response: Any
    workload_id: str | None = None
    latency_ms: int | float | None = None


def _members(text: str) -> dict[str, tuple[str, object]]:
    """The members of a JSON object: each with its text and its value. ValueError where it is none."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    decoder.decode(text)
    start = _next(text, 0)
    if text[start] != "{":
        raise ValueError("no object")
    found: dict[str, tuple[str, object]] = {}
    at = _next(text, start + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        start = _next(text, text.index(":", at) + 1)
        value, end = decoder.raw_decode(text, start)
        found[name] = (text[start:end], value)
        at = _next(text, end)
        if text[at] == ",":
            at = _next(text, at + 1)
    return found


def _next(text: str, at: int) -> int:
    """The place of the next character that is no white space of JSON."""
    while text[at] in " \t\r\n":
        at += 1
    return at


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _answer(raw: bytes) -> ChatAnswer:
    try:
        payload = json.loads(raw)
    except ValueError:
        raise InputError("'response' is not JSON") from None
    if not isinstance(payload, dict):
        raise InputError("'response' is not a JSON object")
    if payload.get("error") is not None:
        raise InputError("'response' is an error, not an answer")
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices:
        raise InputError("'response.choices' is missing or empty")
    return read_answer(payload)


def _latency(latency_ms: float | None) -> float | None:
    if latency_ms is None:
        return None
    if not math.isfinite(latency_ms) or latency_ms < 0:
        raise InputError("'latency_ms' is negative or not a number")
    return float(latency_ms)


def _cost(price: Price, asked: str, answered: str | None, usage: Usage | None, at: datetime) -> Decimal | None:
    if usage is None:
        return None
    cost = price(asked, usage, at)
    return price(answered, usage, at) if cost is None and answered is not None and answered != asked else cost
