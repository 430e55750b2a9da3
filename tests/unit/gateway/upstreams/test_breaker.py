"""A circuit opens for a while, then lets one probe through at a time."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierwright.gateway.upstreams.breaker import CircuitBreaker, CircuitState
from tierwright.gateway.upstreams.config import BreakerConfig

CONFIG = BreakerConfig(
    consecutive_failures=3, window_minimum=10, window_s=30.0, open_first_s=2.0, open_limit_s=15.0, probes=2
)


def a_breaker(config: BreakerConfig = CONFIG, seed: int = 1) -> CircuitBreaker:
    """A closed circuit."""
    return CircuitBreaker(config, random=Random(seed))


def fail(breaker: CircuitBreaker, now: float, times: int = 1) -> None:
    """So many attempts that begin and fail at once."""
    for _ in range(times):
        breaker.failed(breaker.begin(now), now)


def answer(breaker: CircuitBreaker, now: float, times: int = 1) -> None:
    """So many attempts that are answered at once."""
    for _ in range(times):
        breaker.succeeded(breaker.begin(now), now)


def when_ready(breaker: CircuitBreaker, now: float) -> float:
    """The second at which an open circuit takes a probe."""
    assert breaker.state(now) is CircuitState.OPEN
    return now + breaker.ready_in_s(now)


def test_failures_in_a_row_open_the_circuit() -> None:
    """The third failure in a row does; a success between them begins the row anew."""
    breaker = a_breaker()
    fail(breaker, 0.0, 2)
    answer(breaker, 0.0)
    fail(breaker, 0.0, 2)
    assert breaker.state(0.0) is CircuitState.CLOSED
    fail(breaker, 0.0)
    assert breaker.state(0.0) is CircuitState.OPEN
    assert not breaker.admits(0.0)
    # Jittered between half of the two seconds and all of them.
    assert 1.0 <= breaker.ready_in_s(0.0) <= 2.0


def test_circuits_that_open_together_do_not_come_back_together() -> None:
    """The time a circuit stays open differs from one to the other, by up to a half of it."""
    waits = []
    for seed in range(200):
        breaker = a_breaker(seed=seed)
        fail(breaker, 0.0, 3)
        waits.append(breaker.ready_in_s(0.0))
    assert min(waits) < 1.1
    assert max(waits) > 1.9


def test_share_of_failures_opens_the_circuit() -> None:
    """Half of at least ten attempts within the window do, though no two fail in a row; fewer attempts say nothing."""
    breaker = a_breaker()
    for number in range(4):
        answer(breaker, float(number))
        fail(breaker, float(number))
    assert breaker.state(4.0) is CircuitState.CLOSED
    answer(breaker, 4.0)
    fail(breaker, 4.0)
    assert breaker.state(4.0) is CircuitState.OPEN


def test_old_failures_are_forgotten() -> None:
    """Failures from before the window don't count towards the share."""
    breaker = a_breaker()
    for number in range(4):
        answer(breaker, float(number))
        fail(breaker, float(number))
    answer(breaker, 50.0, 9)
    fail(breaker, 50.0)
    assert breaker.state(50.0) is CircuitState.CLOSED


def test_half_open_circuit_takes_one_probe_at_a_time_and_closes_after_two() -> None:
    """While a probe is under way nothing else is admitted; two good ones close the circuit."""
    breaker = a_breaker()
    fail(breaker, 0.0, 3)
    now = when_ready(breaker, 0.0)
    assert breaker.state(now) is CircuitState.HALF_OPEN
    first = breaker.begin(now)
    assert breaker.probes(first)
    assert not breaker.admits(now)
    assert breaker.ready_in_s(now) > 0
    breaker.succeeded(first, now)
    assert breaker.admits(now)
    answer(breaker, now)
    assert breaker.state(now) is CircuitState.CLOSED
    fail(breaker, now, 2)
    assert breaker.state(now) is CircuitState.CLOSED


def test_failing_probes_open_for_longer_up_to_the_limit() -> None:
    """The time doubles with every probe that fails, jittered, and ends at the limit."""
    breaker = a_breaker()
    now = 0.0
    fail(breaker, now, 3)
    for longest in (2.0, 4.0, 8.0, 15.0, 15.0):
        assert longest / 2 <= breaker.ready_in_s(now) <= longest
        now = when_ready(breaker, now)
        fail(breaker, now)


def test_probe_without_a_verdict_makes_room_for_the_next() -> None:
    """A probe whose caller has gone neither closes nor opens; a late word on it counts for nothing."""
    breaker = a_breaker()
    fail(breaker, 0.0, 3)
    now = when_ready(breaker, 0.0)
    gone = breaker.begin(now)
    breaker.dropped(gone)
    assert breaker.state(now) is CircuitState.HALF_OPEN
    second = breaker.begin(now)
    breaker.dropped(gone)
    assert not breaker.admits(now)
    breaker.failed(gone, now)
    assert breaker.probes(second)


def test_answers_from_before_the_opening_count_for_nothing() -> None:
    """What began while the circuit was closed neither closes it nor opens it again."""
    breaker = a_breaker()
    early = [breaker.begin(0.0) for _ in range(3)]
    fail(breaker, 0.0, 3)
    now = when_ready(breaker, 0.0)
    breaker.succeeded(early[0], now)
    breaker.failed(early[1], now)
    assert breaker.state(now) is CircuitState.HALF_OPEN
    answer(breaker, now, 2)
    breaker.failed(early[2], now)
    fail(breaker, now, 2)
    assert breaker.state(now) is CircuitState.CLOSED


@pytest.mark.parametrize(("pause_s", "longest"), [(1.0, 4.0), (31.0, 2.0)])
def test_relapse_is_punished_and_a_healthy_window_forgives(pause_s: float, longest: float) -> None:
    """Soon after it closed a circuit opens for twice as long, after a healthy window for as long as the first time."""
    breaker = a_breaker()
    fail(breaker, 0.0, 3)
    now = when_ready(breaker, 0.0)
    answer(breaker, now, 2)
    now += pause_s
    fail(breaker, now, 3)
    assert longest / 2 <= breaker.ready_in_s(now) <= longest


def test_new_thresholds_hold_from_now_on() -> None:
    """A circuit keeps its state and its row of failures when its settings change."""
    breaker = a_breaker()
    fail(breaker, 0.0, 2)
    breaker.retune(BreakerConfig(consecutive_failures=4, window_s=60.0))
    fail(breaker, 0.0)
    assert breaker.state(0.0) is CircuitState.CLOSED
    fail(breaker, 0.0)
    assert breaker.state(0.0) is CircuitState.OPEN


class Circuit(RuleBasedStateMachine):
    """Any order of attempts, verdicts and pauses, checked against what a circuit promises."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = a_breaker(seed=7)
        self.now = 0.0
        #: Tokens under way, with whether each began as a probe.
        self.under_way: list[tuple[int, bool]] = []
        self.in_a_row = 0

    @rule(pause_s=st.floats(0.0, 20.0))
    def pause(self, pause_s: float) -> None:
        """Time passes."""
        self.now += pause_s

    @precondition(lambda self: self.breaker.admits(self.now))
    @rule()
    def begin(self) -> None:
        """An attempt begins."""
        was = self.breaker.state(self.now)
        assert was is not CircuitState.OPEN
        self.under_way.append((self.breaker.begin(self.now), was is CircuitState.HALF_OPEN))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), verdict=st.sampled_from(["succeeded", "failed", "dropped"]))
    def end(self, data: st.DataObject, verdict: str) -> None:
        """An attempt ends somehow."""
        token, probe = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        before = self.breaker.state(self.now)
        live = self.breaker.probes(token)
        match verdict:
            case "succeeded":
                self.breaker.succeeded(token, self.now)
            case "failed":
                self.breaker.failed(token, self.now)
            case _:
                self.breaker.dropped(token)
        after = self.breaker.state(self.now)
        if before is CircuitState.OPEN or (before is CircuitState.HALF_OPEN and not live):
            assert after is before
        if live:
            expected = {
                "succeeded": {CircuitState.HALF_OPEN, CircuitState.CLOSED},
                "failed": {CircuitState.OPEN},
                "dropped": {CircuitState.HALF_OPEN},
            }
            assert after in expected[verdict]
        if probe and before is CircuitState.CLOSED:
            assert after is CircuitState.CLOSED

    @invariant()
    def never_more_than_one_probe(self) -> None:
        """Of all attempts under way at most one is the probe, and with one under way nothing else is admitted."""
        probes = sum(self.breaker.probes(token) for token, _ in self.under_way)
        assert probes <= 1
        if probes:
            assert not self.breaker.admits(self.now)

    @invariant()
    def never_shut_for_good(self) -> None:
        """An open circuit takes a probe within its limit, and a half-open one as soon as none is under way."""
        assert 0 <= self.breaker.ready_in_s(self.now) <= CONFIG.open_limit_s
        if self.breaker.state(self.now) is CircuitState.HALF_OPEN and not any(
            self.breaker.probes(token) for token, _ in self.under_way
        ):
            assert self.breaker.admits(self.now)


Circuit.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCircuit = Circuit.TestCase
