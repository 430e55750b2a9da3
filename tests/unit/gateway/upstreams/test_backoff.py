"""Waits before the same deployment is asked again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.gateway.upstreams.backoff import Backoff


def a_backoff(seed: int = 1) -> Backoff:
    """Half a second, doubled up to eight; five seconds of Retry-After are waited out."""
    return Backoff(first_s=0.5, limit_s=8.0, retry_after_limit_s=5.0, random=Random(seed))


def test_longest_wait_doubles_up_to_the_limit() -> None:
    """0.5, 1, 2, 4, 8, 8 … seconds, however many failures there were."""
    backoff = a_backoff()
    assert [backoff.ceiling_s(failures) for failures in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert backoff.ceiling_s(100_000) == 8.0


def test_waits_fill_the_whole_interval() -> None:
    """Full jitter: the waits after one failure are uniform between nothing and the longest."""
    backoff = a_backoff()
    waits = [backoff.wait_s(3, 0.0) or 0.0 for _ in range(4000)]
    for quarter in range(4):
        share = sum(quarter / 2 <= wait < (quarter + 1) / 2 for wait in waits) / len(waits)
        # Four standard deviations of a binomial share of 0.25 among 4,000.
        assert share == pytest.approx(0.25, abs=0.028)


@given(st.integers(1, 200), st.floats(0, 1e4), st.integers(0, 9))
def test_retry_after_is_honoured_or_given_up(failures: int, cooling_s: float, seed: int) -> None:
    """Never sooner than the provider wants, never much later, and not at all where that is too long."""
    wait_s = a_backoff(seed).wait_s(failures, cooling_s)
    if cooling_s > 5.0:
        assert wait_s is None
    else:
        assert wait_s is not None
        assert cooling_s <= wait_s <= cooling_s + 8.0
