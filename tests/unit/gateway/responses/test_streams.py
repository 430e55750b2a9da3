"""The chunks of a chat stream make a stream of events that OpenAI's own client follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.broken import broken
from tests.provider_recordings import events_of, recorded, stream_of
from tierwright.gateway.reassemble import reassemble
from tierwright.gateway.responses.answers import chat_answer, response
from tierwright.gateway.responses.streams import ResponseEvents
from tierwright.gateway.responses.whole import WholeResponse

REQUEST = {"model": "m", "input": "x"}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk with one delta."""
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


def usage_chunk() -> dict[str, Any]:
    """The chunk that ends a stream whose usage was asked for."""
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [], "usage": USAGE}


def piece(
    index: int | None = None, identity: str | None = None, name: str | None = None, text: str = ""
) -> dict[str, Any]:
    """A piece of a tool call."""
    members = {"index": index, "id": identity, "function": {"name": name, "arguments": text}}
    return {member: value for member, value in members.items() if value is not None}


def told(chunks: list[dict[str, Any]], *, close: bool = True) -> list[dict[str, Any]]:
    """The events of a stream of chunks."""
    stream = ResponseEvents(request=REQUEST, response_id="resp_7", created_at=5)
    events = [event for fed in chunks for event in stream.feed(fed)]
    if close:
        events += stream.close()
        assert stream.finished
    return events


def followed(events: list[dict[str, Any]]) -> Response | None:
    """What OpenAI's client makes of the events, each of which its models accept; None: no completed answer."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(EVENT.validate_python(json.loads(json.dumps(event))))
    return state._completed_response


def types(events: list[dict[str, Any]]) -> list[str]:
    """The types of the events, without their common beginning."""
    return [event["type"].removeprefix("response.") for event in events]


def test_text() -> None:
    """A text is announced, told piece by piece, told whole, and completed with the usage that came last."""
    events = told(
        [chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop"), usage_chunk()]
    )
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    final = followed(events)
    assert final is not None
    assert (final.id, final.model, final.output_text) == ("resp_7", "m-1", "Hello")
    assert final.usage is not None
    assert final.usage.output_tokens == 2
    assert events[6]["text"] == "Hello"
    assert {event["item_id"] for event in events[3:8]} == {"msg_7_0"}


def test_thoughts_then_text_then_calls() -> None:
    """Thoughts are a summary that ends before the text begins, and the text ends before the first call."""
    events = told(
        [
            chunk(reasoning_content="H"),
            chunk(reasoning_content="m"),
            chunk(content="Sun"),
            chunk(tool_calls=[piece(0, "a", "f", '{"x"')]),
            chunk(tool_calls=[piece(1, "b", "g")]),
            chunk(tool_calls=[piece(0, text=":1}"), piece(1, text="{}")]),
            chunk("tool_calls"),
        ]
    )
    assert types(events)[2:] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    final = followed(events)
    assert final is not None
    calls = [item for item in final.output if item.type == "function_call"]
    assert [(call.call_id, call.name, call.arguments) for call in calls] == [("a", "f", '{"x":1}'), ("b", "g", "{}")]
    assert final.usage is None


def test_refusal_after_text_is_a_part_of_its_own() -> None:
    """A refusal has its own events and content index."""
    events = told([chunk(content="Well, "), chunk(refusal="I can"), chunk(refusal="'t"), chunk("stop")])
    final = followed(events)
    assert final is not None
    text, refusal = final.output[0].content
    assert (text.type, text.text) == ("output_text", "Well, ")
    assert (refusal.type, refusal.refusal) == ("refusal", "I can't")
    (done,) = [event for event in events if event["type"] == "response.refusal.done"]
    assert (done["content_index"], done["refusal"]) == (1, "I can't")


def test_logprobs_and_citations() -> None:
    """Log probabilities go with their delta and stand whole at the end; citations are numbered."""
    citation = {"url": "u", "title": "t", "start_index": 0, "end_index": 1}
    first = chunk(content="x", annotations=[{"type": "url_citation", "url_citation": citation}])
    first["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -1, "bytes": None, "top_logprobs": []}]}
    events = told([first, chunk("stop")])
    final = followed(events)
    assert final is not None
    (part,) = final.output[0].content
    assert [token.token for token in part.logprobs] == ["x"]
    assert part.annotations[0].url == "u"
    (added,) = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert (added["annotation_index"], added["content_index"]) == (0, 0)


def test_cut_by_length_is_incomplete() -> None:
    """An answer that ran out of tokens ends in response.incomplete and says why; only its last item is incomplete."""
    events = told([chunk(reasoning="Hm."), chunk(content="Hel"), chunk("length"), usage_chunk()])
    assert followed(events) is None
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in last["response"]["output"]] == ["completed", "incomplete"]
    assert last["response"]["usage"]["input_tokens"] == 3


@pytest.mark.parametrize(
    "chunks", [[], [chunk(content="Hel")], [chunk(tool_calls=[piece(0, "a", "f", "{")])], [chunk(), usage_chunk()]]
)
def test_a_stream_that_stops_short_has_failed(chunks: list[dict[str, Any]]) -> None:
    """Whatever was told before, an answer that never said why it ended is never completed."""
    events = told(chunks)
    followed(events)
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["code"] == "server_error"
    assert not [event for event in events if event["type"].endswith(".done")]


def test_an_error_inside_of_the_stream_ends_it() -> None:
    """A server's error is the last event, in the server's words; nothing follows it."""
    stream = ResponseEvents(request=REQUEST, response_id="resp_7", created_at=5)
    events = stream.feed(chunk(content="Hel"))
    events += stream.feed({"error": {"message": "slow down", "type": "rate_limit_error", "code": None}})
    followed(events)
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hel"
    assert stream.finished
    assert stream.feed(chunk(content="lo")) == stream.close() == stream.fail("no") == []


def test_an_error_outside_of_the_stream_ends_it() -> None:
    """The gateway can end a stream that has not even begun."""
    stream = ResponseEvents(request=REQUEST, response_id="resp_7", created_at=5)
    events = stream.fail("the backend is gone")
    followed(events)
    assert types(events) == ["created", "in_progress", "failed"]
    assert events[-1]["response"]["error"]["message"] == "the backend is gone"


def test_calls_that_are_not_numbered_or_named_at_once() -> None:
    """A server that numbers no calls, repeats names, sends ids late or none at all is followed all the same."""
    events = told(
        [
            chunk(tool_calls=[piece(None, "a", None, '{"x"')]),
            chunk(tool_calls=[piece(None, None, "f", ":1}")]),
            chunk(tool_calls=[piece(None, "b", "f")]),
            chunk(tool_calls=[piece(None, "b", "f", "{}")]),
            chunk(tool_calls=[piece(7, None, "g", "{}")]),
            chunk("tool_calls"),
        ]
    )
    final = followed(events)
    assert final is not None
    assert [(call.name, call.arguments) for call in final.output] == [("f", '{"x":1}'), ("f", "{}"), ("g", "{}")]
    assert [call.call_id for call in final.output][:2] == ["a", "b"]
    assert final.output[2].call_id


def test_custom_tools_and_calls_from_before_tools() -> None:
    """A custom tool's input has events of its own; an old function call is a call with an id of ours."""
    events = told(
        [
            chunk(tool_calls=[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "l"}}]),
            chunk(tool_calls=[{"index": 0, "custom": {"input": "s"}}]),
            chunk("tool_calls"),
        ]
    )
    final = followed(events)
    assert final is not None
    assert (final.output[0].type, final.output[0].input) == ("custom_tool_call", "ls")
    assert types(events)[-3:] == ["custom_tool_call_input.done", "output_item.done", "completed"]
    final = followed(
        told(
            [
                chunk(function_call={"name": "f", "arguments": "{"}),
                chunk(function_call={"arguments": "}"}),
                chunk("function_call"),
            ]
        )
    )
    assert final is not None
    assert (final.output[0].name, final.output[0].arguments, final.output[0].call_id) == ("f", "{}", "call_7_0")


def test_only_the_first_choice_is_told() -> None:
    """Responses know one answer; other choices of a chat stream don't mix into it."""
    other = chunk("stop", content="no")
    other["choices"][0]["index"] = 1
    final = followed(told([chunk(content="yes"), other, chunk("stop")]))
    assert final is not None
    assert final.output_text == "yes"


def test_an_empty_answer_is_an_empty_message() -> None:
    """A model that says nothing still yields a message, as in one piece."""
    final = followed(told([chunk(role="assistant", content=""), chunk("stop")]))
    assert final is not None
    assert (len(final.output), final.output_text) == (1, "")


SCRIPTS = st.tuples(
    st.lists(st.text(max_size=5), max_size=3),
    st.lists(st.text(max_size=5), max_size=4),
    st.lists(st.tuples(st.text(min_size=1, max_size=5), st.lists(st.text(max_size=5), max_size=3)), max_size=3),
)


@settings(deadline=None)
@given(script=SCRIPTS, alternate=st.booleans())
def test_streamed_or_whole_the_answer_is_the_same(
    script: tuple[list[str], list[str], list[tuple[str, list[str]]]], *, alternate: bool
) -> None:
    """Any thoughts, text and calls, told in any pieces, end as the Response that the whole chat answer becomes."""
    thoughts, texts, calls = script
    chunks = [chunk(reasoning_content=text) for text in thoughts]
    chunks += [chunk(content=text) for text in texts]
    chunks += [chunk(tool_calls=[piece(place, f"c{place}", name)]) for place, (name, _) in enumerate(calls)]
    pieces = [(number, place, text) for place, (_, texts) in enumerate(calls) for number, text in enumerate(texts)]
    for _, place, text in sorted(pieces) if alternate else pieces:
        chunks.append(chunk(tool_calls=[piece(place, text=text)]))
    chunks += [chunk("tool_calls" if calls else "stop"), usage_chunk()]
    events = told(chunks)
    followed(events)
    chat = reassemble([json.dumps(fed).encode() for fed in chunks])
    assert chat.body is not None
    whole = response(json.loads(chat.body), request=REQUEST, response_id="resp_7", created_at=5)
    assert events[-1]["response"] == whole
    collected, cut = WholeResponse(), WholeResponse()
    for event in events[:-1]:
        cut.feed(event)
        collected.feed(event)
    collected.feed(events[-1])
    assert (collected.finished, collected.response()) == (True, whole)
    partial = cut.response()
    assert partial is not None
    assert (cut.finished, partial["output"]) == (False, whole["output"])
    message = chat_answer(whole)["choices"][0]["message"]
    assert (message["content"] or "") == "".join(texts)
    assert [call["function"]["arguments"] for call in message.get("tool_calls", [])] == [
        "".join(told) for _, told in calls
    ]


def test_any_json_is_told() -> None:
    """Whatever stands at any place of a chunk, the stream goes on, in order, to an end that clients can read."""
    whole = chunk(
        content=[{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}, {"type": "text", "text": "x"}],
        reasoning="x",
        refusal="x",
        annotations=[{"type": "url_citation", "url_citation": {"url": "u"}}],
        tool_calls=[piece(0, "a", "f", "{}"), {"index": 1, "custom": {"name": "f", "input": "x"}}],
    )
    whole["choices"][0]["logprobs"] = {"content": [{"token": "x", "top_logprobs": [{"token": "y"}]}]}
    whole |= {"usage": USAGE, "service_tier": "default", "error": None}
    for odd in broken(whole):
        if isinstance(odd, dict):
            events = told([odd, chunk("stop")])
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            assert events[-1]["type"] in ("response.completed", "response.failed")


def test_recorded_chat_streams_are_followed_by_openais_client() -> None:
    """Every recorded chat stream becomes events that OpenAI's models accept and its client adds up to the same."""
    completed = 0
    streams = [stream for exchange in recorded("/chat/completions") if (stream := stream_of(exchange)) is not None]
    for text in streams:
        chunks = list(events_of(text))
        events = told(chunks)
        final = followed(events)
        chat = reassemble([json.dumps(fed).encode() for fed in chunks])
        errors = [fed for fed in chunks if fed.get("error")]
        if chat.body is None or not chat.finished or errors:
            assert events[-1]["type"] == "response.failed"
            continue
        whole = json.loads(chat.body)
        message = whole["choices"][0]["message"]
        if isinstance(message["content"], str | None):
            assert final is not None
            assert final.output_text == (message["content"] or "")
        collected = chat_answer(events[-1]["response"])["choices"][0]["message"]
        assert [call["function"] for call in collected.get("tool_calls", [])] == [
            call["function"] for call in message.get("tool_calls", [])
        ]
        if whole.get("usage"):
            assert events[-1]["response"]["usage"]["output_tokens"] == whole["usage"]["completion_tokens"]
        completed += 1
    assert completed > 70
