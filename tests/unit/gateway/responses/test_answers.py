"""A whole answer says the same in both APIs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.broken import broken
from tests.provider_recordings import recorded, stream_of
from tierwright.core.chat import read_answer
from tierwright.gateway.responses.answers import chat_answer, response

REQUEST = {"model": "m", "input": "x"}


def completion(message: dict[str, Any], reason: str | None = "stop", **members: Any) -> dict[str, Any]:
    """A chat.completion with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [choice], **members}


def translated(message: dict[str, Any], reason: str | None = "stop", **members: Any) -> dict[str, Any]:
    """The Response to `REQUEST`, which OpenAI's model of it accepts."""
    found = response(completion(message, reason, **members), request=REQUEST, response_id="resp_7", created_at=5)
    Response.model_validate(found)
    return found


def test_thoughts_text_and_parallel_calls_become_items() -> None:
    """Each has its own item, in the order in which a model makes them, with an id that is the same each time."""
    found = translated(
        {
            "content": "Sun.",
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "custom", "custom": {"name": "g", "input": "ls"}},
            ],
        },
        "tool_calls",
        usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    )
    assert found["status"] == "completed"
    assert found["output"] == [
        {
            "id": "rs_7_0",
            "type": "reasoning",
            "status": "completed",
            "summary": [{"type": "summary_text", "text": "Hm."}],
        },
        {
            "id": "msg_7_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Sun."}],
        },
        {
            "id": "fc_7_2",
            "type": "function_call",
            "status": "completed",
            "arguments": "{}",
            "call_id": "a",
            "name": "f",
        },
        {
            "id": "ctc_7_3",
            "type": "custom_tool_call",
            "status": "completed",
            "input": "ls",
            "call_id": "b",
            "name": "g",
        },
    ]
    assert (found["id"], found["created_at"], found["model"]) == ("resp_7", 5, "m-1")
    assert found["usage"]["input_tokens"] == 3


def test_settings_are_said_back() -> None:
    """What the request set stands in the answer; what it left open is the API's default, or null where unknown."""
    request = {
        "model": "m",
        "input": "x",
        "instructions": "Be brief.",
        "temperature": 0,
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "text": {"verbosity": "low", "format": None},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
    }
    found = response(
        completion({"content": "x"}, service_tier="on_demand"), request=request, response_id="resp_1", created_at=5
    )
    Response.model_validate(found)
    for name in ("instructions", "temperature", "tools", "tool_choice", "parallel_tool_calls", "metadata"):
        assert found[name] == request[name]
    assert found["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert found["reasoning"] == {"effort": "low", "summary": None}
    # A tier of another provider is none that a Response can name.
    assert found["service_tier"] == "auto"
    assert (found["top_p"], found["truncation"], found["background"]) == (None, "disabled", False)
    # Nobody can have it again by its id.
    assert found["store"] is False


@pytest.mark.parametrize(
    ("reason", "status", "why", "back"),
    [
        ("stop", "completed", None, "stop"),
        ("eos", "completed", None, "stop"),
        ("length", "incomplete", "max_output_tokens", "length"),
        ("content_filter", "incomplete", "content_filter", "content_filter"),
        ("error", "failed", None, None),
        (None, "failed", None, None),
    ],
)
def test_reasons_to_end(reason: str | None, status: str, why: str | None, back: str | None) -> None:
    """A cut answer is incomplete and says why; one that doesn't say that it ended is never completed."""
    found = translated({"content": "x"}, reason)
    assert found["status"] == status
    assert (found["incomplete_details"] or {}).get("reason") == why
    assert (found["error"] is not None) == (status == "failed")
    assert found["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")
    assert chat_answer(found)["choices"][0]["finish_reason"] == back


def test_refusals_citations_and_logprobs() -> None:
    """A refusal is a part of its own; citations are flat; tokens without bytes are still readable by clients."""
    logprob = {"token": "x", "logprob": -0.1, "bytes": None, "top_logprobs": [{"token": "y", "logprob": -2}]}
    citation = {"url": "u", "title": "t", "start_index": 0, "end_index": 1}
    answer = completion(
        {
            "content": "x",
            "refusal": "No.",
            "annotations": [
                {"type": "url_citation", "url_citation": citation},
                {"type": "file", "file": {"name": "a"}},
                {"type": "url_citation", "url_citation": {"url": "u"}},
            ],
        }
    )
    answer["choices"][0]["logprobs"] = {"content": [logprob], "refusal": None}
    found = response(answer, request=REQUEST, response_id="resp_1", created_at=5)
    Response.model_validate(found)
    text, refusal = found["output"][0]["content"]
    assert refusal == {"type": "refusal", "refusal": "No."}
    assert text["annotations"] == [{"type": "url_citation", **citation}]
    assert text["logprobs"][0]["bytes"] == text["logprobs"][0]["top_logprobs"][0]["bytes"] == []
    (choice,) = chat_answer(found)["choices"]
    assert choice["message"]["refusal"] == "No."
    assert choice["message"]["annotations"] == [{"type": "url_citation", "url_citation": citation}]
    assert choice["logprobs"]["content"][0]["token"] == "x"


def test_lists_of_content_and_old_function_calls() -> None:
    """Thoughts inside of a list of content, an object as arguments and calls from before tools are understood."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Sun"},
        {"type": "text", "text": "."},
    ]
    reasoning, message = translated({"content": parts})["output"]
    assert reasoning["summary"][0]["text"] == "Hm."
    assert message["content"][0]["text"] == "Sun."
    (call,) = translated({"content": None, "function_call": {"name": "f", "arguments": {"a": 1}}})["output"]
    assert (call["name"], call["arguments"], call["call_id"]) == ("f", '{"a": 1}', "call_7_0")


def test_calls_without_ids_of_their_own_are_given_some() -> None:
    """Calls whose ids are missing or the same can be told apart by their outputs."""
    calls = [{"id": given, "function": {"name": "f", "arguments": "{}"}} for given in ("a", "a", "", None, "call_7_1")]
    output = translated({"content": None, "tool_calls": calls}, "tool_calls")["output"]
    assert output[0]["call_id"] == "a"
    assert len({call["call_id"] for call in output}) == 5


def test_an_empty_answer_is_an_empty_message() -> None:
    """Where a model says nothing and calls nothing there is still a message to look at."""
    (message,) = translated({"content": None})["output"]
    assert message["content"][0]["text"] == ""


def test_answer_without_choices_failed() -> None:
    """A chat answer that holds no choice is a Response that failed, with nothing in it."""
    found = response({"choices": []}, request=REQUEST, response_id="resp_1", created_at=5)
    Response.model_validate(found)
    assert (found["status"], found["output"], found["model"]) == ("failed", [], "m")


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "incomplete"])
def test_an_unfinished_response_has_no_finish_reason(status: str) -> None:
    """What is not the whole answer does not look like one once it is captured."""
    assert chat_answer({"status": status, "output": []})["choices"][0]["finish_reason"] is None


def test_an_error_stays_an_error() -> None:
    """A Response that failed is captured with its error."""
    found = chat_answer({"status": "failed", "error": {"code": "server_error", "message": "no"}, "output": []})
    assert found["error"]["code"] == "server_error"


@settings(deadline=None)
@given(
    text=st.text(),
    thoughts=st.text(),
    calls=st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=3),
    refusal=st.none() | st.text(min_size=1),
)
def test_there_and_back(text: str, thoughts: str, calls: list[tuple[str, str]], refusal: str | None) -> None:
    """Text, thoughts, refusals and calls of any content survive the way to a Response and back."""
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": refusal}
    if thoughts:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [
            {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for place, (name, arguments) in enumerate(calls)
        ]
    reason = "tool_calls" if calls else "stop"
    found = response(completion(message, reason), request=REQUEST, response_id="resp_1", created_at=5)
    (choice,) = chat_answer(found)["choices"]
    if not (text or refusal or calls):
        message["content"] = ""
    assert choice["message"] == message
    assert choice["finish_reason"] == reason


def test_any_json_is_answered() -> None:
    """Whatever a server sends at any place of its answer, there is a translation that can be read again."""
    logprobs = {"content": [{"token": "x", "bytes": [1], "top_logprobs": [{"token": "y", "bytes": [1]}]}]}
    whole = completion(
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "x"}]},
                {"type": "text", "text": "x"},
            ],
            "reasoning": "x",
            "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
            "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "custom": {"name": "f", "input": "x"}},
            ],
        },
        usage={"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}},
        service_tier="default",
    )
    whole["choices"][0]["logprobs"] = logprobs
    for answer in broken(whole):
        if isinstance(answer, dict):
            found = response(answer, request=REQUEST, response_id="resp_1", created_at=5)
            assert found["status"] in ("completed", "failed")
    for found in broken(response(whole, request=REQUEST, response_id="resp_1", created_at=5)):
        if isinstance(found, dict):
            assert len(chat_answer(found)["choices"]) == 1


def test_recorded_responses_read_as_openais_client_reads_them() -> None:
    """Text, calls, reason and usage of every recorded Response equal what OpenAI's client makes of it."""
    compared = 0
    for exchange in recorded("/responses"):
        theirs = exchange["response"]
        if exchange["status"] != 200 or stream_of(exchange) is not None:
            continue
        ours = chat_answer(theirs)
        read = read_answer(ours)
        client = Response.construct(**theirs)
        assert (read.text or "") == client.output_text
        calls = [item for item in theirs["output"] if item["type"] == "function_call"]
        assert [call["function"]["arguments"] for call in ours["choices"][0]["message"].get("tool_calls", [])] == [
            call["arguments"] for call in calls
        ]
        if theirs["status"] == "queued":
            assert (read.finish_reason, read.usage) == (None, None)
        else:
            assert read.finish_reason == ("tool_calls" if calls else "stop")
            assert read.usage is not None
            ChatCompletion.model_validate(ours)
        assert (read.id, read.model) == (theirs["id"], theirs["model"])
        compared += 1
    assert compared > 200


def test_recorded_chat_answers_become_responses_and_come_back() -> None:
    """Every recorded chat answer becomes a Response that OpenAI's client accepts, and its message comes back whole."""
    compared = 0
    for exchange in recorded("/chat/completions"):
        theirs = exchange["response"]
        if not theirs.get("choices"):
            continue
        found = response(theirs, request=exchange["request"] | {"input": "x"}, response_id="resp_1", created_at=5)
        Response.model_validate(found | {"tools": [], "tool_choice": "auto"})
        message, (back,) = theirs["choices"][0]["message"], chat_answer(found)["choices"]
        if isinstance(message.get("content"), str):
            assert (back["message"]["content"] or "") == message["content"]
        assert (back["message"]["refusal"] or "") == (message.get("refusal") or "")
        assert [call["function"] for call in back["message"].get("tool_calls", [])] == [
            {"name": call["function"]["name"], "arguments": call["function"].get("arguments") or ""}
            for call in message.get("tool_calls") or []
        ] or "function_call" in message
        assert found["usage"]["output_tokens"] == theirs["usage"]["completion_tokens"]
        compared += 1
    assert compared > 430
