"""A server on the byte level, and what a backend makes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierwright.core.privacy import Outgoing, Permit, Sending
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.config import BackendConfig
from tierwright.privacy.ungated import Ungated

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine

    from tierwright.core.protocols import Reply

    Script = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GATE = Ungated()
SENDING = Sending(request_id="r", attempt=1, role="primary", client_id="c")
EMPTY = Outgoing("/x", b"{}")
WELL = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@dataclass
class Server:
    """One that is scripted: it calls the script for every connection."""

    script: Script
    #: Connections accepted, and those of which the other side was seen to be gone.
    accepted: int = 0
    left: int = 0
    #: Heads and bodies that `receive` read.
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    async def receive(self, reader: asyncio.StreamReader) -> bytes:
        """Reads one request; its head."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")), b": 0")
        self.bodies.append(await reader.readexactly(int(length.partition(b": ")[2])))
        return head

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.accepted += 1
        try:
            await self.script(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left += 1
        finally:
            writer.close()


def answering(*pieces: bytes, pause_s: float = 0.0, close: bool = False, held: bool = False) -> Script:
    """Answers every request on a connection with these pieces; `close` ends it then, `held` leaves it at that."""

    async def script(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.receive(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
            if held:
                await reader.read()
                raise ConnectionError
            if close:
                return

    return script


def against(
    script: Script,
    use: Callable[[HttpBackend, Server], Coroutine[Any, Any, None]],
    *,
    tls: ssl.SSLContext | None = None,
    **changes: Any,
) -> None:
    """Uses a backend in front of a scripted server, on an event loop of its own."""

    async def run() -> None:
        server = Server(script)
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        scheme = "http" if tls is None else "https"
        settings = {"name": "b", "base_url": f"{scheme}://127.0.0.1:{server.port}/v1", "timeout_s": 10.0, **changes}
        backend = HttpBackend(BackendConfig(**settings), GATE)
        try:
            async with asyncio.timeout(30):
                await use(backend, server)
        finally:
            await backend.aclose()
            listening.close()

    asyncio.run(run())


async def posted(backend: HttpBackend, outgoing: Outgoing = EMPTY, *, timeout_s: float = 10.0) -> Reply:
    """The answer to what is sent with a permit for it."""
    permit = await GATE.permit(outgoing, backend=backend.name, assessment=None, sending=SENDING)
    assert isinstance(permit, Permit)
    return await backend.send(outgoing, permit=permit, timeout_s=timeout_s)


async def fetched(backend: HttpBackend, body: bytes = b"{}", *, timeout_s: float = 10.0) -> tuple[int, bytes]:
    """The status and the whole body of an answer."""
    reply = await posted(backend, Outgoing("/chat/completions", body), timeout_s=timeout_s)
    try:
        return reply.status, b"".join([piece async for piece in reply.chunks()])
    finally:
        await reply.aclose()


async def soon(holds: Callable[[], bool]) -> None:
    """Waits until something holds; the test's deadline ends it where it never does."""
    while not holds():  # noqa: ASYNC110 - what is waited for belongs to a connection
        await asyncio.sleep(0.005)
