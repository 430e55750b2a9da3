"""Ledgers to look at: a folder with every kind of chain in it, and disks that fail."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import threading
from typing import TYPE_CHECKING, ParamSpec

from tierwright.privacy.ledger.files import DISK, Disk
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Bounds, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

P = ParamSpec("P")
KEY = SigningKey.parse("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
#: Of a permit, as a gate writes it.
FACTS = {"request_id": "r", "backend": "frontier", "class": "internal", "findings": {"email": 2}, "unread": []}


def on_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """A test that runs on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Failing:
    """A real disk that can be filled, broken and held."""

    def __init__(self) -> None:
        #: What every write, and every sync of a file, fails with; None: it does not.
        self.write_error: int | None = None
        self.sync_error: int | None = None
        #: Bytes that a write takes at once.
        self.most_bytes = 1 << 30
        #: Cleared: a sync of a file does not return before it is set again.
        self.free = threading.Event()
        self.free.set()
        #: Set when a sync of a file has begun.
        self.asked = threading.Event()
        self.syncs = 0

    @property
    def disk(self) -> Disk:
        """As a ledger is given it."""
        return Disk(write=self._write, sync_file=self._sync)

    def _write(self, file: int, data: bytes) -> int:
        if self.write_error is not None:
            # What fits is written before there is no more room.
            DISK.write(file, data[: len(data) // 2])
            raise OSError(self.write_error, os.strerror(self.write_error))
        return DISK.write(file, data[: self.most_bytes])

    def _sync(self, file: int) -> None:
        self.syncs += 1
        self.asked.set()
        self.free.wait(30)
        if self.sync_error is not None:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        DISK.sync_file(file)


async def kept(ledger: Ledger, count: int) -> list[str | None]:
    """Appends so many permits, all at once."""
    return await asyncio.gather(*(ledger.append("permit", {**FACTS, "request_id": f"r{i}"}) for i in range(count)))


def written(folder: Path, second: Path) -> None:
    """Three chains: one of several files that was ended, one of a killed process, and one begun after them."""
    place, other = folder.with_name("live"), second.with_name("live-second")

    async def write() -> None:
        bounds = Bounds(file_bytes=2000, checkpoint_entries=4)
        first = Ledger(place, key=KEY, checkpoints=other, bounds=bounds)
        first.start()
        for _ in range(8):
            await kept(first, 3)
        first.close()
        killed = Ledger(place, key=KEY, checkpoints=other, bounds=Bounds(checkpoint_entries=5))
        killed.start()
        for _ in range(5):
            await kept(killed, 4)
        last = Ledger(place, key=KEY, checkpoints=other)
        last.start()
        await kept(last, 10)
        last.close()
        # In a copy no process holds it.
        shutil.copytree(place, folder)
        shutil.copytree(other, second)
        killed.close()

    asyncio.run(write())
