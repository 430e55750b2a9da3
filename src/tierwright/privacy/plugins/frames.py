"""What the host and the process of a plug-in tell each other: length and MessagePack, over a socket pair.

The host speaks first, with `Start`; `Ready` or `Failed` answers it, then `Told` or `Failed` answers each `Ask`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tierwright.privacy.plugins.finder import Span

if TYPE_CHECKING:
    import socket
    from asyncio import StreamReader

#: Bytes of a message at most: what one request may hold, in UTF-8, and no more than a process's answer may cost us.
MOST_BYTES: Final = 64 * 1024 * 1024
_LENGTH: Final = struct.Struct("!I")


class Start(msgspec.Struct, tag=True, frozen=True):
    """The first message: which plug-in to be."""

    #: "module:attribute" of a `FinderFactory`, and what it is given.
    factory: str
    options: dict[str, Any]
    #: Folders in which modules are looked for besides.
    folders: list[str]
    #: Memory that the process may take for data.
    memory_bytes: int


class Ask(msgspec.Struct, tag=True, frozen=True):
    """Look at these."""

    serial: int
    texts: list[str]


class Ready(msgspec.Struct, tag=True, frozen=True):
    """Texts are taken."""

    version: str
    types: list[str]


class Told(msgspec.Struct, tag=True, frozen=True):
    """What is in each text."""

    serial: int
    findings: list[list[Span]]


class Failed(msgspec.Struct, tag=True, frozen=True):
    """It can't tell. Names the error's class; before the first text (serial 0) the whole error."""

    serial: int
    error: str


Order = Start | Ask
Answer = Ready | Told | Failed

_ORDERS: Final[msgspec.msgpack.Decoder[Order]] = msgspec.msgpack.Decoder(Order)
_ANSWERS: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


def frame(message: Order | Answer) -> bytes:
    """A message as it travels. Raises ValueError where it is too long."""
    body = msgspec.msgpack.encode(message)
    if len(body) > MOST_BYTES:
        raise ValueError(f"a message of {len(body):,} bytes; {MOST_BYTES:,} may travel")
    return _LENGTH.pack(len(body)) + body


def receive_order(link: socket.socket) -> Order:
    """The next order; waits for it. Raises EOFError where the host is gone."""
    (length,) = _LENGTH.unpack(_exactly(link, _LENGTH.size))
    return _ORDERS.decode(_exactly(link, length))


async def receive_answer(reader: StreamReader) -> Answer:
    """The next answer. Raises IncompleteReadError where the process is gone, ValueError where it is no answer."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > MOST_BYTES:
        raise ValueError(f"an answer of {length:,} bytes; {MOST_BYTES:,} are read")
    return _ANSWERS.decode(await reader.readexactly(length))


def _exactly(link: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        block = link.recv(count - len(found))
        if not block:
            raise EOFError
        found += block
    return bytes(found)
