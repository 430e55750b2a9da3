"""Cool-downs of one deployment."""

from __future__ import annotations

from random import Random

import pytest

from tierwright.gateway.upstreams.backoff import Backoff
from tierwright.gateway.upstreams.breaker import CircuitState
from tierwright.gateway.upstreams.config import BreakerConfig
from tierwright.gateway.upstreams.failures import Failure, FailureKind
from tierwright.gateway.upstreams.health import Health

BACKOFF = Backoff(first_s=0.5, limit_s=8.0, retry_after_limit_s=5.0, random=Random(1))
LIMITED = Failure(kind=FailureKind.RATE_LIMITED, status=429)


def a_health() -> Health:
    """A deployment that is well."""
    return Health(BreakerConfig(consecutive_failures=2), random=Random(1))


def fail(health: Health, failure: Failure, now: float, *, began: float | None = None) -> None:
    """An attempt that fails."""
    health.failed(failure, began=now if began is None else began, now=now, backoff=BACKOFF)


@pytest.mark.parametrize("kind", [FailureKind.RATE_LIMITED, FailureKind.OVERLOADED])
def test_retry_after_keeps_all_away_until_it_is_over(kind: FailureKind) -> None:
    """Until then the deployment is not ready, though its circuit is closed; a shorter one later changes nothing."""
    health = a_health()
    fail(health, Failure(kind=kind, retry_after_s=7.0), 100.0)
    fail(health, Failure(kind=kind, retry_after_s=1.0), 100.0)
    assert not health.ready(106.9)
    assert health.ready_in_s(105.0) == health.cooling_s(105.0) == 2.0
    assert health.breaker.state(105.0) is CircuitState.CLOSED
    assert health.ready(107.0)


def test_retry_after_of_what_is_no_overload_is_ignored() -> None:
    """A caller's mistake or an error inside the provider keeps nobody away."""
    health = a_health()
    for kind in (FailureKind.CALLER, FailureKind.FAILED, FailureKind.GATEWAY):
        fail(health, Failure(kind=kind, retry_after_s=7.0), 100.0)
    assert health.ready(100.0)


def test_single_limit_without_a_time_stops_nobody() -> None:
    """The second 429 in a row does, for as long as a first backoff, and each further one for twice as long."""
    health = a_health()
    fail(health, LIMITED, 100.0)
    assert health.ready(100.0)
    now = 100.0
    for cooling_s in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        fail(health, LIMITED, now)
        assert health.cooling_s(now) == cooling_s
        now += cooling_s
        assert health.ready(now)
    health.succeeded(health.begin(now), now)
    fail(health, LIMITED, now)
    assert health.ready(now)


def test_limits_of_one_moment_count_once() -> None:
    """All that was under way when the cool-down was set tells nothing new, however much of it there was."""
    health = a_health()
    for _ in range(40):
        fail(health, LIMITED, 100.2, began=100.0)
    assert health.cooling_s(100.2) == 0.5


def test_both_circuit_and_cool_down_must_be_over() -> None:
    """The later of the two says when it is ready."""
    health = a_health()
    for _ in range(2):
        token = health.begin(0.0)
        health.breaker.failed(token, 0.0)
        health.ended(token)
    open_s = health.breaker.ready_in_s(0.0)
    assert health.ready_in_s(0.0) == open_s
    fail(health, Failure(kind=FailureKind.OVERLOADED, retry_after_s=60.0), 0.0)
    assert health.ready_in_s(0.0) == 60.0
    assert not health.ready(open_s)
    assert health.ready(60.0)


def test_counts_what_it_was_asked_and_how_it_failed() -> None:
    """Attempts under way come and go; attempts and failures only grow."""
    health = a_health()
    first, second = health.begin(0.0), health.begin(0.0)
    assert (health.in_flight, health.attempts) == (2, 2)
    fail(health, LIMITED, 1.0)
    fail(health, LIMITED, 1.0)
    fail(health, Failure(kind=FailureKind.CALLER), 1.0)
    health.ended(first)
    health.ended(second)
    assert (health.in_flight, health.attempts) == (0, 2)
    assert health.failures == {FailureKind.RATE_LIMITED: 2, FailureKind.CALLER: 1}
