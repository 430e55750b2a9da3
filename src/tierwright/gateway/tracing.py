"""Which trace a request belongs to.

Owns the header that says so (W3C Trace Context, version 00, https://www.w3.org/TR/trace-context/) and the ids of what
Tierwright adds to a trace. Ids follow from the inference's, so that nothing needs to be remembered for them.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.ids import InferenceId

_HEADER = b"traceparent"
#: Versions to come may append members to those of version 00.
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = 1
_DIGITS = re.compile(r"[0-9a-f]{32}")


class Trace(NamedTuple):
    """The trace of one request."""

    #: 32 hex digits.
    id: str
    #: 16 hex digits of the caller's span; None: the trace begins with the request.
    parent: str | None
    #: Whether the caller says that the trace is recorded; None: it says nothing.
    sampled: bool | None


def traceparent_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The trace context of a request, as its header says it; None: it has none that is valid."""
    value = headers.get(_HEADER)
    if value is None:
        return None
    text = value.decode("latin-1")
    found = _TRACEPARENT.fullmatch(text)
    # What newer versions append is not needed here, and has no bound.
    return None if found is None or (found["version"] == "00" and found["more"]) else text[:55]


def trace_of(inference_id: InferenceId, traceparent: str | None) -> Trace:
    """The trace an inference belongs to: the one of its `traceparent_of`, or else one of its own.

    A trace of its own has the 32 hex digits at the end of the inference's id, which are a UUID of version 7: its last
    56 bits are random, as the W3C asks for.
    """
    if traceparent is not None:
        _, trace_id, span, flags = traceparent.split("-")
        return Trace(trace_id, span, bool(int(flags, 16) & _SAMPLED))
    digits = inference_id[-32:]
    if _DIGITS.fullmatch(digits) is None:
        digits = _digest(inference_id, 16)
    return Trace(digits, None, None)


def span_id(inference_id: InferenceId, place: int | None = None) -> str:
    """The 16 hex digits of a request's span, or of that of its call at a place."""
    return _digest(inference_id if place is None else f"{inference_id}/{place}", 8)


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
