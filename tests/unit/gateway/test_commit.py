"""Nothing is acknowledged before it is durable, and nothing at all once the disk has failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import inferences
from tests.faults.disk import Breakable
from tests.unit.gateway.test_capture import Drafted, Memory, restored
from tierwright.core.errors import SettingsError, StoreError
from tierwright.gateway.capture import Capture
from tierwright.gateway.commit import GroupCommit
from tierwright.gateway.config import Acknowledge, CaptureConfig
from tierwright.gateway.journal import DISK, Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from tierwright.gateway.drafts import Draft
    from tierwright.gateway.journal import Disk, Place


@pytest.fixture
def memory() -> Memory:
    """A store that works."""
    found = Memory()
    found.go_on.set()
    return found


@pytest.fixture
def capturing(memory: Memory, tmp_path: Path) -> Iterator[Callable[..., Capture]]:
    """Starts captures that acknowledge what is durable; closes them at the end."""
    started: list[Capture] = []

    def start(disk: Disk = DISK, **changes: Any) -> Capture:
        settings = {"max_delay_ms": 1.0, "spool": tmp_path / "spool", "acknowledge": Acknowledge.COMMIT, **changes}
        started.append(Capture(memory, CaptureConfig(**settings), restored=restored, disk=disk))
        started[-1].start()
        return started[-1]

    yield start
    for capture in started:
        capture.close()


def run(story: Coroutine[None, None, None]) -> None:
    """A story on an event loop, which must not hang."""

    async def within() -> None:
        await asyncio.wait_for(story, 30)

    asyncio.run(within())


def commit(capture: Capture, count: int, prefix: str = "i") -> list[asyncio.Future[bool]]:
    """So many drafts handed over at once; what to wait for."""
    found = [capture.commit(Drafted(inference, 10)) for inference in inferences(count, prefix=prefix)]
    return [one for one in found if one is not None]


def test_nothing_is_acknowledged_before_the_disk_has_it(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """While the disk is busy neither the caller nor the store gets anything; then both do."""
    disk = Breakable()
    disk.free.clear()
    capture = capturing(disk.disk)

    async def story() -> None:
        (kept,) = commit(capture, 1)
        assert await asyncio.to_thread(disk.asked.wait, 10)
        assert not kept.done()
        assert capture.state().waiting == 0
        disk.free.set()
        assert await kept
        assert await capture.flush(10)

    run(story())
    assert memory.kept == ["i-000000"]


def test_one_sync_is_enough_for_all_that_came_meanwhile(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """Fifty that come while the first one is synced share the second sync."""
    disk = Breakable()
    disk.free.clear()
    capture = capturing(disk.disk)

    async def story() -> None:
        first = commit(capture, 1, prefix="first")
        assert await asyncio.to_thread(disk.asked.wait, 10)
        others = commit(capture, 50)
        disk.free.set()
        assert all(await asyncio.gather(*first, *others))
        assert await capture.flush(10)

    run(story())
    assert disk.syncs == 2
    assert memory.kept == ["first-000000", *(one.id for one in inferences(50))]


def test_a_disk_that_failed_is_never_asked_again(
    memory: Memory, capturing: Callable[..., Capture], caplog: pytest.LogCaptureFixture
) -> None:
    """Those who wait are told, the ledger says what they were told, and a disk that seems well changes nothing."""
    disk = Breakable()
    capture = capturing(disk.disk)

    async def story() -> None:
        assert all(await asyncio.gather(*commit(capture, 3, prefix="before")))
        assert capture.refusal is None
        disk.free.clear()
        disk.asked.clear()
        waiting = commit(capture, 2, prefix="during")
        assert await asyncio.to_thread(disk.asked.wait, 10)
        waiting += commit(capture, 2, prefix="behind")
        disk.broken = True
        disk.free.set()
        assert not any(await asyncio.gather(*waiting))
        assert capture.refusal == capture.state().refusal == "EIO"
        disk.broken = False
        syncs = disk.syncs
        assert not any(await asyncio.gather(*commit(capture, 2, prefix="after")))
        assert disk.syncs == syncs
        assert await capture.flush(10)

    run(story())
    told = {one.id.partition("-")[0]: one.status for one in memory.stored}
    assert told == {"before": 200, "during": 503, "behind": 503, "after": 503}
    assert len(memory.stored) == 9
    assert caplog.text.count("EIO") == 1


def test_a_disk_that_hangs_is_not_waited_for_without_end(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """Beyond the bound of bytes requests are to be refused; when the disk comes back they are not."""
    disk = Breakable()
    disk.free.clear()
    capture = capturing(disk.disk, queue_limit_bytes=45)

    async def story() -> None:
        waiting = commit(capture, 4)
        assert capture.refusal is None
        waiting += commit(capture, 1, prefix="fifth")
        assert capture.refusal == "behind"
        disk.free.set()
        assert all(await asyncio.gather(*waiting))
        assert capture.refusal is None
        assert await capture.flush(10)

    run(story())
    assert len(memory.kept) == 5


def test_who_leaves_is_recorded_all_the_same(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """A caller that gives up waiting neither stops its record nor harms those that wait with it."""
    disk = Breakable()
    disk.free.clear()
    capture = capturing(disk.disk)

    async def story() -> None:
        leaving, staying = commit(capture, 2)
        leaving.cancel()
        disk.free.set()
        assert await staying
        assert await capture.flush(10)

    run(story())
    assert len(memory.kept) == 2


def test_a_journal_without_room_refuses_until_there_is_some(tmp_path: Path) -> None:
    """What finds no room is not acknowledged; when something is settled there is room again."""
    journal = Journal(tmp_path, name="own", segment_bytes=4096, limit_bytes=8192, durable=True)
    journal.open()
    taken: list[Place] = []

    def take(_: Draft, place: Place | None) -> None:
        if place is not None:
            taken.append(place)

    group = GroupCommit(journal, limit_bytes=1000, take=take)
    group.start()

    async def story() -> None:
        drafts = [Drafted(inference, 1) for inference in inferences(100)]
        kept = [await group.commit(draft) for draft in drafts]
        assert kept == sorted(kept, reverse=True)
        assert 0 < kept.count(True) == len(taken) < 100
        assert group.refusal == "full"
        journal.settle(taken)
        assert group.refusal is None
        assert await group.commit(drafts[0])

    run(story())
    assert group.close(10)
    journal.close()


def test_a_full_disk_refuses_until_it_has_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What finds no room is not acknowledged; when the disk has some again it is found without a restart."""
    disk = Breakable()
    journal = Journal(tmp_path, name="own", segment_bytes=4096, disk=disk.disk, durable=True)
    journal.open()
    group = GroupCommit(journal, limit_bytes=1000, take=lambda _, __: None)
    group.start()

    async def story() -> None:
        disk.full = True
        drafts = [Drafted(inference, 1) for inference in inferences(30)]
        kept = [await group.commit(draft) for draft in drafts]
        assert kept == sorted(kept, reverse=True)
        assert set(kept) == {True, False}
        assert group.refusal == "full"
        disk.full = False
        for _ in range(400):
            if group.refusal is None:
                break
            await asyncio.sleep(0.05)
        assert await group.commit(drafts[0])

    run(story())
    assert group.close(10)
    journal.close()
    assert caplog.text.count("can't grow") <= 1


def test_a_spool_that_cannot_be_used_refuses(
    memory: Memory, capturing: Callable[..., Capture], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the spool is no folder nothing is acknowledged, and the log says that requests are refused."""
    (tmp_path / "spool").write_text("a file", encoding="utf-8")
    capture = capturing()

    async def story() -> None:
        assert capture.refusal is not None
        assert not any(await asyncio.gather(*commit(capture, 1)))
        assert await capture.flush(10)

    run(story())
    assert [one.status for one in memory.stored] == [503]
    assert "every request is refused" in caplog.text


def test_closing_waits_for_the_disk(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """What was waiting for the disk when the gateway ends is acknowledged, stored, and the journal is gone."""
    disk = Breakable()
    disk.free.clear()
    capture = capturing(disk.disk, close_timeout_s=10.0)

    async def story() -> None:
        waiting = commit(capture, 5)
        closing = asyncio.create_task(capture.aclose())
        await asyncio.to_thread(disk.asked.wait, 10)
        disk.free.set()
        assert all(await asyncio.gather(*waiting))
        await closing

    run(story())
    assert memory.kept == [one.id for one in inferences(5)]


def test_what_is_durable_waits_in_the_journal_for_a_store_that_is_down(
    memory: Memory, capturing: Callable[..., Capture], tmp_path: Path
) -> None:
    """A store that takes nothing costs no acknowledgement; the next start stores all of it, once."""
    memory.refuses = lambda _: StoreError("gone")
    first = capturing(close_timeout_s=0.2, queue_limit=2)

    async def story() -> None:
        assert all(await asyncio.gather(*commit(first, 5)))

    run(story())
    first.close()
    memory.refuses = lambda _: None
    second = capturing()
    second.close()
    assert sorted(memory.kept) == [one.id for one in inferences(5)]
    assert list((tmp_path / "spool").iterdir()) == []


def test_otherwise_nobody_waits(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """Where the journal is enough there is nothing to wait for, and no disk is asked."""
    disk = Breakable()
    disk.broken = True
    capture = capturing(disk.disk, acknowledge=Acknowledge.JOURNAL)

    async def story() -> None:
        assert capture.commit(Drafted(inferences(1)[0], 1)) is None
        assert capture.refusal is None
        assert await capture.flush(10)

    run(story())
    assert (len(memory.kept), disk.syncs) == (1, 0)


def test_without_a_journal_there_is_no_commit() -> None:
    """The setting that can't be kept is refused, with what to do."""
    with pytest.raises(SettingsError, match=r"needs a journal.*spool"):
        CaptureConfig(acknowledge=Acknowledge.COMMIT)
