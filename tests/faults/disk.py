"""Disks that fail and disks that forget: real files, and beside them a copy of what a power cut would leave."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tierwright.gateway.journal import DISK, Disk

if TYPE_CHECKING:
    from random import Random

#: What a disk writes as a whole or not at all.
_SECTOR_BYTES = 512
_ENTRIES = "entries"


class Breakable:
    """A disk that can be held, filled and broken."""

    def __init__(self) -> None:
        #: Whether every sync fails from now on.
        self.broken = False
        #: Whether it has no room for another file.
        self.full = False
        #: Cleared: a sync does not return before it is set again.
        self.free = threading.Event()
        self.free.set()
        #: Set when a sync of a file has begun.
        self.asked = threading.Event()
        #: Syncs of files that were asked for.
        self.syncs = 0

    @property
    def disk(self) -> Disk:
        """As a gateway is given it."""
        return Disk(reserve=self._reserve, sync_file=self._file, sync_folder=self._folder)

    def _reserve(self, descriptor: int, size: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        DISK.reserve(descriptor, size)

    def _file(self, descriptor: int) -> None:
        self.syncs += 1
        self.asked.set()
        self.free.wait(30)
        self._check()
        DISK.sync_file(descriptor)

    def _folder(self, descriptor: int) -> None:
        self._check()
        DISK.sync_folder(descriptor)

    def _check(self) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


class Remembering:
    """A disk that keeps copies of what is durable: a file's bytes and a folder's names when their sync began."""

    def __init__(self, root: Path, copies: Path) -> None:
        """Of everything below `root`; what is in it when it is first looked at is durable."""
        self._root = root.resolve()
        self._copies = copies
        if not (copies / _ENTRIES).exists():
            _put(copies / _ENTRIES, "\n".join(path.name for path in root.iterdir()).encode())

    @property
    def disk(self) -> Disk:
        """As a gateway is given it."""
        return Disk(sync_file=self._file, sync_folder=self._folder)

    def cut_power(self, folder: Path, rng: Random, *, lost: float) -> None:
        """Leaves of the folders in a folder what a power cut could: what is durable, and of all else what chance keeps.

        `lost`: the probability that something which is not durable is gone.
        """
        for outer in (folder, *folder.parents):
            if outer == self._root:
                break
            if outer.name not in self._names(outer.parent) and rng.random() < lost:
                shutil.rmtree(outer)
        if not folder.exists():
            return
        for inner in sorted(folder.iterdir()):
            if inner.name not in self._names(folder) and rng.random() < lost:
                shutil.rmtree(inner)
                continue
            for path in sorted(inner.iterdir()):
                if path.name not in self._names(inner) and rng.random() < lost:
                    path.unlink()
                else:
                    self._forget(path, rng, lost)

    def _file(self, descriptor: int) -> None:
        path = self._copy_of(descriptor)
        # The zeros that nobody has written over are the file's content anyway.
        _put(path, os.pread(descriptor, os.fstat(descriptor).st_size, 0).rstrip(b"\0"))
        DISK.sync_file(descriptor)

    def _folder(self, descriptor: int) -> None:
        _put(self._copy_of(descriptor) / _ENTRIES, "\n".join(os.listdir(descriptor)).encode())
        DISK.sync_folder(descriptor)

    def _copy_of(self, descriptor: int) -> Path:
        return self._copies / Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(self._root)

    def _names(self, folder: Path) -> list[str]:
        path = self._copies / folder.resolve().relative_to(self._root) / _ENTRIES
        return path.read_text("utf-8").split("\n") if path.exists() else []

    def _forget(self, path: Path, rng: Random, lost: float) -> None:
        copy = self._copies / path.resolve().relative_to(self._root)
        data = bytearray(path.read_bytes())
        durable = (copy.read_bytes() if copy.exists() else b"").ljust(len(data), b"\0")
        for at in range(0, len(data), _SECTOR_BYTES):
            sector = slice(at, at + _SECTOR_BYTES)
            if data[sector] != durable[sector] and rng.random() < lost:
                data[sector] = durable[sector]
        path.write_bytes(data)


def _put(path: Path, data: bytes) -> None:
    """Writes a file as a whole, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(data)
    fresh.replace(path)
