"""A stream passes through whole, in order, and with the inference's id."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.core.errors import BackendBroken
from tierwright.gateway.sse import ChunkStream

NEW = "chatcmpl-1"

STREAM = (
    b": warming up\n\n"
    b'data: {"id":"up-1","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
    b'event: message\r\ndata:{"choices":[],"id":"up-1"}\r\n\r\n'
    b'data: {"id":\ndata: "up-1",\ndata: "choices":[]}\n\n'
    b'data: {"id":"up-1","choices":[{"delta":{"content":"data: {\\n\\n}"}}]}\r\r'
    b"data: [DONE]\n\n"
)


def test_only_ids_change() -> None:
    """Comments, event names, several data lines and every kind of line end leave as they came."""
    stream = ChunkStream(NEW)
    assert stream.feed(STREAM) == STREAM.replace(b"up-1", NEW.encode())
    assert stream.close() == b""
    assert stream.done
    assert stream.upstream_id == "up-1"
    assert len(stream.payloads) == 4


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_where_the_network_cuts_does_not_matter(cuts: list[int]) -> None:
    """Whatever the pieces a stream arrives in, what leaves is the same, and always whole events."""
    stream = ChunkStream(NEW)
    places = [0, *sorted(cuts), len(STREAM)]
    out = [stream.feed(STREAM[a:b]) for a, b in pairwise(places)]
    assert b"".join(out) == STREAM.replace(b"up-1", NEW.encode())
    assert all(piece.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) for piece in out if piece)


def test_half_an_event_at_the_end_is_not_passed_on() -> None:
    """What a broken connection leaves of an event never reaches the caller, and the stream is not done."""
    stream = ChunkStream(NEW)
    assert stream.feed(b'data: {"id":"up-1","choices":[]}\n\ndata: {"id":"up') != b""
    assert stream.close() == b""
    assert not stream.done


@pytest.mark.parametrize("data", [b"{oops", b'{"id":"x",\xff}', b"[1,2", b"not json"])
def test_an_event_that_is_no_json_breaks_the_stream(data: bytes) -> None:
    """What would make a client fail is reported as an error of the server; an event without data is none."""
    stream = ChunkStream(NEW)
    assert stream.feed(b"data: \n\n") == b"data: \n\n"
    with pytest.raises(BackendBroken, match="no JSON"):
        stream.feed(b"data: %b\n\n" % data)


@pytest.mark.parametrize(
    "last",
    [
        b'data: {"id":"up-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"error":{"message":"overloaded","code":"server_error"}}\n\n',
    ],
)
def test_a_stream_that_says_why_it_ends_gets_the_end_that_clients_wait_for(last: bytes) -> None:
    """After a finish_reason or an error the API's own end is added where the server left it out."""
    stream = ChunkStream(NEW)
    assert stream.feed(last) == last.replace(b"up-1", NEW.encode())
    assert stream.close() == b"data: [DONE]\n\n"


def test_last_event_without_its_blank_line_counts() -> None:
    """A server that ends its stream right after [DONE] has completed it."""
    stream = ChunkStream(NEW)
    assert stream.feed(b"data: [DONE]") == b""
    assert stream.close() == b"data: [DONE]\n\n"
    assert stream.done


def test_error_inside_a_stream_is_seen_and_unchanged() -> None:
    """An error that a server reports inside its stream is passed on as it is."""
    stream = ChunkStream(NEW)
    event = b'data: {"error":{"message":"overloaded","code":"x"}}\n\n'
    assert stream.feed(event) == event
    assert stream.saw_error


def test_endless_event_is_refused() -> None:
    """An event that never ends does not fill the memory."""
    stream = ChunkStream(NEW)
    with pytest.raises(BackendBroken, match="16 MiB"):
        stream.feed(b"data: " + b"x" * (17 * 1024 * 1024))
