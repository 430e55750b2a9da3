"""Work after an answer: bounded, budgeted, and every drop counted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tierwright.gateway.lanes import Allowance, Budget, Lane, Outcome, Spent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def a_lane(**changes: Any) -> Lane:
    """A lane with room for two and one worker."""
    fields: dict[str, Any] = {
        "workers": 1,
        "limit": 2,
        "limit_bytes": 100,
        "allowance": Allowance(),
        "clock": lambda: NOON,
    }
    return Lane("test", **fields | changes)


def work(done: list[int], number: int, *, gate: asyncio.Event | None = None) -> Callable[[], Awaitable[Spent]]:
    """Notes its number, when it may."""

    async def run() -> Spent:
        if gate is not None:
            await gate.wait()
        done.append(number)
        return Spent(done=True)

    return run


def test_work_is_done_in_order() -> None:
    """What is offered is done, first come first served, and counted."""

    async def scenario() -> None:
        lane, done = a_lane(), list[int]()
        lane.start()
        for number in range(2):
            lane.offer(work(done, number), size_bytes=1)
        await lane.aclose(5)
        assert done == [0, 1]
        assert lane.state().outcomes[Outcome.DONE] == 2
        assert lane.state().waiting == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(("sizes", "dropped"), [((1, 1, 1, 1), 1), ((60, 60), 1), ((101,), 1)])
def test_what_finds_no_room_is_dropped(sizes: tuple[int, ...], dropped: int) -> None:
    """More pieces, or more bytes, than may wait are dropped at once; what is under way takes no place of the queue."""

    async def scenario() -> None:
        lane, done, gate = a_lane(), list[int](), asyncio.Event()
        lane.start()
        for number, size in enumerate(sizes):
            lane.offer(work(done, number, gate=gate), size_bytes=size)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert lane.state().outcomes[Outcome.FULL] == dropped
        gate.set()
        await lane.aclose(5)
        assert len(done) == len(sizes) - dropped

    asyncio.run(scenario())


def test_work_that_raises_costs_itself_only(caplog: pytest.LogCaptureFixture) -> None:
    """An error is counted and logged without its message, which could hold text; the next one is done."""

    async def broken() -> Spent:
        raise RuntimeError("the prompt was: secret")

    async def scenario() -> None:
        lane, done = a_lane(), list[int]()
        lane.start()
        lane.offer(broken, size_bytes=1)
        lane.offer(work(done, 1), size_bytes=1)
        await lane.aclose(5)
        assert done == [1]
        assert lane.state().outcomes[Outcome.FAILED] == 1

    asyncio.run(scenario())
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_stop_counts_what_it_leaves_undone() -> None:
    """What waits and what is under way when the time is over is dropped and counted, and so is what comes later."""

    async def scenario() -> None:
        lane, done, never = a_lane(), list[int](), asyncio.Event()
        lane.start()
        for number in range(2):
            lane.offer(work(done, number, gate=never), size_bytes=1)
        await lane.aclose(0.05)
        lane.offer(work(done, 3), size_bytes=1)
        assert done == []
        assert lane.state().outcomes[Outcome.STOPPED] == 3
        assert lane.state().waiting == 0

    asyncio.run(scenario())


def test_bytes_are_given_back() -> None:
    """Room that work has taken is there again when it is done."""

    async def scenario() -> None:
        lane, done = a_lane(), list[int]()
        lane.start()
        for number in range(5):
            lane.offer(work(done, number), size_bytes=90)
            for _ in range(5):
                await asyncio.sleep(0)
        assert lane.state().outcomes[Outcome.DONE] == 5
        await lane.aclose(5)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("allowance", "spent", "taken"),
    [
        (Allowance(requests=3), Spent(done=True), 3),
        (Allowance(requests=0), Spent(done=True), 0),
        (Allowance(seconds=1.0), Spent(done=True, seconds=0.4), 3),
        (Allowance(usd=Decimal("0.5")), Spent(done=True, usd=Decimal("0.25")), 2),
        (Allowance(requests=2, usd=Decimal(1)), Spent(done=True), 2),
        (Allowance(), Spent(done=True, seconds=99.0, usd=Decimal(99)), 6),
    ],
)
def test_a_day_has_its_allowance(allowance: Allowance, spent: Spent, taken: int) -> None:
    """Of six that are asked for one after the other so many may begin: the one that uses up the rest is the last."""
    budget, found = Budget(allowance), 0
    for _ in range(6):
        if budget.takes_one(NOON):
            found += 1
            budget.spend(spent)
    assert found == taken


def test_a_new_day_begins_at_midnight() -> None:
    """What was used up is there again on the next day, UTC."""
    budget = Budget(Allowance(requests=1))
    midnight = NOON.replace(hour=0) + timedelta(days=1)
    assert budget.takes_one(NOON)
    assert not budget.takes_one(midnight - timedelta(microseconds=1))
    assert budget.takes_one(midnight)


def test_another_allowance_keeps_what_was_used() -> None:
    """Settings that change during a day don't begin it anew."""

    async def scenario() -> None:
        lane, done = a_lane(limit=5, allowance=Allowance(requests=1)), list[int]()
        lane.start()
        lane.offer(work(done, 0), size_bytes=1)
        lane.allow(Allowance(requests=2))
        lane.offer(work(done, 1), size_bytes=1)
        lane.offer(work(done, 2), size_bytes=1)
        await lane.aclose(5)
        assert done == [0, 1]
        assert lane.state().outcomes[Outcome.BUDGET] == 1

    asyncio.run(scenario())
