"""An API's own events pass as they came, and an answer is made of them wherever they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tierwright.gateway.dialects.messages import NativePassage as MessagesPassage
from tierwright.gateway.dialects.responses import NativePassage as ResponsesPassage
from tierwright.gateway.reassemble import reassemble

if TYPE_CHECKING:
    from tierwright.gateway.dialects.native import NativeStream


def framed(kind: str, **members: Any) -> bytes:
    """One event as both APIs frame theirs."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


MESSAGE = {"id": "up", "type": "message", "role": "assistant", "model": "m", "content": []}
MESSAGES = [
    framed("message_start", message={**MESSAGE, "usage": {"input_tokens": 7, "output_tokens": 1}}),
    framed("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    framed("content_block_delta", index=0, delta={"type": "text_delta", "text": "card"}),
    framed("content_block_delta", index=0, delta={"type": "text_delta", "text": "_lost"}),
    framed("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    framed("message_stop"),
]
ITEM = {"type": "message", "id": "i", "role": "assistant", "content": []}
TEXT = {"type": "output_text", "text": "card_lost", "annotations": []}
RESPONSE = {"id": "up", "object": "response", "model": "m", "status": "in_progress", "output": []}
DONE = {
    **RESPONSE,
    "status": "completed",
    "output": [{**ITEM, "content": [TEXT]}],
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
RESPONSES = [
    framed("response.created", response=RESPONSE),
    framed("response.output_item.added", output_index=0, item=ITEM),
    framed("response.output_text.delta", output_index=0, content_index=0, delta="card"),
    framed("response.output_text.delta", output_index=0, content_index=0, delta="_lost"),
    framed("response.completed", response=DONE),
]
STREAMS = [(lambda: MessagesPassage(b"", "up").stream(), MESSAGES), (lambda: ResponsesPassage(b"").stream(), RESPONSES)]


def text_of(stream: NativeStream) -> str | None:
    """The text of the answer that the store would get."""
    body = reassemble(stream.payloads).body
    text: str | None = None if body is None else json.loads(body)["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize(("made", "events"), STREAMS)
def test_events_pass_and_nothing_after_the_end_does(made: Any, events: list[bytes]) -> None:
    """The answer is whole, with its counts, model and id; what a server sends after its end is nobody's."""
    stream = made()
    out = [stream.feed(event) for event in [*events, b"event: late\ndata: {}\n\n"]]
    # The one event that is written again, for the id, says the same.
    assert [json.loads(event.split(b"data: ")[1]) for event in out[:-1]] == [
        json.loads(event.split(b"data: ")[1]) for event in events
    ]
    assert out[1:-1] == events[1:]
    assert out[-1] == b""
    assert stream.done
    assert stream.complete()
    assert (stream.upstream_id, stream.model, text_of(stream)) == ("up", "m", "card_lost")
    usage = stream.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.partial) == (7, 3, False)


@pytest.mark.parametrize(("made", "events"), STREAMS)
def test_a_stream_that_breaks_off_leaves_what_has_arrived(made: Any, events: list[bytes]) -> None:
    """The text so far is there at any time, before any end was told; no count is taken for that of all of it."""
    stream = made()
    assert (stream.payloads, stream.usage, stream.upstream_id, stream.model) == ([], None, None, None)
    found = []
    for event in events[:4]:
        stream.feed(event)
        found.append(text_of(stream) or "")
        assert stream.usage is None or stream.usage.partial
    assert found == ["", "", "card", "card_lost"]
    assert not stream.complete()
    assert stream.upstream_id == "up"
