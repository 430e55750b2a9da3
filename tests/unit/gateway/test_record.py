"""A record of the journal keeps its trace, and one of before has none."""

from __future__ import annotations

import msgspec

from tests.fakes import an_inference
from tierwright.gateway.record import Record, decode, encode

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_trace_comes_back() -> None:
    """With everything else."""
    record = Record(an_inference(), [b"chunk"], TRACEPARENT)
    assert decode(encode(record)) == record


def test_a_record_of_before_is_read() -> None:
    """What a version without traces has left in the journal is stored by this one."""
    inference = an_inference()
    before = b"1" + msgspec.msgpack.encode((inference, [b"chunk"]))
    assert decode(before) == Record(inference, [b"chunk"], None)
