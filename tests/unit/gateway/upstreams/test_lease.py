"""What is said of an attempt, and who is blamed for it."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.gateway.upstreams.builders import (
    DOWN,
    FAILED,
    TIMED_OUT,
    UNKNOWN_MODEL,
    a_config,
    a_deployment,
    asked,
    assert_idle,
    attempts_of,
    break_down,
    leased,
    the_upstreams,
)
from tests.unit.gateway.upstreams.virtual import run
from tierwright.gateway.upstreams.breaker import CircuitState
from tierwright.gateway.upstreams.config import BreakerConfig

A, B, C = a_deployment("a"), a_deployment("b"), a_deployment("c")
#: A single failure opens the circuit, so that blame shows at once.
STRICT = BreakerConfig(consecutive_failures=1, probes=1)


def test_release_is_needed_once_and_harmless_twice() -> None:
    """Whatever was said before, the place is given back once; what is said afterwards counts for nothing."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, breaker=STRICT))
        lease = await leased(attempts_of(upstreams))
        assert upstreams.state().backends[0].in_use == 1
        lease.release()
        lease.release()
        lease.failed(DOWN)
        lease.succeeded()
        assert lease.failure is None
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED
        assert_idle(upstreams)

    run(story())


def test_context_gives_back_on_any_way_out() -> None:
    """Also where the task is cancelled in the middle, and then nothing is concluded."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, breaker=STRICT))

        async def ask() -> None:
            with await leased(attempts_of(upstreams)):
                await asyncio.sleep(60.0)

        task = asyncio.create_task(ask())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED
        assert_idle(upstreams)

    run(story())


def test_next_attempt_releases_the_one_before() -> None:
    """A request never holds two places."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B))
        attempts = attempts_of(upstreams)
        first = await leased(attempts)
        first.failed(FAILED)
        second = await leased(attempts)
        assert [one.in_use for one in upstreams.state().backends] == [0, 1]
        first.release()
        second.release()
        assert_idle(upstreams)

    run(story())


def test_answer_that_breaks_off_counts_as_a_failure() -> None:
    """A failure may follow a success, the first failure counts, and a success after it does not."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, breaker=STRICT))
        lease = await leased(attempts_of(upstreams))
        lease.succeeded()
        lease.failed(DOWN)
        lease.failed(FAILED)
        lease.succeeded()
        lease.release()
        state = upstreams.state().deployments[0]
        assert lease.failure is DOWN
        assert (state.circuit, state.failures) == (CircuitState.OPEN, {DOWN.kind: 1})

    run(story())


def test_misconfigured_deployment_is_blamed_once_another_has_answered() -> None:
    """A 404 opens no circuit by itself; when another deployment answers the same request, it does."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, breaker=STRICT))
        attempts = attempts_of(upstreams)
        assert await asked(attempts, UNKNOWN_MODEL) == ["a"]
        second = await leased(attempts)
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED
        second.succeeded()
        second.release()
        circuits = [one.circuit for one in upstreams.state().deployments]
        assert circuits == [CircuitState.OPEN, CircuitState.CLOSED]

    run(story())


def test_blame_is_laid_once() -> None:
    """Of two answers to the same request only the first holds the 404 before them against its deployment."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, C, breaker=BreakerConfig(consecutive_failures=2)))
        attempts = attempts_of(upstreams)
        await asked(attempts, UNKNOWN_MODEL)
        broken_off = await leased(attempts)
        broken_off.succeeded()
        broken_off.failed(FAILED)
        with await leased(attempts) as third:
            third.succeeded()
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED

    run(story())


def test_caller_can_not_open_circuits_by_asking_for_nonsense() -> None:
    """Where every deployment says 404, or there is only one, none is blamed, however often."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, breaker=STRICT))
        for _ in range(30):
            await asked(attempts_of(upstreams), UNKNOWN_MODEL)
        attempts = attempts_of(upstreams)
        assert await asked(attempts, UNKNOWN_MODEL, UNKNOWN_MODEL) == ["a", "b"]
        assert [one.circuit for one in upstreams.state().deployments] == [CircuitState.CLOSED] * 2

    run(story())


def test_misconfigured_probe_opens_the_circuit_again() -> None:
    """What was found misconfigured and still is stays out."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, breaker=STRICT))
        await break_down(upstreams, times=1)
        await asyncio.sleep(2.0)
        await break_down(upstreams, UNKNOWN_MODEL, times=1)
        assert upstreams.state().deployments[0].circuit is CircuitState.OPEN

    run(story())


@pytest.mark.parametrize(
    ("within_s", "lasts_s", "circuit"),
    [
        (10.0, 10.0, CircuitState.CLOSED),
        (10.0, 5.0, CircuitState.OPEN),
        (60.0, 30.0, CircuitState.OPEN),
    ],
)
def test_time_out_is_blamed_on_who_had_the_time(within_s: float, lasts_s: float, circuit: CircuitState) -> None:
    """An attempt cut short by its request's own deadline says nothing; one that used up what it is given does."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, breaker=STRICT, attempt_timeout_s=30.0))
        with await leased(attempts_of(upstreams, within_s=within_s)) as lease:
            await asyncio.sleep(lasts_s)
            lease.failed(TIMED_OUT)
        assert upstreams.state().deployments[0].circuit is circuit

    run(story())


def test_probe_of_a_caller_who_left_makes_room_for_the_next() -> None:
    """A half-open circuit is not blocked by a request that ends without a verdict."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, breaker=STRICT))
        await break_down(upstreams, times=1)
        await asyncio.sleep(2.0)
        (await leased(attempts_of(upstreams))).release()
        with await leased(attempts_of(upstreams)) as probe:
            probe.succeeded()
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED

    run(story())
