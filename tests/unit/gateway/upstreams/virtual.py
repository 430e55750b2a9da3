"""An event loop whose clock jumps to whatever is due next: hours pass in no time, and a hang is an error."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

#: Second of the timer at which every story begins.
BEGIN = 1000.0


class VirtualSelector(selectors.SelectSelector):
    """Waits for nothing; lets the time pass instead."""

    now = BEGIN

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What has happened by now."""
        if timeout is None:
            raise RuntimeError("everything waits for something that will never happen")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._virtual.now


def run(story: Coroutine[None, None, T]) -> T:
    """What a story in virtual time comes to."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def now() -> float:
    """Second of the timer, inside a story."""
    return asyncio.get_running_loop().time()


async def turns(count: int = 5) -> None:
    """Lets the other tasks run, without any time passing."""
    for _ in range(count):
        await asyncio.sleep(0)
