"""How many attempts one backend is given at the same time, and who waits for the next place.

Owns places and the queue for them: first come, first served, bounded in number and in time. A place is never lost,
whoever is cancelled when. Refuses to know what is done with a place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tierwright.gateway.upstreams.config import ConcurrencyConfig


class ConcurrencyLimiter:
    """The places of one backend; used on one event loop."""

    __slots__ = ("_config", "_sleep", "_waiting", "in_use")

    def __init__(self, config: ConcurrencyConfig, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._config = config
        self._sleep = sleep
        #: True: it has a place; False: its time is over.
        self._waiting: deque[asyncio.Future[bool]] = deque()
        #: Places taken. After the limit was lowered there may be more than it for a while.
        self.in_use = 0

    @property
    def limit(self) -> int:
        """Places there are."""
        return self._config.limit

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    @property
    def queue_timeout_s(self) -> float:
        """Seconds a request may wait."""
        return self._config.queue_timeout_s

    @property
    def free(self) -> bool:
        """Whether `take` would have a place."""
        return self.in_use < self._config.limit

    def take(self) -> bool:
        """Takes a place if there is one; never before somebody who waits, for whom none stays free."""
        if self.in_use >= self._config.limit:
            return False
        self.in_use += 1
        return True

    async def wait(self, timeout_s: float) -> bool:
        """Takes a place as soon as there is one; False: there are too many who wait, or the time is over."""
        if self.take():
            return True
        if len(self._waiting) >= self._config.queue_limit or timeout_s <= 0:
            return False
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        alarm = asyncio.ensure_future(self._sleep(timeout_s))
        alarm.add_done_callback(lambda _: None if place.done() else place.set_result(False))
        try:
            got = await place
        except asyncio.CancelledError:
            # The place may have been handed over in the same turn of the loop in which its taker was cancelled.
            if place.done() and not place.cancelled() and place.result():
                self.give_back()
            else:
                self._leave(place)
            raise
        finally:
            alarm.cancel()
        if not got:
            self._leave(place)
        return got

    def give_back(self) -> None:
        """Gives back a place that was taken."""
        self.in_use -= 1
        self._hand_over()

    def retune(self, config: ConcurrencyConfig) -> None:
        """Goes by other limits from now on; nobody loses a place for it."""
        self._config = config
        self._hand_over()

    def _leave(self, place: asyncio.Future[bool]) -> None:
        with contextlib.suppress(ValueError):
            self._waiting.remove(place)

    def _hand_over(self) -> None:
        while self._waiting and self.in_use < self._config.limit:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(True)
                self.in_use += 1
