"""Answers of model servers: whatever arrives is an answer, or an error of the server, however the network cuts it."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.fakes import NOON, a_request, an_inference
from tests.fuzz.harness import Harness, is_json, seeds
from tests.fuzz.requests import MAKES
from tests.fuzz.samples import ANSWERS, CHATS, MESSAGES_REQUESTS, STREAMS
from tierwright.core.chat import Usage, decode_answer
from tierwright.core.errors import BackendBroken, InputError
from tierwright.gateway.anthropic.requests import chat_request, messages_request
from tierwright.gateway.problems import Problem
from tierwright.gateway.reassemble import reassemble
from tierwright.gateway.record import Record, decode
from tierwright.gateway.server import DIALECTS
from tierwright.gateway.sse import EventCutter
from tierwright.gateway.trail import Draft, Pricing
from tierwright.gateway.wire import code_in, decode_object

if TYPE_CHECKING:
    from tierwright.gateway.dialects.dialect import Passage, StreamPassage

_ID = "chatcmpl-1"
#: Events have ends: two line ends, of any kind.
_WHOLE = re.compile(rb"(\n\r?\n|\r\r)\Z")
_BODIES = {
    "/v1/chat/completions": CHATS[1],
    "/v1/responses": {"model": "m", "input": "a"},
    "/v1/messages": MESSAGES_REQUESTS[1],
    "/v1/messages/count_tokens": MESSAGES_REQUESTS[1],
    "/v1/embeddings": {"model": "m", "input": "a"},
    "/v1/moderations": {"model": "m", "input": "a"},
}
_PRICING = Pricing(lambda *_: None, lambda *_: Usage(prompt_tokens=1, completion_tokens=1, estimated=True))


@cache
def _passages() -> tuple[tuple[bool, Passage], ...]:
    """Every kind of way there is, and whether a stream may come back on it."""
    found: dict[tuple[str, type[Passage], bool], tuple[bool, Passage]] = {}
    for path, body in _BODIES.items():
        for stream in (False, True):
            asked = DIALECTS[path].read(json.dumps({**body, "stream": stream}).encode(), {})
            assert not isinstance(asked, Problem)
            for kind in MAKES:
                passage = DIALECTS[path].passage(asked, kind, model="m", inference_id=_ID, created_at=1)
                if not isinstance(passage, Problem):
                    streams = asked.chat is not None and stream
                    found[path, type(passage), streams] = (streams, passage)
    return tuple(found.values())


def check_whole(data: bytes) -> None:
    """A body is an answer that can be passed on and stored, or none; as an error it can be passed on, too."""
    for streams, passage in _passages():
        if streams:
            continue
        try:
            carried = passage.whole(data)
        except (BackendBroken, RecursionError):
            carried = None
        if carried is not None:
            _check_text(carried.upstream_id, carried.model)
        if carried is not None and carried.content is not None:
            _check_stored(carried.content, ())
        for status in (400, 503):
            refused = passage.refusal(status, data)
            # Passed on as it came, or as an error of the caller's API.
            assert refused is data or is_json(refused)
    code = code_in(data)
    assert code is None or isinstance(code, str)


def check_stream(data: bytes) -> None:
    """What a stream leads to does not depend on where it is cut, is whole events, and can be stored.

    The first two bytes say where it is cut.
    """
    cuts, stream = data[:2], data[2:]
    pieces = _cut(stream, cuts)
    assert EventCutter().cut(stream) == [event for cutter in [EventCutter()] for p in pieces for event in cutter.cut(p)]
    for streams, passage in _passages():
        if not streams:
            continue
        whole, cut = passage.stream(), passage.stream()
        told, said = _run(whole, [stream]), _run(cut, pieces)
        assert told == said
        if told is None:
            continue
        assert whole.payloads == cut.payloads
        assert (whole.done, whole.saw_error, whole.usage) == (cut.done, cut.saw_error, cut.usage)
        assert not told or _WHOLE.search(told)
        _check_stored(None, tuple(whole.payloads))


def _cut(stream: bytes, cuts: bytes) -> list[bytes]:
    """Pieces of the stream, all of about one size; of single bytes where that is little work."""
    size = max(1, len(stream) // 300, (cuts[0] if cuts else 7) % 41)
    first = (cuts[1] if len(cuts) > 1 else 0) % size
    return [stream[:first], *(stream[at : at + size] for at in range(first, len(stream), size))]


def _run(stream: StreamPassage, pieces: list[bytes]) -> bytes | None:
    """All that the caller is told; None: the server broke the protocol."""
    told: list[bytes] = []
    try:
        for piece in pieces:
            told.append(stream.feed(piece))
            if stream.done:
                break
        else:
            told.append(stream.close())
            stream.complete()
    except (BackendBroken, RecursionError):
        return None
    _check_text(stream.upstream_id, stream.model)
    return b"".join(told)


def _check_text(*texts: str | None) -> None:
    """They can be stored."""
    for text in texts:
        assert text is None or isinstance(text.encode(), bytes)


def _check_stored(response: bytes | None, payloads: tuple[bytes, ...]) -> None:
    """What becomes of an answer after its caller has it: the journal, then the store."""
    bare = an_inference(created_at=NOON, request=a_request(), response=response)
    draft = Draft(bare, payloads, _PRICING)
    assert decode(b"".join(draft.record())) == Record(bare, list(payloads))
    found = draft.inference().response
    if found is not None:
        decode_answer(found)


def check_chunks(data: bytes) -> None:
    """Lines of any JSON become one chat.completion, or none; put together again it stays as it is."""
    payloads = data.split(b"\n")
    found = reassemble(payloads)
    if found.body is None:
        assert not found.finished
        return
    whole = json.loads(found.body)
    assert whole["object"] == "chat.completion"
    assert isinstance(whole["choices"], list)
    assert not found.finished or all(choice["finish_reason"] is not None for choice in whole["choices"])


def check_there_and_back(data: bytes) -> None:
    """What Anthropic is asked for a chat says the same once it was told as a chat again.

    In which order is not claimed: results of tools that nobody called move to where their calls would be.
    """
    asked = decode_object(data)
    if isinstance(asked, Problem):
        return
    try:
        first = messages_request(asked, default_max_tokens=1)
        again = messages_request(chat_request(first), default_max_tokens=1)
    except (InputError, RecursionError):
        return
    assert _said(again) == _said(messages_request(chat_request(again), default_max_tokens=1))


def _said(request: dict[str, Any]) -> list[str]:
    """What stands in the messages of a Messages request, sorted."""
    contents = [message["content"] for message in request["messages"]]
    blocks = [[{"type": "text", "text": content}] if isinstance(content, str) else content for content in contents]
    return sorted(json.dumps(block, sort_keys=True) for some in blocks for block in some)


_CHUNK_LINES = tuple(
    b"\n".join(line[6:] for line in stream.splitlines() if line.startswith(b"data: {")) for stream in STREAMS
)
HARNESSES = {
    "whole-answers": Harness(check_whole, seeds(*ANSWERS)),
    "streams": Harness(check_stream, tuple(b"\x07\x03" + stream for stream in STREAMS)),
    "chunks": Harness(check_chunks, _CHUNK_LINES),
    "there-and-back": Harness(check_there_and_back, seeds(*CHATS)),
}
