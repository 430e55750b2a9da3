"""What the supervisor and a worker tell each other: one JSON object a line, over a socket pair.

The supervisor speaks first and the worker answers each message once, except that `Started` or `Failed` is its answer to
`Start` and none is given to `Commit` and `Discard`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import socket

#: The longest line: a page of metrics or a settings file is far below it.
_LINE_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 65_536


class Start(msgspec.Struct, tag=True, frozen=True):
    """The first message: what to serve, and where."""

    #: Path of the settings file, which is not read again.
    path: str
    text: bytes
    #: The port that all workers share.
    port: int


class Prepare(msgspec.Struct, tag=True, frozen=True):
    """Look whether these settings can be taken; answered by `Prepared`."""

    text: bytes


class Commit(msgspec.Struct, tag=True, frozen=True):
    """Take the settings that were prepared."""


class Discard(msgspec.Struct, tag=True, frozen=True):
    """Forget the settings that were prepared."""


class Report(msgspec.Struct, tag=True, frozen=True):
    """Say how you are; answered by `Reported`."""


class Started(msgspec.Struct, tag=True, frozen=True):
    """Requests are taken."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The worker can't start, and ends."""

    message: str
    exit_code: int


class Prepared(msgspec.Struct, tag=True, frozen=True):
    """Whether the settings can be taken."""

    #: Why not; None: they can.
    error: str | None


class Reported(msgspec.Struct, tag=True, frozen=True):
    """How a worker is doing."""

    metrics: bytes
    readiness: dict[str, Any]


Order = Start | Prepare | Commit | Discard | Report
Answer = Started | Failed | Prepared | Reported

_ORDERS: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def line(message: Order | Answer) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(message) + b"\n"


def first_order(link: socket.socket) -> Order:
    """The order a worker begins with; waits for it. Raises EOFError where there is none."""
    found = bytearray()
    while not found.endswith(b"\n"):
        block = link.recv(_BLOCK_BYTES)
        if not block:
            raise EOFError
        found += block
    return _ORDERS.decode(found)


class Link:
    """One end of the socket pair, on an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Link:
        """The link over a connected socket, which it owns from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LINE_BYTES))

    async def send(self, message: Order | Answer) -> None:
        """Sends a message; raises ConnectionError where the other end is gone."""
        self._writer.write(line(message))
        await self._writer.drain()

    async def order(self) -> Order | None:
        """The next order; None: the supervisor is gone."""
        found = await self._line()
        return None if found is None else _ORDERS.decode(found)

    async def answer(self) -> Answer | None:
        """The next answer; None: the worker is gone."""
        found = await self._line()
        return None if found is None else _ANSWERS.decode(found)

    def close(self) -> None:
        """Closes this end."""
        self._writer.close()

    async def _line(self) -> bytes | None:
        try:
            found = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return found
