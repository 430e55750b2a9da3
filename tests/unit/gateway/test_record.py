"""A record of the journal keeps the trace it came with."""

from __future__ import annotations

import pytest

from tests.fakes import an_inference
from tierwright.gateway.record import Record, decode, encode


@pytest.mark.parametrize("trace", ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None])
def test_the_trace_comes_back(trace: str | None) -> None:
    """With everything else; a request that came without one has none."""
    record = Record(an_inference(), [b"chunk"], trace)
    assert decode(b"".join(encode(record))) == record
