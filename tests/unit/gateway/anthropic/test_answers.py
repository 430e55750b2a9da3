"""A chat.completion becomes the Message that says the same, and a Message the chat.completion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.gateway.anthropic.clients import read_completion, read_message
from tierwright.core.errors import BackendBroken
from tierwright.gateway.anthropic.answers import chat_answer, message

CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":"é"}'}}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": "é"}}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "s"}
HIDDEN = {"type": "redacted_thinking", "data": "x"}


def said(reason: object = "stop", choice: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """The Message for a chat answer that says these members of a message."""
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 5,
        "model": "gpt",
        "choices": [{"index": 0, "message": {"role": "assistant"} | members, "finish_reason": reason} | (choice or {})],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return message(answer, model="m", message_id="msg_1")


def whole(*blocks: dict[str, Any], reason: str | None = "end_turn", **members: Any) -> dict[str, Any]:
    """A Message with these blocks."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(blocks),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    } | members


def text(words: str, **members: Any) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words} | members


def test_message() -> None:
    """Text, calls and the end of a chat answer are those of a Message that Anthropic's client reads."""
    found = said("tool_calls", content="Sun", tool_calls=[CALL, CALL | {"id": "t2"}])
    read_message(found)
    assert found == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [text("Sun"), USE, USE | {"id": "t2"}],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "output_tokens": 2,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        },
    }


def test_chat_answer() -> None:
    """Thoughts, texts, calls and the end of a Message are those of a chat answer that OpenAI's client reads."""
    found = chat_answer(whole(THOUGHT, HIDDEN, text("Su"), text("n"), USE, reason="tool_use"), created_at=5)
    read_completion(found)
    assert found == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 5,
        "model": "claude",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Sun",
                    "refusal": None,
                    "reasoning_content": "Hm",
                    "thinking_blocks": [THOUGHT, HIDDEN],
                    "tool_calls": [CALL],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
                "native_finish_reason": "tool_use",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        },
    }


def test_content_where_nothing_is_said() -> None:
    """Without text there is no content beside calls, and an empty one otherwise; a Message has no empty blocks."""
    assert chat_answer(whole(USE))["choices"][0]["message"]["content"] is None
    assert chat_answer(whole())["choices"][0]["message"]["content"] == ""
    assert said(content="")["content"] == []
    assert said(content=None)["content"] == []


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "length"),
        ("model_context_window_exceeded", "length"),
        ("new_idea", "new_idea"),
        (None, None),
    ],
)
def test_stop_reasons(stop_reason: str | None, finish_reason: str | None) -> None:
    """Each reason has a word in chat, no reason stays none, and every one is found again on the way back."""
    sequence = "END" if stop_reason == "stop_sequence" else None
    there = chat_answer(whole(text("a"), reason=stop_reason, stop_sequence=sequence))
    assert there["choices"][0]["finish_reason"] == finish_reason
    back = message(there, model="claude", message_id="msg_1")
    assert (back["stop_reason"], back["stop_sequence"]) == (stop_reason, sequence)


@pytest.mark.parametrize(
    ("finish_reason", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("eos", "end_turn"),
        ("length", "max_tokens"),
        ("model_length", "model_context_window_exceeded"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("insufficient_system_resource", "insufficient_system_resource"),
        (None, None),
    ],
)
def test_finish_reasons(finish_reason: str | None, stop_reason: str | None) -> None:
    """Each reason has a word at Anthropic; a reason nobody knows is passed on, and none is invented."""
    assert said(finish_reason, content="a")["stop_reason"] == stop_reason


@pytest.mark.parametrize("choice", [{"stop_reason": "END"}, {"matched_stop": "END"}])
def test_stop_sequence_that_was_met(choice: dict[str, Any]) -> None:
    """Two servers, vLLM and SGLang, say which stop sequence was met."""
    found = said("stop", choice, content="a")
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize("choice", [{"stop_reason": 128001}, {"stop_reason": "stop"}, {"matched_stop": None}, {}])
def test_no_stop_sequence_that_was_met(choice: dict[str, Any]) -> None:
    """A number is a token that ends an answer, and a server's own word for the end is no stop sequence."""
    found = said("stop", choice, content="a")
    assert (found["stop_reason"], found["stop_sequence"]) == ("end_turn", None)


def test_calls_that_end_with_stop() -> None:
    """Some servers end calls with "stop"; Anthropic's clients go by the stop reason, whether to run a tool."""
    assert said("stop", tool_calls=[CALL])["stop_reason"] == "tool_use"
    assert said("stop", {"native_finish_reason": "STOP"}, tool_calls=[CALL])["stop_reason"] == "tool_use"
    assert said("length", tool_calls=[CALL])["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_thoughts(member: str) -> None:
    """Thoughts come first, without a signature, whatever the server calls them."""
    found = said(content="b", **{member: "Hm"})
    read_message(found)
    assert found["content"] == [{"type": "thinking", "thinking": "Hm", "signature": ""}, text("b")]


def test_thoughts_that_anthropic_signed() -> None:
    """Thoughts that came from Anthropic through another gateway keep their signatures."""
    found = said(content="b", reasoning_content="Hm", thinking_blocks=[THOUGHT, HIDDEN])
    assert found["content"] == [THOUGHT, HIDDEN, text("b")]


def test_content_in_parts() -> None:
    """Mistral's models think in a part of the content."""
    parts = [{"type": "thinking", "thinking": [text("H"), text("m")]}, text("b"), text("c"), {"type": "reference"}]
    assert said(content=parts)["content"] == [{"type": "thinking", "thinking": "Hm", "signature": ""}, text("bc")]


def test_refusals() -> None:
    """OpenAI refuses in a member of its own, Anthropic in the end of the answer; both are passed on as such."""
    found = said("stop", content=None, refusal="No.")
    read_message(found)
    assert found["content"] == [text("No.")]
    assert found["stop_reason"] == "refusal"
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": "No."}
    there = chat_answer(whole(reason="refusal", stop_details=found["stop_details"]))
    assert there["choices"][0]["message"]["refusal"] == "No."
    assert there["choices"][0]["finish_reason"] == "content_filter"


def test_old_form_of_calls() -> None:
    """A call of the time before there were tools has no id, and gets one of the Message's."""
    found = said("function_call", content=None, function_call={"name": "f", "arguments": '{"x":"é"}'})
    assert found["content"] == [USE | {"id": "toolu_msg_1_0"}]


def test_arguments_that_are_no_json() -> None:
    """What a model wrote instead of JSON is kept; an object and nothing at all are understood."""
    texts = ['{"x": ', "", {"x": 1}, None]
    calls = [{"id": "t", "function": {"name": "f", "arguments": each}} for each in texts]
    inputs = [block["input"] for block in said("tool_calls", tool_calls=calls)["content"]]
    assert inputs == [{"INVALID_JSON": '{"x": '}, {}, {"x": 1}, {}]


def test_citations_of_web_pages_are_annotations() -> None:
    """A cited text block is annotated where it stands in the answer; citations of documents have no word in chat."""
    page = {"type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "c"}
    place = {"type": "char_location", "document_index": 0, "cited_text": "c"}
    found = chat_answer(whole(text("ab"), text("cde", citations=[page, place]), text("f", citations=None)))
    read_completion(found)
    assert found["choices"][0]["message"]["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://x", "title": "X", "start_index": 2, "end_index": 5},
        }
    ]


def test_steps_that_anthropic_took_are_left_out() -> None:
    """A search that Anthropic ran is no call for the caller, and the texts around it are one answer."""
    step = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = chat_answer(whole(text("a"), step, {"type": "web_search_tool_result", "content": []}, text("b")))
    said_there = found["choices"][0]["message"]
    assert (said_there["content"], said_there.get("tool_calls")) == ("ab", None)


@pytest.mark.parametrize(
    "answer",
    [{}, {"choices": []}, {"choices": [{}]}, {"choices": [None]}, {"error": {"message": "no"}}, {"choices": "x"}],
)
def test_no_answer(answer: dict[str, Any]) -> None:
    """A body without a message, such as an error that came with status 200, is no answer."""
    with pytest.raises(BackendBroken, match="no choice"):
        message(answer, model="m", message_id="msg_1")


def test_call_without_a_name() -> None:
    """Nobody can run a tool without a name."""
    with pytest.raises(BackendBroken, match="without a name"):
        said("tool_calls", tool_calls=[{"id": "t", "function": {"arguments": "{}"}}])


def test_message_that_says_nothing() -> None:
    """A Message is read leniently, since what a native backend has sent is worth keeping."""
    found = chat_answer({"content": [None, {"type": "tool_use"}, {"type": []}], "usage": {"output_tokens": None}})
    assert json.loads(found["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) == {}
    assert found["choices"][0]["finish_reason"] is None
    assert "usage" not in found
