"""HTTP/1.1 over a connection that may be slow, endless or hostile: uvicorn's protocol with deadlines and bounds.

Owns how long a caller may take to send a request and to read an answer, how large a request's head may be, and how many
connections there are. One look a second over all connections serves every deadline, so that a request costs no timer.
Knows nothing about what is asked and answered.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tierwright.gateway import problems, wire

if TYPE_CHECKING:
    import asyncio

    from tierwright.gateway.config import ServerConfig
    from tierwright.gateway.problems import Problem

#: Seconds between two looks at most; shorter deadlines are looked after more often.
_LOOK_S = 1.0
#: Looks within the shortest deadline.
_LOOKS_PER_DEADLINE = 4
#: Seconds a refused caller has to read why; then the connection is cut.
_LINGER_S = 2.0
_NEVER = float("inf")


class _Awaited(Enum):
    """What a connection's caller is to send next."""

    #: A request, or nothing ever again.
    REQUEST = "request"
    #: The rest of a request's head.
    HEAD = "head"
    #: The rest of a request's body.
    BODY = "body"
    #: Nothing: its request is whole, and is being answered.
    NOTHING = "nothing"
    #: Whatever it sends is thrown away: it was refused.
    END = "end"


class _Refused(Exception):  # noqa: N818 - a state, as in HTTP
    """The head being parsed is refused."""


class Guard:
    """What the connections of one server share: their limits, and the look that finds those past a deadline."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.connections: set[GuardedProtocol] = set()
        deadlines = (config.header_timeout_s, config.body_timeout_s, config.write_timeout_s, config.keep_alive_s)
        self._interval_s = min(_LOOK_S, min(deadlines) / _LOOKS_PER_DEADLINE)
        self._looking = False

    def protocol(self, **given: Any) -> GuardedProtocol:
        """The protocol of a new connection; takes what uvicorn gives its own."""
        return GuardedProtocol(guard=self, **given)

    def joined(self, connection: GuardedProtocol) -> bool:
        """Counts a connection in; False: there are too many already."""
        self.connections.add(connection)
        if not self._looking:
            self._looking = True
            connection.loop.call_later(self._interval_s, self._look, connection.loop)
        return len(self.connections) <= self.config.max_connections

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.connections):
            connection.look(now)
        self._looking = bool(self.connections)
        if self._looking:
            loop.call_later(self._interval_s, self._look, loop)


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, guard: Guard, **given: Any) -> None:
        super().__init__(**given)
        self._guard = guard
        self._limits = guard.config
        self._awaited = _Awaited.REQUEST
        #: The loop's time at which what is awaited must be there.
        self._due = _NEVER
        #: The loop's time since which the caller takes nothing of what was written; infinite: it does.
        self._stuck_since = _NEVER
        self._crowded = False
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._heads_begun = 0
        self._refusal: Problem | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Counts the connection; one too many is told so as soon as it asks."""
        super().connection_made(transport)
        self._crowded = not self._guard.joined(self)
        self._await(_Awaited.REQUEST, _LINGER_S if self._crowded else self._limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Counts the connection out."""
        self._guard.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what came, within the bounds."""
        before = self._awaited
        if before is _Awaited.END:
            return
        if self._crowded:
            self._refuse(problems.too_many_connections(self._limits.max_connections), retry_after_s=1)
            return
        if before is _Awaited.REQUEST:
            # Also for a caller that sends nothing but line ends, which begin no request.
            self._await(_Awaited.HEAD, self._limits.header_timeout_s)
            self._head_bytes = 0
        self._chunk_bytes = len(data)
        self._heads_begun = 0
        super().data_received(data)
        if self._awaited is _Awaited.HEAD and self._heads_begun <= (before is _Awaited.REQUEST):
            # All of this piece belongs to one head, which is not complete yet.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse(problems.head_too_large(self._limits.max_header_bytes))

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._heads_begun += 1
        if self._awaited is not _Awaited.HEAD:
            self._await(_Awaited.HEAD, self._limits.header_timeout_s)
            self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """A request's head is whole; raises, which ends the parsing, where it is too large."""
        limit = self._limits.max_header_bytes
        if self._head_bytes + self._chunk_bytes > limit:
            # The piece may hold more than the head: now it is counted exactly, without the separators.
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > limit:
                self._refusal = problems.head_too_large(limit)
                raise _Refused
        self._await(_Awaited.BODY, self._limits.body_timeout_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole."""
        super().on_message_complete()
        if self.cycle.response_complete and not self.pipeline:
            # It was answered before it was read, for example because it is too large.
            self._await(_Awaited.REQUEST, self._limits.keep_alive_s)
        else:
            self._awaited, self._due = _Awaited.NOTHING, _NEVER

    def on_response_complete(self) -> None:
        """As uvicorn's, but a connection kept alive costs no timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._awaited is _Awaited.NOTHING:
            self._await(_Awaited.REQUEST, self._limits.keep_alive_s)

    def pause_writing(self) -> None:
        """The caller takes less than it is sent."""
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        """The caller has taken nearly all it was sent."""
        super().resume_writing()
        self._stuck_since = _NEVER

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says it in the shape callers expect
        """What was sent is no HTTP, or was refused while it was parsed."""
        self._refuse(self._refusal or problems.invalid_http())

    def look(self, now: float) -> None:
        """Ends what is past a deadline."""
        if now - self._stuck_since > self._limits.write_timeout_s:
            self.transport.abort()
        elif self.transport.is_closing():
            # What is still to be written is waited for, but not for ever.
            if self._stuck_since == _NEVER:
                self._stuck_since = now
        elif now > self._due:
            self._overdue(now)

    def _await(self, awaited: _Awaited, within_s: float) -> None:
        self._awaited = awaited
        self._due = self.loop.time() + within_s

    def _overdue(self, now: float) -> None:
        awaited, cycle = self._awaited, self.cycle
        if awaited is _Awaited.REQUEST:
            self.transport.close()
        elif awaited is _Awaited.END:
            self.transport.abort()
        elif self.flow.read_paused or (awaited is _Awaited.HEAD and cycle is not None and not cycle.response_complete):
            # Not the caller's fault, or an answer to what it asked before is on its way.
            self._due = now + self._limits.body_timeout_s
        elif awaited is _Awaited.BODY and cycle.response_started:
            self.transport.abort()
        else:
            limit_s = self._limits.header_timeout_s if awaited is _Awaited.HEAD else self._limits.body_timeout_s
            self._refuse(problems.request_timeout(limit_s))

    def _refuse(self, problem: Problem, *, retry_after_s: int | None = None) -> None:
        """Answers without the application, and reads no more; while another answer is on its way it is cut instead."""
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline or self._awaited is not _Awaited.BODY:
                # An answer to this would be taken for another one.
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        body = problem.body()
        more = b"" if retry_after_s is None else b"retry-after: %d\r\n" % retry_after_s
        self.transport.write(
            b"%bcontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (STATUS_LINE[problem.status], wire.JSON, len(body), more, body)
        )
        # Closed at once, with data unread, the connection would be reset and the answer lost.
        self._await(_Awaited.END, _LINGER_S)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
