"""Writing: acknowledged when it is durable, and never where it is not."""

from __future__ import annotations

import asyncio
import errno
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest

from tests.unit.privacy.ledger.ledgers import FACTS, KEY, Failing, kept, on_a_loop
from tierwright.core.errors import LedgerError
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.files import DISK, Disk
from tierwright.privacy.ledger.ledger import BEHIND, CLOSED, FULL, SLOW, Bounds, Ledger
from tierwright.privacy.ledger.verdict import End
from tierwright.privacy.ledger.verify import verify


def started(folder: Path, disk: Disk = DISK, *, bounds: Bounds | None = None) -> Ledger:
    """A ledger that is written."""
    ledger = Ledger(folder, key=KEY, disk=disk, bounds=bounds or Bounds())
    ledger.start()
    return ledger


async def closed(ledger: Ledger) -> bool:
    """Closes it, away from the loop."""
    return await asyncio.to_thread(ledger.close)


@on_a_loop
async def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    """In order, each under the name its future gave, between a start and an end; files are for their owner alone."""
    folder = tmp_path / "ledger"
    ledger = Ledger(folder, key=KEY, about={"version": "1.2", "detectors": "rules 1"})
    assert ledger.refusal == CLOSED
    ledger.start()
    assert ledger.refusal is None
    names = await kept(ledger, 50)
    noted = await asyncio.to_thread(ledger.note, "erase", {"inferences": 3})
    assert await closed(ledger)
    assert ledger.refusal == CLOSED
    found = list(entries(folder))
    assert [entry.kind for entry in found] == ["start", *["permit"] * 50, "erase", "end"]
    assert [entry.id for entry in found[1:-1]] == [*names, noted]
    assert [entry.facts["request_id"] for entry in found[1:51]] == [f"r{i}" for i in range(50)]
    assert found[0].facts == {"chain": ledger.chain, "version": "1.2", "detectors": "rules 1", "heads": []}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.glob(f"{ledger.chain}*")} == {0o600}
    assert verify(folder).sound


@on_a_loop
async def test_what_is_acknowledged_is_durable(tmp_path: Path) -> None:
    """When a future says so, the file had been synced after its line was written into it."""
    durable = 0
    sizes: dict[int, int] = {}

    def write(file: int, data: bytes) -> int:
        sizes[file] = sizes.get(file, 0) + DISK.write(file, data)
        return len(data)

    def sync(file: int) -> None:
        nonlocal durable
        size = sizes.get(file, 0)
        DISK.sync_file(file)
        durable = max(durable, size)

    folder = tmp_path / "ledger"
    ledger = started(folder, Disk(write=write, sync_file=sync))

    async def one(number: int) -> None:
        entry = await ledger.append("permit", {**FACTS, "request_id": f"r{number}"})
        assert entry is not None
        (path,) = folder.glob("*.jsonl")
        assert b'"request_id":"r%d"' % number in path.read_bytes()[:durable]

    for start in range(0, 60, 12):
        await asyncio.gather(*(one(number) for number in range(start, start + 12)))
    await closed(ledger)


@on_a_loop
async def test_many_wait_for_one_sync(tmp_path: Path) -> None:
    """What comes while a sync runs is made durable by the next one, all of it."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.asked.clear()
    failing.free.clear()
    first = ledger.append("permit", FACTS)
    await asyncio.to_thread(failing.asked.wait, 30)
    before = failing.syncs
    others = [ledger.append("permit", FACTS) for _ in range(200)]
    failing.free.set()
    names = await asyncio.gather(first, *others)
    assert failing.syncs == before + 1
    assert names == [f"{ledger.chain}:{seq}" for seq in range(2, 203)]
    await closed(ledger)


@on_a_loop
async def test_after_a_failed_sync_nothing_is_acknowledged(tmp_path: Path) -> None:
    """EIO once, and the ledger refuses for good, though the disk says that all is well again."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.sync_error = errno.EIO
    assert await kept(ledger, 5) == [None] * 5
    failing.sync_error = None
    assert ledger.refusal == "EIO"
    assert await kept(ledger, 5) == [None] * 5
    with pytest.raises(LedgerError, match="EIO"):
        await asyncio.to_thread(ledger.note, "erase", {})
    await closed(ledger)
    assert ledger.refusal == "EIO"


@on_a_loop
async def test_a_sync_that_finds_no_room_is_never_tried_again(tmp_path: Path) -> None:
    """ENOSPC of a sync says nothing of what was written before: it counts as any failed sync."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.sync_error = errno.ENOSPC
    assert await kept(ledger, 1) == [None]
    failing.sync_error = None
    assert await kept(ledger, 1) == [None]
    assert ledger.refusal == "ENOSPC"
    await closed(ledger)


@on_a_loop
async def test_a_full_disk_denies_until_there_is_room(tmp_path: Path) -> None:
    """Half-written lines are taken back; with room again it goes on, and says how many it cost; the chain is sound."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    await kept(ledger, 3)
    failing.write_error = errno.ENOSPC
    assert await kept(ledger, 4) == [None] * 4
    assert ledger.refusal == FULL
    assert await kept(ledger, 2) == [None] * 2
    failing.write_error = None
    assert None not in await kept(ledger, 3)
    assert ledger.refusal is None
    await closed(ledger)
    found = list(entries(tmp_path))
    assert [entry.kind for entry in found] == ["start", *["permit"] * 3, "full", *["permit"] * 3, "end"]
    assert found[4].facts == {"denied": 6}
    assert verify(tmp_path).sound


@on_a_loop
async def test_room_is_looked_for_without_requests(tmp_path: Path) -> None:
    """A gateway that refuses everything while the disk is full finds out by itself that it is not any more."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.write_error = errno.ENOSPC
    await kept(ledger, 1)
    failing.write_error = None
    for _ in count():
        if ledger.refusal is None:
            break
        await asyncio.sleep(0.05)
    await closed(ledger)
    assert [entry.kind for entry in entries(tmp_path)] == ["start", "full", "end"]


@on_a_loop
async def test_a_write_error_is_for_good(tmp_path: Path) -> None:
    """EIO of a write is no full disk."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.write_error = errno.EIO
    assert await kept(ledger, 1) == [None]
    failing.write_error = None
    assert await kept(ledger, 1) == [None]
    assert ledger.refusal == "EIO"
    await closed(ledger)
    assert verify(tmp_path).sound


@on_a_loop
async def test_short_writes_are_gone_on_with(tmp_path: Path) -> None:
    """A disk that takes 100 bytes at once gets all of them."""
    failing = Failing()
    failing.most_bytes = 100
    ledger = started(tmp_path, failing.disk)
    assert None not in await kept(ledger, 10)
    await closed(ledger)
    assert verify(tmp_path).sound


@on_a_loop
async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """A disk that hangs: those who wait are told no, and what is asked then is refused until it comes back."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk, bounds=Bounds(patience_s=0.05))
    failing.free.clear()
    assert await kept(ledger, 3) == [None] * 3
    assert ledger.refusal == SLOW
    with pytest.raises(LedgerError, match="slow"):
        await asyncio.to_thread(ledger.note, "erase", {})
    failing.free.set()
    await closed(ledger)
    assert verify(tmp_path).sound


@on_a_loop
async def test_no_more_than_a_bound_waits(tmp_path: Path) -> None:
    """Beyond so many bytes an entry is refused at once; with the disk back there is room again."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk, bounds=Bounds(waiting_bytes=2000))
    failing.free.clear()
    waiting = [ledger.append("permit", FACTS) for _ in range(40)]
    assert ledger.refusal == BEHIND
    assert {future.result() for future in waiting if future.done()} == {None}
    assert not all(future.done() for future in waiting)
    failing.free.set()
    await asyncio.gather(*waiting)
    assert None not in await kept(ledger, 1)
    await closed(ledger)


@on_a_loop
async def test_a_caller_that_leaves_changes_nothing(tmp_path: Path) -> None:
    """Its future cancelled, its entry is kept, and those beside it are told."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.free.clear()
    one, other = ledger.append("permit", FACTS), ledger.append("permit", FACTS)
    one.cancel()
    failing.free.set()
    assert await other == f"{ledger.chain}:3"
    await closed(ledger)


@on_a_loop
async def test_a_large_file_is_followed_by_another(tmp_path: Path) -> None:
    """The chain goes on: numbers and hashes run through all files, each names the next, and the last one is missed."""
    ledger = started(tmp_path, bounds=Bounds(file_bytes=1500))
    for _ in range(12):
        await kept(ledger, 2)
    await closed(ledger)
    (verdict,) = verify(tmp_path).chains
    assert verdict.broken is None
    assert len(verdict.files) > 3
    found = list(entries(tmp_path))
    assert [entry.seq for entry in found] == list(range(1, verdict.entries + 1))
    assert [entry.facts["next"] for entry in found if entry.kind == "roll"] == list(verdict.files[1:])
    assert sum(entry.kind == "permit" for entry in found) == 24


@on_a_loop
async def test_a_clock_that_goes_back_shows_and_breaks_nothing(tmp_path: Path) -> None:
    """Entries stand in the order in which they were written, at the time the clock said; periods go by that."""
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    steps = count()
    ledger = Ledger(tmp_path, key=KEY, clock=lambda: noon - timedelta(hours=next(steps)))
    ledger.start()
    for _ in range(5):
        await kept(ledger, 1)
    await closed(ledger)
    found = list(entries(tmp_path))
    assert [entry.seq for entry in found] == list(range(1, 8))
    assert all(one.at > other.at for one, other in pairwise(found))
    assert verify(tmp_path).sound
    early = [entry.seq for entry in found if entry.at < found[3].at]
    assert [entry.seq for entry in entries(tmp_path, until=found[3].at)] == early
    assert [entry.seq for entry in entries(tmp_path, since=found[3].at)] == [1, 2, 3, 4]


@on_a_loop
async def test_two_ledgers_share_a_folder(tmp_path: Path) -> None:
    """Each has its chain; one begun later names the last line of the other, once."""
    one = started(tmp_path)
    (name,) = await kept(one, 1)
    other = started(tmp_path)
    await kept(other, 3)
    third = started(tmp_path)
    for ledger in (one, other, third):
        await closed(ledger)
    starts = {entry.chain: entry.facts["heads"] for entry in entries(tmp_path) if entry.kind == "start"}
    assert [(head["file"], head["seq"]) for head in starts[other.chain]] == [(f"{one.chain}.jsonl", 2)]
    assert [(head["file"], head["seq"]) for head in starts[third.chain]] == [(f"{other.chain}.jsonl", 4)]
    verdict = verify(tmp_path)
    assert verdict.sound
    assert {chain.end for chain in verdict.chains} == {End.ENDED}
    assert name == f"{one.chain}:2"


@on_a_loop
async def test_a_second_place_that_fails_costs_no_permit(tmp_path: Path) -> None:
    """It is said, and the next checkpoint is tried; with the place back nothing is said any more."""
    second, broken = tmp_path / "second", False

    def write(file: int, data: bytes) -> int:
        if broken and Path(f"/proc/self/fd/{file}").readlink().parent == second:
            raise OSError(errno.EIO, "no more")
        return DISK.write(file, data)

    disk, bounds = Disk(write=write), Bounds(checkpoint_entries=1)
    ledger = Ledger(tmp_path / "ledger", key=KEY, checkpoints=second, disk=disk, bounds=bounds)
    ledger.start()
    broken = True
    while ledger.checkpoint_error is None:
        assert None not in await kept(ledger, 1)
    assert ledger.checkpoint_error == "EIO"
    assert ledger.refusal is None
    broken = False
    while ledger.checkpoint_error is not None:
        assert None not in await kept(ledger, 1)
    await closed(ledger)
    assert verify(tmp_path / "ledger", checkpoints=second).sound


def test_a_folder_that_can_t_be_used_is_an_error(tmp_path: Path) -> None:
    """A file where the folder is to be: nothing starts, and the message names it."""
    place = tmp_path / "ledger"
    place.write_text("")
    with pytest.raises(LedgerError, match=str(place)):
        Ledger(place, key=KEY).start()
    with pytest.raises(LedgerError, match=str(place)):
        Ledger(tmp_path / "good", key=KEY, checkpoints=place).start()


def test_entries_pass_over_what_was_never_finished(tmp_path: Path) -> None:
    """A torn last line is no entry; a line in between that is none is an error that names it."""

    async def write() -> None:
        ledger = started(tmp_path)
        await kept(ledger, 3)
        await closed(ledger)

    asyncio.run(write())
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert [entry.kind for entry in entries(tmp_path)] == ["start", *["permit"] * 3]
    path.write_bytes(whole.replace(b'"kind":"permit"', b'"kind":permit', 1))
    with pytest.raises(LedgerError, match="line 2"):
        list(entries(tmp_path))
