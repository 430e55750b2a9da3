"""The events of a stream make the Message that would have come in one piece."""

from __future__ import annotations

from typing import Any

from tierwright.gateway.anthropic.whole import WholeMessage

HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"}


def started(**usage: int) -> dict[str, Any]:
    """The event that begins a Message."""
    message = HEAD | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return {"type": "message_start", "message": message}


def begun(index: int, **block: Any) -> dict[str, Any]:
    """The event that begins a block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def went_on(index: int, **delta: Any) -> dict[str, Any]:
    """An event that goes on with a block."""
    return {"type": "content_block_delta", "index": index, "delta": delta}


def collected(*events: dict[str, Any]) -> WholeMessage:
    """What has been collected of the events."""
    whole = WholeMessage()
    for event in events:
        whole.feed(event)
    return whole


def test_whole_message() -> None:
    """Blocks are joined by their index, the end and the last counts are kept, and beginnings that are not repeated."""
    whole = collected(
        started(input_tokens=3, cache_read_input_tokens=4, output_tokens=1),
        begun(0, type="thinking", thinking="", signature=""),
        {"type": "ping"},
        went_on(0, type="thinking_delta", thinking="H"),
        went_on(0, type="thinking_delta", thinking="m"),
        went_on(0, type="signature_delta", signature="s"),
        {"type": "content_block_stop", "index": 0},
        begun(1, type="text", text="S"),
        went_on(1, type="text_delta", text="un"),
        went_on(1, type="citations_delta", citation={"url": "https://x"}),
        begun(2, type="tool_use", id="t", name="f", input={}),
        went_on(2, type="input_json_delta", partial_json=""),
        went_on(2, type="input_json_delta", partial_json='{"x"'),
        went_on(2, type="input_json_delta", partial_json=":1}"),
        begun(3, type="redacted_thinking", data="x"),
        begun(4, type="tool_use", id="t", name="f", input={"x": 1}),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 7, "input_tokens": 9, "server_tool_use": None},
            "context_management": {"applied_edits": []},
        },
        {"type": "message_stop"},
    )
    assert whole.finished
    assert whole.error is None
    assert whole.message == HEAD | {
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Sun", "citations": [{"url": "https://x"}]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 7},
        "context_management": {"applied_edits": []},
    }


def test_message_that_breaks_off() -> None:
    """What arrived before a stream broke is a Message without an end, and half a call is kept as what it is."""
    whole = collected(
        started(input_tokens=3),
        begun(0, type="tool_use", id="t", name="f", input={}),
        went_on(0, type="input_json_delta", partial_json='{"x'),
    )
    assert not whole.finished
    assert whole.message is not None
    assert whole.message["stop_reason"] is None
    assert whole.message["content"][0]["input"] == {"INVALID_JSON": '{"x'}


def test_end_without_a_reason() -> None:
    """A stream that stops without having said why is not finished."""
    assert not collected(started(), {"type": "message_stop"}).finished


def test_error() -> None:
    """An error that the server reports is kept beside what had arrived."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    whole = collected(started(), begun(0, type="text", text="a"), error)
    assert whole.error == error
    assert not whole.finished
    assert whole.message is not None
    assert whole.message["content"] == [{"type": "text", "text": "a"}]


def test_events_whose_beginning_was_lost() -> None:
    """Blocks and Messages are kept even where the event that began them did not arrive."""
    whole = collected(
        went_on(1, type="input_json_delta", partial_json="{}"),
        went_on(0, type="text_delta", text="a"),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    )
    assert whole.message == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "input": {}}],
        "stop_reason": "end_turn",
        "usage": {"output_tokens": 7},
    }


def test_compaction() -> None:
    """A summary of the conversation that Anthropic made is joined like a text."""
    whole = collected(
        started(), begun(0, type="compaction", content=None), went_on(0, type="compaction_delta", content="So far: a")
    )
    assert whole.message is not None
    assert whole.message["content"] == [{"type": "compaction", "content": "So far: a"}]


def test_nothing() -> None:
    """What is no event of an answer makes no Message."""
    assert collected({}, {"type": "ping"}, {"type": []}, {"type": "message_start"}).message is None
