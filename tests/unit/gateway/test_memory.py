"""What a large answer costs in memory on its way: a count of bytes, each in multiples of the answer."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import a_request, a_response, an_inference
from tierwright.gateway.backends.connection import Connection
from tierwright.gateway.dialects.chat import ChatPassage
from tierwright.gateway.journal import Journal
from tierwright.gateway.reassemble import finished, reassemble
from tierwright.gateway.record import Record, encode
from tierwright.gateway.sse import EventCutter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

SIZE = 4 * 1024 * 1024


def peak(work: Callable[[], object]) -> float:
    """The most memory that some work has at once beyond what there was before, in answers; its result included."""
    gc.collect()
    tracemalloc.start()
    try:
        made = work()
        return tracemalloc.get_traced_memory()[1] / SIZE
    finally:
        tracemalloc.stop()
        del made


def chunks(size: int) -> list[bytes]:
    """The chunks of an answer, that many characters each."""
    head = {"id": "c", "object": "chat.completion.chunk", "model": "m"}
    said = [{"content": "x" * size}] * (SIZE // size)
    return [
        json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()
        for delta, reason in [*((delta, None) for delta in said), ({}, "stop")]
    ]


@pytest.mark.parametrize("response_id", ["chatcmpl-1", 'escaped\\"'])
def test_a_whole_answer_is_copied_once_for_its_id(response_id: str) -> None:
    """It arrives, and leaves with another id: there is no third copy at any time."""
    body = a_response("x" * SIZE, response_id=response_id)
    passage = ChatPassage(b"", "chatcmpl-2", hide_usage=False)
    assert peak(lambda: passage.whole(body)) < 1.1


def test_a_record_is_written_to_the_journal_without_a_copy(tmp_path: Path) -> None:
    """Content goes from where it is into the file; the many chunks of a stream are joined for that."""
    journal = Journal(tmp_path, name="own", segment_bytes=16 * 1024 * 1024)
    journal.open()
    whole = an_inference(request=a_request("x" * SIZE), response=a_response("x" * SIZE))
    assert peak(lambda: journal.append(*encode(Record(whole)))) < 0.1
    many = Record(replace(whole, request=None, response=None), chunks(1024))
    assert peak(lambda: journal.append(*encode(many))) < 1.3
    journal.close()


def test_an_event_in_many_pieces_is_joined_once() -> None:
    """A long event is not copied with each of its pieces."""
    event = b"data: %b\n\n" % (b"x" * SIZE)
    pieces = [event[at : at + 65_536] for at in range(0, len(event), 65_536)]

    def cut() -> list[bytes]:
        cutter = EventCutter()
        return [found for piece in pieces for found in cutter.cut(piece)]

    assert cut() == [event]
    assert peak(cut) < 2.2


@pytest.mark.parametrize(("size", "most"), [(64, 3.1), (4096, 2.7)])
def test_the_pieces_of_a_stream_are_let_go_when_they_are_joined(size: int, most: float) -> None:
    """Before the answer is written; small pieces take more than their text. Whether it has ended needs none of it."""
    payloads = chunks(size)
    assert peak(lambda: reassemble(payloads, answer_id="chatcmpl-2")) < most
    assert peak(lambda: finished(payloads)) < 0.1


class _Sink(asyncio.Transport):
    """Takes what is written, and holds nothing but references to it."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[object] = []

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Keeps references."""
        self.held += list_of_data

    def abort(self) -> None:
        """Nothing is open."""


def test_a_large_request_is_sent_without_a_copy() -> None:
    """The transport gets the very bytes that the caller sent, behind a head of their own."""
    body = b"x" * SIZE

    async def send() -> None:
        connection, sink = Connection(lambda _: None), _Sink()
        connection.connection_made(sink)
        asking = asyncio.create_task(connection.ask(b"head", body, deadline=float("inf"), idle_s=100))
        await asyncio.sleep(0)
        assert sink.held[-1] is body
        asking.cancel()

    assert peak(lambda: asyncio.run(send())) < 0.1
