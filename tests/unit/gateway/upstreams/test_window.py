"""Counts of the last seconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierwright.gateway.upstreams.window import RollingCount


@given(st.lists(st.tuples(st.floats(0, 15), st.booleans()), max_size=60), st.floats(0, 1e6))
def test_events_are_counted_for_the_window(steps: list[tuple[float, bool]], begin: float) -> None:
    """What happened within nine tenths of the window is counted, what is older than the window is not."""
    count = RollingCount(10.0)
    happened: list[float] = []
    now = begin
    for step, adds in steps:
        now += step
        if adds:
            count.add(now)
            happened.append(now)
        total = count.total(now)
        assert sum(now - then <= 8.999 for then in happened) <= total <= sum(now - then <= 10.001 for then in happened)


def test_cleared_count_begins_anew() -> None:
    """After it was cleared, only what comes later is counted, once."""
    count = RollingCount(10.0)
    count.add(100.0)
    count.clear()
    count.add(100.5)
    assert count.total(101.0) == 1
    assert count.total(111.5) == 0
