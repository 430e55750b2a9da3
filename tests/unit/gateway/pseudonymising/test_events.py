"""Streams restored event by event: however they are cut, the answer is that of the whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.gateway.dialects.chat import ChatPassage
from tierwright.gateway.dialects.messages import NativePassage as MessagesPassage
from tierwright.gateway.dialects.responses import NativePassage as ResponsesPassage
from tierwright.gateway.pseudonymising.passage import RestoringPassage
from tierwright.gateway.reassemble import reassemble
from tierwright.privacy.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierwright.gateway.dialects.dialect import Passage

_TEXTS = {"[EMAIL_A]": "alice@example.com", "[EMAIL_AB]": 'b"ob@example.com', "[CARD_A]": "4111 1111 1111 1111"}
_SPEECH = st.lists(
    st.sampled_from([*_TEXTS, "[", "[EM", "[EMAIL_", "]", "Dear ", " and ", "é"]), min_size=1, max_size=6
).map("".join)
_SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=30)


def _chat_passage(answer_id: str = "inf") -> ChatPassage:
    """A chat's way to a server that speaks chat.completions."""
    return ChatPassage(b"{}", answer_id, hide_usage=False)


def _said(text: str) -> str:
    """A text of the model's as its caller gets it."""
    return Restorer(_TEXTS).text(text, in_json=None)


def _plain(text: str) -> str:
    """A text in an argument as the tool gets it."""
    return Restorer(_TEXTS).text(text)


def _pieces(text: str, sizes: list[int]) -> list[str]:
    """A text cut into pieces of these sizes, over and over."""
    found: list[str] = []
    turn = 0
    while text:
        size = sizes[turn % len(sizes)]
        found.append(text[:size])
        text, turn = text[size:], turn + 1
    return found


def _passed(passage: Passage, stream: bytes, sizes: list[int]) -> tuple[list[dict[str, Any]], list[bytes], bool]:
    """The events that a caller gets, the payloads that are kept, and whether the stream was whole."""
    restored = RestoringPassage(passage, passage, Restorer(_TEXTS)).stream()
    out = b""
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)] * 7
        out += restored.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    out += restored.close()
    data = [line[6:] for line in out.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(one) for one in data if one != "[DONE]"], restored.payloads, restored.complete()


def _framed(events: Iterable[dict[str, Any]], *, named: bool) -> bytes:
    return "".join(
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events
    ).encode()


def _chunk(index: int = 0, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return {"id": "up", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _calls(text: str, place: int, sizes: list[int]) -> list[dict[str, Any]]:
    begun = _chunk(
        tool_calls=[{"index": place, "id": f"c{place}", "type": "function", "function": {"name": "f", "arguments": ""}}]
    )
    arguments = json.dumps({"to": text}, ensure_ascii=False)
    return [
        begun,
        *(
            _chunk(tool_calls=[{"index": place, "function": {"arguments": piece}}])
            for piece in _pieces(arguments, sizes)
        ),
    ]


def _alternating(*streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The chunks of several texts, turn by turn."""
    longest = max(map(len, streams))
    return [stream[turn] for turn in range(longest) for stream in streams if turn < len(stream)]


@settings(deadline=None, max_examples=25)
@given(_SPEECH, _SPEECH, _SPEECH, _SIZES)
def test_chat_chunks(first: str, second: str, argument: str, sizes: list[int]) -> None:
    """Two choices at once, thoughts, speech and two calls in turn: each text is restored as a whole."""
    zero = [
        *(_chunk(reasoning_content=piece) for piece in _pieces(second, sizes)),
        *(_chunk(content=piece) for piece in _pieces(first, sizes)),
        *_alternating(_calls(argument, 0, sizes), _calls(second, 1, sizes)),
        _chunk(finish_reason="tool_calls"),
    ]
    one = [*(_chunk(1, content=piece) for piece in _pieces(second, sizes)), _chunk(1, "stop")]
    usage = {
        "id": "up",
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    }
    stream = _framed([*_alternating(zero, one), usage], named=False) + b"data: [DONE]\n\n"
    events, payloads, complete = _passed(_chat_passage(), stream, sizes)
    assert complete
    answer = json.loads(reassemble(payloads).body or b"")
    message = answer["choices"][0]["message"]
    assert message["content"] == _said(first)
    assert message["reasoning_content"] == _said(second)
    said = [json.loads(call["function"]["arguments"])["to"] for call in message["tool_calls"]]
    assert said == [_plain(argument), _plain(second)]
    assert answer["choices"][1]["message"]["content"] == _said(second)
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["tool_calls", "stop"]
    assert answer["usage"] == usage["usage"]
    # The caller got what is kept, and nothing after the end of a choice.
    assert [json.loads(payload) for payload in payloads] == events
    reasons = [choice["finish_reason"] for event in events for choice in event["choices"] if choice["index"] == 0]
    assert reasons.index("tool_calls") == len(reasons) - 1


@settings(deadline=None, max_examples=25)
@given(_SPEECH, _SPEECH, _SPEECH, _SIZES)
def test_message_events(thought: str, speech: str, argument: str, sizes: list[int]) -> None:
    """Thoughts, text and a tool's input in blocks: each is restored before its block ends."""
    blocks = [
        ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking", thought),
        ({"type": "text", "text": ""}, "text_delta", "text", speech),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            "input_json_delta",
            "partial_json",
            json.dumps({"to": argument}, ensure_ascii=False),
        ),
    ]
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {
                "id": "up",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "usage": {"input_tokens": 5, "output_tokens": 1},
            },
        }
    ]
    for index, (block, kind, member, text) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: piece}}
            for piece in _pieces(text, sizes)
        ]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}})
    events.append({"type": "message_stop"})
    told, payloads, complete = _passed(MessagesPassage(b"{}", "inf"), _framed(events, named=True), sizes)
    assert complete
    got: dict[int, str] = {}
    ended: set[int] = set()
    for event in told:
        if event["type"] == "content_block_delta":
            assert event["index"] not in ended
            got[event["index"]] = got.get(event["index"], "") + next(
                value for name, value in event["delta"].items() if name != "type"
            )
        elif event["type"] == "content_block_stop":
            ended.add(event["index"])
    assert got[0] == _said(thought)
    assert got[1] == _said(speech)
    assert json.loads(got[2]) == {"to": _plain(argument)}
    kept = json.loads(reassemble(payloads).body or b"")["choices"][0]["message"]
    assert kept["content"] == _said(speech)
    assert json.loads(kept["tool_calls"][0]["function"]["arguments"]) == {"to": _plain(argument)}
    assert [event["type"] for event in told][-2:] == ["message_delta", "message_stop"]


@settings(deadline=None, max_examples=25)
@given(_SPEECH, _SPEECH, _SIZES)
def test_response_events(speech: str, argument: str, sizes: list[int]) -> None:
    """Text and arguments of a Responses stream: pieces, their whole and the last event agree, numbered one by one."""
    arguments = json.dumps({"to": argument}, ensure_ascii=False)
    part = {"type": "output_text", "text": speech, "annotations": []}
    message = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}
    call = {
        "type": "function_call",
        "id": "f1",
        "call_id": "c1",
        "name": "f",
        "arguments": arguments,
        "status": "completed",
    }
    whole = {
        "id": "resp_up",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [message, call],
        "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12},
    }
    at_text = {"output_index": 0, "item_id": "m1", "content_index": 0}
    at_call = {"output_index": 1, "item_id": "f1"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}},
        *({"type": "response.output_text.delta", **at_text, "delta": piece} for piece in _pieces(speech, sizes)),
        {"type": "response.output_text.done", **at_text, "text": speech},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.output_item.added", "output_index": 1, "item": {**call, "arguments": ""}},
        *(
            {"type": "response.function_call_arguments.delta", **at_call, "delta": piece}
            for piece in _pieces(arguments, sizes)
        ),
        {"type": "response.function_call_arguments.done", **at_call, "arguments": arguments},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": whole},
    ]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    told, payloads, complete = _passed(ResponsesPassage(b"{}"), _framed(numbered, named=True), sizes)
    assert complete
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    places = {"response.output_text": "", "response.function_call_arguments": ""}
    for event in told:
        if event["type"].endswith(".delta"):
            places[event["type"].removesuffix(".delta")] += event["delta"]
        elif event["type"] == "response.output_text.done":
            assert places["response.output_text"] == event["text"] == _said(speech)
        elif event["type"] == "response.function_call_arguments.done":
            assert places["response.function_call_arguments"] == event["arguments"]
    assert json.loads(places["response.function_call_arguments"]) == {"to": _plain(argument)}
    assert told[-1]["response"]["output"][0]["content"][0]["text"] == _said(speech)
    assert json.loads(reassemble(payloads).body or b"")["choices"][0]["message"]["content"] == _said(speech)


def test_a_stream_without_tokens_passes_byte_for_byte() -> None:
    """Where there is nothing to restore no byte of the server's events changes but the id."""
    odd = (
        b': hello\ndata:  {"id":"up", "choices":[ {"index":0,"delta":{"content":"a [b] \\u00e9"},'
        b'"logprobs":{"content":[{"token":"[EMAIL_A]"}]} } ]}\r\n\r\n'
    )
    passage = _chat_passage()
    stream = RestoringPassage(passage, passage, Restorer(_TEXTS)).stream()
    plain = _chat_passage().stream()
    assert stream.feed(odd) == plain.feed(odd)


def test_a_stream_that_breaks_off_looks_no_more_complete() -> None:
    """What was held back is not lost where the server stops, and no end is invented."""
    passage = _chat_passage()
    stream = RestoringPassage(passage, passage, Restorer(_TEXTS)).stream()
    out = stream.feed(_framed([_chunk(content="to [EMAIL")], named=False)) + stream.close()
    assert not stream.complete()
    assert b"[DONE]" not in out
    said = [json.loads(line[6:])["choices"][0]["delta"]["content"] for line in out.decode().split("\n") if line]
    assert said == ["to ", "[EMAIL"]


def test_a_whole_answer_without_tokens_stays_as_it_is() -> None:
    """Not a byte of it is written anew."""
    body = b'{ "id":"up", "choices":[{"message":{"content":"[b] 1.50"}}], "x": 1.0e2}'
    passage = _chat_passage("up")
    carried = RestoringPassage(passage, passage, Restorer(_TEXTS)).whole(body)
    assert carried is not None
    assert carried.body == body
