"""A model server that answers at once: always with the same completion, or with the stream that was asked for.

    python -m rig.upstream PORT

For completions alone nginx does the same with less of the processor (`rig.nginx`).
"""

from __future__ import annotations

import asyncio
import re
import sys

import uvloop

from rig.wire import ANSWER, StreamOrder

_COMPLETION = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER.encode()),
    ANSWER.encode(),
)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


class Meeting:
    """Lets streams begin together."""

    def __init__(self) -> None:
        self._waiting = 0
        self._all_here = asyncio.Event()

    async def join(self, size: int) -> None:
        """Waits until this many are here."""
        self._waiting += 1
        all_here = self._all_here
        if self._waiting >= size:
            self._waiting, self._all_here = 0, asyncio.Event()
            all_here.set()
        await all_here.wait()


class ModelServer(asyncio.Protocol):
    """One connection."""

    def __init__(self, meeting: Meeting) -> None:
        self._meeting = meeting
        self._buffer = b""
        self._writable = asyncio.Event()
        self._writable.set()
        self._stream: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins with nothing received."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Ends the stream nobody reads any more."""
        if self._stream is not None:
            self._stream.cancel()

    def pause_writing(self) -> None:
        """The reader is slower than we are."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Answers each complete request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            order = StreamOrder.read(body.decode()) if b'"stream":' in body else None
            if order is None:
                self._transport.write(_COMPLETION)
            else:
                usage = re.search(rb'"include_usage": ?true', body) is not None
                self._stream = asyncio.get_running_loop().create_task(self._send(order, include_usage=usage))

    async def _send(self, order: StreamOrder, *, include_usage: bool) -> None:
        """Sends a stream, no faster than it is taken; streams that run together take turns."""
        events = order.events(include_usage=include_usage)
        # Written out in advance: the time of a stream is not to be that of making it up.
        parts = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
        await self._meeting.join(order.together)
        self._transport.write(_STREAM_HEAD)
        for part in parts:
            self._transport.write(part)
            await self._writable.wait()
            await asyncio.sleep(order.pause_ms / 1000)
        self._transport.write(b"0\r\n\r\n")


async def serve(port: int) -> None:
    """Serves until the process is ended."""
    meeting = Meeting()
    server = await asyncio.get_running_loop().create_server(
        lambda: ModelServer(meeting), "127.0.0.1", port, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
