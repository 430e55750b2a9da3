"""What was recorded and is not in the store yet, in files that survive this process.

Owns the spool folder: one folder for each process in it, held by a lock as long as the process lives, with segments of
fixed size that are mapped into memory. Appending is a copy into such a mapping, without a system call: the kernel has
the pages whatever kills the process. A power cut is covered by `sync` alone. Refuses to know what a record says.

A record is its length and its CRC-32 (both little-endian, 32 bits) and its bytes; a length of zero ends a segment.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import shutil
import threading
import zlib
from dataclasses import dataclass
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tierwright.privacy.sealing import Envelope

_LOG = logging.getLogger(__name__)
_HEAD = Struct("<II")
_LOCK, _SUFFIX = "lock", ".segment"
#: What the name of a folder begins with that is being made.
_UNNAMED = "."
_MIB = 1024 * 1024


class Place(NamedTuple):
    """Where a record stands."""

    segment: int
    start: int
    length: int


def _reserve(descriptor: int, size: int) -> None:
    os.posix_fallocate(descriptor, 0, size)


class Disk(NamedTuple):
    """What is asked of the disk; each takes an open descriptor first, and raises OSError where the disk fails."""

    #: Gives a file so many bytes, so that writing them can't fail for want of room.
    reserve: Callable[[int, int], None] = _reserve
    #: Makes a file's content durable, and of what is known about it as much as reading it needs.
    sync_file: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
    #: Makes the entries of a folder durable.
    sync_folder: Callable[[int], None] = os.fsync


#: The machine's own.
DISK = Disk()


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    memory: mmap.mmap
    size: int
    #: Open for as long as the segment is there; None: it is never synced.
    file: int | None
    used: int = 0
    #: Records that are not settled.
    open: int = 0
    #: Bytes that were durable at the last sync.
    synced: int = 0
    #: Whether its entry in the folder is durable.
    listed: bool = False


class Journal:
    """The records of one process. Thread-safe; fails open: where it can't be used `append` says so."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        segment_bytes: int = 8 * _MIB,
        limit_bytes: int = 1024 * _MIB,
        disk: Disk = DISK,
        durable: bool = False,
        envelope: Envelope | None = None,
    ) -> None:
        """`name` is this process's own; beyond `limit_bytes` nothing is appended until something is settled.

        `durable`: whether `sync` will be called. `envelope` seals records; None: they lie there as they are.
        """
        self._envelope = envelope
        self._folder = folder / name
        self._disk = disk
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._most_segments = max(2, limit_bytes // segment_bytes)
        self._guard = threading.Lock()
        self._segments: dict[int, _Segment] = {}
        #: The segment that is appended to.
        self._number = 0
        #: The numbers of segments: each is made once, whichever thread makes it.
        self._numbers = count()
        self._spare: _Segment | None = None
        self._lock: int | None = None
        #: Class of the error that keeps it from being used; None: none.
        self.error: str | None = None
        #: Whether the last record found no room, and none was made since.
        self.full = False
        #: Whether the log has it that the disk is full.
        self._said_full = False

    def open(self) -> None:
        """Takes its folder and makes the first segments; their names are durable if anything is to be."""
        try:
            # Locked before it has its name: another process that recovers must not take it for one left behind.
            unnamed = self._folder.with_name(f"{_UNNAMED}{self._folder.name}")
            missing = [folder for folder in unnamed.parents if not folder.exists()]
            unnamed.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(unnamed / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(self._folder)
            self._segments[0] = self._made()
            self._spare = self._made()
            if self._durable:
                for folder in (self._folder, self._folder.parent, *(folder.parent for folder in missing)):
                    self._sync_folder(folder)
                self._segments[0].listed = self._spare.listed = True
        except OSError as error:
            self._fail(error)

    def append(self, *parts: bytes) -> Place | None:
        """Keeps a record, given in parts; None: it can't. Takes microseconds, but for one that outgrows a segment."""
        if self._envelope is not None:
            parts = (self._envelope.sealed(parts),)
        length = sum(map(len, parts))
        size = _HEAD.size + length
        with self._guard:
            segment = self._segments.get(self._number)
            if segment is None or self.error is not None:
                return None
            if segment.used + size + _HEAD.size > segment.size:
                segment = self._turned(size)
                if segment is None:
                    return None
            start = end = segment.used + _HEAD.size
            checksum = 0
            for part in parts:
                segment.memory[end : end + len(part)] = part
                end += len(part)
                checksum = zlib.crc32(part, checksum)
            # The head makes it a record, so it comes last.
            _HEAD.pack_into(segment.memory, segment.used, length, checksum)
            segment.used += size
            segment.open += 1
            return Place(self._number, start, length)

    def read(self, place: Place) -> bytes:
        """The record at a place that is not settled."""
        with self._guard:
            record = self._segments[place.segment].memory[place.start : place.start + place.length]
        return record if self._envelope is None else self._envelope.opened(record)

    def sync(self) -> None:
        """Makes durable all that was appended before, however it got in; not for the event loop.

        Raises OSError where the disk fails. Then it must not be called again: nobody knows what the disk holds, and the
        kernel may have dropped what it could not write and say nothing of it the second time (Rebello et al., "Can
        Applications Recover from fsync Failures?", USENIX ATC 2020).
        """
        with self._guard:
            due = [(segment, segment.used) for segment in self._segments.values() if segment.used > segment.synced]
        # A segment that is not synced holds records that nobody has settled, so none of these goes away meanwhile.
        for segment, used in due:
            assert segment.file is not None
            # What is written to a mapping belongs to the file at once. msync would do the same, but `mmap.flush` keeps
            # the interpreter while it waits.
            self._disk.sync_file(segment.file)
            segment.synced = used
        if not all(segment.listed for segment, _ in due):
            self._sync_folder(self._folder)
            for segment, _ in due:
                segment.listed = True

    def settle(self, places: Iterable[Place]) -> None:
        """Says that records are stored; segments with nothing else in them are removed. Not for the event loop."""
        done: list[_Segment] = []
        with self._guard:
            for place in places:
                segment = self._segments[place.segment]
                segment.open -= 1
                if segment.open == 0 and place.segment != self._number:
                    done.append(self._segments.pop(place.segment))
            if done:
                self.full = False
        for segment in done:
            _remove(segment)
        self.make_room()

    def make_room(self) -> None:
        """Sees to it that there is a segment to go on with, if the disk has room for one. Not for the event loop."""
        with self._guard:
            if self._spare is not None or self.error is not None or not self._segments:
                return
        try:
            made = self._made()
        except OSError as error:
            # Nothing is lost yet: the segment in use still has room, or the last record was not taken.
            if not self._said_full:
                _LOG.warning("the capture's journal can't grow (%s); free disk space", error.strerror)
            self._said_full = True
            return
        self._said_full = False
        with self._guard:
            if self._spare is None and self._segments:
                self._spare = made
                self.full = self.full and len(self._segments) >= self._most_segments
                return
        _remove(made)

    def close(self) -> None:
        """Gives up the folder; what is not settled stays in it for the next process."""
        with self._guard:
            left = any(segment.open for segment in self._segments.values())
            for segment in [*self._segments.values(), *([self._spare] if self._spare else ())]:
                _close(segment)
            self._segments.clear()
            self._spare = None
        if self._lock is not None:
            if not left:
                shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def _turned(self, size: int) -> _Segment | None:
        """The next segment, with room for a record; called with the guard held."""
        if len(self._segments) >= self._most_segments:
            self.full = True
            return None
        spare, self._spare = self._spare, None
        try:
            if spare is None or spare.size < size + _HEAD.size:
                if spare is not None:
                    _remove(spare)
                spare = self._made(at_least=size + _HEAD.size)
        except OSError as error:
            if self._durable and error.errno == errno.ENOSPC:
                # Who must not go on without it asks for room until there is some.
                self.full = True
            else:
                self._fail(error)
            return None
        full = self._segments[self._number]
        if full.open == 0:
            del self._segments[self._number]
            _remove(full)
        self._number = spare.number
        self._segments[spare.number] = spare
        return spare

    def _made(self, *, at_least: int = 0) -> _Segment:
        """A segment whose disk space is there: writing to it can't fail later."""
        size = max(self._segment_bytes, at_least)
        number = next(self._numbers)
        path = self._folder / f"{number:08d}{_SUFFIX}"
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        kept = self._durable
        try:
            self._disk.reserve(file, size)
            return _Segment(number, path, mmap.mmap(file, size), size, file if kept else None)
        except OSError:
            path.unlink(missing_ok=True)
            kept = False
            raise
        finally:
            if not kept:
                os.close(file)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._disk.sync_folder(descriptor)
        finally:
            os.close(descriptor)

    def _fail(self, error: OSError) -> None:
        if self.error is None:
            _LOG.error(
                "the capture's journal %s can't be used (%s): %s until the gateway is started again",
                self._folder,
                error.strerror or error.__class__.__name__,
                "every request is refused" if self._durable else "what waits for the store is kept in memory only",
            )
        self.error = error.__class__.__name__


def recover(folder: Path, store: Callable[[Iterator[bytes]], None], *, envelope: Envelope | None = None) -> int:
    """Hands over the records that processes left which are no more, and removes them when they are stored.

    `store` takes the records of one process; where it raises they stay. Records that are damaged are passed over, and
    what follows them in their segment too. `envelope`: what opens those that are sealed; where it can't CannotOpen is
    raised and they stay. Returns how many processes had left something.
    """
    found = 0
    for left in sorted(folder.iterdir()) if folder.is_dir() else ():
        if left.name.startswith(_UNNAMED):
            continue
        try:
            lock = os.open(left / _LOCK, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            records = (record for path in sorted(left.glob(f"*{_SUFFIX}")) for record in _records(path))
            store(records if envelope is None else map(envelope.opened, records))
            shutil.rmtree(left, ignore_errors=True)
            found += 1
        except BlockingIOError:
            # Its process is alive.
            continue
        finally:
            os.close(lock)
    return found


def _records(path: Path) -> Iterator[bytes]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        record = data[at + _HEAD.size : at + _HEAD.size + length]
        if length == 0 or len(record) < length or zlib.crc32(record) != checksum:
            return
        yield record
        at += _HEAD.size + length


def _close(segment: _Segment) -> None:
    segment.memory.close()
    if segment.file is not None:
        os.close(segment.file)


def _remove(segment: _Segment) -> None:
    _close(segment)
    segment.path.unlink(missing_ok=True)
