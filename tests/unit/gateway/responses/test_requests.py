"""A Responses request asks chat.completions for the same, or says what chat can't be asked for."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from tests.broken import broken
from tests.provider_recordings import recorded
from tierwright.core.chat import read_request
from tierwright.core.errors import InputError
from tierwright.gateway.responses.requests import chat_request, read, self_contained

WHOLE: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
STREAMED: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsStreaming)
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


def call(name: str, number: int) -> dict[str, Any]:
    """An item that calls a function."""
    return {"type": "function_call", "id": f"fc_{number}", "call_id": f"c{number}", "name": name, "arguments": "{}"}


def output(number: int, value: Any) -> dict[str, Any]:
    """An item that answers a call."""
    return {"type": "function_call_output", "call_id": f"c{number}", "output": value}


def test_every_setting_has_its_chat_name() -> None:
    """Instructions, limits, format, effort, tools, sampling and streaming arrive under chat's names and shapes."""
    found = chat_request(
        {
            "model": "gpt-5-mini",
            "instructions": "Be brief.",
            "input": "Hi",
            "max_output_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "metadata": {"task": "greet"},
            "user": "u",
            "store": False,
            "service_tier": "flex",
            "parallel_tool_calls": False,
            "tool_choice": {"type": "function", "name": "weather"},
            "tools": [WEATHER],
            "text": {
                "format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True},
                "verbosity": "low",
            },
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "top_logprobs": 2,
            "stream": True,
            "stream_options": {"include_obfuscation": False},
            "truncation": "disabled",
            "previous_response_id": None,
        }
    )
    assert found == {
        "model": "gpt-5-mini",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "metadata": {"task": "greet"},
        "user": "u",
        "store": False,
        "service_tier": "flex",
        "stream": True,
        "max_completion_tokens": 9,
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True}}
        ],
        "parallel_tool_calls": False,
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True},
        },
        "verbosity": "low",
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "stream_options": {"include_obfuscation": False, "include_usage": True},
    }


def test_members_of_unknown_name_are_copied() -> None:
    """What neither API names, a server's own extension, is passed on as it is."""
    assert chat_request({"model": "m", "input": "x", "provider": {"only": ["a"]}})["provider"] == {"only": ["a"]}


def test_a_turn_of_the_assistant_is_one_message() -> None:
    """Reasoning, text and parallel calls that stand together become one message, and each output its own."""
    messages = chat_request(
        {
            "model": "m",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Paris and Rome?"}]},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Two cities."}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
                call("weather", 1),
                call("weather", 2),
                output(1, "sun"),
                output(2, [{"type": "input_text", "text": "rain"}]),
                {"role": "assistant", "content": "Sun, rain."},
                {"role": "user", "content": "Thanks"},
            ],
        }
    )["messages"]
    function = {"name": "weather", "arguments": "{}"}
    assert messages == [
        {"role": "user", "content": "Paris and Rome?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "reasoning_content": "Two cities.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": function},
                {"id": "c2", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {"role": "tool", "tool_call_id": "c2", "content": "rain"},
        {"role": "assistant", "content": "Sun, rain."},
        {"role": "user", "content": "Thanks"},
    ]


def test_text_between_calls_does_not_part_them_from_their_outputs() -> None:
    """What the assistant says between two calls joins the text before, since chat wants outputs right after calls."""
    messages = chat_request(
        {
            "model": "m",
            "input": [
                {"role": "assistant", "content": "First."},
                call("f", 1),
                {"role": "assistant", "content": "Then."},
                call("f", 2),
                output(1, "a"),
                output(2, "b"),
            ],
        }
    )["messages"]
    assert [message["role"] for message in messages] == ["assistant", "tool", "tool"]
    assert messages[0]["content"] == [{"type": "text", "text": "First."}, {"type": "text", "text": "Then."}]
    assert [found["id"] for found in messages[0]["tool_calls"]] == ["c1", "c2"]


def test_two_answers_in_a_row_stay_two_messages() -> None:
    """Messages of the assistant without calls are not joined."""
    messages = chat_request(
        {"model": "m", "input": [{"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}]}
    )["messages"]
    assert [message["content"] for message in messages] == ["A", "B"]


def test_parts_that_are_no_text_arrive_in_chat_form() -> None:
    """Images, files and audio have the shapes of chat.completions."""
    (message,) = chat_request(
        {
            "model": "m",
            "input": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "input_text",
                            "text": "What is this?",
                            "prompt_cache_breakpoint": {"mode": "explicit"},
                        },
                        {"type": "input_image", "image_url": "https://e.org/a.png", "detail": "original"},
                        {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
                        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                    ],
                }
            ],
        }
    )["messages"]
    assert message["content"] == [
        {"type": "text", "text": "What is this?", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": "https://e.org/a.png", "detail": "high"}},
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]


def test_custom_tools_and_allowed_tools() -> None:
    """A custom tool with a grammar, its call and output, and a choice among allowed tools keep their meaning."""
    grammar = {"syntax": "regex", "definition": "a+"}
    found = chat_request(
        {
            "model": "m",
            "input": [
                {"type": "custom_tool_call", "call_id": "c1", "name": "sh", "input": "ls"},
                {"type": "custom_tool_call_output", "call_id": "c1", "output": "a b"},
            ],
            "tools": [{"type": "custom", "name": "sh", "format": {"type": "grammar", **grammar}}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "sh"}]},
        }
    )
    assert found["tools"] == [
        {"type": "custom", "custom": {"name": "sh", "format": {"type": "grammar", "grammar": grammar}}}
    ]
    assert found["tool_choice"]["allowed_tools"] == {
        "mode": "auto",
        "tools": [{"type": "custom", "custom": {"name": "sh"}}],
    }
    assert found["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a b"},
    ]


def test_choosing_no_tool_among_none_is_left_out() -> None:
    """Clients that always send `tools: []` with `tool_choice: auto` don't make chat servers refuse the request."""
    found = chat_request({"model": "m", "input": "x", "tools": [], "tool_choice": "auto", "parallel_tool_calls": True})
    assert found.keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
        ({"tools": [WEATHER, {"type": "web_search"}]}, r"tools\[1\]"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"input": [{"role": "user", "content": "x"}, {"id": "msg_1"}]}, r"input\[1\]"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, r"input\[0\]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            r"input\[0\].content\[0\]",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]},
            r"input\[0\].content\[0\]",
        ),
        ({"input": [{"role": "user", "content": [{"type": "computer_screenshot"}]}]}, r"input\[0\].content\[0\]"),
    ],
)
def test_what_only_the_provider_has_is_refused_by_name_and_read_without_complaint(
    members: dict[str, Any], named: str
) -> None:
    """Each is an error that names it where chat is to answer; where it is only read, no specialist can answer."""
    payload = {"model": "m", "input": "x", **members}
    with pytest.raises(InputError, match=f"'{named}'"):
        chat_request(payload)
    found = read(payload)
    assert found.needs is not None
    assert not self_contained(payload)
    assert read_request(found.request).model == "m"


@pytest.mark.parametrize("member", ["previous_response_id", "conversation", "prompt"])
def test_history_the_provider_keeps_shows_in_the_messages(member: str) -> None:
    """Whoever reads only the messages sees that they are not the whole conversation."""
    found = read_request(read({"model": "m", "instructions": "S", "input": "x", member: "id_1"}).request)
    assert found.opaque
    assert found.system == "S"
    assert (found.messages[-1].text, found.messages[-1].opaque) == ("x", False)
    assert read({"model": "m", member: "id_1"}).request["messages"]


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ([], "JSON object"),
        ({"model": "m"}, "'input'"),
        ({"model": "m", "input": []}, "'input'"),
        ({"model": "m", "input": 7}, "'input'"),
        ({"model": "m", "input": ["x"]}, r"'input\[0\]'"),
        ({"model": "m", "input": [{"role": 1, "content": "x"}]}, r"'input\[0\]'"),
        ({"model": "m", "input": [{"role": "user"}]}, r"'input\[0\].content'"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}, r"content\[0\].text'"),
        ({"model": "m", "input": [{"role": "user", "content": ["x"]}]}, r"content\[0\]'"),
        ({"model": "m", "input": [{"type": "function_call", "call_id": "c"}]}, r"'input\[0\]'"),
        ({"model": "m", "input": [{"type": "function_call_output", "call_id": "c"}]}, r"'input\[0\].output'"),
        ({"model": "m", "input": "x", "instructions": 7}, "'instructions'"),
        ({"model": "m", "input": "x", "tools": {}}, "'tools'"),
        ({"model": "m", "input": "x", "tools": [7]}, r"'tools\[0\]'"),
        ({"model": "m", "input": "x", "text": "json"}, "'text'"),
    ],
)
def test_what_is_no_request_is_refused_in_either_mode(payload: Any, named: str) -> None:
    """A body that breaks the format is an error that says where."""
    for strict in (True, False):
        with pytest.raises(InputError, match=named):
            chat_request(payload, strict=strict)
    assert not self_contained(payload)


def test_any_json_is_read_or_refused() -> None:
    """Whatever stands at any place of a body, the translation succeeds or names a member in an error."""
    whole = {
        "model": "m",
        "instructions": "S",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "refusal", "refusal": "x"}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": "u", "detail": "low"}]},
            {"role": "user", "content": [{"type": "input_file", "file_data": "u"}, {"type": "input_audio"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}], "content": []},
            call("f", 1),
            output(1, [{"type": "output_text", "text": "x"}]),
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
            {"type": "item_reference", "id": "x"},
        ],
        "tools": [WEATHER, {"type": "custom", "name": "f", "format": {"type": "grammar"}}],
        "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "schema": {}}},
        "reasoning": {"effort": "low", "mode": "standard"},
        "include": ["x"],
        "top_logprobs": 1,
        "stream": True,
        "stream_options": {},
        "conversation": {"id": "x"},
    }
    refused = read_anyway = 0
    for payload in broken(whole):
        for strict in (True, False):
            try:
                assert chat_request(payload, strict=strict)["messages"]
            except InputError as error:
                refused += 1
                named = str(error)
            else:
                read_anyway += 1
                named = "'"
            assert "'" in named or "JSON object" in named
    assert refused > read_anyway > 500


def test_nesting_without_end_is_refused_or_carried() -> None:
    """Brackets nested deeper than Python can follow are an error where they must be written, else no burden."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(InputError, match="nested too deep"):
        chat_request({"model": "m", "input": [call("f", 1) | {"arguments": deep}]})
    assert chat_request({"model": "m", "input": "x", "metadata": deep, "tools": [WEATHER | {"parameters": deep}]})


def test_recorded_requests() -> None:
    """Every recorded request is read; each that says all a model needs is one that OpenAI's chat types accept."""
    exchanges = [exchange for exchange in recorded("/responses") if exchange["status"] == 200]
    assert len(exchanges) > 250
    translated = 0
    for exchange in exchanges:
        payload = exchange["request"]
        found = read(payload)
        request = read_request(found.request)
        assert request.model == payload["model"]
        if payload.get("instructions"):
            assert request.system.startswith(payload["instructions"])
        assert len(request.tools) == len(payload.get("tools") or ())
        last = payload["input"][-1] if isinstance(payload["input"], list) and payload["input"] else None
        if last is not None and last.get("role") == "user" and isinstance(last["content"], str):
            assert request.messages[-1].text == last["content"]
        if found.needs is None:
            chat = chat_request(payload)
            assert chat == found.request
            (STREAMED if chat.get("stream") else WHOLE).validate_python(chat)
            translated += 1
        else:
            with pytest.raises(InputError):
                chat_request(payload)
    assert translated > 150
