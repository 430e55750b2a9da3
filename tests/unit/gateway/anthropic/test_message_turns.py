"""Chat messages become a system prompt and turns that say the same, in the order that Anthropic wants."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.unit.gateway.anthropic.clients import assert_messages_request
from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.requests import messages_request

CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": "é"}}


def of(*messages: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The system prompt and the turns for the chat messages."""
    found = messages_request({"messages": list(messages)}, default_max_tokens=1, **options)
    assert_messages_request(found)
    return {name: found[name] for name in ("system", "messages") if name in found}


def user(content: Any, **members: Any) -> dict[str, Any]:
    """A message of the user, or a turn."""
    return {"role": "user", "content": content} | members


def assistant(content: Any, **members: Any) -> dict[str, Any]:
    """A message of the assistant, or a turn."""
    return {"role": "assistant", "content": content} | members


def system(content: Any, **members: Any) -> dict[str, Any]:
    """A message of the system, or a turn."""
    return {"role": "system", "content": content} | members


def tool(identity: str, content: Any) -> dict[str, Any]:
    """The result of a tool call."""
    return {"role": "tool", "tool_call_id": identity, "content": content}


def text(words: str, **members: Any) -> dict[str, Any]:
    """A text block, or a text part."""
    return {"type": "text", "text": words} | members


def test_system_prompt() -> None:
    """What the system or the developer says first is the system prompt; one text is a string, several are blocks."""
    assert of(system("a"), user("b")) == {"system": "a", "messages": [user("b")]}
    found = of(
        system([text("a", cache_control={"type": "ephemeral"})]), {"role": "developer", "content": "b"}, user("c")
    )
    assert found["system"] == [text("a", cache_control={"type": "ephemeral"}), text("b")]


def test_messages_of_one_role_are_one_turn() -> None:
    """Anthropic wants user and assistant to take turns."""
    assert of(user("a"), user([text("b")]), assistant("c"), assistant("d"), user("e"))["messages"] == [
        user([text("a"), text("b")]),
        assistant([text("c"), text("d")]),
        user("e"),
    ]


def test_what_the_system_says_later_joins_the_system_prompt() -> None:
    """Where the model takes system messages at the beginning only, later ones are moved there."""
    assert of(system("a"), user("b"), assistant("c"), system("d"), user("e")) == {
        "system": [text("a"), text("d")],
        "messages": [user("b"), assistant("c"), user("e")],
    }


def test_what_the_system_says_later_stays_behind_the_user() -> None:
    """Where the model takes system messages behind a turn of the user, they stay by the turn they belong to."""
    found = of(
        system("a"),
        user("b"),
        system("c"),
        assistant("d", tool_calls=[CALL]),
        system("e"),
        tool("t1", "f"),
        assistant("g"),
        system("h"),
        assistant("i"),
        user("j"),
        system_turns=True,
    )
    assert found == {
        "system": [text("a"), text("h")],
        "messages": [
            user("b"),
            system("c"),
            assistant([text("d"), USE]),
            user([{"type": "tool_result", "tool_use_id": "t1", "content": "f"}]),
            system("e"),
            assistant([text("g"), text("i")]),
            user("j"),
        ],
    }


@pytest.mark.parametrize("empty", ["", " \n", [], None, [text("")]])
def test_empty_messages_are_left_out(empty: Any) -> None:
    """Anthropic refuses empty texts and turns; an empty result of a tool has no content."""
    found = of(system(empty), user(empty), user("a"), assistant(empty, tool_calls=[CALL]), tool("t1", empty), user("b"))
    assert found == {
        "messages": [user("a"), assistant([USE]), user([{"type": "tool_result", "tool_use_id": "t1"}, text("b")])]
    }


def test_nothing_to_answer() -> None:
    """A conversation in which nobody says anything is refused."""
    with pytest.raises(InputError, match="'messages' holds nothing"):
        of(system("a"), user(""))
    with pytest.raises(InputError, match="'messages' is not a list"):
        messages_request({"messages": None}, default_max_tokens=1)


def test_tool_calls_and_results() -> None:
    """Calls are blocks of the assistant's turn, results come first in the user's, text of the user after them."""
    second = CALL | {"id": "t2"}
    found = of(
        user("a"), assistant("b", tool_calls=[CALL, second]), tool("t2", "2"), tool("t1", [text("1")]), user("c")
    )
    assert found["messages"][1:] == [
        assistant([text("b"), USE, USE | {"id": "t2"}]),
        user(
            [
                {"type": "tool_result", "tool_use_id": "t2", "content": "2"},
                {"type": "tool_result", "tool_use_id": "t1", "content": "1"},
                text("c"),
            ]
        ),
    ]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"x": [1, 2.5, null]}', {"x": [1, 2.5, None]}),
        ("", {}),
        ("null", {}),
        ({"x": 1}, {"x": 1}),
        ('{"x": ', {"INVALID_JSON": '{"x": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('{"x": NaN}', {"INVALID_JSON": '{"x": NaN}'}),
        ('{"x": 1e999}', {"INVALID_JSON": '{"x": 1e999}'}),
        ("[" * 100_000, {"INVALID_JSON": "[" * 100_000}),
    ],
)
def test_arguments(arguments: Any, given: dict[str, Any]) -> None:
    """Arguments are an object, which what a model wrote instead of JSON becomes a member of."""
    call = CALL | {"function": {"name": "f", "arguments": arguments}}
    assert (
        of(user("a"), assistant(None, tool_calls=[call]), tool("t1", "b"))["messages"][1]["content"][0]["input"]
        == given
    )


def test_ids_that_anthropic_does_not_take() -> None:
    """Other servers' ids get other characters where they must, the same ones in call and result, and stay different."""
    calls = [CALL | {"id": identity} for identity in ("functions.f:0", "functions:f.0")]
    found = of(user("a"), assistant(None, tool_calls=calls), tool("functions.f:0", "0"), tool("functions:f.0", "1"))
    called = [block["id"] for block in found["messages"][1]["content"]]
    assert called == [block["tool_use_id"] for block in found["messages"][2]["content"]]
    assert len(set(called)) == 2
    assert all(identity.replace("_", "").replace("-", "").isalnum() for identity in called)


def test_images_and_files() -> None:
    """Content in a `data:` URL is content in base64, any other URL stays one; files are documents."""
    pdf = "data:application/pdf;base64,JVBERi0="
    notes = "data:text/markdown;charset=utf-8;base64," + base64.b64encode("# é".encode()).decode()
    found = of(
        user(
            [
                {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,iVBORw0K", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
                {"type": "file", "file": {"file_data": pdf, "filename": "document.pdf"}},
                {"type": "file", "file": {"file_data": notes, "filename": "notes.md"}},
                {"type": "file", "file": {"file_data": "https://x/y.pdf"}},
            ]
        )
    )
    assert found["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "# é"},
            "title": "notes.md",
        },
        {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
    ]


def test_unusual_data_urls() -> None:
    """Content that is percent-encoded is encoded as Anthropic wants it, and kinds of content have their usual names."""
    found = of(user([{"type": "image_url", "image_url": "data:image/jpg,%FF%D8jpeg"}]))
    (block,) = found["messages"][0]["content"]
    assert block["source"]["media_type"] == "image/jpeg"
    assert base64.b64decode(block["source"]["data"]) == b"\xff\xd8jpeg"
    found = of(user([{"type": "image_url", "image_url": {"url": "data:no comma"}}]))
    assert found["messages"][0]["content"][0]["source"] == {"type": "url", "url": "data:no comma"}


def test_hints_on_caching() -> None:
    """A hint at a part is the block's, a hint at a message its last block's."""
    hint = {"type": "ephemeral"}
    found = of(
        system("a", cache_control=hint),
        user([text("b", cache_control=hint), text("c")]),
        assistant(None, tool_calls=[CALL]),
        tool("t1", "d") | {"cache_control": hint},
    )
    assert found["system"] == [text("a", cache_control=hint)]
    assert found["messages"][0]["content"] == [text("b", cache_control=hint), text("c")]
    assert found["messages"][2]["content"][0]["cache_control"] == hint


def test_thoughts() -> None:
    """Thoughts that Anthropic signed are given back exactly, before the text; others it would refuse."""
    signed = [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    found = of(user("a"), assistant("b", thinking_blocks=signed, reasoning_content="Hm"), user("c"))
    assert found["messages"][1] == assistant([*signed, text("b")])
    parts = [{"type": "thinking", "thinking": [text("Hm")]}, text("b")]
    messages = [user("a"), assistant(parts, reasoning_content="Hm"), user("c")]
    assert messages_request({"messages": messages}, default_max_tokens=1)["messages"][1] == assistant("b")


def test_refusals_are_what_the_assistant_said() -> None:
    """A refusal, as a member or as a part, is text."""
    assert of(user("a"), assistant(None, refusal="No."), user("b"))["messages"][1] == assistant("No.")
    found = of(user("a"), assistant([{"type": "refusal", "refusal": "No."}]), user("b"))
    assert found["messages"][1] == assistant("No.")


def test_answer_at_the_end() -> None:
    """Anthropic goes on with an answer at the end, which has to be wanted."""
    with pytest.raises(InputError, match=r"'messages\[1\]' is an answer"):
        of(user("a"), assistant("b"))
    assert of(user("a"), assistant("{", prefix=True))["messages"][1] == assistant("{")


def test_names_of_users() -> None:
    """One name tells nobody apart, and is left out; two do, and are refused."""
    assert of(user("a", name="Ann"), assistant("b", name="Bot"), user("c", name="Ann"))["messages"][0] == user("a")
    with pytest.raises(InputError, match=r"'messages\[1\]\.name'"):
        of(user("a", name="Ann"), user("b", name="Ben"))


@pytest.mark.parametrize(
    ("messages", "where"),
    [
        ([user([{"type": "input_audio", "input_audio": {}}])], r"messages\[0\]\.content\[0\]\.type"),
        ([user([{"type": "video_url", "video_url": {"url": "x"}}])], r"messages\[0\]\.content\[0\]\.type"),
        ([user([{"type": "file", "file": {"file_id": "f"}}])], r"messages\[0\]\.content\[0\]\.file\.file_id"),
        (
            [user([{"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}}])],
            r"messages\[0\]\.content\[0\]\.file\.file_data",
        ),
        ([user([text("a", new_idea=1)])], r"messages\[0\]\.content\[0\]\.new_idea"),
        ([system([{"type": "image_url"}])], r"messages\[0\]\.content\[0\]\.type"),
        ([user("a"), assistant(None, audio={"id": "x"})], r"messages\[1\]\.audio"),
        ([user("a"), assistant(None, function_call={"name": "f"})], r"messages\[1\]\.function_call"),
        ([user("a"), assistant(None, tool_calls=[{"id": "t", "type": "custom"}])], r"messages\[1\]\.tool_calls\[0\]"),
        ([user("a"), tool("", "b")], r"messages\[1\]\.tool_call_id"),
        ([user("a"), {"role": "tool", "content": "b"}], r"messages\[1\]\.tool_call_id"),
        ([{"role": "function", "name": "f", "content": "a"}], r"messages\[0\]\.role"),
    ],
)
def test_refused(messages: list[dict[str, Any]], where: str) -> None:
    """What Anthropic's models don't take, and what breaks the format, is refused by place and with what to do."""
    with pytest.raises(InputError, match=f"'{where}'.*; "):
        of(*messages, user("z"))
