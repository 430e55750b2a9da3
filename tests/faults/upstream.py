"""A model server on the byte level: it answers as a fault tells it to, and writes an invoice.

Owns HTTP/1.1 as far as a gateway speaks it to a model server, and what has been charged; refuses to know what a gateway
should make of it. An invoice row is written when the server considers a request accepted and billable, whatever becomes
of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any

#: US dollars of a token, of every model.
TOKEN_USD = Decimal("0.000001")
_VOCABULARY = ("card", "größer", "日本語", "lost", "🎈", "naïve", "wait", "two", "weeks", "Ω", "и", "yes")
#: Closing a socket that has this set sends RST instead of FIN.
_LINGER_NOTHING = struct.pack("ii", 1, 0)
_HEAD_LIMIT_BYTES = 64 * 1024


class Told(StrEnum):
    """Whether the gateway was told the usage that a row charges."""

    YES = "yes"
    NO = "no"
    #: It was sent, but the connection was reset at once, which may have thrown it away.
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRow:
    """One request that was charged."""

    tag: str
    prompt_tokens: int
    completion_tokens: int
    told: Told

    @property
    def cost_usd(self) -> Decimal:
        """What it costs."""
        return (self.prompt_tokens + self.completion_tokens) * TOKEN_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request as it arrived."""

    #: What the request is known by everywhere: the first word of its prompt.
    tag: str
    headers: dict[str, str]
    body: bytes
    stream: bool
    wants_usage: bool
    prompt_tokens: int


@dataclass(slots=True, kw_only=True)
class Script:
    """What the model says to one request."""

    words: list[str]
    finish_reason: str
    #: Whether the finish reason was handed to the connection.
    finish_sent: bool = False

    @property
    def text(self) -> str:
        """The whole answer."""
        return " ".join(self.words)


class Wire:
    """One connection from the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @property
    def gone(self) -> bool:
        """Whether the gateway has closed it."""
        return self.reader.at_eof() or self._writer.transport.is_closing()

    async def write(self, data: bytes) -> bool:
        """Sends; False: the gateway has gone."""
        if self.gone:
            return False
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return False
        return True

    def reset(self) -> None:
        """Ends the connection with a RST; what was not read there yet may be lost."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
        self._writer.transport.abort()

    def close(self) -> None:
        """Ends the connection with a FIN, after what was written."""
        with contextlib.suppress(RuntimeError):
            self._writer.close()

    async def until_gone(self, limit_s: float) -> bool:
        """Waits until the gateway closes; whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                # What it may still send is of no interest.
                while await self.reader.read(65_536):
                    pass
        return self.gone


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request that a behaviour is to answer."""

    order: Order
    wire: Wire
    script: Script
    rng: Random
    upstream: Upstream
    #: The how manieth request of this tag it is, from 1.
    attempt: int

    def charge(self, told: Told, *, completion_tokens: int | None = None) -> None:
        """Accepts and bills the request: all of the answer's words, or so many."""
        said = len(self.script.words) if completion_tokens is None else completion_tokens
        self.upstream.invoice.append(
            InvoiceRow(tag=self.order.tag, prompt_tokens=self.order.prompt_tokens, completion_tokens=said, told=told)
        )

    def usage(self) -> dict[str, int]:
        """The usage object of the whole answer."""
        prompt, completion = self.order.prompt_tokens, len(self.script.words)
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


Behaviour = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class Upstream:
    """The server; `behaviour` answers whatever comes while it is set."""

    seed: str
    behaviour: Behaviour
    port: int = 0
    invoice: list[InvoiceRow] = field(default_factory=list)
    #: Every request that arrived whole.
    orders: list[Order] = field(default_factory=list)
    #: What the model said, or would have, by tag.
    scripts: dict[str, Script] = field(default_factory=dict)
    #: Words that an answer has at least and at most.
    words: tuple[int, int] = (3, 12)
    #: Facts that a behaviour leaves for the fault's own check, by tag.
    notes: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: Called with each raw connection instead of reading a request; None: requests are read.
    raw: Callable[[Wire], Awaitable[None]] | None = None
    _attempts: Counter[str] = field(default_factory=Counter)
    _server: asyncio.Server | None = None
    #: Behaviours under way, and whether there are none.
    _busy: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """As the gateway is given it."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def open(self) -> None:
        """Listens, at the port it had before if there was one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=4 * 1024 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def settle(self, limit_s: float = 5.0) -> None:
        """Waits until every behaviour has come to its end, so that the invoice is complete."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._quiet.wait()

    async def until_received(self, count: int, limit_s: float = 10.0) -> None:
        """Waits until that many requests have arrived in all."""
        async with asyncio.timeout(limit_s):
            while len(self.orders) < count:
                self._arrived.clear()
                await self._arrived.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        wire = Wire(reader, writer)
        try:
            if self.raw is not None:
                await self.raw(wire)
                return
            while (order := await _read_order(reader)) is not None:
                self._busy += 1
                self._quiet.clear()
                try:
                    await self._answer(order, wire)
                finally:
                    self._busy -= 1
                    if not self._busy:
                        self._quiet.set()
                if wire.gone:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # Cancelled at the end of a run: the stream's own callback must not report it.
            return
        finally:
            self._connections.discard(task)
            wire.close()

    async def _answer(self, order: Order, wire: Wire) -> None:
        self.orders.append(order)
        self._arrived.set()
        self._attempts[order.tag] += 1
        attempt = self._attempts[order.tag]
        rng = Random(f"{self.seed}/{order.tag}/{attempt}")
        script = Script(
            words=[rng.choice(_VOCABULARY) for _ in range(rng.randint(*self.words))],
            finish_reason=rng.choice(("stop", "length")),
        )
        self.scripts[order.tag] = script
        await self.behaviour(Exchange(order=order, wire=wire, script=script, rng=rng, upstream=self, attempt=attempt))


async def _read_order(reader: asyncio.StreamReader) -> Order | None:
    """The next request of a connection; None: there is none, or it is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.endswith("HTTP/1.1"):
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if headers.get("transfer-encoding") == "chunked":
        pieces: list[bytes] = []
        while size := int((await reader.readline()).strip() or b"0", 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        body = b"".join(pieces)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return _order(headers, body)


def _order(headers: dict[str, str], body: bytes) -> Order:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = {}
    words = prompt_words(payload)
    return Order(
        tag=words[0] if words else "?",
        headers=headers,
        body=body,
        stream=payload.get("stream") is True,
        wants_usage=bool((payload.get("stream_options") or {}).get("include_usage")),
        prompt_tokens=len(words),
    )


def prompt_words(payload: dict[str, Any]) -> list[str]:
    """The words of a request's messages, each of which is one token."""
    texts = [message.get("content") for message in payload.get("messages", [])]
    return [word for text in texts if isinstance(text, str) for word in text.split()]
