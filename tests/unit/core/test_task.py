"""Frames of steps and of conversations under way."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes import a_contract, a_frame, a_task
from tierwright.core.calls import ToolCall
from tierwright.core.chat import ChatRequest, Message
from tierwright.core.task import Template

SYSTEM = Message(role="system", text="Name the intent.")
CALL = Message(role="assistant", text="", opaque=True, calls=(ToolCall("find", '{"id":7}', "a"),))
RESULT = Message(role="tool", text="lost", opaque=True, tool="find")


def asked(*turns: Message, tools: tuple[str, ...] = ("find", "close")) -> ChatRequest:
    """A request of these turns."""
    return ChatRequest(model="m", messages=(SYSTEM, *turns), tools=tools)


USER = Message(role="user", text="card?")
STEP = asked(USER, CALL, RESULT)


def test_a_step_is_told_by_the_tool_it_comes_after() -> None:
    """The frame of one tool's results fits no other step; the input holds calls and results."""
    frame = a_frame(tools=("close", "find"), after="find")
    assert frame.match(STEP) == 'user: card?\nassistant: find({"id":7})\ntool: lost'
    assert replace(frame, after="close").match(STEP) is None
    assert replace(frame, after=None).match(STEP) is None
    assert frame.match(asked(USER)) is None
    assert replace(frame, after=None).match(asked(USER)) == "card?"


def test_tools_are_offered_in_any_order_but_all_of_them() -> None:
    """The order of the tools is no part of a frame, their names are."""
    frame = a_frame(tools=("find", "close"))
    assert frame.match(asked(USER, tools=("close", "find"))) == "card?"
    assert frame.match(asked(USER, tools=("find",))) is None
    assert frame.match(asked(USER, tools=("find", "close", "close"))) is None


def test_instructions_may_stand_in_the_first_of_several_turns() -> None:
    """With an opening the first user message is matched, and gives its variable parts only."""
    frame = a_frame(tools=(), opening=Template(literals=("Write to: ", ".")))
    turns = (Message(role="user", text="Write to: Ada."), Message(role="assistant", text="Dear Ada"), USER)
    assert frame.match(asked(*turns, tools=())) == "Ada\nassistant: Dear Ada\ncard?"
    assert frame.match(asked(USER, *turns[1:], tools=())) is None
    assert frame.match(asked(turns[0], tools=())) is None


def test_a_picture_anywhere_fits_no_frame() -> None:
    """What holds more than text is not cut down to its text."""
    picture = Message(role="user", text="see", opaque=True, media=True)
    assert a_frame(tools=("find", "close"), after="find").match(asked(picture, CALL, RESULT)) is None
    assert a_frame().match(asked(picture, Message(role="assistant", text="ok"), USER, tools=())) is None


def test_only_tasks_without_calls_are_servable() -> None:
    """A task is no specialist's if an answer ever was a call, or if requests end with results."""
    task = a_task()
    assert task.is_servable
    assert not replace(task, contract=replace(a_contract(), calls=("find",))).is_servable
    assert not replace(task, frames=(a_frame(), a_frame(after="find"))).is_servable
