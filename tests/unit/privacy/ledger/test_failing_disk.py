"""Disks that fill, fail and hang: nothing is acknowledged that is not durable, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import errno
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.privacy.ledger.ledgers import FACTS, KEY, Failing, closed, kept, on_a_loop, started
from tierwright.core.errors import LedgerError
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.files import DISK, Disk
from tierwright.privacy.ledger.ledger import BEHIND, FULL, SLOW, Bounds, Ledger
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable


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
async def test_whole_lines_that_found_room_stay(tmp_path: Path) -> None:
    """Somebody may have read them and named them: the chain goes on from them, though nobody was told yes."""
    failing = Failing()
    ledger = started(tmp_path, failing.disk)
    failing.write_error, failing.room_bytes = errno.ENOSPC, 1000
    assert await kept(ledger, 5) == [None] * 5
    other = started(tmp_path)
    failing.write_error = None
    names = await kept(ledger, 2)
    await closed(ledger)
    await closed(other)
    of_first = [entry for entry in entries(tmp_path) if entry.chain == ledger.chain]
    kinds = [entry.kind for entry in of_first]
    stayed = kinds.index("full") - 1
    assert 0 < stayed < 5
    assert kinds == ["start", *["permit"] * stayed, "full", "permit", "permit", "end"]
    assert names == [entry.id for entry in of_first[-3:-1]]
    assert verify(tmp_path).breaks == ()


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


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_any_one_thing_asked_of_the_disk_may_fail(tmp_path: Path, code: int) -> None:
    """The first, the second, … until none does: what was acknowledged is in a sound chain, and nobody is left waiting.

    Files roll over on the way, and checkpoints are signed.
    """

    async def run(folder: Path, failing_at: int) -> bool:
        """Whether it came to that."""
        steps = count()

        def step(do: Callable[..., Any]) -> Callable[..., Any]:
            def maybe(*arguments: Any) -> Any:
                if next(steps) == failing_at:
                    raise OSError(code, os.strerror(code))
                return do(*arguments)

            return maybe

        disk = Disk(write=step(DISK.write), sync_file=step(DISK.sync_file), sync_folder=step(DISK.sync_folder))
        ledger = Ledger(folder, key=KEY, disk=disk, bounds=Bounds(file_bytes=900, checkpoint_entries=2))
        try:
            ledger.start()
        except LedgerError:
            return True
        names = [name for _ in range(4) for name in await kept(ledger, 2)]
        assert await closed(ledger)
        assert {name for name in names if name is not None} <= {entry.id for entry in entries(folder)}
        assert verify(folder).breaks == (), f"operation {failing_at}"
        return next(steps) > failing_at

    number = 0
    while asyncio.run(run(tmp_path / str(number), number)):
        number += 1
    assert number > 20


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
