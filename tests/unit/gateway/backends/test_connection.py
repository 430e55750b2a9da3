"""What is parsed does not depend on how it arrives, and a connection is used again only where that is safe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.backends.scripted import WELL, Server, against, answering, fetched, posted, soon
from tierwright.core.errors import BackendBroken, BackendError, BackendLost, BackendTimeout
from tierwright.gateway.backends.connection import Connection, ExchangeError

if TYPE_CHECKING:
    from tierwright.gateway.backends.http import HttpBackend

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: 7\r\n\r\n"
    b'5;name="value"\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n'
)
EARLY = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def writelines(self, list_of_data: Any) -> None:
        """Keeps what is sent."""
        self.written += b"".join(list_of_data)

    def get_write_buffer_size(self) -> int:
        """All was sent."""
        return 0

    def pause_reading(self) -> None:
        """Nothing waits here."""

    def resume_reading(self) -> None:
        """Nothing waits here."""

    def abort(self) -> None:
        """Remembers it."""
        self.aborted = True


async def exchanged(pieces: list[bytes], *, ends: bool = False) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
    """Status, headers, body, and whether the connection may be used again, of an answer that arrives in pieces."""
    connection, wire = Connection(lambda _: None), Wire()
    connection.connection_made(wire)
    asking = asyncio.create_task(connection.ask(b"head", b"body", deadline=float("inf"), idle_s=100))
    await asyncio.sleep(0)
    assert wire.written == b"headbody"
    for piece in pieces:
        connection.data_received(piece)
    if ends:
        connection.connection_lost(None)
    await asking
    body = b""
    while found := await connection.read():
        body += found
    return connection.status, connection.headers, body, connection.release()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), before=st.sampled_from([b"", EARLY]))
def test_an_answer_is_the_same_however_it_is_cut(data: st.DataObject, before: bytes) -> None:
    """A chunked answer with extensions and a trailer, cut anywhere: the same status, headers and body each time."""
    text = before + CHUNKED
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]
    found = asyncio.run(exchanged(pieces))
    assert found == (200, [(b"transfer-encoding", b"chunked"), (b"x-request-id", b"7")], b"hello world", True)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([WELL, CHUNKED, EARLY])), max_size=6))
def test_whatever_arrives_is_an_answer_or_an_error_of_ours(pieces: list[bytes]) -> None:
    """Any bytes: a status and a body, or one exception class; never a wait without end once the server has left."""

    async def run() -> None:
        try:
            status, _, _, _ = await asyncio.wait_for(exchanged(pieces, ends=True), 5)
        except ExchangeError:
            return
        assert 200 <= status <= 999

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "again"),
    [
        (WELL, True),
        (CHUNKED, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (WELL.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), False),
        (WELL.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (WELL + b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", False),
        (WELL + b"HT", False),
        (WELL + b"rubbish", False),
    ],
)
def test_a_connection_is_used_again_where_nothing_is_left_on_it(text: bytes, *, again: bool) -> None:
    """Not after one that the server closes, nor after one behind which something more came."""
    assert asyncio.run(exchanged([text]))[3] is again


def test_bytes_that_nobody_asked_for_end_a_connection() -> None:
    """What comes after an answer, before or after the connection was released, is never taken for the next answer."""

    async def run() -> None:
        for release_first in (False, True):
            connection, wire = Connection(lambda _: None), Wire()
            connection.connection_made(wire)
            asking = asyncio.create_task(connection.ask(b"", b"", deadline=float("inf"), idle_s=100))
            await asyncio.sleep(0)
            connection.data_received(WELL)
            await asking
            if release_first:
                assert connection.release()
            connection.data_received(WELL)
            assert wire.aborted
            if not release_first:
                assert await connection.read() == b"{}"
                assert not connection.release()

    asyncio.run(run())


def test_one_connection_serves_one_request_after_the_other() -> None:
    """Three requests, one connection; each has its own head and body."""

    async def use(backend: HttpBackend, server: Server) -> None:
        for body in (b"{}", b"[1]", b"x" * 100_000):
            assert await fetched(backend, body) == (200, b"{}")
        assert server.accepted == 1
        assert server.bodies == [b"{}", b"[1]", b"x" * 100_000]
        head = server.heads[0].lower()
        assert head.startswith(b"post /v1/chat/completions http/1.1\r\n")
        assert head.count(b"\r\nhost: 127.0.0.1:%d\r\n" % server.port) == 1

    against(answering(WELL), use)


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    """It is whole when the server closes, and the next request has a connection of its own."""

    async def use(backend: HttpBackend, server: Server) -> None:
        assert await fetched(backend) == (200, b"one two")
        assert await fetched(backend) == (200, b"one two")
        assert server.accepted == 2

    against(answering(b"HTTP/1.1 200 OK\r\n\r\n", b"one ", b"two", pause_s=0.01, close=True), use)


@pytest.mark.parametrize(
    ("pieces", "meaning", "says"),
    [
        ((b"",), BackendLost, "lost after the request was sent"),
        ((b"HTTP/1.1 200 O",), BackendLost, "lost after the request was sent"),
        ((EARLY,), BackendLost, "lost after the request was sent"),
        ((b"SSH-2.0-OpenSSH\r\n",), BackendBroken, "does not speak HTTP"),
        (
            (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",),
            BackendBroken,
            "change of the protocol",
        ),
        ((b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,), BackendBroken, "no body"),
        ((WELL.replace(b"2\r\n\r\n", b"3\r\n\r\n"),), BackendBroken, "stopped half-way"),
        ((CHUNKED[:-20],), BackendBroken, "stopped half-way"),
        ((CHUNKED[:-4], b"x: " + b"y" * 70_000), BackendBroken, "stopped half-way"),
        ((CHUNKED.replace(b"\r\n6\r\n", b"\r\nzz\r\n"),), BackendBroken, "stopped half-way"),
        (
            (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n",),
            BackendBroken,
            "redirect",
        ),
        ((WELL.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\n"),), BackendBroken, "does not speak HTTP"),
    ],
)
def test_what_is_no_answer_is_an_error_that_says_so(
    pieces: tuple[bytes, ...], meaning: type[BackendError], says: str
) -> None:
    """Whether it was answered is unknown before a status, and half an answer is never a whole one."""

    async def use(backend: HttpBackend, _: Server) -> None:
        with pytest.raises(meaning, match=says):
            await fetched(backend)

    against(answering(*pieces, close=True), use)


def test_silence_and_slowness_have_deadlines() -> None:
    """Nothing at all, nothing more, and byte after byte for ever."""
    for pieces, pause_s, held in (
        ((b"",), 0, True),
        ((WELL[:-1],), 0, True),
        ((WELL[:40], *([b"a"] * 400)), 0.01, False),
    ):

        async def use(backend: HttpBackend, server: Server) -> None:
            with pytest.raises(BackendTimeout, match="deadline"):
                await fetched(backend, timeout_s=0.5)
            await soon(lambda: server.left == 1)

        against(answering(*pieces, pause_s=pause_s, held=held), use, idle_timeout_s=0.2)


def test_a_server_that_is_faster_than_its_reader_waits() -> None:
    """It can't send much of an answer that nobody reads, that is no silence of its own, and then all of it arrives."""
    size = 40_000_000
    sent = 0

    async def script(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.receive(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()
        await reader.read()

    async def use(backend: HttpBackend, _: Server) -> None:
        reply = await posted(backend, timeout_s=20)
        await asyncio.sleep(0.5)
        # What the sockets of both sides may hold is the system's.
        assert sent < size / 2
        assert sum([len(piece) async for piece in reply.chunks()]) == size
        await reply.aclose()

    against(script, use, idle_timeout_s=0.3)


def test_an_answer_may_come_before_the_request_is_taken() -> None:
    """A server that refuses a large body at once is heard, and its connection not used again."""
    refused = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}"

    async def script(_: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refused)
        await asyncio.sleep(1)

    async def use(backend: HttpBackend, server: Server) -> None:
        assert await fetched(backend, b"x" * 20_000_000) == (413, b"{}")
        assert await fetched(backend, b"x" * 20_000_000) == (413, b"{}")
        assert server.accepted == 2

    against(script, use)


def test_who_stops_waiting_ends_the_connection() -> None:
    """Cancelled before the status, or closed in the midst of a body: the server sees it, others are not touched."""

    async def use(backend: HttpBackend, server: Server) -> None:
        asking = asyncio.create_task(fetched(backend))
        await soon(lambda: len(server.bodies) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await soon(lambda: server.left == 1)

    against(answering(held=True), use)

    async def use_half(backend: HttpBackend, server: Server) -> None:
        reply = await posted(backend)
        assert await anext(reply.chunks()) == b"{"
        await reply.aclose()
        await reply.aclose()
        await soon(lambda: server.left == 1)

    against(answering(WELL[:-1], held=True), use_half)
