"""One request with what it came through, and the ways to answer it.

Owns the order at the end: what the headers say, then the record, durable where the settings want that, then the last
byte. Refuses to decide what is said.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.gateway import problems, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.gateway.asgi import Receive, Send
    from tierwright.gateway.dialects.dialect import Dialect
    from tierwright.gateway.problems import Problem
    from tierwright.gateway.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of a caller."""

    trail: Trail
    dialect: Dialect
    #: The caller's request headers.
    headers: Mapping[bytes, bytes]
    receive: Receive
    send: Send
    #: Seconds of a clock that never goes back.
    timer: Callable[[], float]
    #: Records the request, once: what becomes of it afterwards is not told any more.
    finish: Callable[[], None]

    async def record(self) -> None:
        """Records the request as `finish` does; what has to be counted before that is counted off the event loop."""
        if self.trail.counts_early:
            self.trail.take(await asyncio.to_thread(self.trail.counted_calls))
        self.finish()

    async def begin(self, content_type: bytes, more: tuple[tuple[bytes, bytes], ...]) -> None:
        """Sends the status and the headers of a stream, whose end is not known yet."""
        await self.send(self._start(content_type, more))

    async def answer(
        self,
        body: bytes,
        content_type: bytes = wire.JSON,
        more: tuple[tuple[bytes, bytes], ...] = (),
        *,
        status: int = 200,
        code: str | None = None,
    ) -> None:
        """Answers with a body that is known as a whole; `code` says what went wrong, None: nothing."""
        self.trail.status, self.trail.error_code = status, code
        start = self._start(content_type, (*more, (b"content-length", b"%d" % len(body))))
        # Nothing of the answer may leave before the request is recorded.
        await self.record()
        kept = self.trail.kept
        if kept is not None and not await kept:
            await self.turn_away(problems.capture_unavailable())
            return
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def refuse(self, problem: Problem) -> None:
        """Answers with an error of the gateway's own."""
        body = self.trail.response = self.dialect.problem(problem)
        await self.answer(body, wire.JSON, problem.headers(), status=problem.status, code=problem.code)

    async def turn_away(self, problem: Problem) -> None:
        """Answers with an error that has no inference's id: nothing that could be asked for is promised to be kept."""
        body = self.dialect.problem(problem)
        headers = [(b"content-type", wire.JSON), (b"content-length", b"%d" % len(body)), *problem.headers()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def _start(self, content_type: bytes, more: tuple[tuple[bytes, bytes], ...]) -> dict[str, object]:
        headers = [(b"content-type", content_type), *more, *self.trail.headers(self.timer())]
        return {"type": "http.response.start", "status": self.trail.status, "headers": headers}
