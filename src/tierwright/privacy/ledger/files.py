"""The files of a ledger's folder: their names, what is asked of the disk, and appending to one of them.

Owns names, modes and locks; refuses to know what a line says.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.privacy.ledger.lines import MOST_LINE_BYTES, Line, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

SUFFIX: Final = ".jsonl"
_NAME = re.compile(r"([0-9]{8}T[0-9]{12}Z-[0-9]+-[0-9a-f]{8})(?:-([0-9]{1,6}))?\.jsonl")
#: How much is read at once to find a file's last line.
_BLOCK_BYTES: Final = 64 * 1024


class Disk(NamedTuple):
    """What is asked of the disk; each takes an open descriptor first, and raises OSError where the disk fails."""

    #: Writes bytes, maybe not all of them; returns how many.
    write: Callable[[int, bytes], int] = os.write
    #: Makes a file's content durable, and of what is known about it as much as reading it needs.
    sync_file: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
    #: Makes the entries of a folder durable.
    sync_folder: Callable[[int], None] = os.fsync


#: The machine's own.
DISK: Final = Disk()


class Part(NamedTuple):
    """One file of a chain."""

    chain: str
    #: From 1.
    number: int
    path: Path


class Head(NamedTuple):
    """Where a chain has got to."""

    #: The file's name.
    file: str
    seq: int
    hash: bytes


def chain_name(at: datetime, pid: int, entropy: bytes) -> str:
    """A new chain's name; `at` is in UTC, and 4 bytes of entropy tell processes with the same id apart."""
    return f"{at:%Y%m%dT%H%M%S%fZ}-{pid}-{entropy[:4].hex()}"


def file_name(chain: str, number: int) -> str:
    """The name of a chain's file of a number, from 1."""
    return f"{chain}{SUFFIX}" if number == 1 else f"{chain}-{number}{SUFFIX}"


def chain_of(file: str) -> str:
    """The chain that a file belongs to, by its name: one of its own, or one of checkpoints."""
    name = _NAME.fullmatch(file)
    return name[1] if name is not None else file.partition(".")[0]


def parts(folder: Path) -> list[Part]:
    """The files of all chains in a folder, by chain and number; none where there is no such folder."""
    if not folder.is_dir():
        return []
    named = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir())
    return sorted(Part(name[1], int(name[2] or 1), path) for path, name in named if name is not None)


def last_line(path: Path) -> Line | None:
    """The last line of a file that has the form of one and its newline; None: there is none."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        tail = b""
        while end > 0 and len(tail) <= 2 * MOST_LINE_BYTES:
            start = max(0, end - _BLOCK_BYTES)
            file.seek(start)
            tail = file.read(end - start) + tail
            end = start
            stop = tail.rfind(b"\n")
            begin = tail.rfind(b"\n", 0, max(stop, 0))
            if stop >= 0 and (begin >= 0 or end == 0):
                return taken_apart(tail[begin + 1 : stop + 1])
    return None


def in_use(path: Path) -> bool:
    """Whether the process that writes a file is alive."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def make_folder(folder: Path, disk: Disk) -> None:
    """Makes a folder for its owner alone, and its name durable; raises OSError where it can't."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent, disk)


def sync_folder(folder: Path, disk: Disk) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.sync_folder(descriptor)
    finally:
        os.close(descriptor)


class Appended:
    """A file that this process appends to, locked as long as it is open. For one thread."""

    def __init__(self, path: Path, *, disk: Disk, new: bool = True) -> None:
        """Makes the file, for its owner alone, and its name durable. Raises OSError; `new`: also where it is there."""
        self.path = path
        self._disk = disk
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_EXCL if new else 0)
        self._file = os.open(path, flags, 0o600)
        try:
            # Its name is this process's own: the lock is waited for only while somebody asks whether it is held.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.size_bytes = os.fstat(self._file).st_size
            sync_folder(path.parent, disk)
        except BaseException:
            os.close(self._file)
            raise

    def write(self, data: bytes) -> None:
        """Appends all of it, or raises OSError and leaves the file as it was."""
        done = 0
        try:
            while done < len(data):
                done += self._disk.write(self._file, data[done:] if done else data)
        except OSError:
            os.ftruncate(self._file, self.size_bytes)
            raise
        self.size_bytes += done

    def sync(self) -> None:
        """Makes durable what was written; after an OSError nothing about the file is certain."""
        self._disk.sync_file(self._file)

    def close(self) -> None:
        """Gives the lock back."""
        with suppress(OSError):
            os.close(self._file)
