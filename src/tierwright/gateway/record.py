"""An Inference as bytes for the journal, and back.

Owns the form; a version stands in front, and what a newer program wrote is refused rather than guessed.
"""

from __future__ import annotations

import struct
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tierwright.core.errors import InputError
from tierwright.core.inference import CallRole, Content, Endpoint, Inference, ModelCall, Route, RouteReason
from tierwright.core.privacy import DataClass
from tierwright.privacy.sealing import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = b"3"
#: The length of the ledger's part, little-endian, 32 bits.
_LENGTH = struct.Struct("<I")
_HEAD_BYTES = len(_VERSION) + _LENGTH.size
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()
#: What the ledger's part holds: all of an inference but its content.
_LEDGER = tuple(field.name for field in fields(Inference) if field.name not in {"request", "response"})
_ledger_of = attrgetter(*_LEDGER)


class Record(NamedTuple):
    """What a journal holds of one request."""

    #: Without its answer where that was streamed.
    inference: Inference
    #: The chunks of a streamed answer.
    payloads: Sequence[bytes] = ()
    #: The trace context that the request came with; None: none.
    traceparent: str | None = None


def encode(record: Record) -> list[bytes]:
    """A record in parts that belong one behind the other. Takes microseconds.

    Content is not copied, but for the chunks of a stream, which are joined.
    """
    inference, payloads, traceparent = record
    contents = [content for content in (inference.request, inference.response) if content is not None]
    lengths = (
        None if inference.request is None else len(inference.request),
        None if inference.response is None else len(inference.response),
        [len(payload) for payload in payloads],
    )
    # Cheaper than a copy of it without its content.
    ledger = dict(zip(_LEDGER, _ledger_of(inference), strict=True))
    head = _encoder.encode((ledger, lengths, traceparent))
    # A part for each of many small ones would take longer than joining them.
    return [_VERSION + _LENGTH.pack(len(head)) + head, *contents, b"".join(payloads)]


def decode(data: bytes) -> Record:
    """The record again; raises InputError where the bytes are none of this version."""
    if key_of(data) is not None:
        raise InputError(
            "a record of the journal is sealed, and the settings name no privacy.content_key; name its key"
        )
    if data[:1] != _VERSION:
        raise InputError("a record of the journal was written by another version of Tierwright; it is left as it is")
    try:
        (length,) = _LENGTH.unpack_from(data, len(_VERSION))
        left = memoryview(data)[_HEAD_BYTES:]
        found, (request, response, payloads), traceparent = _decoder.decode(left[:length])
        contents = _cut(left[length:], [one for one in (request, response, *payloads) if one is not None])
        found["request"] = None if request is None else contents.pop(0)
        found["response"] = None if response is None else contents.pop(0)
        return Record(_inference(found), contents, traceparent)
    except (
        msgspec.DecodeError,
        ValueError,
        TypeError,
        KeyError,
        ArithmeticError,
        RecursionError,
        struct.error,
    ) as error:
        raise InputError("a record of the journal can't be read") from error


def _cut(data: memoryview, lengths: Sequence[int]) -> list[bytes]:
    """Pieces of these lengths, which must be all of the data; raises ValueError where they are not."""
    if sum(lengths) != len(data):
        raise ValueError("the lengths are not those of the contents")
    ends = list(accumulate(lengths))
    return [bytes(data[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def _inference(found: dict[str, Any]) -> Inference:
    return Inference(
        **{
            **found,
            "created_at": _instant(found["created_at"]),
            "endpoint": Endpoint(found["endpoint"]),
            "content": Content(found["content"]),
            "data_class": None if found["data_class"] is None else DataClass(found["data_class"]),
            "route": Route(**{**found["route"], "reason": RouteReason(found["route"]["reason"])}),
            "calls": tuple(_call(call) for call in found["calls"]),
        }
    )


def _call(found: dict[str, Any]) -> ModelCall:
    cost = found["cost_usd"]
    return ModelCall(
        **{
            **found,
            "role": CallRole(found["role"]),
            "started_at": _instant(found["started_at"]),
            "cost_usd": None if cost is None else Decimal(cost),
        }
    )


def _instant(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
