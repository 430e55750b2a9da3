"""Calls of tools are read as every provider's API tells them, and rendered alike where they mean the same."""

from __future__ import annotations

import json

import pytest

from tierwright.core.calls import ToolCall, read_calls, render_calls
from tierwright.core.chat import UNNAMED_TOOL, read_answer, read_request


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}, (ToolCall("f", "{}", "a"),)),
        ({"tool_calls": [{"id": "a", "custom": {"name": "f", "input": "x"}}]}, (ToolCall("f", "x", "a"),)),
        ({"function_call": {"name": "f", "arguments": "{}"}}, (ToolCall("f", "{}"),)),
        ({"tool_calls": [{"id": "a"}, 5, {"function": {"name": ""}}]}, ()),
        ({"tool_calls": "f", "function_call": None}, ()),
    ],
)
def test_calls_of_every_form_are_read(message: dict[str, object], calls: tuple[ToolCall, ...]) -> None:
    """Functions, custom tools and OpenAI's first form are calls; what is none reads as none."""
    assert read_calls(message) == calls
    assert read_answer({"choices": [{"message": message}]}).calls == calls


@pytest.mark.parametrize(
    ("calls", "rendered"),
    [
        ([ToolCall("close", "{}")], "close"),
        ([ToolCall("close", "")], "close"),
        ([ToolCall("find", '{"b": 1,"a":"ü"}', "id1")], '{"tool": "find", "a": "ü", "b": 1}'),
        ([ToolCall("find", '{"tool":"x"}')], '{"tool": "find", "arguments": {"tool": "x"}}'),
        ([ToolCall("find", "not JSON")], '{"tool": "find", "arguments": "not JSON"}'),
        ([ToolCall("a", ""), ToolCall("b", '{"x":1}')], '["a", {"tool": "b", "x": 1}]'),
    ],
)
def test_calls_are_rendered_without_what_differs_by_chance(calls: list[ToolCall], rendered: str) -> None:
    """Neither the id of a call nor the order and spacing of its arguments shows."""
    assert render_calls(calls) == rendered


def test_results_know_the_tool_they_come_from() -> None:
    """A result has the name of the tool whose call it answers, or that of an unknown one."""
    called = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "find", "arguments": "{}"}}]}
    results = [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "function", "name": "old", "content": "3"},
    ]
    messages = [{"role": "user", "content": "?"}, called, *results]
    request = read_request({"model": "m", "messages": messages})
    assert [message.tool for message in request.messages] == [None, None, "find", UNNAMED_TOOL, "old"]
    assert request.after == "old"
    assert request.opaque
    assert not request.media
    assert read_request({"model": "m", "messages": messages[:3]}).after == "find"


def test_only_what_is_neither_text_nor_call_is_media() -> None:
    """A picture is; a call, a result and what a model said aloud are not."""
    picture = {"type": "image_url", "image_url": {"url": "data:"}}
    thought = {"type": "thinking", "thinking": "hm"}
    for role, part, is_media in (("user", picture, True), ("tool", picture, True), ("assistant", thought, False)):
        request = read_request({"model": "m", "messages": [{"role": role, "content": [part]}]})
        assert (request.opaque, request.media) == (True, is_media)


def test_the_order_of_tools_says_nothing() -> None:
    """Two requests that offer the same tools in another order have one set of tools."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("b", "a")]
    requests = [json.dumps(tools), json.dumps(tools[::-1])]
    read = [
        read_request({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": json.loads(found)})
        for found in requests
    ]
    assert read[0].tools != read[1].tools
    assert read[0].toolset == read[1].toolset == ("a", "b")
