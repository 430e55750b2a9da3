"""Messages requests become chat requests that ask for the same, and chat requests Messages requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.gateway.anthropic.clients import assert_chat_request, assert_messages_request
from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.requests import chat_request, messages_request, read

TOOL = {"name": "f", "description": "does f", "input_schema": {"type": "object", "properties": {"x": {}}}}
FUNCTION = {"name": "f", "description": "does f", "parameters": {"type": "object", "properties": {"x": {}}}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}


def to_chat(**members: Any) -> dict[str, Any]:
    """The chat request for a Messages request with these members."""
    request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]} | members
    found = chat_request(request)
    assert_chat_request(found)
    return found


def to_messages(**members: Any) -> dict[str, Any]:
    """The Messages request for a chat request with these members."""
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]} | members
    found = messages_request(request, default_max_tokens=7)
    assert_messages_request(found)
    return found


def test_plain_messages_request() -> None:
    """Every member that both APIs have is found under the other's name, and the usage of a stream is asked for."""
    assert to_chat(
        system="Be kind.",
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        metadata={"user_id": "u-1"},
        service_tier="standard_only",
        stream=True,
    ) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "max_completion_tokens": 9,
        "stop": ["END"],
        "user": "u-1",
        "service_tier": "default",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_plain_chat_request() -> None:
    """Every member that both APIs have is found under the other's name."""
    assert to_messages(
        max_tokens=5,
        stop="END",
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        user="u-1",
        stream=True,
        stream_options={"include_usage": True},
        n=1,
        seed=1,
        logprobs=False,
        frequency_penalty=0.0,
        presence_penalty=None,
        response_format={"type": "text"},
    ) == {
        "model": "m",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END"],
        "stream": True,
        "metadata": {"user_id": "u-1"},
    }


@pytest.mark.parametrize(
    ("members", "limit"),
    [
        ({}, 7),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_completion_tokens": 6, "max_tokens": 5}, 6),
    ],
)
def test_limit_of_the_answer(members: dict[str, Any], limit: int) -> None:
    """Anthropic wants a limit: the newer of chat's two counts, then the older, then the default."""
    assert to_messages(**members)["max_tokens"] == limit


def test_request_to_count_tokens() -> None:
    """A request without a limit for the answer, as one to count tokens, is translated without one."""
    found = chat_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    assert found == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    "config",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
)
def test_answers_by_a_schema(config: dict[str, Any]) -> None:
    """A schema is strict in chat, as it always is at Anthropic, whichever of its two names the request uses."""
    form = to_chat(**config)["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    assert to_messages(response_format=form)["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


def test_description_of_a_schema_is_kept_in_it() -> None:
    """Anthropic describes a schema inside of it, chat beside it."""
    form = {"type": "json_schema", "json_schema": {"name": "x", "description": "An x.", "schema": SCHEMA}}
    schema = to_messages(response_format=form)["output_config"]["format"]["schema"]
    assert schema == SCHEMA | {"description": "An x."}


def test_effort() -> None:
    """Effort has the same words in both APIs; the least of OpenAI's becomes the least of Anthropic's."""
    assert to_chat(output_config={"effort": "high"})["reasoning_effort"] == "high"
    assert to_messages(reasoning_effort="high")["output_config"] == {"effort": "high"}
    assert to_messages(reasoning_effort="minimal")["output_config"] == {"effort": "low"}
    assert to_messages(reasoning_effort="none")["thinking"] == {"type": "disabled"}


def test_anthropics_own_words_in_a_chat_request_count_more() -> None:
    """What a chat caller says in Anthropic's own members is passed on, and wins over what means the same."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    found = to_messages(thinking=thinking, output_config={"effort": "max"}, reasoning_effort="none")
    assert found["thinking"] == thinking
    assert found["output_config"] == {"effort": "max"}


def test_what_changes_cost_or_pace_only_is_left_out() -> None:
    """Hints on caching, thinking budgets and the like leave nothing behind in a chat request."""
    found = to_chat(
        cache_control={"type": "ephemeral"},
        thinking={"type": "enabled", "budget_tokens": 1024},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"task_budget": {"type": "tokens", "total": 9}},
        service_tier="auto",
        speed="fast",
        betas=["x"],
        tool_choice={"type": "auto"},
    )
    assert found == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
    }


def test_unknown_members_are_passed_on() -> None:
    """A member of unknown name reaches the server, which says whether it knows it; null says nothing."""
    assert to_chat(new_idea=1)["new_idea"] == 1
    assert to_messages(new_idea=1)["new_idea"] == 1
    assert "new_idea" not in to_chat(new_idea=None)
    assert "new_idea" not in to_messages(new_idea=None)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("n", 2),
        ("audio", {"voice": "x"}),
        ("modalities", ["text", "audio"]),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"5": 1}),
        ("frequency_penalty", 0.25),
        ("presence_penalty", -1),
        ("functions", [{"name": "f"}]),
        ("function_call", "auto"),
        ("web_search_options", {}),
        ("verbosity", "low"),
        ("service_tier", "flex"),
        ("response_format", {"type": "json_object"}),
        ("system", "Be kind."),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {}}),
    ],
)
def test_refused_in_chat_requests(member: str, value: object) -> None:
    """What Anthropic has no word for and changes the answer is refused, by name and with what to do."""
    with pytest.raises(InputError, match=f"'{member}'.*; "):
        to_messages(**{member: value})


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"container": "c-1"}, "container"),
        ({"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}, "mcp_servers"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"tools\[0\]\.type"),
        ({"tools": [TOOL | {"allowed_callers": ["code_execution_20250825"]}]}, r"tools\[0\]\.allowed_callers"),
        ({"tools": [TOOL | {"new_idea": 1}]}, r"tools\[0\]\.new_idea"),
        ({"output_config": {"new_idea": 1}}, r"output_config\.new_idea"),
        ({"messages": [{"role": "user", "content": "a", "new_idea": 1}]}, r"messages\[0\]\.new_idea"),
    ],
)
def test_refused_in_messages_requests(members: dict[str, Any], where: str) -> None:
    """What only Anthropic has is refused, by name and with what to do, and can still be read on its way there."""
    with pytest.raises(InputError, match=f"'{where}'.*, or ask for a model served by Anthropic"):
        to_chat(**members)
    reading = read({"model": "m", "messages": [{"role": "user", "content": "a"}]} | members)
    assert reading.needs is not None
    assert reading.request["messages"][-1] == {"role": "user", "content": "a"}


def test_what_is_refused_stays_visible_to_readers() -> None:
    """A tool of Anthropic's own and the steps it took are still there in what is read, as nothing but text is."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    step = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    turns = [
        {"role": "user", "content": [{"type": "container_upload", "file_id": "f"}, {"type": "text", "text": "Sum."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "So."}, step]},
        {"role": "user", "content": "And?"},
    ]
    reading = read({"model": "m", "messages": turns, "tools": [search]})
    assert reading.needs is not None
    assert "tools[0]" not in reading.needs
    assert reading.request["tools"] == [search]
    assert reading.request["messages"] == [
        {"role": "user", "content": turns[0]["content"]},
        {"role": "assistant", "content": turns[1]["content"]},
        {"role": "user", "content": "And?"},
    ]


def test_what_chat_can_say_needs_nothing() -> None:
    """A request that a chat backend can answer is read as one."""
    request = {"model": "m", "messages": [{"role": "user", "content": "a"}], "tools": [TOOL]}
    reading = read(request)
    assert reading.needs is None
    assert reading.request == chat_request(request)


@pytest.mark.parametrize("payload", [None, [], "x", 7])
def test_no_object(payload: Any) -> None:
    """What is no JSON object is refused."""
    with pytest.raises(InputError, match="not a JSON object"):
        chat_request(payload)
    with pytest.raises(InputError, match="not a JSON object"):
        messages_request(payload, default_max_tokens=1)


def test_tools() -> None:
    """A tool's name, description, schema and strictness are the same in both APIs."""
    strict = TOOL | {"strict": True}
    assert to_chat(tools=[TOOL, strict])["tools"] == [
        {"type": "function", "function": FUNCTION},
        {"type": "function", "function": FUNCTION | {"strict": True}},
    ]
    tools = [
        {"type": "function", "function": FUNCTION | {"strict": False}},
        {"type": "function", "function": FUNCTION | {"strict": True}, "cache_control": {"type": "ephemeral"}},
    ]
    assert to_messages(tools=tools)["tools"] == [TOOL, strict | {"cache_control": {"type": "ephemeral"}}]


def test_tools_without_arguments() -> None:
    """A function without parameters is a tool that takes an object without members."""
    found = to_messages(tools=[{"type": "function", "function": {"name": "f"}}])
    assert found["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    found = to_messages(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
    assert found["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]


def test_examples_of_a_tools_input_are_kept_in_its_schema() -> None:
    """Examples are what JSON Schema calls examples."""
    found = to_chat(tools=[TOOL | {"input_examples": [{"x": 1}]}])
    assert found["tools"][0]["function"]["parameters"]["examples"] == [{"x": 1}]


def test_anthropics_own_tools_can_be_asked_for_in_chat() -> None:
    """A tool of another type than function is passed on to Anthropic, except free text, which it can't take."""
    own = {"type": "web_search_20250305", "name": "web_search"}
    request = {"messages": [{"role": "user", "content": "a"}]}
    assert messages_request(request | {"tools": [own]}, default_max_tokens=1)["tools"] == [own]
    with pytest.raises(InputError, match=r"'tools\[0\]'"):
        messages_request(request | {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, default_max_tokens=1)


@pytest.mark.parametrize(
    ("messages", "chat"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_choice_of_tools(messages: dict[str, Any], chat: object) -> None:
    """Each choice has one word in either API, with one tool call at a time or with several."""
    tools = [{"type": "function", "function": FUNCTION}]
    assert to_chat(tools=[TOOL], tool_choice=messages)["tool_choice"] == chat
    assert to_messages(tools=tools, tool_choice=chat)["tool_choice"] == messages
    if messages["type"] != "none":
        one = messages | {"disable_parallel_tool_use": True}
        found = to_chat(tools=[TOOL], tool_choice=one)
        assert (found["tool_choice"], found["parallel_tool_calls"]) == (chat, False)
        assert to_messages(tools=tools, tool_choice=chat, parallel_tool_calls=False)["tool_choice"] == one


def test_one_call_at_a_time_without_a_choice() -> None:
    """Anthropic's word for it belongs to the choice, which is free where the request makes none."""
    tools = [{"type": "function", "function": FUNCTION}]
    found = to_messages(tools=tools, parallel_tool_calls=False)
    assert found["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in to_messages(tools=tools, parallel_tool_calls=True)


def test_no_choice_among_no_tools() -> None:
    """Without tools there is nothing to choose, and servers of both kinds say so if asked to."""
    assert "tool_choice" not in to_chat(tool_choice={"type": "none"})
    assert "tool_choice" not in to_messages(tool_choice="auto", parallel_tool_calls=False)


def test_deferred_tools_are_offered_once_they_are_loaded() -> None:
    """A tool whose loading is deferred is no tool of the chat request before the conversation refers to it."""
    tools = [TOOL | {"name": name, "defer_loading": True} for name in ("a", "b", "c", "d")]
    found = {"type": "tool_use", "id": "t", "name": "search", "input": {}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "tool_reference", "tool_name": "a"}, {"type": "tool_reference", "tool_name": "b"}],
    }
    change = [
        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "c"}},
        {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "b"}},
    ]
    turns = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [found]},
        {"role": "user", "content": [result]},
        {"role": "system", "content": change},
    ]
    chat = to_chat(tools=tools, messages=turns)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["a", "c"]
    assert chat["messages"][2:] == [{"role": "tool", "tool_call_id": "t", "content": "a\n\nb"}]
    assert "tools" not in to_chat(tools=tools)


def test_tiers() -> None:
    """Priority capacity is what Anthropic takes where it may, and normal capacity what it takes where it must."""
    assert to_messages(service_tier="priority")["service_tier"] == "auto"
    assert to_messages(service_tier="default")["service_tier"] == "standard_only"


def test_who_the_user_is() -> None:
    """The newer name for the user counts where the older is not given, and Anthropic's own name is understood."""
    assert to_messages(safety_identifier="s")["metadata"] == {"user_id": "s"}
    assert to_messages(user="u", safety_identifier="s")["metadata"] == {"user_id": "u"}
    assert to_messages(metadata={"user_id": "v", "team": "x"})["metadata"] == {"user_id": "v"}
    assert "metadata" not in to_messages(metadata={"team": "x"})


def test_long_ids_of_users() -> None:
    """An id that the other API would refuse for its length becomes one that still tells users apart."""
    long = [f"user_{'0' * 150}_session_{n}" for n in range(2)]
    users = [to_chat(metadata={"user_id": each})["user"] for each in long]
    assert len(set(users)) == 2
    assert all(len(each) == 64 for each in users)
    assert to_messages(user=long[0])["metadata"] == {"user_id": long[0]}
    assert len(to_messages(user=long[0] * 2)["metadata"]["user_id"]) == 64
