"""Records that are durable before anything is acknowledged: one sync for all that came while the one before ran.

Owns the thread that syncs a journal, and what a failed sync means: it is never tried again, nothing is acknowledged any
more, and requests are to be refused before they cost anything. Fails closed. Refuses to know what an answer is.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.gateway.drafts import Draft
    from tierwright.gateway.journal import Journal, Place

_LOG = logging.getLogger(__name__)
#: Why nothing is acknowledged for a while: the journal has no room until the store takes what waits, or the disk is
#: given some; or more waits for the disk than may.
_FULL, _BEHIND = "full", "behind"
#: Seconds between two looks whether a disk that was full has room again.
_ROOM_S = 1.0


class _Waiting(NamedTuple):
    draft: Draft
    size_bytes: int
    place: Place
    kept: asyncio.Future[bool]


class GroupCommit:
    """Makes drafts durable, in groups, in its own thread."""

    def __init__(self, journal: Journal, *, limit_bytes: int, take: Callable[[Draft, Place | None], object]) -> None:
        """Nothing more is to be asked for while more than `limit_bytes` of content wait for a disk that is slow.

        `take` is given every draft once it is known whether it is durable; those that are not say so themselves.

        It is called in the thread that syncs, and on the event loop for drafts that there is no waiting for.
        """
        self._journal = journal
        self._take = take
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        #: Whether the event loop wakes the thread as soon as it has done what it can do now: answers of the same moment
        #: share a sync, and the thread does not take the interpreter away from them.
        self._waking = False
        # All below are guarded by `_changed`.
        self._waiting: list[_Waiting] = []
        #: Content of all that is not known to be durable yet.
        self._waiting_bytes = 0
        self._closing = False
        self._error: str | None = None

    @property
    def refusal(self) -> str | None:
        """Why nothing can be acknowledged: an error's name for ever, "full" or "behind" for a while; None: it can."""
        if self._error is not None or self._journal.error is not None:
            return self._error or self._journal.error
        if self._journal.full:
            return _FULL
        return _BEHIND if self._waiting_bytes > self._limit_bytes else None

    def start(self) -> None:
        """Begins to sync; the journal has been opened, or has an error."""
        self._thread = threading.Thread(target=self._run, name="tierwright-sync", daemon=True)
        self._thread.start()

    def commit(self, draft: Draft) -> asyncio.Future[bool]:
        """Keeps a draft; the future says whether it is durable. On the event loop, and quick: others wait for the disk.

        Cancelling the future changes nothing else.
        """
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[bool] = loop.create_future()
        if self._error is not None:
            draft = draft.unkept()
        size_bytes, place = draft.size_bytes, self._journal.append(*draft.record())
        with self._changed:
            if place is not None and self._error is None and not self._closing:
                self._waiting.append(_Waiting(draft, size_bytes, place, kept))
                self._waiting_bytes += size_bytes
                if not self._waking:
                    self._waking = True
                    loop.call_soon(self._wake)
                return kept
            # Where there was no room for it the thread looks for some from now on.
            self._changed.notify()
        self._take(draft.unkept(), place)
        kept.set_result(False)
        return kept

    def _wake(self) -> None:
        """Lets the thread sync what waits."""
        self._waking = False
        with self._changed:
            self._changed.notify()

    def close(self, within_s: float) -> bool:
        """Syncs what is left and ends the thread; False: the disk did not come back in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(within_s)
            return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            kept = self._synced()
            for one in group:
                self._take(one.draft if kept else one.draft.unkept(), one.place)
            with self._changed:
                self._waiting_bytes -= sum(one.size_bytes for one in group)
            # Where the loop has ended nobody waits any more.
            with suppress(RuntimeError):
                group[0].kept.get_loop().call_soon_threadsafe(_tell, [one.kept for one in group], kept)

    def _next_group(self) -> list[_Waiting] | None:
        """All that wait; waits for some. None: closed, and nothing is left."""
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(_ROOM_S if self._journal.full else None)
                if self._waiting or self._closing:
                    group, self._waiting = self._waiting, []
                    return group or None
            if self._journal.full:
                self._journal.make_room()

    def _synced(self) -> bool:
        if self._error is not None:
            return False
        try:
            self._journal.sync()
        except Exception as error:  # noqa: BLE001 - a worker's loop: whatever the disk does, those who wait are told
            code = error.errno if isinstance(error, OSError) else None
            name = error.__class__.__name__ if code is None else errno.errorcode.get(code, str(code))
            with self._changed:
                self._error = name
            _LOG.critical(
                "the disk of capture.spool does not keep what is written to it (%s): nothing is acknowledged and every "
                "request is refused until the gateway is started again; see to the disk first",
                name,
            )
            return False
        return True


def _tell(futures: Sequence[asyncio.Future[bool]], kept: bool) -> None:  # noqa: FBT001 - called by the event loop
    for future in futures:
        # A caller that has left has cancelled its own.
        if not future.done():
            future.set_result(kept)
