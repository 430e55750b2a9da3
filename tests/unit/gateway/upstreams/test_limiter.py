"""Places at a backend: first come, first served, and never one too many or lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.upstreams.virtual import BEGIN, now, run, turns
from tierwright.gateway.upstreams.config import ConcurrencyConfig
from tierwright.gateway.upstreams.limiter import ConcurrencyLimiter


def a_limiter(limit: int = 1, *, queue_limit: int = 10, queue_timeout_s: float = 10.0) -> ConcurrencyLimiter:
    """Places of one backend."""
    config = ConcurrencyConfig(limit=limit, queue_limit=queue_limit, queue_timeout_s=queue_timeout_s)
    return ConcurrencyLimiter(config, sleep=asyncio.sleep)


def test_those_who_wait_are_served_in_order() -> None:
    """Nobody who comes later, and nobody who does not wait, gets a place before one who waits."""

    async def story() -> list[int]:
        limiter = a_limiter()
        assert limiter.take()
        served: list[int] = []

        async def waiter(number: int) -> None:
            assert await limiter.wait(5.0)
            served.append(number)
            assert not limiter.take()
            limiter.give_back()

        tasks = [asyncio.create_task(waiter(number)) for number in range(4)]
        await turns()
        assert (limiter.waiting, limiter.in_use, limiter.free) == (4, 1, False)
        limiter.give_back()
        assert not limiter.take()
        await asyncio.gather(*tasks)
        assert (limiter.waiting, limiter.in_use, limiter.free) == (0, 0, True)
        return served

    assert run(story()) == [0, 1, 2, 3]


def test_free_place_needs_no_wait() -> None:
    """With a place free nobody gives way to other tasks."""
    limiter = a_limiter()
    with pytest.raises(StopIteration) as over:
        limiter.wait(5.0).send(None)
    assert over.value.value is True
    assert limiter.in_use == 1


def test_queue_is_bounded_in_number() -> None:
    """Who finds it full is refused at once."""

    async def story() -> None:
        limiter = a_limiter(queue_limit=1)
        assert limiter.take()
        first = asyncio.create_task(limiter.wait(5.0))
        await turns()
        assert await limiter.wait(5.0) is False
        assert now() == BEGIN
        limiter.give_back()
        assert await first

    run(story())


def test_queue_is_bounded_in_time() -> None:
    """Who has waited long enough leaves with nothing and takes no place later."""

    async def story() -> None:
        limiter = a_limiter()
        assert limiter.take()
        assert await limiter.wait(5.0) is False
        assert now() == BEGIN + 5.0
        assert await limiter.wait(0.0) is False
        assert limiter.waiting == 0
        limiter.give_back()
        assert limiter.take()

    run(story())


def test_place_handed_to_a_cancelled_task_goes_to_the_next() -> None:
    """A task that is cancelled in the same moment in which it gets its place passes it on."""

    async def story() -> None:
        limiter = a_limiter()
        assert limiter.take()
        first, second = (asyncio.create_task(limiter.wait(5.0)) for _ in range(2))
        await turns()
        limiter.give_back()
        first.cancel()
        assert await second
        assert first.cancelled()
        assert limiter.in_use == 1

    run(story())


def test_changed_limit_wakes_who_waits_and_takes_nothing_away() -> None:
    """A higher limit serves those who wait at once; a lower one lets those go on who have a place."""

    async def story() -> None:
        limiter = a_limiter()
        assert limiter.take()
        waiting = [asyncio.create_task(limiter.wait(5.0)) for _ in range(2)]
        await turns()
        limiter.retune(ConcurrencyConfig(limit=3))
        assert await asyncio.gather(*waiting) == [True, True]
        limiter.retune(ConcurrencyConfig(limit=1))
        assert (limiter.in_use, limiter.limit) == (3, 1)
        limiter.give_back()
        limiter.give_back()
        assert not limiter.take()
        limiter.give_back()
        assert limiter.take()

    run(story())


@settings(max_examples=200, deadline=None)
@given(
    limit=st.integers(1, 3),
    queue_limit=st.integers(0, 6),
    visits=st.lists(
        st.tuples(
            # When it comes, how long it waits, how long it stays, and when it is cancelled; times that coincide are
            # the ones that matter.
            st.integers(0, 6),
            st.integers(0, 4),
            st.integers(0, 4),
            st.one_of(st.none(), st.integers(0, 8)),
        ),
        max_size=14,
    ),
)
def test_places_are_never_exceeded_nor_lost(
    limit: int, queue_limit: int, visits: list[tuple[int, int, int, int | None]]
) -> None:
    """Whoever comes, waits, stays and is cancelled when, the limits hold at any time, and in the end all is free."""

    async def story() -> None:
        limiter = a_limiter(limit, queue_limit=queue_limit)
        inside = 0

        async def visit(comes: int, waits: int, stays: int) -> None:
            nonlocal inside
            await asyncio.sleep(comes)
            if not await limiter.wait(waits):
                return
            inside += 1
            try:
                assert inside <= limiter.in_use <= limit
                assert limiter.waiting <= queue_limit
                await asyncio.sleep(stays)
            finally:
                inside -= 1
                limiter.give_back()

        loop = asyncio.get_running_loop()
        tasks = []
        for comes, waits, stays, cancelled in visits:
            task = asyncio.create_task(visit(comes, waits, stays))
            if cancelled is not None:
                loop.call_later(cancelled, task.cancel)
            tasks.append(task)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) or one is None for one in outcomes), outcomes
        assert (limiter.in_use, limiter.waiting, inside) == (0, 0, 0)

    run(story())
