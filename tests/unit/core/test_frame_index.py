"""Requests find their frame among many."""

from __future__ import annotations

from tierwright.core.chat import ChatRequest, Message
from tierwright.core.frame_index import FrameIndex
from tierwright.core.ids import FrameId
from tierwright.core.task import Frame, Template


def framed(name: str, user: tuple[str, ...], system: tuple[str, ...] = ("Name it.",)) -> Frame:
    """A frame."""
    return Frame(id=FrameId(name), system=Template(literals=system), user=Template(literals=user))


def asked(text: str, system: str = "Name it.") -> ChatRequest:
    """A request."""
    return ChatRequest(model="m", messages=(Message(role="system", text=system), Message(role="user", text=text)))


def test_the_place_is_that_of_the_frame_given() -> None:
    """The longest fixed text wins wherever it stands; among equals the one given first."""
    index = FrameIndex(
        [
            framed("whole", ("", "")),
            framed("long", ("Text: ", "")),
            framed("again", ("Text: ", "")),
            framed("x", ("x",)),
        ]
    )
    assert index.find(asked("Text: a")) == (1, "a")
    assert index.find(asked("a")) == (0, "a")


def test_a_fixed_system_text_goes_first() -> None:
    """A frame whose system text has slots is asked after those that have none."""
    index = FrameIndex([framed("slotted", ("Text: ", ""), ("Name ", ".")), framed("fixed", ("", ""))])
    assert index.find(asked("Text: a")) == (1, "Text: a")
    assert index.find(asked("Text: a", "Name that.")) == (0, "that\na")


def test_what_fits_no_frame_is_not_found() -> None:
    """Another system text, and an index of nothing, find nothing."""
    assert FrameIndex([framed("whole", ("", ""))]).find(asked("a", "Other.")) is None
    assert FrameIndex().find(asked("a")) is None
