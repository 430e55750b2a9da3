"""An Inference as bytes for the journal, and back.

Owns the form; a version stands in front, and what a newer program wrote is refused rather than guessed.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tierwright.core.errors import InputError
from tierwright.core.inference import CallRole, Content, Endpoint, Inference, ModelCall, Route, RouteReason

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = b"1"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class Record(NamedTuple):
    """What a journal holds of one request."""

    #: Without its answer where that was streamed.
    inference: Inference
    #: The chunks of a streamed answer.
    payloads: Sequence[bytes] = ()
    #: The trace context that the request came with; None: none.
    traceparent: str | None = None


def encode(record: Record) -> bytes:
    """The bytes of a record. Takes microseconds."""
    return _VERSION + _encoder.encode((record.inference, list(record.payloads), record.traceparent))


def decode(data: bytes) -> Record:
    """The record again; raises InputError where the bytes are none of this version."""
    if data[:1] != _VERSION:
        raise InputError("a record of the journal was written by another version of Tierwright; it is left as it is")
    try:
        # Records of before have no trace context.
        found, payloads, *traceparent = _decoder.decode(data[1:])
        return Record(_inference(found), payloads, *traceparent)
    except (msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
        raise InputError("a record of the journal can't be read") from error


def _inference(found: dict[str, Any]) -> Inference:
    return Inference(
        **{
            **found,
            "created_at": _instant(found["created_at"]),
            "endpoint": Endpoint(found["endpoint"]),
            "content": Content(found["content"]),
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
