"""One request of a connection and its answer, as an ASGI application receives and sends them.

Owns how an answer is framed: its status line and headers, a length or chunks, and whether the connection goes on after
it. A head whose body is known goes out with it, in one piece. Refuses to know how requests are parsed and how long
anybody may take.
"""

from __future__ import annotations

import asyncio
import http
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from tierwright.gateway import problems, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.gateway.asgi import Application, Message, Scope

_HEADER = b"%b: %b\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"
_LAST = b"connection: close\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: Statuses whose answers have no body.
_WITHOUT_BODY = frozenset({204, 304})
_PHRASES = {status.value: status.phrase.encode("ascii") for status in http.HTTPStatus}
#: The first line of an answer by its status; servers have statuses that no standard names.
STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b"")) for status in range(100, 1000)}


def lines_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent. One format for all of them: answers have up to twenty."""
    return (_HEADER * len(headers)) % tuple(chain.from_iterable(headers))


class Line(Protocol):
    """What a turn needs of its connection."""

    #: Sends, or holds until it can be sent.
    write: Callable[[bytes], None]
    #: Ends the connection when what was written has been sent.
    close: Callable[[], None]
    #: Set when the caller takes what is written again; None: it does.
    stuck: asyncio.Event | None

    def common_head(self) -> bytes:
        """The headers of every answer, as lines."""

    def read_on(self) -> None:
        """Reads again, where too much was waiting to be received."""

    def answered(self) -> None:
        """Told that the answer is complete."""


class Turn:
    """A request whose head has arrived."""

    __slots__ = (
        "_body",
        "_chunked",
        "_expects_continue",
        "_head",
        "_left",
        "_line",
        "_more",
        "_news",
        "_scope",
        "_waiting",
        "complete",
        "disconnected",
        "keep_alive",
        "started",
    )

    def __init__(self, line: Line, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        """`expects_continue`: the caller sends the body when it is told to."""
        self._line = line
        self._scope = scope
        self._expects_continue = expects_continue
        #: What has arrived of the body and was not received.
        self._body: bytes | bytearray = b""
        #: Whether more of it is to arrive.
        self._more = True
        #: Whether there is anything that was not received: a piece, the end, or that the caller has gone.
        self._news = False
        #: Done when there is; None: nobody waits.
        self._waiting: asyncio.Future[None] | None = None
        #: The head, while it waits for its body.
        self._head = b""
        self._chunked = False
        #: Bytes of the body that are still to be sent; None: its length was not said.
        self._left: int | None = None
        #: Whether the connection goes on afterwards.
        self.keep_alive = keep_alive
        self.disconnected = False
        #: Whether the answer has begun, and whether it has ended.
        self.started = False
        self.complete = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the body that have arrived and were not received."""
        return len(self._body)

    async def run(self, application: Application) -> None:
        """Lets the application answer; an answer that it leaves out is said to be an error of ours, or cut."""
        try:
            await application(self._scope, self.receive, self.send)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the outermost loop of the server
            # The application has logged what can be said; a cancelled answer is one that the server cuts.
            await self._give_up()
        else:
            if not self.complete and not self.disconnected:
                await self._give_up()

    def arrived(self, piece: bytes) -> None:
        """Takes a piece of the body."""
        if not self._body:
            self._body = piece
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += piece
        self._tell()

    def ended(self) -> None:
        """Takes the end of the body."""
        self._more = False
        self._tell()

    def gone(self) -> None:
        """Takes that the caller can't be answered any more."""
        self.disconnected = True
        self._tell()

    async def receive(self) -> Message:
        """The next of the body, or that nothing more will come (ASGI 3.0, `http.request` and `http.disconnect`)."""
        if self._expects_continue:
            self._expects_continue = False
            if not self.started:
                self._line.write(_CONTINUE)
        if not (self.disconnected or self.complete):
            self._line.read_on()
            if not self._news:
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
            self._news = False
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self._more}

    async def send(self, message: Message) -> None:
        """Sends of the answer (ASGI 3.0, `http.response.start` and `http.response.body`).

        Raises RuntimeError where the two come in another order, or the body is not as long as was said.
        """
        stuck = self._line.stuck
        if stuck is not None:
            await stuck.wait()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.started and not self.complete:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.started:
            self._start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} is not what an answer goes on with here")

    def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        found = dict(headers).get(b"content-length")
        length = None if found is None else int(found)
        said = lines_of(headers)
        if said.count(b"\n") != len(headers) or said.count(b"\r") != len(headers) or b"\0" in said:
            # A value that ends its line would be read as a header, or as an answer, of its own.
            raise RuntimeError("a header of an answer holds a line's end")
        if self._scope["method"] == "HEAD" or status in _WITHOUT_BODY:
            length = 0
        elif length is None and self._scope["http_version"] != "1.0":
            # To a caller that knows no chunks the body ends with the connection.
            self._chunked = True
            said += _CHUNKED
        if not self.keep_alive:
            said += _LAST
        head = b"%b%b%b\r\n" % (STATUS_LINES[status], self._line.common_head(), said)
        self.started = True
        self._left = length
        if length is None:
            self._line.write(head)
        else:
            # It goes out with the body, which is at hand.
            self._head = head

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._scope["method"] == "HEAD":
            body = b""
        elif self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += _LAST_CHUNK
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body of an answer is not as long as its header says")
        if self._head:
            body, self._head = self._head + body, b""
        if body:
            self._line.write(body)
        if not more:
            self.complete = True
            self._tell()
            if not self.keep_alive:
                self._line.close()
            self._line.answered()

    async def _give_up(self) -> None:
        if self.started:
            self._line.close()
            return
        body = problems.internal_error().body()
        headers = [(b"content-type", wire.JSON), (b"content-length", b"%d" % len(body)), wire.NO_STORE]
        self.keep_alive = False
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def _tell(self) -> None:
        self._news = True
        if self._waiting is not None:
            if not self._waiting.done():
                self._waiting.set_result(None)
            self._waiting = None
