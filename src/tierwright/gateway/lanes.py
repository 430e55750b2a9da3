"""Work that may wait until the answer is delivered, and may be left undone: bounded, budgeted, counted.

Fails open: nothing here delays or changes an answer. What has no room, no budget or no time left is dropped, and every
drop is counted. Refuses to know what the work is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import date, datetime

_LOG = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of a piece of work."""

    #: It was done.
    DONE = "done"
    #: It was begun and gave nothing.
    FAILED = "failed"
    #: There was no room to wait.
    FULL = "dropped_full"
    #: The day's budget was used up.
    BUDGET = "dropped_budget"
    #: The gateway stopped before it was done.
    STOPPED = "dropped_stopped"
    #: It was drawn, and nobody who could do it may see the request.
    BARRED = "barred"
    #: It was done, or failed, as counted above, and the store did not take what came of it.
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be used in a day, which begins at midnight UTC. None: no bound."""

    requests: int | None = None
    #: Processor seconds of specialists.
    seconds: float | None = None
    usd: Decimal | None = None


class Spent(NamedTuple):
    """What a piece of work has used."""

    #: Whether it gave something.
    done: bool
    #: Processor seconds of a specialist.
    seconds: float = 0.0
    #: What has no price counts as nothing; the number of requests bounds it.
    usd: Decimal = Decimal(0)


@dataclass(slots=True)
class Budget:
    """An allowance and what is left of it; a new day, or a new process, begins with all of it."""

    allowance: Allowance
    _day: date | None = None
    _requests: int = 0
    _seconds: float = 0.0
    _usd: Decimal = Decimal(0)

    def takes_one(self, now: datetime) -> bool:
        """Whether one more may begin, which is then counted."""
        if now.date() != self._day:
            self._day, self._requests, self._seconds, self._usd = now.date(), 0, 0.0, Decimal(0)
        most = self.allowance
        if most.requests is not None and self._requests >= most.requests:
            return False
        if most.seconds is not None and self._seconds >= most.seconds:
            return False
        if most.usd is not None and self._usd >= most.usd:
            return False
        self._requests += 1
        return True

    def spend(self, spent: Spent) -> None:
        """Counts what one has used; those under way may exceed the allowance together."""
        self._seconds += spent.seconds
        self._usd += spent.usd


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """How a lane is doing."""

    waiting: int
    #: Since the start.
    outcomes: Counter[Outcome] = field(default_factory=Counter)


class _Job(NamedTuple):
    run: Callable[[], Awaitable[Spent]]
    size_bytes: int


class Lane:
    """One kind of work; used on one event loop."""

    def __init__(
        self,
        name: str,
        *,
        workers: int,
        limit: int,
        limit_bytes: int,
        allowance: Allowance,
        clock: Callable[[], datetime],
    ) -> None:
        """`limit` and `limit_bytes` bound what waits."""
        self._name = name
        self._count = workers
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._budget = Budget(allowance)
        self._clock = clock
        self._jobs: deque[_Job] = deque()
        self._bytes = 0
        self._busy = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._closing = False

    def start(self) -> None:
        """Starts its workers."""
        self._workers = [
            asyncio.create_task(self._work(), name=f"tierwright-{self._name}-{number}") for number in range(self._count)
        ]

    def allow(self, allowance: Allowance) -> None:
        """Replaces the allowance; what was used of the day stays used."""
        self._budget.allowance = allowance

    def offer(self, run: Callable[[], Awaitable[Spent]], *, size_bytes: int) -> None:
        """Takes a piece of work, or drops and counts it; never waits."""
        if self._closing:
            self._outcomes[Outcome.STOPPED] += 1
        elif len(self._jobs) >= self._limit or self._bytes + size_bytes > self._limit_bytes:
            self._outcomes[Outcome.FULL] += 1
        elif not self._budget.takes_one(self._clock()):
            self._outcomes[Outcome.BUDGET] += 1
        else:
            self._jobs.append(_Job(run, size_bytes))
            self._bytes += size_bytes
            self._more.set()

    def barred(self) -> None:
        """Counts one that was drawn and that nobody may see."""
        self._outcomes[Outcome.BARRED] += 1

    def lost(self) -> None:
        """Counts one that was done, or failed, and could not be kept."""
        self._outcomes[Outcome.LOST] += 1

    def state(self) -> LaneState:
        """The counters of this moment."""
        return LaneState(waiting=len(self._jobs) + self._busy, outcomes=self._outcomes.copy())

    async def aclose(self, timeout_s: float) -> None:
        """Takes nothing more, finishes what waits within so many seconds, and counts the rest as dropped."""
        self._closing = True
        if self._jobs or self._busy:
            self._idle.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()
            except TimeoutError:
                _LOG.warning("%d pieces of work (%s) were left undone", len(self._jobs) + self._busy, self._name)
        self._outcomes[Outcome.STOPPED] += len(self._jobs) + self._busy
        self._jobs.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            while not self._jobs:
                if not self._busy:
                    self._idle.set()
                self._more.clear()
                await self._more.wait()
            job = self._jobs.popleft()
            self._busy += 1
            try:
                spent = await job.run()
            except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: work that fails costs itself only
                # Without the message, which could hold text of the answer.
                _LOG.error("work after an answer (%s) failed: %s", self._name, error.__class__.__name__)
                spent = Spent(done=False)
            finally:
                self._busy -= 1
                self._bytes -= job.size_bytes
            self._budget.spend(spent)
            self._outcomes[Outcome.DONE if spent.done else Outcome.FAILED] += 1
