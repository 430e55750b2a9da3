"""Writing: acknowledged when it is durable, and never where it is not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest

from tests.unit.privacy.ledger.ledgers import FACTS, KEY, Failing, closed, kept, on_a_loop, started
from tierwright.core.errors import LedgerError
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.files import DISK, Disk
from tierwright.privacy.ledger.ledger import CLOSED, Bounds, Ledger
from tierwright.privacy.ledger.verdict import End
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from pathlib import Path


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
async def test_what_is_new_is_signed_after_a_while(tmp_path: Path) -> None:
    """Few entries, and no end: both places have a checkpoint all the same, with the public key beside it."""
    second, bounds = tmp_path / "second", Bounds(checkpoint_s=0.05)
    ledger = Ledger(tmp_path / "ledger", key=KEY, checkpoints=second, bounds=bounds)
    ledger.start()
    await kept(ledger, 3)
    for _ in count():
        if verify(tmp_path / "ledger", checkpoints=second).chains[0].second_seq == 4:
            break
        await asyncio.sleep(0.02)
    verdict = verify(tmp_path / "ledger", checkpoints=second)
    assert verdict.chains[0].signed_seq == 4
    assert verdict.keys == (KEY.fingerprint,)
    for place in (tmp_path / "ledger", second):
        assert (place / f"{KEY.fingerprint}.public.pem").read_bytes() == KEY.public_pem
    await closed(ledger)
    assert verify(tmp_path / "ledger", checkpoints=second).chains[0].second_seq == 5


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
