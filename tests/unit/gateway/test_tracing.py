"""Which trace a request belongs to."""

from __future__ import annotations

import pytest

from tierwright.core.ids import InferenceId
from tierwright.gateway.tracing import Trace, span_id, trace_of, traceparent_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (GIVEN, GIVEN),
        # A later version may say more, which nobody knows yet.
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", f"cc-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (GIVEN.upper(), None),
        (f"{GIVEN}\n", None),
        ("", None),
    ],
)
def test_a_trace_context_is_taken_where_it_is_valid(value: str, found: str | None) -> None:
    """As W3C Trace Context, section 3.2, has it; the examples are its own."""
    assert traceparent_of({b"traceparent": value.encode()}) == found


def test_without_the_header_there_is_none() -> None:
    """Most requests have none."""
    assert traceparent_of({}) is None


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True), ("02", False)])
def test_the_callers_trace_goes_on(flags: str, sampled: bool) -> None:  # noqa: FBT001 - a column of a table
    """Its id, its span as the parent, and whether it is recorded: the last bit of the flags."""
    assert trace_of(InferenceId("chatcmpl-1"), f"00-{TRACE}-{SPAN}-{flags}") == Trace(TRACE, SPAN, sampled)


def test_a_trace_of_its_own_is_in_the_answers_id() -> None:
    """Who has the id of an answer finds its trace."""
    assert trace_of(InferenceId(f"chatcmpl-{TRACE}"), None) == Trace(TRACE, None, None)


def test_an_id_of_another_shape_has_a_trace_too() -> None:
    """Always the same one, and not that of another id."""
    first, again, other = (trace_of(InferenceId(name), None).id for name in ("a", "a", "b"))
    assert first == again != other
    assert len(first) == 32


def test_spans_are_told_apart() -> None:
    """A request's own span and those of its calls have different ids, always the same ones."""
    request = InferenceId("chatcmpl-1")
    ids = [span_id(request), span_id(request, 0), span_id(request, 1), span_id(InferenceId("chatcmpl-2"))]
    assert len(set(ids)) == 4
    assert {len(found) for found in ids} == {16}
    assert ids[0] == span_id(request)
