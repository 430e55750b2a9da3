"""The chain that this process writes: a decision is acknowledged when it is on the disk, and never before.

Owns the thread that writes: one write and one sync for all that came while the ones before ran. A sync that failed is
never tried again, since what it was to keep may be gone (fsync forgets): nothing is acknowledged from then on. A full
disk is tried again, and how much it cost is written down. Fails closed; refuses to decide what is permitted.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import threading
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import TimeoutError as ThreadTimeout
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.core.errors import LedgerError
from tierwright.privacy.ledger.checkpoints import Checkpoints
from tierwright.privacy.ledger.files import DISK, NO_ROOM, Appended, Head, chain_name, file_name, make_folder
from tierwright.privacy.ledger.heads import heads_to_name
from tierwright.privacy.ledger.lines import GENESIS, MOST_LINE_BYTES, instant, line, members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tierwright.privacy.ledger.files import Disk
    from tierwright.privacy.ledger.keys import SigningKey

_LOG = logging.getLogger(__name__)
#: Why nothing is acknowledged for a while: the disk is full, too much waits for it, or something has waited too long;
#: and for ever: it was closed, or never opened.
FULL, BEHIND, SLOW, CLOSED = "full", "behind", "slow", "closed"
#: Seconds between two looks whether a disk that was full has room again.
_ROOM_S: Final = 1.0
#: The longest facts of an entry: what a line has besides fits into the rest.
_MOST_FACTS_BYTES: Final = MOST_LINE_BYTES // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far things may go."""

    #: Size from which on a file is followed by another one.
    file_bytes: int = 64 * 1024 * 1024
    #: Bytes of entries that may wait for the disk.
    waiting_bytes: int = 32 * 1024 * 1024
    #: Seconds that an entry may wait for the disk before whoever waits is told no.
    patience_s: float = 5.0
    #: Entries, and seconds, after which a checkpoint is signed.
    checkpoint_entries: int = 1000
    checkpoint_s: float = 60.0


class _Waiting(NamedTuple):
    said: bytes
    #: By the monotonic clock.
    since: float
    kept: asyncio.Future[str | None] | ThreadFuture[str | None]


def utc_now() -> datetime:
    """What a ledger's clock says unless it is given another."""
    return datetime.now(UTC)


class Ledger:
    """Appends to a chain of its own, in a folder shared with other processes; `append` is for one event loop."""

    def __init__(
        self,
        folder: Path,
        *,
        key: SigningKey,
        about: Mapping[str, object] | None = None,
        checkpoints: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
        disk: Disk = DISK,
        bounds: Bounds = Bounds(),
    ) -> None:
        """`about` are the facts of its first entry; `checkpoints` is the second folder that they are kept in."""
        self._folder, self._about = folder, about or {}
        self._clock, self._disk, self._bounds = clock, disk, bounds
        self.chain = chain_name(clock(), os.getpid(), secrets.token_bytes(4))
        self._checkpoints = Checkpoints(
            [folder] if checkpoints is None else [folder, checkpoints],
            chain=self.chain,
            key=key,
            every=bounds.checkpoint_entries,
            every_s=bounds.checkpoint_s,
            clock=clock,
            disk=disk,
        )
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Whether the event loop wakes the thread as soon as it has done what it can do now: those who ask for permits
        #: at the same time share a sync, and the thread does not take the interpreter away from them.
        self._waking = False
        # Of the thread that writes.
        self._file: Appended | None = None
        self._number = 1
        self._seq, self._prev = 0, GENESIS
        #: Entries that found no room since the last that did.
        self._denied = 0
        # All below are guarded by `_changed`.
        self._waiting: list[_Waiting] = []
        self._writing: list[_Waiting] = []
        self._waiting_bytes = 0
        self._closing = False
        self._full = False
        self._error: str | None = CLOSED

    @property
    def refusal(self) -> str | None:
        """Why nothing can be made durable; None: it can.

        The disk's error and "closed" hold for ever, "full", "behind" and "slow" for a while.
        """
        if self._error is not None:
            return self._error
        if self._full:
            return FULL
        if self._waiting_bytes > self._bounds.waiting_bytes:
            return BEHIND
        oldest = next(iter(self._writing or self._waiting), None)
        return SLOW if oldest is not None and monotonic() - oldest.since > self._bounds.patience_s else None

    @property
    def checkpoint_error(self) -> str | None:
        """Why the last checkpoint is not in every place it belongs to; None: it is. Costs no permit."""
        return self._checkpoints.error

    def start(self) -> None:
        """Makes the chain, with its first entry durable, and begins. Blocking.

        Raises LedgerError where the folder, or that of the checkpoints, can't be used.
        """
        try:
            make_folder(self._folder, self._disk)
            heads = heads_to_name(self._folder, self._disk.sync_file)
            self._file = self._made(1)
            said = members("start", {"chain": self.chain, **self._about, "heads": heads})
            self._checkpoints.start()
            self._write([said])
        except OSError as error:
            if self._file is not None:
                self._file.close()
            self._checkpoints.close(self._bounds.patience_s)
            raise LedgerError(
                f"the privacy ledger can't be kept in {error.filename or self._folder} ({error.strerror}); it needs a "
                "folder of its own on a disk that keeps what is written to it: see privacy.ledger and "
                "privacy.checkpoints"
            ) from error
        self._error = None
        self._thread = threading.Thread(target=self._run, name="tierwright-ledger", daemon=True)
        self._thread.start()

    def append(self, kind: str, facts: Mapping[str, object]) -> asyncio.Future[str | None]:
        """Keeps an entry; the future is "CHAIN:SEQ" once it is durable. On the event loop, and quick.

        None: it is not known to be durable, and what it decides must not happen. Raises ValueError and TypeError for
        facts that no entry can have, as `lines.members`.
        """
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[str | None] = loop.create_future()
        if not self._queued(kind, facts, kept):
            kept.set_result(None)
            return kept
        if not self._waking:
            self._waking = True
            loop.call_soon(self._wake)
        if self._timer is None:
            self._timer = loop.call_later(self._bounds.patience_s, self._lose_patience, loop)
        return kept

    def note(self, kind: str, facts: Mapping[str, object]) -> str:
        """Keeps an entry and returns "CHAIN:SEQ" when it is durable. Blocking; raises LedgerError where it is not."""
        kept: ThreadFuture[str | None] = ThreadFuture()
        entry = None
        if self._queued(kind, facts, kept):
            self._wake()
            with suppress(ThreadTimeout):
                entry = kept.result(self._bounds.patience_s)
        if entry is None:
            raise LedgerError(
                f"the privacy ledger in {self._folder} does not keep what is written to it "
                f"({self.refusal or SLOW}); nothing was done: see to its disk, then repeat"
            )
        return entry

    def close(self, within_s: float = 10.0) -> bool:
        """Writes what is left and the entry `end`, and signs it; False: a disk did not come back in time. Blocking."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is None:
            return True
        until = monotonic() + within_s
        self._thread.join(within_s)
        signed = self._checkpoints.close(max(0.0, until - monotonic()))
        return signed and not self._thread.is_alive()

    def _queued(
        self, kind: str, facts: Mapping[str, object], kept: asyncio.Future[str | None] | ThreadFuture[str | None]
    ) -> bool:
        """Whether an entry waits to be written."""
        said = members(kind, facts)
        if len(said) > _MOST_FACTS_BYTES:
            raise ValueError(f"the facts of {kind!r} take {len(said):,} bytes, more than an entry may have")
        waiting = _Waiting(said, monotonic(), kept)
        with self._changed:
            if self._error is not None or self._closing or self._waiting_bytes > self._bounds.waiting_bytes:
                return False
            self._waiting.append(waiting)
            self._waiting_bytes += len(said)
        return True

    def _wake(self) -> None:
        """Lets the thread write what waits."""
        self._waking = False
        with self._changed:
            self._changed.notify()

    def _lose_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tells those no who have waited for too long; what they wanted may become durable all the same."""
        self._timer = None
        with self._changed:
            pending = [*self._writing, *self._waiting]
        now = monotonic()
        for one in pending:
            if isinstance(one.kept, asyncio.Future) and not one.kept.done():
                left_s = one.since + self._bounds.patience_s - now
                if left_s > 0:
                    self._timer = loop.call_later(left_s, self._lose_patience, loop)
                    return
                one.kept.set_result(None)

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            entries = self._kept(group)
            with self._changed:
                self._writing = []
                self._waiting_bytes -= sum(len(one.said) for one in group)
            _tell(group, entries)
        if self._error is None:
            self._kept([_Waiting(members("end", {}), monotonic(), ThreadFuture())])
        with self._changed:
            self._error = self._error or CLOSED
        if self._file is not None:
            self._file.close()

    def _next_group(self) -> list[_Waiting] | None:
        """All that wait; waits for some, or, where the disk is full, for a while. None: closed, and nothing is left."""
        with self._changed:
            while not self._waiting and not self._closing:
                if not self._changed.wait(_ROOM_S if self._full else None):
                    return []
            group, self._waiting = self._waiting, []
            self._writing = group
            return group or None

    def _kept(self, group: Sequence[_Waiting]) -> list[str] | None:
        """Writes a group; its entries' names once they are durable. None: they may not be."""
        if self._error is not None:
            return None
        lines = [one.said for one in group]
        if self._denied:
            lines.insert(0, members("full", {"denied": self._denied}))
        try:
            first = self._write(lines)
        except OSError as error:
            if error.errno in NO_ROOM and not isinstance(error, _SyncError):
                self._say_full(len(group))
            else:
                self._fail(error)
            return None
        except Exception as error:  # noqa: BLE001 - a worker's loop: whatever happens, those who wait are told
            self._fail(error)
            return None
        if self._denied:
            self._denied, self._full = 0, False
            first += 1
        return [f"{self.chain}:{seq}" for seq in range(first, first + len(group))]

    def _write(self, lines: Sequence[bytes]) -> int:
        """Appends lines and makes them durable; returns the number of the first."""
        assert self._file is not None
        if self._file.size_bytes >= self._bounds.file_bytes:
            self._roll()
        first = self._seq + 1
        self._put(self._file, lines)
        return first

    def _put(self, file: Appended, lines: Sequence[bytes]) -> None:
        at = instant(self._clock())
        written: list[bytes] = []
        hashes = [self._prev]
        for seq, said in enumerate(lines, start=self._seq + 1):
            raw, digest = line(seq, at, said, hashes[-1])
            written.append(raw)
            hashes.append(digest)
        data, begun_bytes = b"".join(written), file.size_bytes
        try:
            file.write(data)
        finally:
            # Whole lines that found room stay, and the chain goes on from them, though nobody was told yes.
            stayed = data.count(b"\n", 0, file.size_bytes - begun_bytes)
            self._seq, self._prev = self._seq + stayed, hashes[stayed]
        try:
            file.sync()
        except OSError as error:
            raise _SyncError(error.errno, error.strerror) from error
        self._checkpoints.reached(Head(file.path.name, self._seq, self._prev))

    def _roll(self) -> None:
        """Goes on in another file; it is there before the last line of this one names it."""
        assert self._file is not None
        full, following = self._file, self._made(self._number + 1)
        try:
            self._put(full, [members("roll", {"next": following.path.name})])
        except OSError as error:
            following.close()
            # After a sync that failed the line that names it may be there.
            if not isinstance(error, _SyncError):
                following.path.unlink(missing_ok=True)
            raise
        full.close()
        self._file = following
        self._number += 1

    def _made(self, number: int) -> Appended:
        return Appended(self._folder / file_name(self.chain, number), disk=self._disk)

    def _say_full(self, denied: int) -> None:
        if not self._full:
            _LOG.error(
                "the disk of the privacy ledger %s is full: no request leaves for a third party until there is room",
                self._folder,
            )
        self._denied += denied
        with self._changed:
            self._full = True

    def _fail(self, error: Exception) -> None:
        code = error.errno if isinstance(error, OSError) else None
        name = error.__class__.__name__ if code is None else errno.errorcode.get(code, str(code))
        with self._changed:
            self._error = name
        _LOG.critical(
            "the disk of the privacy ledger %s does not keep what is written to it (%s): no request leaves for a third "
            "party until the gateway is started again; see to the disk first",
            self._folder,
            name,
        )


class _SyncError(OSError):
    """A sync that failed, whatever of: what it was to keep may be gone."""


def _tell(group: Sequence[_Waiting], entries: Sequence[str] | None) -> None:
    said = [None] * len(group) if entries is None else entries
    waiting: list[tuple[asyncio.Future[str | None], str | None]] = []
    for one, entry in zip(group, said, strict=True):
        if isinstance(one.kept, asyncio.Future):
            waiting.append((one.kept, entry))
        else:
            one.kept.set_result(entry)
    if waiting:
        # Where the loop has ended nobody waits any more.
        with suppress(RuntimeError):
            waiting[0][0].get_loop().call_soon_threadsafe(_settle, waiting)


def _settle(waiting: Sequence[tuple[asyncio.Future[str | None], str | None]]) -> None:
    for kept, entry in waiting:
        # A caller that has left has cancelled its own; one that was told no is not told otherwise.
        if not kept.done():
            kept.set_result(entry)
