"""A chat stream becomes a stream of events that Anthropic's own client follows, and the other way round."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.anthropic.clients import followed, read_chunk
from tierwright.gateway.anthropic.answers import chat_answer, message
from tierwright.gateway.anthropic.streams import ChatChunks, MessageEvents
from tierwright.gateway.anthropic.whole import WholeMessage
from tierwright.gateway.reassemble import reassemble

Event = tuple[str, dict[str, Any]]
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
COUNTED = {
    "input_tokens": 5,
    "output_tokens": 2,
    "cache_read_input_tokens": 4,
    "cache_creation_input_tokens": 0,
}


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk with one delta."""
    return {"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def last(**members: Any) -> dict[str, Any]:
    """The chunk that ends a stream whose usage was asked for."""
    return {"id": "c", "model": "gpt", "choices": [], "usage": USAGE} | members


def piece(
    index: int | None = None, identity: str | None = None, name: str | None = None, text: Any = ""
) -> dict[str, Any]:
    """A piece of a tool call."""
    kind = None if identity is None else "function"
    members = {"index": index, "id": identity, "type": kind, "function": {"name": name, "arguments": text}}
    return {member: value for member, value in members.items() if value is not None}


def told(*chunks: dict[str, Any], close: bool = True) -> list[Event]:
    """The events of a stream of chunks."""
    stream = MessageEvents(model="m", message_id="msg_1")
    events = [event for fed in chunks for event in stream.feed(fed)]
    if close:
        events += stream.close()
    assert stream.finished == (events[-1:] == [("message_stop", {"type": "message_stop"})])
    return events


def names(events: list[Event]) -> list[str]:
    """The names of the events, with the kind of what begins and goes on, and the index."""
    found = []
    for name, data in events:
        inner = data.get("content_block") or data.get("delta") or {}
        short = name.removeprefix("content_block_").removeprefix("message_")
        found.append(
            " ".join([short, *([inner["type"]] if "type" in inner else []), str(data.get("index", ""))]).strip()
        )
    return found


def test_text() -> None:
    """A text is begun, told piece by piece and ended; the end waits for the usage that comes last."""
    events = told(
        chunk(role="assistant", content=""),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk("stop"),
        last(),
        close=False,
    )
    assert names(events) == ["start", "start text 0", "delta text_delta 0", "delta text_delta 0"]
    stream = MessageEvents(model="m", message_id="msg_1")
    for each in (chunk(content="Hello"), chunk("stop"), last()):
        stream.feed(each)
    assert stream.close() == [
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": COUNTED,
            },
        ),
        ("message_stop", {"type": "message_stop"}),
    ]
    assert (stream.close(), stream.feed(chunk(content="x")), stream.fail("late")) == ([], [], [])


def test_empty_lists_of_calls() -> None:
    """Some servers send an empty list of calls with every piece of a text."""
    found = followed(told(chunk(content="a", tool_calls=[]), chunk("stop", content=None, tool_calls=[])))
    assert (found["content"], found["stop_reason"]) == ([{"type": "text", "text": "a"}], "end_turn")


def test_what_the_client_reads() -> None:
    """Anthropic's client reads the whole Message out of the events."""
    found = followed(told(chunk(content="Hel"), chunk(content="lo"), chunk("length"), last()))
    assert found == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "max_tokens",
        "usage": COUNTED,
    }


def test_blocks_follow_each_other() -> None:
    """Thoughts, text and each call are blocks of their own, each ended before the next begins."""
    events = told(
        chunk(reasoning_content="H"),
        chunk(reasoning="m"),
        chunk(content="Sun"),
        chunk(tool_calls=[piece(0, "a", "f", '{"x"')]),
        chunk(tool_calls=[piece(0, text=":1}")]),
        chunk(tool_calls=[piece(1, "b", "g", "{}")]),
        chunk("tool_calls"),
    )
    assert names(events) == [
        "start",
        "start thinking 0",
        "delta thinking_delta 0",
        "delta thinking_delta 0",
        "stop 0",
        "start text 1",
        "delta text_delta 1",
        "stop 1",
        "start tool_use 2",
        "delta input_json_delta 2",
        "delta input_json_delta 2",
        "stop 2",
        "start tool_use 3",
        "delta input_json_delta 3",
        "stop 3",
        "delta",
        "stop",
    ]
    assert followed(events)["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": ""},
        {"type": "text", "text": "Sun"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]


def test_calls_whose_pieces_come_by_turns() -> None:
    """Pieces of a later call wait until the earlier call is whole, since blocks follow each other."""
    events = told(
        chunk(tool_calls=[piece(0, "a", "f"), piece(1, "b", "g")]),
        chunk(tool_calls=[piece(1, text='{"y"')]),
        chunk(tool_calls=[piece(0, text='{"x":1}')]),
        chunk(tool_calls=[piece(1, text=":2}")]),
        chunk("tool_calls"),
    )
    assert names(events)[1:-2] == [
        "start tool_use 0",
        "delta input_json_delta 0",
        "stop 0",
        "start tool_use 1",
        "delta input_json_delta 1",
        "delta input_json_delta 1",
        "stop 1",
    ]
    assert [block["input"] for block in followed(events)["content"]] == [{"x": 1}, {"y": 2}]


def test_text_behind_an_unfinished_call_waits() -> None:
    """A text that comes before a call is whole is told after it."""
    found = followed(
        told(
            chunk(tool_calls=[piece(0, "a", "f", '{"x":')]),
            chunk(content="Sun"),
            chunk(tool_calls=[piece(0, text="1}")]),
            chunk("tool_calls"),
        )
    )
    assert [block["type"] for block in found["content"]] == ["tool_use", "text"]
    assert found["content"][0]["input"] == {"x": 1}


def test_call_that_goes_on_after_its_end() -> None:
    """More arguments for a call that has ended can't be told any more: the answer is broken."""
    events = told(
        chunk(tool_calls=[piece(0, "a", "f", "{}")]),
        chunk(content="Sun"),
        chunk(tool_calls=[piece(0, text=" ")]),
        chunk(tool_calls=[piece(0, text='{"x":1}')]),
        chunk("tool_calls"),
    )
    assert events[-1][0] == "error"


@pytest.mark.parametrize("index", [None, 0])
def test_calls_without_numbers_of_their_own(index: int | None) -> None:
    """Servers that number nothing, or everything 0, tell calls apart by their ids."""
    found = followed(
        told(
            chunk(tool_calls=[piece(index, "a", "f", '{"x":1}')]),
            chunk(tool_calls=[piece(index, "b", "f", '{"x"')]),
            chunk(tool_calls=[piece(index, "b" if index is None else None, None, ":2}")]),
            chunk("stop"),
        )
    )
    assert [(block["id"], block["input"]) for block in found["content"]] == [("a", {"x": 1}), ("b", {"x": 2})]
    assert found["stop_reason"] == "tool_use"


def test_names_and_ids_that_are_repeated() -> None:
    """Some servers say the id and the name of a call with every piece of it."""
    found = followed(
        told(
            chunk(tool_calls=[piece(0, "a", "f", '{"x"')]),
            chunk(tool_calls=[piece(0, "a", "f", ":1}")]),
            chunk("tool_calls"),
        )
    )
    assert found["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]


def test_calls_without_ids() -> None:
    """A call without an id gets one of the Message's; arguments may be an object; the old form is understood."""
    found = followed(told(chunk(tool_calls=[piece(0, None, "f", {"x": 1})]), chunk("tool_calls")))
    assert found["content"] == [{"type": "tool_use", "id": "toolu_msg_1_0", "name": "f", "input": {"x": 1}}]
    found = followed(
        told(
            chunk(function_call={"name": "f", "arguments": '{"x"'}),
            chunk(function_call={"arguments": ":1}"}),
            chunk("function_call"),
        )
    )
    assert found["content"] == [{"type": "tool_use", "id": "toolu_msg_1_0", "name": "f", "input": {"x": 1}}]


def test_call_without_a_name() -> None:
    """A call that never gets a name can't be told, and the answer is broken."""
    events = told(chunk(tool_calls=[piece(0, "a", None, "{}")]), chunk("tool_calls"), last())
    assert names(events) == ["start", "error"]


def test_thoughts_that_anthropic_signed() -> None:
    """Signatures that another gateway passes on end the thoughts they belong to; hidden thoughts are blocks too."""
    signed = {"type": "thinking", "thinking": "Hm", "signature": "s"}
    unseen = {"type": "thinking", "thinking": "", "signature": "t"}
    found = followed(
        told(
            chunk(reasoning_content="H"),
            chunk(reasoning_content="m"),
            chunk(thinking_blocks=[signed]),
            chunk(thinking_blocks=[{"type": "redacted_thinking", "data": "x"}]),
            chunk(thinking_blocks=[unseen]),
            chunk(reasoning_content="So"),
            chunk(content="Sun"),
            chunk("stop"),
        )
    )
    assert found["content"] == [
        signed,
        {"type": "redacted_thinking", "data": "x"},
        unseen,
        {"type": "thinking", "thinking": "So", "signature": ""},
        {"type": "text", "text": "Sun"},
    ]


def test_refusal() -> None:
    """A refusal is the text of an answer that ends with one."""
    events = told(chunk(refusal="N"), chunk(refusal="o."), chunk("stop"))
    found = followed(events)
    assert found["content"] == [{"type": "text", "text": "No."}]
    assert (found["stop_reason"], found["stop_details"]["explanation"]) == ("refusal", "No.")


def test_other_choices_are_not_told() -> None:
    """Of several answers the first is told."""
    other = {"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]}
    assert followed(told(chunk(content="a"), other, chunk("stop")))["content"] == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize("chunks", [[], [chunk(content="Hal")], [chunk(content="Hal"), last()]])
def test_stream_that_stops_half_way(chunks: list[dict[str, Any]]) -> None:
    """A stream that has not said why it ended is an error, and never looks complete."""
    events = told(*chunks)
    assert events[0][0] == "message_start"
    assert events[-1] == (
        "error",
        {"type": "error", "error": {"type": "api_error", "message": "the model server's answer stopped half-way"}},
    )
    assert not {"message_stop", "message_delta"} & {name for name, _ in events}


def test_error_inside_of_a_stream() -> None:
    """An error that the server reports ends the answer with an error of its kind, whatever follows."""
    error = {
        "error": {"message": "Busy.", "code": 503},
        "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
    }
    events = told(chunk(content="Hal"), error, chunk("stop"))
    assert events[-1][1] == {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}


def test_error_outside_of_the_stream() -> None:
    """Whoever reads the chat stream can end the answer with an error of its own."""
    stream = MessageEvents(model="m", message_id="msg_1")
    assert names(stream.fail("Too slow.", "timeout_error")) == ["start", "error"]
    assert not stream.finished
    assert stream.close() == []


def test_answer_without_usage() -> None:
    """Where the server counts nothing, the counts that Anthropic's clients want are 0."""
    events = told(chunk(content="a"), chunk("stop"))
    assert events[-2][1]["usage"] == {"input_tokens": 0, "output_tokens": 0}


# From here on: events of Anthropic's as chunks.


def start(**usage: int) -> dict[str, Any]:
    """The event that begins a Message."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None, "usage": usage}}


def block(index: int, begins: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": begins},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text_block(index: int, *pieces: str) -> list[dict[str, Any]]:
    """The events of one text block."""
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": each} for each in pieces))


def call_block(index: int, identity: str, *pieces: str) -> list[dict[str, Any]]:
    """The events of one tool call."""
    begins = {"type": "tool_use", "id": identity, "name": "f", "input": {}}
    return block(index, begins, *({"type": "input_json_delta", "partial_json": each} for each in pieces))


def end(reason: str = "end_turn", **members: Any) -> list[dict[str, Any]]:
    """The events that end a Message."""
    delta = {"stop_reason": reason, "stop_sequence": None} | members
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]


def chunks_of(*events: dict[str, Any], include_usage: bool = False) -> list[dict[str, Any]]:
    """The chunks of a stream of events, each of which OpenAI's client accepts."""
    stream = ChatChunks(include_usage=include_usage, created_at=5)
    chunks = [each for event in events for each in stream.feed(event)]
    assert stream.finished == (events[-1] == {"type": "message_stop"})
    for each in chunks:
        read_chunk(each)
    return chunks


def deltas_of(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deltas of the chunks that have one."""
    return [choice["delta"] for each in chunks for choice in each["choices"]]


def test_chunks_of_a_text() -> None:
    """A text is told piece by piece, with the Message's id and model, and ends with its reason."""
    chunks = chunks_of(start(input_tokens=3, output_tokens=1), {"type": "ping"}, *text_block(0, "Hel", "lo"), *end())
    assert deltas_of(chunks) == [{"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, {}]
    assert chunks[1] == {
        "id": "msg_1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "claude",
        "choices": [{"index": 0, "delta": {"content": "Hel"}, "logprobs": None, "finish_reason": None}],
    }
    assert chunks[-1]["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
    }


def test_usage_where_it_is_asked_for() -> None:
    """The usage is the last chunk, and null in all others; later counts replace those of the beginning."""
    events = [start(input_tokens=3, cache_read_input_tokens=4, output_tokens=1), *text_block(0, "a"), *end()]
    chunks = chunks_of(*events, include_usage=True)
    assert [each["usage"] for each in chunks[:-1]] == [None, None, None]
    assert chunks[-1]["choices"] == []
    assert (chunks[-1]["usage"]["prompt_tokens"], chunks[-1]["usage"]["completion_tokens"]) == (7, 7)
    assert all("usage" not in each for each in chunks_of(*events))


def test_usage_of_an_answer_that_breaks_off() -> None:
    """What was used is known as far as the server said, whether the answer is whole or not."""
    stream = ChatChunks(include_usage=False)
    assert stream.usage is None
    stream.feed(start(input_tokens=3, output_tokens=1))
    assert stream.usage is not None
    assert (stream.usage["prompt_tokens"], stream.usage["completion_tokens"]) == (3, 1)
    assert not stream.finished


def test_chunks_of_calls() -> None:
    """Calls are numbered among themselves, begin with id and name, and go on with pieces of their arguments."""
    chunks = chunks_of(
        start(), *text_block(0, "a"), *call_block(1, "t1", "", '{"x"', ":1}"), *call_block(2, "t2"), *end("tool_use")
    )
    assert deltas_of(chunks)[2:-1] == [
        {"tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {"tool_calls": [{"index": 1, "id": "t2", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_call_that_is_whole_at_once() -> None:
    """Some servers send the input of a call with its first event, and no pieces."""
    chunks = chunks_of(start(), *block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}), *end())
    assert deltas_of(chunks)[2] == {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]}


def test_chunks_of_thoughts() -> None:
    """Thoughts are told as reasoning_content, and once more with their signature, so that callers can send it back."""
    chunks = chunks_of(
        start(),
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "H"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "s"},
        ),
        *block(1, {"type": "redacted_thinking", "data": "x"}),
        *end(),
    )
    assert deltas_of(chunks)[1:-1] == [
        {"reasoning_content": "H"},
        {"reasoning_content": "m"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]},
    ]


def test_chunks_of_citations_and_steps() -> None:
    """A cited text is annotated at its end, by its place in the answer; steps that Anthropic took are not told."""
    citation = {"type": "web_search_result_location", "url": "https://x", "title": "X"}
    chunks = chunks_of(
        start(),
        *text_block(0, "ab"),
        *block(
            1,
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": "{}"},
        ),
        *block(
            2,
            {"type": "text", "text": ""},
            {"type": "citations_delta", "citation": citation},
            {"type": "text_delta", "text": "cde"},
        ),
        *end(),
    )
    place = {"url": "https://x", "title": "X", "start_index": 2, "end_index": 5}
    assert deltas_of(chunks)[1:-1] == [
        {"content": "ab"},
        {"content": "cde"},
        {"annotations": [{"type": "url_citation", "url_citation": place}]},
    ]


def test_chunks_of_a_refusal() -> None:
    """An answer that Anthropic refused ends as filtered, with the explanation where there is one."""
    chunks = chunks_of(start(), *end("refusal", stop_details={"type": "refusal", "explanation": "No."}))
    assert chunks[-1]["choices"][0]["delta"] == {"refusal": "No."}
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_no_finish_reason_before_the_end() -> None:
    """A stream that breaks off after its stop reason has not ended: no chunk says that it has."""
    stream = ChatChunks(include_usage=True)
    events = [start(), *text_block(0, "a"), *end()[:1]]
    chunks = [each for event in events for each in stream.feed(event)]
    assert not stream.finished
    assert all(choice["finish_reason"] is None for each in chunks for choice in each["choices"])


def test_end_without_a_reason() -> None:
    """A stream that stops without having said why is not finished."""
    stream = ChatChunks(include_usage=True)
    for event in [start(), *text_block(0, "a"), {"type": "message_stop"}]:
        chunks = stream.feed(event)
    assert (chunks, stream.finished) == ([], False)


def test_error_event() -> None:
    """An error that the server reports is kept for whoever writes the stream, and nothing follows it."""
    stream = ChatChunks(include_usage=False)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert stream.feed(error) == []
    assert stream.error == error
    assert stream.feed(text_block(0, "a")[1]) == []
    assert not stream.finished


TEXTS = st.text(min_size=1, max_size=8)
PIECES = st.lists(TEXTS, min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9) | st.text(max_size=3), max_size=2)


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    """Blocks of an answer in the order that models keep: thoughts, text, calls; each in pieces."""
    found = [("thinking", draw(PIECES))] if draw(st.booleans()) else []
    found += [("text", draw(PIECES))] if draw(st.booleans()) else []
    for given_to_tool in draw(st.lists(ARGUMENTS, max_size=3)):
        words = json.dumps(given_to_tool)
        cut = draw(st.integers(0, len(words)))
        found.append(("tool_use", [words[:cut], words[cut:]]))
    return found


@settings(deadline=None)
@given(answers(), st.randoms(use_true_random=False))
def test_there_and_back(answer: list[tuple[str, list[str]]], random: Any) -> None:
    """Whatever is said in a chat stream, calls by turns or not, comes back from Anthropic's events as it was."""
    spoken = [
        chunk(**{"reasoning_content" if kind == "thinking" else "content": each})
        for kind, pieces in answer
        if kind != "tool_use"
        for each in pieces
    ]
    calls = [pieces for kind, pieces in answer if kind == "tool_use"]
    begun = [chunk(tool_calls=[piece(n, f"t{n}", "f")]) for n in range(len(calls))]
    turns = [n for n, pieces in enumerate(calls) for _ in pieces]
    random.shuffle(turns)
    rest = {n: list(pieces) for n, pieces in enumerate(calls)}
    by_turns = [chunk(tool_calls=[piece(n, text=rest[n].pop(0))]) for n in turns]
    chunks = [*spoken, *begun, *by_turns, chunk("tool_calls" if calls else "stop"), last()]
    events = told(*chunks)
    assert names(events)[-1] == "stop"
    back = ChatChunks(include_usage=True)
    returned = [each for _, data in events for each in back.feed(data)]
    assert back.finished
    before, after = (_whole(each) for each in (chunks, returned))
    assert after["usage"]["prompt_tokens"] == before["usage"]["prompt_tokens"]
    for name in ("content", "reasoning_content", "tool_calls"):
        assert (after["choices"][0]["message"].get(name) or None) == (before["choices"][0]["message"].get(name) or None)
    assert after["choices"][0]["finish_reason"] == before["choices"][0]["finish_reason"]
    whole = WholeMessage()
    for _, data in events:
        whole.feed(data)
    assert whole.message is not None
    assert whole.message["content"] == message(before, model="m", message_id="msg_1")["content"]
    streamed = after["choices"][0]["message"]
    in_one_piece = chat_answer(whole.message)["choices"][0]["message"]
    assert streamed.get("thinking_blocks") == in_one_piece.get("thinking_blocks")


def _whole(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    body = reassemble([json.dumps(each).encode() for each in chunks]).body
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found
