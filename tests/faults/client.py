"""A caller on the byte level: asks, hears what comes, counts answers, and leaves when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEY = "tw-fault-key"
#: Seconds after which an answer that has not ended counts as a hang.
HANG_S = 20.0
#: Bytes that a slow caller's kernel may hold for it, and bytes that are read of a whole answer at once.
_LITTLE_BYTES, _BLOCK_BYTES = 4096, 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a caller sends and takes."""

    #: Whether the body's length is not said before.
    chunked: bool = False
    #: Seconds between two pieces of the body.
    send_pause_s: float = 0.0
    #: Seconds between two pieces of the answer.
    take_pause_s: float = 0.0
    #: After its head nothing of the answer is taken before this is set; None: it is taken as it comes.
    rest: asyncio.Event | None = None


@dataclass(slots=True, kw_only=True)
class Heard:
    """What a caller got for one request."""

    tag: str
    streamed: bool
    #: Whether it left before the end, on purpose.
    left: bool = False
    #: Whether the gateway was killed before it had answered.
    cut: bool = False
    #: None: no answer began.
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: Whether the framing said that the answer is complete.
    complete: bool = False
    #: Bytes that came after the answer's end.
    surplus: bytes = b""
    #: Whether the answer did not end in time.
    hung: bool = False

    @property
    def event_stream(self) -> bool:
        """Whether it is one."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def inference_id(self) -> str | None:
        """What the gateway acknowledged it as; None: it did not."""
        return self.headers.get("x-tierwright-inference-id")

    @property
    def error_code(self) -> str | None:
        """The code of an error body; None: it is none."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.body)
            if isinstance(found, dict) and isinstance(found.get("error"), dict):
                return str(found["error"].get("code"))
        return None

    @property
    def good(self) -> bool:
        """Whether it is a whole answer of a model."""
        return self.status == 200 and self.complete and b'"error"' not in self.body and b'"finish_reason"' in self.body


def chat(tag: str, *, streamed: bool, include_usage: bool = False, model: str = "gpt-4o", **more: Any) -> bytes:
    """The body of a request that is known by its tag."""
    request: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": f"{tag} is my card lost"}]}
    if streamed:
        request["stream"] = True
        if include_usage:
            request["stream_options"] = {"include_usage": True}
    return json.dumps({**request, **more}).encode()


async def ask(
    port: int,
    tag: str,
    body: bytes | Sequence[bytes],
    *,
    streamed: bool,
    headers: dict[str, str] | None = None,
    leave_after_bytes: int | None = None,
    leave_after_s: float | None = None,
    manner: Manner = Manner(),
) -> Heard:
    """One request on a connection of its own, up to its end or to when the caller leaves."""
    heard = Heard(tag=tag, streamed=streamed)
    try:
        reader, writer = await _connected(port, manner)
    except OSError:
        return heard
    try:
        async with asyncio.timeout(HANG_S if leave_after_s is None else leave_after_s):
            parts = _request(tag, [body] if isinstance(body, bytes) else body, headers or {}, chunked=manner.chunked)
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(manner.send_pause_s)
            await _hear(reader, heard, leave_after_bytes, manner)
    except TimeoutError:
        heard.left = leave_after_s is not None
        heard.hung = not heard.left
    except (ConnectionError, asyncio.IncompleteReadError):
        heard.complete = False
    finally:
        writer.transport.abort()
    return heard


async def _connected(port: int, manner: Manner) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; of one whose caller takes its time the kernel and we hold as little as can be."""
    if manner.rest is None and not manner.take_pause_s:
        return await asyncio.open_connection("127.0.0.1", port)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE_BYTES)
    slow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=slow, limit=_LITTLE_BYTES)


def _request(tag: str, body: Sequence[bytes], more: dict[str, str], *, chunked: bool) -> Iterator[bytes]:
    """The bytes of a request, a large body never in one piece."""
    framing = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(sum(map(len, body)))}
    headers = {
        "host": "gateway",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "x-request-id": tag,
        **framing,
        **more,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    yield f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode("latin-1")
    for part in body:
        yield b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
    if chunked:
        yield b"0\r\n\r\n"


async def _hear(reader: asyncio.StreamReader, heard: Heard, leave_after_bytes: int | None, manner: Manner) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    heard.status = int(first.split(" ")[1])
    heard.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = bytearray()
    try:
        if manner.rest is not None:
            await manner.rest.wait()
        if "content-length" in heard.headers:
            length = int(heard.headers["content-length"])
            while len(body) < length:
                body += await reader.readexactly(min(length - len(body), _BLOCK_BYTES))
                await asyncio.sleep(manner.take_pause_s)
        else:
            while size := int((await reader.readline()).strip() or b"-1", 16):
                if size < 0:
                    return
                body += await reader.readexactly(size)
                await reader.readexactly(2)
                await asyncio.sleep(manner.take_pause_s)
                if leave_after_bytes is not None and len(body) >= leave_after_bytes:
                    heard.left = True
                    return
            await reader.readline()
        heard.complete = True
    finally:
        heard.body = bytes(body)
    # A second answer to the one request would follow at once.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.005):
            heard.surplus = await reader.read(1024)
