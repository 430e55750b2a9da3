"""Which request goes on from which."""

from __future__ import annotations

from tierwright.core.calls import ToolCall
from tierwright.core.chat import ChatRequest, Message
from tierwright.curation.links import NOTHING, Links


def asked(*texts: str) -> ChatRequest:
    """A request of these turns, the first a user's, the second an answer, and so on."""
    roles = ("user", "assistant")
    return ChatRequest(model="m", messages=tuple(Message(role=roles[n % 2], text=t) for n, t in enumerate(texts)))


def parents(*noted: tuple[ChatRequest, str]) -> list[int]:
    """The parent of each."""
    links = Links(len(noted))
    for number, (request, answer) in enumerate(noted):
        links.note(number, request, answer)
    return links.parents().tolist()


def test_a_chain_is_told_by_messages_and_answers() -> None:
    """Each turn goes on from the one before it, not from one that was answered otherwise, nor from itself."""
    found = parents(
        (asked("a"), "b"), (asked("a"), "c"), (asked("a", "b", "d"), "e"), (asked("a", "b", "d", "e", "f"), "g")
    )
    assert found == [NOTHING, NOTHING, 0, 2]


def test_of_several_the_last_before_it_is_the_parent() -> None:
    """A beginning that was said again goes on where it was said last, and never from what came later."""
    found = parents((asked("a", "b", "c"), "d"), (asked("a"), "b"), (asked("a"), "b"), (asked("a", "b", "c"), "d"))
    assert found == [NOTHING, NOTHING, NOTHING, 2]
    assert parents((asked("a"), "b"), (asked("a", " b ", "c"), "d"), (asked("a"), "b")) == [NOTHING, 0, NOTHING]


def test_calls_count_and_talk_beside_them_does_not() -> None:
    """A request goes on from an answer that called a tool, however the client wrote the arguments again."""
    request = ChatRequest(
        model="m",
        messages=(
            Message(role="user", text="a"),
            Message(role="assistant", text="Let me see.", opaque=True, calls=(ToolCall("find", '{"b":1,"a":2}', "x"),)),
            Message(role="tool", text="r", opaque=True, tool="find"),
        ),
    )
    assert parents((asked("a"), '{"tool": "find", "a": 2, "b": 1}'), (request, "done")) == [NOTHING, 0]


def test_what_was_not_read_is_nobody_s_parent() -> None:
    """Requests that were never noted link to nothing, and no links are no failure."""
    links = Links(3)
    links.note(2, asked("a", "b", "c"), "d")
    assert links.parents().tolist() == [NOTHING] * 3
    assert Links(0).parents().tolist() == []
