"""A streamed answer on its way from a model server to the caller.

Owns its end: it is recorded before the caller has the last of it, and what breaks off, or can't be kept as it must be,
is told as an error and never as an end. Refuses to know what the events say (`dialects`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tierwright.core.errors import BackendBroken, BackendError
from tierwright.gateway import problems
from tierwright.gateway.presence import Presence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tierwright.core.protocols import Reply
    from tierwright.gateway.call import Call
    from tierwright.gateway.dialects.dialect import StreamPassage
    from tierwright.gateway.trail import Attempt

#: What a server may still send after the end it has declared, so that its connection can be used again.
_TAIL_BYTES, _TAIL_S = 64 * 1024, 1.0


class Relay:
    """One stream; its headers have been sent, and its call is the trail's last."""

    def __init__(self, call: Call, attempt: Attempt, stream: StreamPassage, *, most_bytes: int) -> None:
        """A longer stream is broken."""
        self._call = call
        self._attempt = attempt
        self._stream = stream
        self._most_bytes = most_bytes
        self._first_token: float | None = None
        self._ended = False

    async def run(self, reply: Reply) -> BackendError | None:
        """Everything to the caller; how the server failed, which the caller has then been told."""
        error: BackendError | None = None
        try:
            async with Presence(self._call.receive) as presence:
                error = await self._pump(reply)
            if presence.gone:
                self._end(problems.CLIENT_DISCONNECTED)
                await self._call.record()
        finally:
            # Where this task is cancelled on the way.
            self._end(problems.SHUT_DOWN)
            self._call.finish()
        return error

    async def _pump(self, reply: Reply) -> BackendError | None:
        stream, send = self._stream, self._call.send
        error: BackendError | None = None
        events = b""
        left = self._most_bytes
        chunks = reply.chunks()
        try:
            async for data in chunks:
                left -= len(data)
                if left < 0:
                    raise too_long(self._attempt.backend, self._most_bytes)
                events = stream.feed(data)
                if stream.done:
                    break
                if events:
                    if self._first_token is None:
                        self._first_token = self._call.timer()
                    await send({"type": "http.response.body", "body": events, "more_body": True})
                    events = b""
            else:
                events = stream.close()
                if not (stream.saw_error or stream.complete()):
                    error = BackendBroken(
                        f"the answer of the backend '{self._attempt.backend}' ended before it was complete; try again"
                    )
        except (BackendError, RecursionError) as failure:
            error = failure if isinstance(failure, BackendError) else too_deep(self._attempt.backend)
            events = b""
        await self._last(events, error)
        if error is None and stream.done:
            await _drain(chunks)
        return error

    async def _last(self, events: bytes, error: BackendError | None) -> None:
        """The last events to the caller, when the record is as safe as the settings want it."""
        call = self._call
        code = problems.UPSTREAM_ERROR if self._stream.saw_error else None
        if error is not None:
            problem = problems.upstream_failed(error)
            code = problem.code
            events += call.dialect.problem_event(problem)
        self._end(code)
        await call.record()
        kept = call.trail.kept
        if kept is not None and not await kept:
            # The events hold the answer's end, which would acknowledge it.
            events = call.dialect.problem_event(problems.capture_unavailable())
        await call.send({"type": "http.response.body", "body": events, "more_body": False})

    def _end(self, code: str | None) -> None:
        """Says how it ended; the first word counts."""
        if self._ended:
            return
        self._ended = True
        trail, stream = self._call.trail, self._stream
        trail.error_code = code
        trail.calls[-1] = self._attempt.call(
            self._call.timer(),
            status=trail.status,
            error_code=code,
            answered=True,
            upstream_id=stream.upstream_id,
            tally=trail.tally(stream.usage, self._attempt.model, stream.model),
            first_token=self._first_token,
        )


def too_long(backend: str, most_bytes: int) -> BackendBroken:
    """What an answer beyond the limit is, in one piece or streamed: all of it is in memory until it is stored."""
    return BackendBroken(f"the backend '{backend}' sent an answer of more than {most_bytes} bytes")


def too_deep(backend: str) -> BackendBroken:
    """What an answer is whose brackets nobody follows."""
    return BackendBroken(f"the backend '{backend}' sent an answer that is nested too deeply")


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Reads what a server sends after the end it declared, within bounds."""
    size = 0
    try:
        async with asyncio.timeout(_TAIL_S):
            async for data in chunks:
                size += len(data)
                if size > _TAIL_BYTES:
                    return
    except (BackendError, TimeoutError):
        # The caller has its answer; the connection is closed instead of being used again.
        return
