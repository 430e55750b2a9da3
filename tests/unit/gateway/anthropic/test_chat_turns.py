"""Turns of a Messages request become chat messages that say the same, in the order that chat servers want."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.gateway.anthropic.clients import assert_chat_request
from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.requests import chat_request, read

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": "é", "y": [1.5, None]}}
TOOL_CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":"é","y":[1.5,null]}'}}


def turns(*content: Any) -> list[dict[str, Any]]:
    """Turns of user and assistant by turns, with these contents."""
    return [{"role": ("user", "assistant")[place % 2], "content": each} for place, each in enumerate(content)]


def chat(messages: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    """The chat messages for the turns."""
    found = chat_request({"model": "m", "messages": messages}, **options)
    if not options:
        assert_chat_request(found)
    return list(found["messages"])


def of_user(*blocks: dict[str, Any]) -> Any:
    """The content of the chat message for one turn of the user."""
    (message,) = chat(turns(list(blocks)))
    assert message["role"] == "user"
    return message["content"]


def text(words: str, **members: Any) -> dict[str, Any]:
    """A text block, or a text part."""
    return {"type": "text", "text": words} | members


def test_text() -> None:
    """One text is a string, several are parts; hints on caching are left out."""
    assert of_user(text("a", cache_control={"type": "ephemeral"})) == "a"
    assert of_user(text("a"), text("b", citations=None)) == [text("a"), text("b")]
    assert chat(turns("a", [text("b"), text("c")], "d"))[1] == {"role": "assistant", "content": "bc"}


def test_empty_turns_stay() -> None:
    """A turn in which nothing is said is a message in which nothing is said."""
    assert chat(turns([], [], "")) == [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
    ]


def test_system_prompt_of_blocks() -> None:
    """The blocks of a system prompt are one message, joined by blank lines."""
    blocks = [text("a", cache_control={"type": "ephemeral"}), text(""), text("b")]
    found = chat_request({"model": "m", "system": blocks, "messages": turns("Hi")})
    assert found["messages"] == [{"role": "system", "content": "a\n\nb"}, {"role": "user", "content": "Hi"}]
    assert len(chat_request({"model": "m", "system": [], "messages": turns("Hi")})["messages"]) == 1


def test_system_turns_stay_where_they_are() -> None:
    """What the system says within a conversation is said at the same place."""
    found = chat([*turns("a"), {"role": "system", "content": [text("b")]}, {"role": "system", "content": "c"}])
    assert [(message["role"], message["content"]) for message in found] == [
        ("user", "a"),
        ("system", "b"),
        ("system", "c"),
    ]


def test_images() -> None:
    """An image is a URL: its own, or one that holds its content."""
    assert of_user({"type": "image", "source": PNG}) == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}
    ]
    assert of_user(text("a"), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}) == [
        text("a"),
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
    ]


def test_documents() -> None:
    """A PDF is a file, a document of text or parts is what it says; titles and contexts come first."""
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    file = {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    assert of_user({"type": "document", "source": pdf}) == [{"type": "file", "file": file}]
    assert of_user({"type": "document", "source": pdf, "title": "A.pdf", "context": "old"}) == [
        text("old"),
        {"type": "file", "file": file | {"filename": "A.pdf"}},
    ]
    assert of_user({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}) == [
        {"type": "file", "file": {"filename": "document.pdf", "file_data": "https://x/y.pdf"}}
    ]
    plain = {"type": "text", "media_type": "text/plain", "data": "words"}
    assert of_user({"type": "document", "source": plain}) == "words"
    assert of_user({"type": "document", "source": plain, "title": "A", "context": "old"}) == "A\n\nold\n\nwords"
    parts = {"type": "content", "content": [text("a"), {"type": "image", "source": PNG}]}
    assert of_user({"type": "document", "source": parts, "title": "A"})[:2] == [text("A"), text("a")]
    assert of_user({"type": "document", "source": {"type": "content", "content": "a"}}) == "a"


def test_search_results() -> None:
    """A search result is its title, its source and its text."""
    result = {"type": "search_result", "title": "A", "source": "https://a", "content": [text("b"), text("c")]}
    assert of_user(result | {"citations": {"enabled": False}}) == "A\nhttps://a\n\nb\n\nc"


def test_tool_calls() -> None:
    """A call's input is its arguments as JSON; beside calls alone there is no content."""
    assert chat(turns("a", [text("b"), CALL], "c"))[1] == {
        "role": "assistant",
        "content": "b",
        "tool_calls": [TOOL_CALL],
    }
    assert chat(turns("a", [CALL], "c"))[1]["content"] is None


def test_arguments_that_were_no_json_are_given_back_as_they_were() -> None:
    """What a model wrote instead of JSON survives in the member that Anthropic's documentation names for it."""
    broken = CALL | {"input": {"INVALID_JSON": '{"x": '}}
    assert chat(turns("a", [broken], "c"))[1]["tool_calls"][0]["function"]["arguments"] == '{"x": '


def test_tool_results_come_right_after_the_calls() -> None:
    """Results are messages of their own before what the user says beside them, whatever their order in the turn."""
    results = [{"type": "tool_result", "tool_use_id": f"t{n}", "content": f"r{n}"} for n in (1, 2)]
    found = chat(turns("a", [CALL, CALL | {"id": "t2"}], [results[0], text("look"), results[1]]))
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "r1"},
        {"role": "tool", "tool_call_id": "t2", "content": "r2"},
        {"role": "user", "content": "look"},
    ]


@pytest.mark.parametrize(
    ("members", "content"),
    [
        ({}, ""),
        ({"content": "a"}, "a"),
        ({"content": [text("a"), text("b")], "is_error": False}, "a\n\nb"),
        ({"content": "no such file", "is_error": True}, "Error: no such file"),
        ({"content": "Error 7", "is_error": True}, "Error 7"),
        ({"is_error": True}, "Error"),
    ],
)
def test_content_of_tool_results(members: dict[str, Any], content: str) -> None:
    """A result is a string, and says that it is an error where nothing else would."""
    result = {"type": "tool_result", "tool_use_id": "t1", "cache_control": {"type": "ephemeral"}} | members
    found = chat(turns("a", [CALL], [result]))
    assert found[2:] == [{"role": "tool", "tool_call_id": "t1", "content": content}]


def test_images_of_tool_results_follow_in_a_message_of_the_user() -> None:
    """Chat's results of tools are text only; what is not is said to belong to the call."""
    content = [{"type": "image", "source": PNG}]
    found = chat(turns("a", [CALL], [{"type": "tool_result", "tool_use_id": "t1", "content": content}, text("look")]))
    assert found[2] == {
        "role": "tool",
        "tool_call_id": "t1",
        "content": "The result is in the next message of the user.",
    }
    assert found[3]["content"] == [
        text("From the result of the tool call t1:"),
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
        text("look"),
    ]


def test_thoughts_of_earlier_turns() -> None:
    """Thoughts are left out, or sent as reasoning_content where the server wants them; hidden ones say nothing."""
    thoughts = [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        text("b"),
    ]
    assert chat(turns("a", thoughts, "c"))[1] == {"role": "assistant", "content": "b"}
    kept = chat(turns("a", thoughts, "c"), keep_reasoning=True)
    assert kept[1] == {"role": "assistant", "content": "b", "reasoning_content": "Hm"}
    assert "reasoning_content" not in chat(turns("a", thoughts[1:], "c"), keep_reasoning=True)[1]


@pytest.mark.parametrize(
    ("block", "where"),
    [
        ({"type": "container_upload", "file_id": "f"}, "type"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "source"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "source"),
        ({"type": "image", "source": PNG, "transformations": {}}, "transformations"),
        (text("a", new_idea=1), "new_idea"),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                "citations": {"enabled": True},
            },
            "citations",
        ),
        ({"type": "tool_result", "tool_use_id": "t", "toolset_name": "browser"}, "toolset_name"),
    ],
)
def test_refused_blocks(block: dict[str, Any], where: str) -> None:
    """What only Anthropic understands is refused, by place, and kept where it is only read."""
    with pytest.raises(InputError, match=rf"'messages\[0\]\.content\[1\]\.{where}' .*; .*Anthropic"):
        chat(turns([text("a"), block]))
    assert read({"messages": turns([text("a"), block])}).needs is not None


def test_steps_that_anthropic_took_are_refused() -> None:
    """A search that Anthropic ran has no place in a chat conversation."""
    step = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    with pytest.raises(InputError, match=r"'messages\[1\]\.content\[0\]\.type'"):
        chat(turns("a", [step], "b"))


def test_beginning_of_an_answer_is_refused() -> None:
    """Chat servers would answer the beginning of an answer instead of going on with it."""
    with pytest.raises(InputError, match=r"'messages\[1\]' is the beginning of an answer"):
        chat(turns("a", "{"))


@pytest.mark.parametrize(
    ("messages", "where"),
    [
        (None, "'messages' is not a list"),
        ([], "'messages' is empty"),
        ([7], r"'messages\[0\]' is not an object"),
        ([{"role": "tool", "content": "a"}], r"'messages\[0\]\.role'"),
        ([{"role": "user", "content": 7}], r"'messages\[0\]\.content' is not a list"),
        ([{"role": "user", "content": ["a"]}], r"'messages\[0\]\.content\[0\]' is not an object"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"'messages\[0\]\.content\[0\]\.text'"),
        ([{"role": "user", "content": [{"type": "image"}]}], r"'messages\[0\]\.content\[0\]\.source'"),
        ([{"role": "system", "content": [{"type": "image"}]}], r"'messages\[0\]\.content\[0\]\.type' is not text"),
        ([{"role": "assistant", "content": [CALL | {"input": []}]}], r"'messages\[0\]\.content\[0\]\.input'"),
        (
            turns([{"type": "document", "source": {"type": "content", "content": [{"type": "tool_use"}]}}]),
            r"'messages\[0\]\.content\[0\]\.source\.content\[0\]\.type'",
        ),
    ],
)
def test_no_messages_request(messages: Any, where: str) -> None:
    """A conversation that breaks the format is refused with the place, whether it is translated or only read."""
    with pytest.raises(InputError, match=where):
        chat(messages)
    with pytest.raises(InputError, match=where):
        read({"messages": messages})


def test_deep_nesting_is_refused() -> None:
    """Arguments nested too deeply to be written are an error of the caller's, not of the gateway's."""
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(InputError, match="nested too deeply"):
        chat(turns("a", [CALL | {"input": deep}], "b"))
    while deep:
        deep = deep["x"]
