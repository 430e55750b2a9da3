"""Notices that the caller has gone while an answer is on its way.

Owns the cancellation of the answering task, and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from tierwright.gateway.asgi import Receive


class Presence:
    """An async context that ends early, without an error, when the caller disconnects; `gone` says whether it did."""

    __slots__ = ("_over", "_receive", "_task", "_watch", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._over = False
        self._task: asyncio.Task[object] | None = None
        self._watch: asyncio.Task[None] | None = None
        #: Whether the caller has disconnected.
        self.gone = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._watch = asyncio.create_task(self._wait())
        self._watch.add_done_callback(self._cut)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # No await in here: a cut that was not delivered inside the context would hit whatever is awaited next.
        self._over = True
        assert self._watch is not None
        assert self._task is not None
        self._watch.cancel()
        return self.gone and kind is asyncio.CancelledError and self._task.uncancel() == 0

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _cut(self, watch: asyncio.Task[None]) -> None:
        if self._over or watch.cancelled() or watch.exception() is not None:
            return
        assert self._task is not None
        self.gone = True
        self._task.cancel()
