"""Callers that are slow, endless or too many are answered or cut in time, and cost others nothing."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.integration.gateway.conftest import KEY, Running, eventually
from tests.integration.gateway.upstream import events, streaming

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}).encode()
#: Seconds by which a deadline may be missed on a busy machine.
SLACK_S = 3.0


def head(length: int = len(BODY), *more: str) -> bytes:
    """The head of a completion's request."""
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: h", f"authorization: Bearer {KEY}", *more]
    return "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode()


def connected(gateway: Running, *, receive_bytes: int | None = None) -> socket.socket:
    """A connection of our own."""
    parts = urlsplit(gateway.url)
    found = socket.socket()
    if receive_bytes is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    found.settimeout(20)
    found.connect((parts.hostname, parts.port))
    return found


def to_the_end(connection: socket.socket) -> bytes:
    """All that is sent until the connection is closed."""
    pieces = []
    while piece := connection.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def problem_of(answer: bytes) -> tuple[int, str, bytes]:
    """Status, code and head of the one answer sent."""
    first, _, body = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), json.loads(body)["error"]["code"], first


def test_a_head_that_never_ends_is_cut(start: Callable[..., Running]) -> None:
    """A byte of a header now and then does not keep a connection: 408 within the deadline, which no byte prolongs."""
    gateway = start(server={"header_timeout_s": 0.6})
    # The deadline counts from the connection on, not from its first byte.
    began = time.monotonic()
    with closing(connected(gateway)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        connection.settimeout(0.1)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            try:
                answer = connection.recv(65_536)
            except TimeoutError:
                assert time.monotonic() - began < 0.6 + SLACK_S
        took = time.monotonic() - began
    assert took >= 0.6
    assert problem_of(answer)[:2] == (408, "request_timeout")


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_a_connection_that_asks_nothing_is_closed(start: Callable[..., Running], sent: bytes) -> None:
    """Silence and line ends are no request; the connection ends with the head's deadline."""
    gateway = start(server={"header_timeout_s": 0.4})
    began = time.monotonic()
    with closing(connected(gateway)) as connection:
        if sent:
            connection.sendall(sent)
        answer = to_the_end(connection)
    assert 0.4 <= time.monotonic() - began < 0.4 + SLACK_S
    assert answer == b"" or problem_of(answer)[0] == 408


def test_a_body_that_never_ends_is_cut(start: Callable[..., Running]) -> None:
    """Half a body: 408 within the deadline, the upstream is never asked, and the gateway forgets the request."""
    gateway = start(server={"body_timeout_s": 0.6})
    with closing(connected(gateway)) as connection:
        began = time.monotonic()
        connection.sendall(head() + BODY[:20])
        answer = to_the_end(connection)
    assert 0.6 <= time.monotonic() - began < 0.6 + SLACK_S
    assert problem_of(answer)[:2] == (408, "request_timeout")
    assert gateway.upstream.seen == []
    eventually(lambda: gateway.readiness()["in_flight"] == 1)


def test_a_body_thrown_away_is_cut(start: Callable[..., Running]) -> None:
    """After an answer that needs no body, what is still sent of it keeps no connection for ever."""
    gateway = start(server={"body_timeout_s": 0.5})
    with closing(connected(gateway)) as connection:
        connection.sendall(head(10_000_000))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
        began = time.monotonic()
        with pytest.raises((ConnectionError, TimeoutError)):  # noqa: PT012 - which write fails is not ours to say
            while time.monotonic() - began < 0.5 + SLACK_S:
                connection.sendall(b"x")
                time.sleep(0.05)
            raise AssertionError


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_large_head_is_refused(start: Callable[..., Running], pieces: int) -> None:
    """Headers beyond the bound: 431 with a stable code, in one piece or in many, and nothing reaches the upstream."""
    gateway = start(server={"max_header_bytes": 2000})
    request = head(len(BODY), f"x-filler: {'f' * 3000}") + BODY
    size = len(request) // pieces + 1
    with closing(connected(gateway)) as connection:
        for at in range(0, len(request), size):
            connection.sendall(request[at : at + size])
            time.sleep(0.05)
        answer = to_the_end(connection)
    status, code, headers = problem_of(answer)
    assert (status, code) == (431, "request_header_fields_too_large")
    assert b"connection: close" in headers
    assert gateway.upstream.seen == []


def test_an_endless_header_is_not_held(start: Callable[..., Running]) -> None:
    """A header value without an end is refused as soon as it passes the bound, not when the deadline passes."""
    gateway = start(server={"max_header_bytes": 2000})
    with closing(connected(gateway)) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nx-endless: " + b"e" * 2500)
        assert problem_of(to_the_end(connection))[0] == 431


def test_a_large_body_is_no_large_head(start: Callable[..., Running]) -> None:
    """The bound is the head's alone: a small head with a body far beyond it, in one piece, is answered."""
    gateway = start(server={"max_header_bytes": 400})
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * 20_000}]}).encode()
    with closing(connected(gateway)) as connection:
        # Two requests in one piece: the second head begins behind the first body.
        connection.sendall((head(len(body)) + body) * 2)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 2 or not answers.endswith(b"}"):
            answers += connection.recv(65_536)
    assert len(gateway.upstream.seen) == 2


def test_what_is_no_http_gets_an_honest_error(gateway: Running) -> None:
    """Noise instead of a request: 400 in the shape that callers of the API expect."""
    with closing(connected(gateway)) as connection:
        connection.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        assert problem_of(to_the_end(connection))[:2] == (400, "invalid_http")


def test_one_connection_too_many(start: Callable[..., Running]) -> None:
    """Beyond the bound a caller is told to come back; when one leaves, there is room again."""
    gateway = start(server={"max_connections": 2})
    first, second = connected(gateway), connected(gateway)
    with closing(first):
        with closing(second):
            for connection in (first, second):
                connection.sendall(head() + BODY)
                assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
            with closing(connected(gateway)) as third:
                third.sendall(head() + BODY)
                status, code, headers = problem_of(to_the_end(third))
            assert (status, code) == (503, "too_many_connections")
            assert b"retry-after: 1" in headers

        def there_is_room() -> bool:
            with closing(connected(gateway)) as another:
                another.sendall(head() + BODY)
                return another.recv(65_536).startswith(b"HTTP/1.1 200")

        eventually(there_is_room)


def test_a_reader_that_takes_nothing_is_cut(start: Callable[..., Running]) -> None:
    """A caller that leaves a stream untaken is cut, the upstream cancelled, and what was used recorded."""
    gateway = start(server={"write_timeout_s": 0.5})
    gateway.upstream.script = streaming(events(*["word " * 2000] * 3000))
    streamed = BODY[:-1] + b',"stream":true}'
    with closing(connected(gateway, receive_bytes=4096)) as connection:
        connection.sendall(head(len(streamed)) + streamed)
        assert gateway.upstream.cancelled.wait(15)
        eventually(lambda: gateway.readiness()["in_flight"] == 1)
    (inference,) = gateway.captured()
    assert inference.error_code == "client_disconnected"


def test_deadlines_spare_the_patient(start: Callable[..., Running]) -> None:
    """An answer may take longer than every deadline of the caller, and a connection kept alive may rest."""
    gateway = start(server={"header_timeout_s": 0.3, "body_timeout_s": 0.3, "write_timeout_s": 0.3})
    gateway.upstream.script = streaming(events("a", "b", "c"), pause_s=0.3)
    messages: Any = [{"role": "user", "content": "hello"}]
    client = gateway.client()
    for _ in range(2):
        pieces = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "abc"
        time.sleep(0.6)
    assert len(gateway.captured(2)) == 2
