"""Counters that several processes share: a file mapped into memory, one record for each key, and who is alive.

Owns the file, its lock, the records' places and the processes that use them. Refuses to know what is allowed.

The lock is flock(2): the kernel takes it from a process that dies, which no semaphore does. It is called with the
interpreter's lock held, because waiting in line for that one again costs far more than the call; only a process
that finds the lock taken lets other threads run while it waits.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import mmap
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tierwright.core.errors import ServiceError
from tierwright.gateway.tenancy import window

if TYPE_CHECKING:
    from types import TracebackType

#: Changes with the layout below.
_MAGIC = 0x7477_7175_6F74_0001
_HEADER = 8
#: Places in the header: the layout, its two sizes, the record (from 1) that is being changed, when it was swept.
_LAYOUT, _RECORDS, _PROCESSES, _DIRTY, _SWEPT = range(5)
#: Places in the entry of a process.
_PID, _STARTED = 0, 1
_PROCESS_SIZE = 2
#: Places in a record. Amounts of money are pico-dollars.
KEY_HIGH, KEY_LOW, PERIOD, SPENT, IN_FLIGHT, RESERVED = range(6)
REQUESTS = 6
TOKENS = REQUESTS + window.SIZE
#: Where the shares of each process in IN_FLIGHT and RESERVED begin.
_SHARES = TOKENS + window.SIZE
_INT_BYTES = 8
_TRY, _UNLOCK = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
_SWEEP_US = 1_000_000


class Counters:
    """The mapped file. Every method but `close` is called with the lock held: `with counters: ...`.

    Each process opens it itself, after it was forked: a forked copy would share the lock it should wait for. All
    run on one machine and see each other by the same process ids.
    """

    def __init__(self, path: Path | None, *, records: int, processes: int) -> None:
        """Opens or makes the file; None: this process' own memory. Raises ServiceError where that is not possible."""
        self._sizes = (_MAGIC, records, processes)
        self._record_size = _SHARES + 2 * processes
        self._first = _HEADER + _PROCESS_SIZE * processes
        self._place = path
        self._threads = threading.Lock()
        #: Whether `close` was called: nothing may be counted any more.
        self.closed = False
        self._fd: int | None = None
        # PyDLL keeps the interpreter's lock.
        self._flock = ctypes.PyDLL(None).flock
        self._flock.argtypes = (ctypes.c_int, ctypes.c_int)
        size_bytes = (self._first + records * self._record_size) * _INT_BYTES
        try:
            self._map = self._mapped(path, size_bytes)
        except OSError as error:
            raise ServiceError(
                f"the file of what callers used, {path}, can't be opened ({error.strerror}); make its folder writable"
            ) from error
        #: All integers of the file.
        self.view: memoryview[int] = memoryview(self._map).cast("q")
        self._found: dict[str, int] = {}
        try:
            with self:
                self._set_up()
                self.sweep()
                self.process = self._enter()
        except ServiceError:
            if self._fd is not None:
                os.close(self._fd)
            raise

    def __enter__(self) -> None:
        """Takes the lock, and mends the record that its last holder died in."""
        self._threads.acquire()
        fd = self._fd
        if fd is not None and self._flock(fd, _TRY):
            fcntl.flock(fd, fcntl.LOCK_EX)
        dirty = self.view[_DIRTY]
        if dirty:
            self._mend(dirty - 1)
            self.view[_DIRTY] = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the lock back."""
        if self._fd is not None:
            self._flock(self._fd, _UNLOCK)
        self._threads.release()

    def record_of(self, name: str) -> int:
        """Where the record of a name begins; made where there is none. Raises ServiceError where all are taken."""
        at = self._found.get(name)
        return self._find(name) if at is None else at

    def begin(self, at: int) -> None:
        """Says that a record is being changed, until `end`."""
        self.view[_DIRTY] = 1 + (at - self._first) // self._record_size

    def end(self) -> None:
        """Says that the record is whole again."""
        self.view[_DIRTY] = 0

    def hold(self, at: int, requests: int, pico_usd: int) -> None:
        """Counts requests under way and reserved money of this process, to be taken back by the negative of them."""
        share = at + _SHARES + 2 * self.process
        view = self.view
        view[share] += requests
        view[share + 1] += pico_usd
        view[at + IN_FLIGHT] += requests
        view[at + RESERVED] += pico_usd

    def sweep_if_due(self, now_us: int) -> bool:
        """`sweep`, at most once a second; whether it freed anything."""
        if 0 <= now_us - self.view[_SWEPT] < _SWEEP_US:
            return False
        self.view[_SWEPT] = now_us
        return self.sweep()

    def sweep(self) -> bool:
        """Takes back what processes held that have died; whether there was one."""
        processes = range(self._sizes[_PROCESSES])
        dead = [process for process in processes if self._is_dead(process)]
        for process in dead:
            self._leave(process)
        return bool(dead)

    def close(self) -> None:
        """Takes back what this process holds and closes the file; a second time does nothing.

        The memory stays mapped while somebody refers to it, so that who comes late reads `closed` and not a fault.
        """
        if self.closed:
            return
        with self:
            self._leave(self.process)
            self.closed = True
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _mapped(self, path: Path | None, size_bytes: int) -> mmap.mmap:
        if path is None:
            return mmap.mmap(-1, size_bytes)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if not os.fstat(fd).st_size:
                os.ftruncate(fd, size_bytes)
            self._check(os.fstat(fd).st_size == size_bytes)
            mapped = mmap.mmap(fd, size_bytes)
            fcntl.flock(fd, fcntl.LOCK_UN)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return mapped

    def _set_up(self) -> None:
        header = tuple(self.view[_LAYOUT : _PROCESSES + 1])
        if header == (0, 0, 0):
            for place, value in enumerate(self._sizes):
                self.view[place] = value
        else:
            self._check(header == self._sizes)

    def _check(self, fits: bool) -> None:  # noqa: FBT001 - the one thing it is told
        if not fits:
            raise ServiceError(
                f"the file of what callers used, {self._place}, was made by another version or with other sizes; "
                "stop every gateway that uses it and delete it"
            )

    def _enter(self) -> int:
        for process in range(self._sizes[_PROCESSES]):
            entry = _HEADER + _PROCESS_SIZE * process
            if not self.view[entry + _PID]:
                self.view[entry + _STARTED] = _started(os.getpid()) or 0
                self.view[entry + _PID] = os.getpid()
                return process
        raise ServiceError(
            f"{self._sizes[_PROCESSES]} processes share {self._place} already; start fewer workers of the gateway"
        )

    def _is_dead(self, process: int) -> bool:
        entry = _HEADER + _PROCESS_SIZE * process
        pid = self.view[entry + _PID]
        # A number that was given to a newer process belongs to a dead one too.
        return bool(pid) and _started(pid) != self.view[entry + _STARTED]

    def _leave(self, process: int) -> None:
        view = self.view
        changing = view[_DIRTY]
        for at in range(self._first, len(view), self._record_size):
            share = at + _SHARES + 2 * process
            if view[share] or view[share + 1]:
                self.begin(at)
                view[share] = view[share + 1] = 0
                self._mend((at - self._first) // self._record_size)
        view[_DIRTY] = changing
        view[_HEADER + _PROCESS_SIZE * process + _PID] = 0

    def _mend(self, record: int) -> None:
        """Makes the sums of a record those of its parts again."""
        at = self._first + record * self._record_size
        view, shares, end = self.view, at + _SHARES, at + self._record_size
        view[at + IN_FLIGHT] = sum(view[shares:end:2])
        view[at + RESERVED] = sum(view[shares + 1 : end : 2])
        window.recount(view, at + REQUESTS)
        window.recount(view, at + TOKENS)

    def _find(self, name: str) -> int:
        """By open addressing; records are never freed, so that a search may end at the first that is."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        high = int.from_bytes(digest[:8], "big", signed=True) or 1
        low = int.from_bytes(digest[8:16], "big", signed=True)
        records = self._sizes[_RECORDS]
        for step in range(records):
            at = self._first + (low + step) % records * self._record_size
            if not self.view[at + KEY_HIGH]:
                self.view[at + KEY_LOW] = low
                self.view[at + KEY_HIGH] = high
            if self.view[at + KEY_HIGH] == high and self.view[at + KEY_LOW] == low:
                self._found[name] = at
                return at
        raise ServiceError(
            f"{self._place} has room for {records} keys, and all of it is taken; "
            "stop every gateway that uses it and delete it"
        )


def _started(pid: int) -> int | None:
    """When a process began, in the system's own unit, 0 where it doesn't say; None: it has ended."""
    try:
        # proc(5): the name, which may hold anything, stands in parentheses; state is field 3, starttime field 22.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _answers(pid)
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


def _answers(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0
