"""One HTTP/1.1 connection to a model server: a request is written, and its answer parsed as it arrives (RFC 9112).

Owns the bytes on the wire, the deadlines of one exchange, and that a server which sends faster than it is read waits.
Refuses to know what is asked, what is answered, and who may use a connection next (`pool`).
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable

#: Unread bytes of a body beyond which the server has to wait.
_HELD_BYTES = 256 * 1024
#: Bytes in a row that are no body: a head, extensions of chunks, trailers.
_FRAMING_BYTES = 64 * 1024
_FIRST_FINAL_STATUS = 200


class ExchangeError(Exception):
    """An answer did not come, or not to its end."""


class Lost(ExchangeError):  # noqa: N818 - what became of it
    """The connection is gone."""


class Late(ExchangeError):  # noqa: N818 - what became of it
    """A deadline has passed."""


class Garbled(ExchangeError):  # noqa: N818 - what became of it
    """What came is no HTTP."""


class _Phase(IntEnum):
    """How far an exchange is."""

    IDLE = 0
    #: The request is sent, nothing final has come back.
    ASKED = 1
    #: The head of the answer is there.
    BODY = 2
    #: All of the answer has come; some of it may be unread.
    DONE = 3


_UNASKED = (_Phase.IDLE, _Phase.DONE)


class Connection(asyncio.Protocol):
    """One connection, for one exchange at a time: `ask`, `read` until it is empty, `release`."""

    __slots__ = (
        "_deadline",
        "_delimited",
        "_error",
        "_framing",
        "_gone",
        "_heard_at",
        "_held",
        "_idle_s",
        "_left",
        "_loop",
        "_parser",
        "_paused",
        "_phase",
        "_pieces",
        "_reusable",
        "_timer",
        "_transport",
        "_waiter",
        "headers",
        "idle_since",
        "status",
    )

    def __init__(self, left: Callable[[Connection], None]) -> None:
        """`left` is told when it is gone while nobody uses it."""
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._phase = _Phase.IDLE
        self._gone = False
        self._error: ExchangeError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._idle_s = self._heard_at = 0.0
        self._pieces: list[bytes] = []
        self._held = self._framing = 0
        self._delimited = self._paused = self._reusable = False
        #: Of the answer: its status, and its headers with lower-case names.
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        #: When it was released.
        self.idle_since = 0.0

    async def ask(self, head: bytes, body: bytes, *, deadline: float, idle_s: float) -> None:
        """Sends a request and returns when the head of its answer is there.

        `deadline`: in the event loop's time, for the whole answer. `idle_s`: the longest silence before a byte of it.
        Raises ExchangeError.
        """
        self._phase, self.status, self.headers = _Phase.ASKED, 0, []
        self._delimited, self._framing = False, 0
        self._deadline, self._idle_s = deadline, idle_s
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_at(min(deadline, self._heard_at + idle_s), self._look)
        self._transport.writelines((head, body))
        while self._phase is _Phase.ASKED:
            if self._error is not None:
                raise self._error
            await self._change()

    async def read(self) -> bytes:
        """What has arrived of the body since the last time, at least a byte; nothing: that was all of it.

        Raises ExchangeError where it does not come to its end.
        """
        while not self._pieces:
            if self._phase is _Phase.DONE:
                return b""
            if self._error is not None:
                raise self._error
            await self._change()
        pieces, self._pieces, self._held = self._pieces, [], 0
        if self._paused:
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def release(self) -> bool:
        """Ends the exchange; whether another may begin. Otherwise the connection is cut."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pieces, self._held = [], 0
        if (
            self._phase is _Phase.DONE
            and self._error is None
            and self._reusable
            and not (self._gone or self._paused)
            # Answered before it had all of the request.
            and not self._transport.get_write_buffer_size()
        ):
            self._phase = _Phase.IDLE
            self.idle_since = self._loop.time()
            return True
        self.cut()
        return False

    def cut(self) -> None:
        """Closes it at once."""
        if not self._gone:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Parses what has come."""
        if self._phase in _UNASKED or self._error is not None:
            # Whatever it answers, it is no answer to the next request.
            self._reusable = False
            self.cut()
            return
        self._heard_at = self._loop.time()
        held = self._held
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Garbled(str(error)))
        except httptools.HttpParserUpgrade:
            self._fail(Garbled("a change of the protocol that was not asked for"))
        self._framing = 0 if self._held > held else self._framing + len(data)
        if self._framing > _FRAMING_BYTES and self._phase is not _Phase.DONE:
            self._fail(Garbled(f"more than {_FRAMING_BYTES} bytes that are no body"))
        if self._held > _HELD_BYTES and not (self._paused or self._phase is _Phase.DONE):
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer without a length ends here; any other breaks off."""
        self._gone = True
        if self._phase is _Phase.IDLE:
            self._left(self)
        elif self._phase is _Phase.BODY and not self._delimited and exc is None and self._error is None:
            self._phase = _Phase.DONE
        elif self._phase is not _Phase.DONE and self._error is None:
            self._error = Lost("the server closed the connection" if exc is None else exc.__class__.__name__)
        self._wake()

    def on_message_begin(self) -> None:
        """An answer begins; one behind another was not asked for."""
        self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header of the head; trailers are passed over."""
        if self._phase is _Phase.ASKED:
            lowered = name.lower()
            self.headers.append((lowered, value))
            if lowered == b"content-length" or (lowered == b"transfer-encoding" and b"chunked" in value.lower()):
                self._delimited = True

    def on_headers_complete(self) -> None:
        """A final head begins the body; one in between (100 Continue, 103 Early Hints) is passed over."""
        if self._phase is _Phase.ASKED:
            status = self._parser.get_status_code()
            if status < _FIRST_FINAL_STATUS:
                self.headers, self._delimited = [], False
            else:
                self.status, self._phase = status, _Phase.BODY

    def on_body(self, body: bytes) -> None:
        """Keeps a piece of the body."""
        if self._phase is _Phase.BODY:
            self._pieces.append(body)
            self._held += len(body)

    def on_message_complete(self) -> None:
        """All of the answer is there."""
        if self._phase is _Phase.BODY:
            self._phase = _Phase.DONE
            self._reusable = self._parser.should_keep_alive()

    async def _change(self) -> None:
        """Waits until something has happened."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: ExchangeError) -> None:
        """Ends the connection. An answer that is complete stays one: what is wrong came behind it."""
        if self._error is None and self._phase is not _Phase.DONE:
            self._error = error
        self.cut()
        self._wake()

    def _look(self) -> None:
        """Looks whether a deadline has passed, and when the next one may have."""
        if self._phase is _Phase.DONE:
            return
        now = self._loop.time()
        # A server that is kept waiting is not silent.
        silent_at = (now if self._paused else self._heard_at) + self._idle_s
        if now >= self._deadline:
            self._fail(Late("the deadline of the whole answer"))
        elif now >= silent_at:
            self._fail(Late(f"no byte for {self._idle_s:g} s"))
        else:
            self._timer = self._loop.call_at(min(self._deadline, silent_at), self._look)
