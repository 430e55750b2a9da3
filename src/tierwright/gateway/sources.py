"""What the gateway has of the world: the time, chance and a disk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.gateway.journal import DISK

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tierwright.gateway.journal import Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the gateway has of the world."""

    #: The time of day, aware.
    clock: Callable[[], datetime]
    #: At least 10 random bytes a call; asking for thousands at once is cheaper, since what is left over is kept.
    entropy: Callable[[], bytes]
    #: Seconds of a clock that never goes back.
    timer: Callable[[], float] = time.perf_counter
    #: Where captures wait for the store.
    disk: Disk = DISK


class EntropyPool:
    """Hands out random bytes by tens: a system call for each request would give its processor away each time."""

    __slots__ = ("_at", "_pool", "_source")

    def __init__(self, source: Callable[[], bytes]) -> None:
        self._source = source
        self._pool = b""
        self._at = 0

    def draw(self) -> bytes:
        """Ten bytes that are handed out once."""
        if self._at + 10 > len(self._pool):
            self._pool, self._at = self._source(), 0
        at = self._at
        self._at = at + 10
        return self._pool[at : at + 10]
