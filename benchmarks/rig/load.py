"""Requests: as many as fit through, or so many a second, in pairs through a gateway and past it.

As many as fit is wrk's work where it is installed; our own client takes more of the processor, so that what it finds is
a lower bound.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools
import numpy as np
import uvloop

from rig.wire import BODY

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from rig.wire import Target

#: Seconds after which an idle connection is not used again: the other side may be about to close it.
_IDLE_S = 5.0
_DONE = """
function done(summary, latency)
    local errors = summary.errors
    local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format('\\n{"answered": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "failed": %d}\\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
"""
_IN_TURN = """
local bodies, at = {}, 0
for line in io.lines(%s) do bodies[#bodies + 1] = line end
function request()
    at = at %% #bodies + 1
    return wrk.format(nil, nil, nil, bodies[at])
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hammered:
    """What came of keeping every connection busy."""

    answered: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as the client saw it."""

    #: Of HTTP; 0: the connection was lost.
    status: int
    #: Seconds until the first byte of its body.
    first_s: float
    #: Seconds until it was complete.
    total_s: float
    body: bytes


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends a request when it is told to."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[Reply] | None = None
        self._parts: list[bytes] = []
        self._sent_at = self._first_at = 0.0
        self._idle_since = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is ready."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The answer under way, if any, has failed."""
        self._end(0)

    @property
    def is_fresh(self) -> bool:
        """Whether it is open and was used a moment ago."""
        return not self._transport.is_closing() and time.perf_counter() - self._idle_since < _IDLE_S

    def data_received(self, data: bytes) -> None:
        """Parses."""
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """Keeps a part of the answer."""
        if not self._parts:
            self._first_at = time.perf_counter()
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        self._end(self._parser.get_status_code())

    def ask(self, request: bytes) -> asyncio.Future[Reply]:
        """The answer to a request."""
        self._reply = asyncio.get_running_loop().create_future()
        self._parts = []
        self._sent_at = self._first_at = time.perf_counter()
        self._transport.write(request)
        return self._reply

    def close(self) -> None:
        """Closes it."""
        self._transport.close()

    def _end(self, status: int) -> None:
        if self._reply is not None and not self._reply.done():
            now, sent_at = time.perf_counter(), self._sent_at
            self._idle_since = now
            body = b"".join(self._parts)
            reply = Reply(status=status, first_s=self._first_at - sent_at, total_s=now - sent_at, body=body)
            self._reply.set_result(reply)


class Pool:
    """Connections to one port; as many as are needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def open(self, count: int) -> None:
        """Opens that many in advance."""
        for _ in range(count):
            self._idle.append(await self._connect())

    async def ask(self, request: bytes) -> Reply:
        """The answer to a request; status 0 where there was no connection to be had, or it was lost."""
        try:
            connection = self._take() or await self._connect()
        except OSError:
            return Reply(status=0, first_s=0, total_s=0, body=b"")
        reply = await connection.ask(request)
        self._idle.append(connection)
        return reply

    def close(self) -> None:
        """Closes the idle ones."""
        for connection in self._idle:
            connection.close()

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return connection


async def at_rate(rate: float, count: int, send: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Calls `send` with 0, 1, 2 … that often a second, whatever the calls take, and waits for all to end.

    The first call that raises ends it all, as an ExceptionGroup.
    """
    began = time.perf_counter()
    async with asyncio.TaskGroup() as under_way:
        for number in range(count):
            if (wait_s := began + number / rate - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            under_way.create_task(send(number))


async def in_pairs(
    requests: Callable[[int], tuple[tuple[int, bytes], tuple[int, bytes]]], *, rate: float, count: int, first: bool
) -> NDArray[np.float64]:
    """Seconds through the gateway and past it, a row for each pair, `rate` pairs a second.

    `requests` gives, for a number, port and request of both. Which of the two is sent first alternates. `first`: the
    seconds until the answer's first byte, not until its last. Raises RuntimeError where an answer is no 200.
    """
    pools: dict[int, Pool] = {}
    found = np.zeros((count, 2))

    async def one(number: int, side: int, port: int, request: bytes) -> None:
        reply = await pools[port].ask(request)
        if reply.status != 200:
            raise RuntimeError(f"port {port} answered {reply.status}: {reply.body[:300]!r}")
        found[number, side] = reply.first_s if first else reply.total_s

    async def pair(number: int) -> None:
        sides = list(enumerate(requests(number)))
        await asyncio.gather(*(one(number, side, *what) for side, what in (sides if number % 2 else sides[::-1])))

    for port, _ in requests(0):
        pools[port] = Pool(port)
        await pools[port].open(64)
    await at_rate(rate, count, pair)
    for pool in pools.values():
        pool.close()
    return found


def hammer(target: Target, connections: int, seconds: int, *, bodies: Path | None = None) -> Hammered:
    """Keeps every connection busy; raises RuntimeError where an answer is no 200.

    `bodies`: a file with one body a line, which are sent in turn, by wrk alone; None: always the same.
    """
    if bodies is None and shutil.which("wrk") is None:
        return uvloop.run(_own_hammer(target, connections, seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = {json.dumps(BODY)}\n")
        script.writelines(f"wrk.headers['{name}'] = '{value}'\n" for name, value in target.all_headers.items())
        if bodies is not None:
            script.write(_IN_TURN % json.dumps(str(bodies)))
        script.write(_DONE)
        script.flush()
        url = f"http://127.0.0.1:{target.port}/v1/chat/completions"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.splitlines()[-1])
    if found["failed"] or not found["answered"]:
        raise RuntimeError(f"{url} did not answer every request with 200:\n{said}")
    return Hammered(
        answered=found["answered"],
        seconds=found["duration_us"] / 1e6,
        p50_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
    )


def load_program() -> str:
    """Who keeps the connections busy, for the report."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "own client (a lower bound)"
    return " ".join(subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False).stdout.split()[:2])


async def _own_hammer(target: Target, connections: int, seconds: float) -> Hammered:
    request, pool, taken = target.request(), Pool(target.port), []
    await pool.open(connections)
    began = time.perf_counter()

    async def busy() -> None:
        while time.perf_counter() < began + seconds:
            reply = await pool.ask(request)
            if reply.status != 200:
                raise RuntimeError(f"port {target.port} answered {reply.status}: {reply.body[:300]!r}")
            taken.append(reply.total_s * 1000)

    await asyncio.gather(*(busy() for _ in range(connections)))
    took = time.perf_counter() - began
    pool.close()
    p50, p99 = np.quantile(taken, (0.5, 0.99))
    return Hammered(answered=len(taken), seconds=took, p50_ms=float(p50), p99_ms=float(p99))
