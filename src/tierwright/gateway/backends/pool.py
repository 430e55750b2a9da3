"""The connections to one server: opened, kept while they may be used again, closed.

Owns addresses, TLS and how long an idle connection is kept. Refuses to limit how many there are: that is the business
of whoever admits requests. Takes no proxy and nothing else from the environment.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, cast

import aiohappyeyeballs

from tierwright.gateway.backends.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohappyeyeballs import AddrInfoType

#: Below the five seconds after which many servers close an idle connection, so that no request meets one just closed.
_KEEP_ALIVE_S = 4.0
#: Seconds for which a name's addresses are taken as known.
_RESOLVED_S = 10.0
#: Seconds after which the next address is tried beside the one that does not answer (RFC 8305).
_NEXT_ADDRESS_S = 0.25


class Unreachable(Exception):  # noqa: N818 - a state of the server
    """No connection can be had; nothing was sent."""


class Pool:
    """The connections to one server; on one event loop."""

    def __init__(self, host: str, port: int, *, tls: bool, connect_timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        #: The one that has waited longest comes first.
        self._idle: deque[Connection] = deque()
        self._addresses: Sequence[AddrInfoType] = ()
        self._resolved_at = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, now: float) -> Connection | None:
        """A connection that is open and unused; `now` in the event loop's time."""
        if self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since < _KEEP_ALIVE_S:
                return connection
            connection.cut()
        return None

    async def open(self, within_s: float) -> Connection:
        """A new connection, within so many seconds and the settings' own limit; else raises Unreachable."""
        try:
            async with asyncio.timeout(min(within_s, self._connect_timeout_s)):
                return await self._connected()
        except TimeoutError as error:
            raise Unreachable("no connection in time") from error
        except (OSError, UnicodeError) as error:
            why = error.strerror if type(error) is OSError and error.strerror else error.__class__.__name__
            raise Unreachable(why) from error

    def give_back(self, connection: Connection) -> None:
        """Ends a connection's use: it is kept where its answer was read to the end, else cut."""
        if not connection.release():
            return
        if self._closed:
            connection.cut()
            return
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_KEEP_ALIVE_S, self._close_stale)

    def close(self) -> None:
        """Closes what is unused now and everything else when its use ends."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop().cut()

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        chosen = await aiohappyeyeballs.start_connection(
            await self._resolve(), happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1
        )
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._forget),
                sock=chosen,
                ssl=_tls() if self._tls else None,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            chosen.close()
            raise
        return connection

    async def _resolve(self) -> Sequence[AddrInfoType]:
        loop = asyncio.get_running_loop()
        if not self._addresses or loop.time() - self._resolved_at > _RESOLVED_S:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._addresses = cast("Sequence[AddrInfoType]", found)
            self._resolved_at = loop.time()
        return self._addresses

    def _forget(self, connection: Connection) -> None:
        """An idle connection was closed by the server."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _close_stale(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        while self._idle and loop.time() - self._idle[0].idle_since >= _KEEP_ALIVE_S:
            self._idle.popleft().cut()
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].idle_since + _KEEP_ALIVE_S, self._close_stale)


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are verified against the system's authorities."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
