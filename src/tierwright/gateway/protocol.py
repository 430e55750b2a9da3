"""HTTP/1.1 over a connection that may be slow, endless or hostile: requests as they are parsed, deadlines and bounds.

Owns how long a caller may take to send a request and to read an answer, how large a request's head may be, and how many
connections there are. One look a second over all connections serves every deadline, so that a request costs no timer.
Knows nothing about what is asked and answered; how answers are framed is in `turn`. Parsing is httptools'.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools

from tierwright.gateway import problems, wire
from tierwright.gateway.turn import STATUS_LINES, Turn, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvicorn import Config
    from uvicorn.server import ServerState

    from tierwright.gateway.asgi import Application, Scope
    from tierwright.gateway.config import ServerConfig
    from tierwright.gateway.problems import Problem

#: Seconds between two looks at most; shorter deadlines are looked after more often.
_LOOK_S = 1.0
#: Looks within the shortest deadline.
_LOOKS_PER_DEADLINE = 4
#: Seconds a refused caller has to read why; then the connection is cut.
_LINGER_S = 2.0
_NEVER = float("inf")
#: Bytes of a body that may wait to be received before its connection is not read any more.
_WAITING_BYTES = 64 * 1024
_ASGI = {"version": "3.0", "spec_version": "2.3"}


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
        self._common: Sequence[tuple[bytes, bytes]] = ()
        self._common_head = b""

    def protocol(self, *, config: Config, server_state: ServerState, **_given: Any) -> GuardedProtocol:
        """The protocol of a new connection; takes what uvicorn gives a protocol class."""
        return GuardedProtocol(self, config.loaded_app, server_state)

    def common_head(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The headers of every answer as lines; the server replaces them once a second."""
        if headers is not self._common:
            self._common = headers
            self._common_head = lines_of(headers)
        return self._common_head

    def joined(self, connection: GuardedProtocol) -> bool:
        """Counts a connection in; False: there are too many already."""
        self.connections.add(connection)
        if not self._looking:
            self._looking = True
            loop = asyncio.get_running_loop()
            loop.call_later(self._interval_s, self._look, loop)
        return len(self.connections) <= self.config.max_connections

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.connections):
            connection.look(now)
        self._looking = bool(self.connections)
        if self._looking:
            loop.call_later(self._interval_s, self._look, loop)


class GuardedProtocol(asyncio.Protocol):
    """One connection."""

    write: Callable[[bytes], None]
    close: Callable[[], None]

    def __init__(self, guard: Guard, application: Application, server: ServerState) -> None:
        """`server`: what knows the connections and the answers under way, and waits for them when it ends."""
        self._guard = guard
        self._limits = guard.config
        self._application = application
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        # What comes behind a request that says it is the last is no error of that request.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._awaited = _Awaited.REQUEST
        #: The loop's time at which what is awaited must be there.
        self._due = _NEVER
        #: The loop's time since which the caller takes nothing of what was written; infinite: it does.
        self._stuck_since = _NEVER
        #: Set when it takes it again; None: it does.
        self.stuck: asyncio.Event | None = None
        self._paused = False
        self._crowded = False
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._heads_begun = 0
        self._refusal: Problem | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        #: The last request whose head has arrived; None: none has.
        self._turn: Turn | None = None
        #: The one that is being answered, or was last; None: none was.
        self._begun: Turn | None = None
        #: Requests that wait for the answers to those before them, the first to be answered first.
        self._queue: deque[Turn] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection; one too many is told so as soon as it asks."""
        # A stream's; uvloop's is none by its class.
        stream = self._transport = cast("asyncio.Transport", transport)
        self.write, self.close = stream.write, stream.close
        self._server.connections.add(self)  # type: ignore[arg-type] # it is only asked to shut down
        self._crowded = not self._guard.joined(self)
        self._await(_Awaited.REQUEST, _LINGER_S if self._crowded else self._limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Counts the connection out."""
        self._guard.connections.discard(self)
        self._server.connections.discard(self)
        for turn in (self._turn, self._begun):
            if turn is not None:
                turn.gone()
        self._queue.clear()
        self.resume_writing()
        # They know this connection, too; nothing of it would be freed before the collector has looked at it.
        self._turn = self._begun = None
        del self._parser

    def shutdown(self) -> None:
        """Ends the connection with the answer that is under way; called by the server when it ends."""
        if self._turn is None or self._turn.complete:
            self._transport.close()
        else:
            self._turn.keep_alive = False

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
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # What is asked for is answered as if nothing else had been offered; what comes behind it is not read.
            pass
        except httptools.HttpParserError:
            self._refuse(self._refusal or problems.invalid_http())
            return
        if self._awaited is _Awaited.HEAD and self._heads_begun <= (before is _Awaited.REQUEST):
            # All of this piece belongs to one head, which is not complete yet.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse(problems.head_too_large(self._limits.max_header_bytes))

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._url, self._headers, self._expects_continue = b"", [], False
        self._heads_begun += 1
        if self._awaited is not _Awaited.HEAD:
            self._await(_Awaited.HEAD, self._limits.header_timeout_s)
            self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request's head is whole; raises, which ends the parsing, where it is too large."""
        limit = self._limits.max_header_bytes
        if self._head_bytes + self._chunk_bytes > limit:
            # The piece may hold more than the head: now it is counted exactly, without the separators.
            size = len(self._url) + sum(len(name) + len(value) for name, value in self._headers)
            if size > limit:
                self._refusal = problems.head_too_large(limit)
                raise _Refused
        self._await(_Awaited.BODY, self._limits.body_timeout_s)
        version, before = self._parser.get_http_version(), self._turn
        turn = self._turn = Turn(
            self,
            self._scope(version),
            keep_alive=version != "1.0" and self._parser.should_keep_alive(),
            expects_continue=self._expects_continue,
        )
        if before is None or before.complete:
            self._begin(turn)
        else:
            self._pause_reading()
            self._queue.append(turn)

    def on_body(self, body: bytes) -> None:
        """A piece of a request's body."""
        turn = self._turn
        assert turn is not None
        if not turn.complete:
            turn.arrived(body)
            if turn.waiting_bytes > _WAITING_BYTES:
                self._pause_reading()

    def on_message_complete(self) -> None:
        """A request is whole."""
        turn = self._turn
        assert turn is not None
        if not turn.complete:
            turn.ended()
        if turn.complete and not self._queue:
            # It was answered before it was read, for example because it is too large.
            self._await(_Awaited.REQUEST, self._limits.keep_alive_s)
        else:
            self._awaited, self._due = _Awaited.NOTHING, _NEVER

    def answered(self) -> None:
        """An answer is complete: the next request is answered, or waited for; that costs no timer."""
        self._server.total_requests += 1
        if self._transport.is_closing():
            return
        self.read_on()
        if self._queue:
            self._begin(self._queue.popleft())
        elif self._awaited is _Awaited.NOTHING:
            self._await(_Awaited.REQUEST, self._limits.keep_alive_s)

    def pause_writing(self) -> None:
        """The caller takes less than it is sent."""
        self.stuck = asyncio.Event()
        self._stuck_since = self._time()

    def resume_writing(self) -> None:
        """The caller has taken nearly all it was sent, or has gone."""
        if self.stuck is not None:
            self.stuck.set()
            self.stuck = None
        self._stuck_since = _NEVER

    def read_on(self) -> None:
        """Reads again, where that was paused."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def common_head(self) -> bytes:
        """The headers of every answer, as lines."""
        return self._guard.common_head(self._server.default_headers)

    def look(self, now: float) -> None:
        """Ends what is past a deadline."""
        if now - self._stuck_since > self._limits.write_timeout_s:
            self._transport.abort()
        elif self._transport.is_closing():
            # What is still to be written is waited for, but not for ever.
            if self._stuck_since == _NEVER:
                self._stuck_since = now
        elif now > self._due:
            self._overdue(now)

    def _begin(self, turn: Turn) -> None:
        self._begun, tasks = turn, self._server.tasks
        task = self._loop.create_task(turn.run(self._application))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _scope(self, version: str) -> Scope:
        url = httptools.parse_url(self._url)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "path": unquote(url.path.decode("ascii")),
            "query_string": url.query or b"",
            "headers": self._headers,
        }

    def _pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _await(self, awaited: _Awaited, within_s: float) -> None:
        self._awaited = awaited
        self._due = self._time() + within_s

    def _overdue(self, now: float) -> None:
        awaited, turn = self._awaited, self._turn
        if awaited is _Awaited.REQUEST:
            self._transport.close()
        elif awaited is _Awaited.END:
            self._transport.abort()
        elif self._paused or (awaited is _Awaited.HEAD and turn is not None and not turn.complete):
            # Not the caller's fault, or an answer to what it asked before is on its way.
            self._due = now + self._limits.body_timeout_s
        elif awaited is _Awaited.BODY and turn is not None and turn.started:
            self._transport.abort()
        else:
            limit_s = self._limits.header_timeout_s if awaited is _Awaited.HEAD else self._limits.body_timeout_s
            self._refuse(problems.request_timeout(limit_s))

    def _refuse(self, problem: Problem, *, retry_after_s: int | None = None) -> None:
        """Answers without the application, and reads no more; while another answer is on its way it is cut instead."""
        turn = self._turn
        if turn is not None and not turn.complete:
            if turn.started or self._queue or self._awaited is not _Awaited.BODY:
                # An answer to this would be taken for another one.
                self._transport.abort()
                return
            turn.gone()
        body = problem.body()
        headers = [(b"content-type", wire.JSON), (b"content-length", b"%d" % len(body))]
        if retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % retry_after_s))
        headers.append((b"connection", b"close"))
        self._transport.write(b"%b%b\r\n%b" % (STATUS_LINES[problem.status], lines_of(headers), body))
        # Closed at once, with data unread, the connection would be reset and the answer lost.
        self._await(_Awaited.END, _LINGER_S)
        self.read_on()
        if self._transport.can_write_eof():
            self._transport.write_eof()
