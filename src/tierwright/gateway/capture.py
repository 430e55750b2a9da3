"""What was asked and answered, on its way to the store: a journal, a bounded queue, one writer thread, group commit.

Fails open: nothing here blocks or costs a user an answer. What is put is in the journal first, so that it survives this
process. A store that fails is tried again while what it did not take waits: in memory with its content, beyond the
bound of bytes without it, beyond the bound of the queue in the journal alone. Content that is dropped is counted; a
line of the ledger is lost only where the journal can't be used either, and that is counted, too.

With `acknowledge = "commit"` the opposite holds of one thing: nothing is acknowledged that would not survive a power
cut, at the price of answers where the disk fails (`commit`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.errors import StoreError, TierwrightError
from tierwright.gateway.commit import GroupCommit
from tierwright.gateway.config import Acknowledge
from tierwright.gateway.journal import DISK, Journal, recover
from tierwright.privacy.sealing import CannotOpen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore
    from tierwright.gateway.config import CaptureConfig
    from tierwright.gateway.drafts import Draft
    from tierwright.gateway.journal import Disk, Place
    from tierwright.privacy.sealing import Envelope

_LOG = logging.getLogger(__name__)
_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 2.0
#: Failures of a group after which its members are tried one by one.
_GROUP_ATTEMPTS = 3
#: Failures of one inference, while others are taken, after which it is given up.
_LONE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureState:
    """How the capture is doing."""

    #: Inferences stored since the start.
    captured: int
    #: Inferences not stored yet, those in the journal alone included.
    waiting: int
    #: Inferences that wait in the journal alone.
    spilled: int
    #: Inferences stored, or to be stored, without their content for want of room.
    content_dropped: int
    #: Inferences lost: no room to wait, refused by the store alone among others, or left at the end without a journal.
    dropped: int
    #: Class of the error of the last attempt to store; None: it succeeded.
    store_error: str | None
    #: Class of the error that keeps the journal from being used; None: none, or there is none.
    journal_error: str | None
    #: Why nothing can be acknowledged, so that requests are refused; None: it can, or need not be durable.
    refusal: str | None


class _Item(NamedTuple):
    draft: Draft
    size_bytes: int
    place: Place | None
    at: float


class _Waiting(NamedTuple):
    inference: Inference
    size_bytes: int
    place: Place | None
    traceparent: str | None

    @property
    def settled(self) -> tuple[int, Place | None]:
        """What is given back when it is stored or given up."""
        return self.size_bytes, self.place


class Capture:
    """Takes drafts of inferences on the event loop and stores them in its own thread.

    A draft becomes an inference in the writer's thread, so that joining a stream's chunks costs no request any time.
    """

    def __init__(
        self,
        store: InferenceStore,
        config: CaptureConfig,
        *,
        restored: Callable[[bytes], Draft],
        seen: Callable[[Inference, str | None], None] | None = None,
        disk: Disk = DISK,
        envelope: Envelope | None = None,
    ) -> None:
        """`restored` reads what a journal holds, which `envelope` seals and opens; None: it is not sealed.

        `seen` is told each inference that was stored and the trace context it came with, in the writer's thread.
        Each process needs a journal of its own: its name is made of the time and the process.
        """
        self._store = store
        self._config = config
        self._restored = restored
        self._seen = seen
        durable = config.acknowledge is Acknowledge.COMMIT
        name = f"{os.getpid()}-{time.time_ns()}"
        self._envelope = envelope
        self._journal = (
            None
            if config.spool is None
            else Journal(config.spool, name=name, disk=disk, durable=durable, envelope=envelope)
        )
        self._commit = (
            GroupCommit(self._journal, limit_bytes=config.queue_limit_bytes, take=self._queued)
            if durable and self._journal is not None
            else None
        )
        #: Those that wait in the journal alone, the oldest first.
        self._spilled: deque[Place] = deque()
        self._content_dropped = 0
        self._queue: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None
        # All below are guarded by `_changed`.
        self._closing = False
        self._hurry = False
        self._deadline: float | None = None
        self._waiting_count = 0
        self._waiting_bytes = 0
        self._taken_count = 0
        self._settled_count = 0
        self._captured = 0
        self._dropped = 0
        self._store_error: str | None = None

    def start(self) -> None:
        """Starts the writer, which first stores what processes before this one have left."""
        if self._journal is not None:
            self._journal.open()
        if self._commit is not None:
            self._commit.start()
        self._writer = threading.Thread(target=self._run, name="tierwright-capture", daemon=True)
        self._writer.start()

    def put(self, draft: Draft) -> bool:
        """Takes a draft, which is in the journal on return if there is one; False: it is lost, which is counted."""
        return self._queued(draft, None if self._journal is None else self._journal.append(*draft.record()))

    def commit(self, draft: Draft) -> asyncio.Future[bool] | None:
        """As `put`, and what to wait for before it is acknowledged: whether it is durable. None: nothing."""
        if self._commit is not None:
            return self._commit.commit(draft)
        self.put(draft)
        return None

    @property
    def refusal(self) -> str | None:
        """Why requests are to be refused before they cost anything; None: they are not."""
        return None if self._commit is None else self._commit.refusal

    def _queued(self, draft: Draft, place: Place | None) -> bool:
        config = self._config
        size_bytes = draft.size_bytes
        with self._changed:
            full = self._waiting_count - len(self._spilled) >= config.queue_limit
            if self._closing or full or self._spilled:
                if place is None:
                    self._dropped += 1
                    return False
                self._spilled.append(place)
            else:
                if self._waiting_bytes + size_bytes > config.queue_limit_bytes:
                    draft, size_bytes = draft.without_content(), 0
                    self._content_dropped += 1
                self._queue.append(_Item(draft, size_bytes, place, time.monotonic()))
                self._waiting_bytes += size_bytes
            self._waiting_count += 1
            self._taken_count += 1
            if len(self._queue) in (1, config.batch_limit):
                self._changed.notify_all()
            return True

    def state(self) -> CaptureState:
        """The counters of this moment."""
        with self._changed:
            return CaptureState(
                captured=self._captured,
                waiting=self._waiting_count,
                spilled=len(self._spilled),
                content_dropped=self._content_dropped,
                dropped=self._dropped,
                store_error=self._store_error,
                journal_error=None if self._journal is None else self._journal.error,
                refusal=self.refusal,
            )

    async def flush(self, timeout_s: float) -> bool:
        """Waits until all that was put before is stored or counted as dropped; False: it took too long."""
        return await asyncio.to_thread(self._flush, timeout_s)

    async def aclose(self) -> None:
        """Stores what is left, within `close_timeout_s`, counts the rest as dropped and ends the writer."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """As `aclose`, from a thread; the second time it does nothing."""
        # Before the writer ends: it is given what was waiting for the disk.
        synced = self._commit is None or self._commit.close(self._config.close_timeout_s)
        if not synced:
            _LOG.error("the disk of the capture's journal did not come back in time; what waits for it may be lost")
        with self._changed:
            self._closing = True
            if self._deadline is None:
                self._deadline = time.monotonic() + self._config.close_timeout_s
            self._changed.notify_all()
        if self._writer is not None:
            # The store's own timeout may lie beyond the deadline; the thread is a daemon and ends with the process.
            self._writer.join(self._config.close_timeout_s * 2)
            if self._writer.is_alive():
                _LOG.error("the store did not come back in time; %d inferences may be lost", self.state().waiting)
                return
        if self._journal is not None and synced:
            self._journal.close()

    def _flush(self, timeout_s: float) -> bool:
        with self._changed:
            goal = self._taken_count
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled_count >= goal, timeout_s)

    def _run(self) -> None:
        self._recover()
        while True:
            group = self._next_group()
            if group is None:
                return
            self._store_all(group)

    def _recover(self) -> None:
        """Stores what processes that are no more have left in their journals."""
        if self._config.spool is None:
            return
        try:
            left = recover(self._config.spool, self._store_records, envelope=self._envelope)
        except CannotOpen:
            _LOG.error(
                "what was left of an earlier run is sealed by another content key, and is not stored: start the "
                "gateway with the register and the privacy.content_key that it was sealed with"
            )
            return
        except Exception as error:  # noqa: BLE001 - a worker's loop: what can't be read now stays for the next start
            what = str(error) if isinstance(error, TierwrightError) else "unexpected; please report it"
            _LOG.error("what was left of an earlier run is not stored yet: %s (%s)", what, error.__class__.__name__)
            return
        if left:
            _LOG.warning("what %d earlier processes had left in the journal is stored", left)

    def _store_records(self, records: Iterator[bytes]) -> None:
        while some := list(islice(records, self._config.batch_limit)):
            self._store.append([self._restored(record).inference() for record in some])

    def _next_group(self) -> deque[_Waiting] | None:
        """The next inferences to store together; waits for them. None: closed, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or bool(self._spilled) or self._closing)
            if self._queue:
                due = self._queue[0].at + self._config.max_delay_ms / 1000
                self._changed.wait_for(self._is_due, max(0.0, due - time.monotonic()))
            self._hurry = False
            items = self._take(self._config.batch_limit)
            if not items:
                return None
        return self._drawn(items)

    def _is_due(self) -> bool:
        return self._closing or self._hurry or len(self._queue) >= self._config.batch_limit

    def _take(self, limit: int) -> deque[_Item]:
        taken = deque(self._queue.popleft() for _ in range(min(limit, len(self._queue))))
        while self._journal is not None and self._spilled and len(taken) < limit and not self._queue:
            place = self._spilled.popleft()
            taken.append(_Item(self._restored(self._journal.read(place)), 0, place, 0.0))
        return taken

    def _drawn(self, items: deque[_Item]) -> deque[_Waiting]:
        """The inferences of drafts, each of which is let go when it is drawn; one that fails is counted as dropped."""
        drawn: deque[_Waiting] = deque()
        while items:
            item = items.popleft()
            try:
                drawn.append(_Waiting(item.draft.inference(), item.size_bytes, item.place, item.draft.traceparent))
            except Exception as error:  # noqa: BLE001 - a worker's loop: one broken draft must not end the capture
                # Without a traceback, which could hold text of the answer.
                _LOG.error("an inference could not be put together (%s); please report it", error.__class__.__name__)
                self._settle([(item.size_bytes, item.place)], stored=False)
        return drawn

    def _store_all(self, group: deque[_Waiting]) -> None:
        """Stores a group, however long it takes; returns when every member is stored or given up."""
        failures = 0
        lone_failures: dict[InferenceId, int] = {}
        others_taken = False
        while group:
            alone = failures >= _GROUP_ATTEMPTS
            part = [group[0]] if alone else list(group)
            error = self._append(part)
            if error is None:
                for _ in part:
                    group.popleft()
                others_taken = True
                continue
            failures += 1
            if alone:
                member = group[0].inference.id
                lone_failures[member] = lone_failures.get(member, 0) + 1
                if lone_failures[member] >= _LONE_ATTEMPTS and others_taken:
                    _LOG.error("the store takes other inferences but not %s (%s); it is lost", member, error)
                    self._settle([group.popleft().settled], stored=False)
                    continue
                others_taken = False
                group.rotate(-1)
            if not self._wait_to_retry(failures):
                kept = sum(waiting.place is not None for waiting in group)
                _LOG.error(
                    "the store failed until the end (%s): %d inferences stay in the journal for the next start, "
                    "%d are lost",
                    error,
                    kept,
                    len(group) - kept,
                )
                self._settle([(waiting.size_bytes, None) for waiting in group if waiting.place is None], stored=False)
                return
            with self._changed:
                more = self._take(self._config.batch_limit - len(group))
            group.extend(self._drawn(more))

    def _append(self, part: list[_Waiting]) -> str | None:
        """Stores inferences in one transaction; the class of the error where that failed."""
        try:
            self._store.append([waiting.inference for waiting in part])
        except Exception as error:  # noqa: BLE001 - a worker's loop: whatever the store does, capture goes on
            name = error.__class__.__name__
            if self._store_error != name:
                what = str(error) if isinstance(error, StoreError) else "unexpected; please report it"
                # Without a traceback, which could hold values of a row.
                _LOG.error(
                    "the store does not take what is captured, it is kept in memory and tried again: %s (%s)",
                    what,
                    name,
                )
            with self._changed:
                self._store_error = name
            return name
        if self._store_error is not None:
            _LOG.warning("the store takes what is captured again")
        self._settle([waiting.settled for waiting in part], stored=True)
        if self._seen is not None:
            for waiting in part:
                self._seen(waiting.inference, waiting.traceparent)
        return None

    def _settle(self, done: Sequence[tuple[int, Place | None]], *, stored: bool) -> None:
        count = len(done)
        places = [place for _, place in done if place is not None]
        if self._journal is not None and places:
            self._journal.settle(places)
        with self._changed:
            self._waiting_count -= count
            self._waiting_bytes -= sum(size_bytes for size_bytes, _ in done)
            self._settled_count += count
            if stored:
                self._captured += count
                self._store_error = None
            else:
                self._dropped += count
            self._changed.notify_all()

    def _wait_to_retry(self, failures: int) -> bool:
        """Waits before the next attempt; False: the capture is closed and its time is over."""
        delay = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(failures, 10))
        with self._changed:
            if self._deadline is None:
                self._changed.wait_for(lambda: self._closing, delay)
                return True
            if time.monotonic() >= self._deadline:
                return False
        time.sleep(min(delay, _FIRST_DELAY_S * 2))
        return True
