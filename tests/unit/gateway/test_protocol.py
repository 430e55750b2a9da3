"""Requests are the same however they arrive, answers are framed as HTTP/1.1 has them, and each request gets one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.gateway.config import ServerConfig
from tierwright.gateway.protocol import Guard, GuardedProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tierwright.gateway.asgi import Application, Message, Receive, Scope, Send

DATE = b"date: Sat, 28 Nov 2026 22:00:00 GMT\r\n"
PLAIN = [(b"content-type", b"text/plain")]
FIRST = b"POST /v1/first?a=b HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nContent-Length: 11\r\n\r\nhello world"
SECOND = b"POST /v1/a%20b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n again\r\n0\r\n\r\n"
THIRD = b"GET /v1/third HTTP/1.1\r\nConnection: close\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.closed = self.aborted = False
        self.reading = True

    def write(self, data: Any) -> None:
        """Keeps what is sent."""
        self.written += data
        self.writes += 1

    def close(self) -> None:
        """Remembers it."""
        self.closed = True

    def abort(self) -> None:
        """Remembers it."""
        self.aborted = True

    def is_closing(self) -> bool:
        """Whether it was told to close."""
        return self.closed

    def can_write_eof(self) -> bool:
        """It has no two directions."""
        return False

    def pause_reading(self) -> None:
        """Remembers it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Remembers it."""
        self.reading = True


def connected(application: Application) -> tuple[GuardedProtocol, Wire]:
    """A connection whose requests an application answers; in an event loop."""
    server = SimpleNamespace(connections=set(), tasks=set(), total_requests=0, default_headers=[(b"date", DATE[6:-2])])
    config = SimpleNamespace(loaded_app=application)
    connection = Guard(ServerConfig()).protocol(config=cast("Any", config), server_state=cast("Any", server))
    wire = Wire()
    connection.connection_made(wire)
    return connection, wire


async def settle() -> None:
    """Lets everything happen that waits for nothing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def whole(receive: Receive) -> bytes:
    """All of a request's body."""
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body, more = body + message["body"], message["more_body"]
    return body


async def say(send: Send, body: bytes, *, status: int = 200, headers: list[tuple[bytes, bytes]] = PLAIN) -> None:
    """Answers with a body of a length that is said."""
    given = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def answered(application: Application, *pieces: bytes) -> Wire:
    """What an application has answered when everything has arrived."""

    async def run() -> Wire:
        connection, wire = connected(application)
        for piece in pieces:
            connection.data_received(piece)
            await settle()
        return wire

    return asyncio.run(run())


def giving(*messages: Message) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An application that sends just these."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return application


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    """The beginning of an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes, *, more: bool = False) -> Message:
    """A piece of an answer."""
    return {"type": "http.response.body", "body": body, "more_body": more}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_requests_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    """Three requests in one go, cut anywhere: each is read as it was sent and answered in turn, then it is over."""
    seen: list[tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes]] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body = await whole(receive)
        seen.append((scope["method"], scope["path"], scope["query_string"], scope["headers"], body))
        await say(send, body)

    text = FIRST + SECOND + THIRD
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    wire = answered(echo, *(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b))
    assert seen == [
        ("POST", "/v1/first", b"a=b", [(b"host", b"h"), (b"x-one", b"1"), (b"content-length", b"11")], b"hello world"),
        ("POST", "/v1/a b", b"", [(b"transfer-encoding", b"chunked")], b"hello again"),
        ("GET", "/v1/third", b"", [(b"connection", b"close")], b""),
    ]
    line = b"HTTP/1.1 200 OK\r\n" + DATE + b"content-type: text/plain\r\ncontent-length: %d\r\n"
    assert wire.written == (
        (line % 11 + b"\r\nhello world") + (line % 11 + b"\r\nhello again") + (line % 0 + b"connection: close\r\n\r\n")
    )
    assert wire.closed


def test_a_head_goes_out_with_its_body() -> None:
    """An answer of known length is one write; one of unknown length begins at once."""
    assert answered(giving(start((b"content-length", b"2")), piece(b"ok")), THIRD).writes == 1
    wire = answered(giving(start()), FIRST)
    assert wire.written.startswith(b"HTTP/1.1 200 OK\r\n" + DATE + b"transfer-encoding: chunked\r\n\r\n")


def test_a_stream_goes_out_in_chunks() -> None:
    """Each piece is a chunk, an empty one is none, and the last is followed by the end."""
    wire = answered(giving(start(), piece(b"a" * 17, more=True), piece(b"", more=True), piece(b"z")), FIRST)
    assert wire.written.partition(b"\r\n\r\n")[2] == b"11\r\n" + b"a" * 17 + b"\r\n1\r\nz\r\n0\r\n\r\n"
    assert not wire.closed


def test_a_caller_of_http_1_0_gets_no_chunks() -> None:
    """Its stream ends with the connection."""
    wire = answered(giving(start(), piece(b"a", more=True), piece(b"b")), b"GET /v1/x HTTP/1.0\r\n\r\n")
    assert wire.written == b"HTTP/1.1 200 OK\r\n" + DATE + b"connection: close\r\n\r\nab"
    assert wire.closed


@pytest.mark.parametrize(
    ("request_line", "status"), [(b"HEAD /v1/x HTTP/1.1", 200), (b"GET /v1/x HTTP/1.1", 204), (b"GET / HTTP/1.1", 304)]
)
def test_an_answer_without_a_body_has_none(request_line: bytes, status: int) -> None:
    """Neither to HEAD nor with a status that has none; what a length says stays, and the connection goes on."""
    body = b"" if status != 200 else b"never sent"
    headers = [(b"content-length", b"10")] if status == 200 else []
    wire = answered(giving(start(*headers, status=status), piece(body)), request_line + b"\r\n\r\n")
    assert wire.written.endswith(b"\r\n\r\n")
    assert (b"content-length: 10\r\n" in wire.written) == bool(headers)
    assert b"chunked" not in wire.written
    assert not wire.closed


@pytest.mark.parametrize("status", [529, 999])
def test_a_status_that_no_standard_names_is_passed_on(status: int) -> None:
    """Model servers behind others have such."""
    wire = answered(giving(start((b"content-length", b"0"), status=status), piece(b"")), FIRST)
    assert wire.written.startswith(b"HTTP/1.1 %d \r\n" % status)


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"\r\n\r\nHTTP/1.1 200 OK"])
def test_a_header_that_ends_its_line_is_not_sent(value: bytes) -> None:
    """Nothing of that answer leaves: the caller gets an error of ours, and the connection ends."""
    wire = answered(giving(start((b"x-one", value)), piece(b"ok")), FIRST)
    assert wire.written.startswith(b"HTTP/1.1 500 ")
    assert wire.written.count(b"HTTP/1.1") == 1
    assert b"internal_error" in wire.written
    assert b"set-cookie" not in wire.written
    assert wire.closed


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [piece(b"first")],
        [start((b"content-length", b"x"))],
        [{"type": "http.response.push", "path": "/"}],
    ],
)
def test_an_answer_left_out_is_an_error_of_ours(messages: list[Message]) -> None:
    """An application that says nothing, or no answer: 500, and the connection ends."""
    wire = answered(giving(*messages), FIRST)
    assert wire.written.startswith(b"HTTP/1.1 500 ")
    assert wire.closed


@pytest.mark.parametrize(
    "messages",
    [
        [start((b"content-length", b"3"))],
        [start((b"content-length", b"3")), piece(b"ok")],
        [start((b"content-length", b"1")), piece(b"ok")],
        [start(), piece(b"ok", more=True)],
        [start(), start(), piece(b"ok")],
    ],
)
def test_an_answer_that_breaks_off_is_cut(messages: list[Message]) -> None:
    """Nobody can take it for a whole one, or for another's."""
    wire = answered(giving(*messages), FIRST)
    assert wire.closed
    assert not wire.written.endswith(b"0\r\n\r\n")
    assert wire.written.count(b"HTTP/1.1") <= 1
    assert b" 500 " not in wire.written


def test_a_caller_that_leaves_is_known_to_every_request() -> None:
    """Of three requests sent at once the first is told that the caller has gone; the others never begin."""
    told: list[str] = []

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await whole(receive)
        told.append(scope["path"])
        told.append((await receive())["type"])
        await say(send, b"nobody reads this")

    async def run() -> Wire:
        connection, wire = connected(waiting)
        connection.data_received(FIRST + SECOND + THIRD)
        await settle()
        connection.connection_lost(None)
        await settle()
        return wire

    wire = asyncio.run(run())
    assert told == ["/v1/first", "http.disconnect"]
    assert wire.written == b""


def test_a_body_is_asked_for_once_it_is_wanted() -> None:
    """A caller that waits to be told to send its body is told when the body is read, and not when it is refused."""
    head = b"POST /v1/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await say(send, await whole(receive))

    wire = answered(echo, head, b"ok")
    assert wire.written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    refused = answered(giving(start((b"content-length", b"0"), status=413), piece(b"")), head)
    assert refused.written.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_nobody_reads_waits_with_its_sender() -> None:
    """Reading stops above 64 KiB and goes on when the application receives; nothing is lost in many pieces."""
    size = 200_000
    gates: list[asyncio.Event] = []

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await gates[0].wait()
        await say(send, b"%d" % len(await whole(receive)))

    async def run() -> Wire:
        gates.append(asyncio.Event())
        connection, wire = connected(late)
        connection.data_received(b"POST /v1/x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
        sent = 0
        while wire.reading:
            connection.data_received(b"x" * 1000)
            sent += 1000
        assert 64_000 < sent < 67_000
        gates[0].set()
        await settle()
        assert wire.reading
        connection.data_received(b"x" * (size - sent))
        await settle()
        return wire

    assert asyncio.run(run()).written.endswith(b"\r\n\r\n200000")


def test_an_answer_waits_for_a_caller_that_does_not_read() -> None:
    """While the transport is full nothing more is written; what waits ends where the caller leaves."""

    async def run(*, leaves: bool) -> bytes:
        connection, wire = connected(giving(start(), piece(b"one", more=True), piece(b"two")))
        connection.pause_writing()
        connection.data_received(FIRST)
        await settle()
        assert wire.written == b""
        if leaves:
            connection.connection_lost(None)
        else:
            connection.resume_writing()
        await settle()
        return wire.written

    assert asyncio.run(run(leaves=True)) == b""
    assert asyncio.run(run(leaves=False)).endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_server_that_ends_lets_an_answer_finish() -> None:
    """A connection at rest is closed at once; one with an answer under way says that it is the last."""

    async def run() -> tuple[Wire, Wire]:
        idle, resting = connected(giving())
        idle.shutdown()
        gate = asyncio.Event()

        async def late(scope: Scope, receive: Receive, send: Send) -> None:
            await gate.wait()
            await say(send, b"ok")

        connection, wire = connected(late)
        connection.data_received(FIRST)
        await settle()
        connection.shutdown()
        assert not wire.closed
        gate.set()
        await settle()
        return resting, wire

    resting, wire = asyncio.run(run())
    assert resting.closed
    assert wire.written.endswith(b"connection: close\r\n\r\nok")
    assert wire.closed


@pytest.mark.parametrize("sent", [b"NONSENSE\r\n\r\n", b"GET x HTTP/1.1\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_refused(sent: bytes) -> None:
    """400 in OpenAI's shape, once, and no application is asked."""

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    wire = answered(never, sent, b"more")
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.written.count(b"HTTP/1.1 4") == 1


def test_an_offer_to_change_the_protocol_is_passed_over() -> None:
    """A request that offers WebSocket is answered as any other."""
    offer = b"GET /v1/x HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    wire = answered(giving(start((b"content-length", b"2")), piece(b"ok")), offer)
    assert wire.written.startswith(b"HTTP/1.1 200 OK\r\n")
