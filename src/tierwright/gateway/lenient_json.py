"""JSON as some model servers write it, read wherever it can be, and written so that every client can read it.

Owns what the standard library takes and the standard does not: halves of surrogate pairs (an emoji cut in two), NaN and
infinities. Refuses to read callers' requests so: what they send is JSON to the letter.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

#: What `msgspec` raises where bytes are no JSON, or nested deeper than the interpreter follows.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decoded(data: bytes) -> Any:
    """The value in the bytes, numbers that are none as None. Raises ValueError where there is none."""
    try:
        return msgspec.json.decode(data)
    except UNREADABLE:
        pass
    try:
        return json.loads(data, parse_constant=_nothing, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def encoded(value: Any) -> bytes:
    """The value as JSON; halves of surrogate pairs as escapes. Raises RecursionError where it is nested too deeply."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _nothing(_: str) -> None:
    return None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None
