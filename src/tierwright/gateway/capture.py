"""What was asked and answered, on its way to the store: a bounded queue, one writer thread, group commit.

Fails open: nothing here blocks or costs a user an answer. A store that fails is tried again while what it did not take
waits in memory; beyond the bounds it is dropped, and every loss is counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore
    from tierwright.gateway.config import CaptureConfig

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
    #: Inferences not stored yet.
    waiting: int
    #: Inferences lost: no room to wait, refused by the store alone among others, or left at the end.
    dropped: int
    #: Class of the error of the last attempt to store; None: it succeeded.
    store_error: str | None


class _Item(NamedTuple):
    draft: Callable[[], Inference]
    size_bytes: int
    at: float


class _Waiting(NamedTuple):
    inference: Inference
    size_bytes: int


class Capture:
    """Takes drafts of inferences on the event loop and stores them in its own thread.

    A draft is a function that makes the inference; it is called once, in the writer's thread, so that joining a
    stream's chunks costs no request any time.
    """

    def __init__(self, store: InferenceStore, config: CaptureConfig) -> None:
        self._store = store
        self._config = config
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
        """Starts the writer."""
        self._writer = threading.Thread(target=self._run, name="tierwright-capture", daemon=True)
        self._writer.start()

    def put(self, draft: Callable[[], Inference], size_bytes: int) -> bool:
        """Takes a draft that holds so many bytes of content; False: there was no room, and it is counted as dropped."""
        config = self._config
        with self._changed:
            if (
                self._closing
                or self._waiting_count >= config.queue_limit
                or self._waiting_bytes + size_bytes > config.queue_limit_bytes
            ):
                self._dropped += 1
                return False
            self._queue.append(_Item(draft, size_bytes, time.monotonic()))
            self._waiting_count += 1
            self._waiting_bytes += size_bytes
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
                dropped=self._dropped,
                store_error=self._store_error,
            )

    async def flush(self, timeout_s: float) -> bool:
        """Waits until all that was put before is stored or counted as dropped; False: it took too long."""
        return await asyncio.to_thread(self._flush, timeout_s)

    async def aclose(self) -> None:
        """Stores what is left, within `close_timeout_s`, counts the rest as dropped and ends the writer."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """As `aclose`, from a thread; the second time it does nothing."""
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

    def _flush(self, timeout_s: float) -> bool:
        with self._changed:
            goal = self._taken_count
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled_count >= goal, timeout_s)

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group is None:
                return
            self._store_all(group)

    def _next_group(self) -> deque[_Waiting] | None:
        """The next inferences to store together; waits for them. None: closed, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closing)
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

    def _take(self, limit: int) -> list[_Item]:
        return [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]

    def _drawn(self, items: list[_Item]) -> deque[_Waiting]:
        """The inferences of drafts; a draft that fails is counted as dropped."""
        drawn: deque[_Waiting] = deque()
        for item in items:
            try:
                drawn.append(_Waiting(item.draft(), item.size_bytes))
            except Exception as error:  # noqa: BLE001 - a worker's loop: one broken draft must not end the capture
                # Without a traceback, which could hold text of the answer.
                _LOG.error("an inference could not be put together (%s); please report it", error.__class__.__name__)
                self._settle([item.size_bytes], stored=False)
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
                    self._settle([group.popleft().size_bytes], stored=False)
                    continue
                others_taken = False
                group.rotate(-1)
            if not self._wait_to_retry(failures):
                _LOG.error("%d inferences are lost: the store failed until the end (%s)", len(group), error)
                self._settle([waiting.size_bytes for waiting in group], stored=False)
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
        self._settle([waiting.size_bytes for waiting in part], stored=True)
        return None

    def _settle(self, sizes_bytes: list[int], *, stored: bool) -> None:
        count = len(sizes_bytes)
        with self._changed:
            self._waiting_count -= count
            self._waiting_bytes -= sum(sizes_bytes)
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
