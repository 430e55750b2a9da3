"""Requests find their task among many."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import a_task, after
from tierwright.core.chat import ChatRequest, Message
from tierwright.core.ids import FrameId, TaskId
from tierwright.core.task import Frame, Task, Template
from tierwright.gateway.recognise import TaskIndex


def asked(text: str, *, system: str | None = "Name the intent.", **members: Any) -> ChatRequest:
    """A request of one user message after one system message or none."""
    leading = () if system is None else (Message(role="system", text=system),)
    return ChatRequest(model="gpt-4o", messages=(*leading, Message(role="user", text=text)), **members)


def framed(name: str, system: tuple[str, ...], user: tuple[str, ...] = ("", ""), **members: Any) -> Task:
    """A task of one frame."""
    frame = Frame(id=FrameId(name), system=Template(literals=system), user=Template(literals=user), **members)
    return a_task(id=TaskId(name), name=name, frames=(frame,))


TASKS = [
    framed("intent", ("Name the intent.",)),
    framed("clause", ("You review contracts.",), ("Clause:\n", "\n\nType:")),
    framed("dated", ("Today is ", ". Name the mood.")),
    framed("untold", ("",), ("Translate: ", "")),
    framed("tools", ("Name the intent.",), tools=("search",)),
    framed("shaped", ("Name the intent.",), response_format='{"type":"json_object"}'),
]


@pytest.mark.parametrize(
    ("request_", "name", "given"),
    [
        (asked("where is my card"), "intent", "where is my card"),
        (asked("Clause:\nAll of it.\n\nType:", system="You review contracts."), "clause", "All of it."),
        (asked("hm", system="Today is Monday. Name the mood."), "dated", "Monday\nhm"),
        (asked("Translate: ça va", system=None), "untold", "ça va"),
        (asked("x", tools=("search",)), "tools", "x"),
        (asked("x", response_format='{"type":"json_object"}'), "shaped", "x"),
    ],
)
def test_known_requests_are_recognised_with_their_input(request_: ChatRequest, name: str, given: str) -> None:
    """Fixed, slotted and missing system texts, user templates, tools and formats lead to their task and its input."""
    found = TaskIndex(TASKS).recognise(request_)
    assert found is not None
    assert (found.task.name, found.input) == (name, given)
    assert found.task.input_of(request_) == given


@pytest.mark.parametrize(
    "request_",
    [
        asked("x", system="Name the intent!"),
        asked("no clause", system="You review contracts."),
        asked("x", tools=("other",)),
        asked("Translate it", system=None),
        ChatRequest(model="m", messages=(Message(role="system", text="Name the intent."),)),
        ChatRequest(
            model="m",
            messages=(Message(role="system", text="Name the intent."), Message(role="user", text="", opaque=True)),
        ),
    ],
)
def test_other_requests_are_of_no_task(request_: ChatRequest) -> None:
    """Near misses, requests without a question and pictures belong to no task."""
    assert TaskIndex(TASKS).recognise(request_) is None


def test_the_frame_that_says_most_wins() -> None:
    """Where a bare and a templated frame both fit, the request belongs to the templated one, whichever is older."""
    bare = framed("bare", ("S",))
    exact = framed("exact", ("S",), ("Rate: ", " (1-5)"))
    loose = framed("loose", ("", "S"))
    for tasks in ([bare, exact, loose], [loose, exact, bare]):
        index = TaskIndex(tasks)
        found = index.recognise(asked("Rate: good (1-5)", system="S"))
        assert found is not None
        assert (found.task.name, found.input) == ("exact", "good")
        other = index.recognise(asked("good", system="S"))
        assert other is not None
        assert other.task.name == "bare"


def test_among_equals_the_older_task_wins() -> None:
    """Two tasks with the same frame never take turns."""
    old = framed("old", ("S",))
    new = a_task(id=TaskId("new"), name="new", frames=old.frames, created_at=after(60))
    for tasks in ([old, new], [new, old]):
        found = TaskIndex(tasks).recognise(asked("x", system="S"))
        assert found is not None
        assert found.task.name == "old"


def test_conversations_are_input_too() -> None:
    """Earlier turns are part of the input, as they were in training."""
    turns = (
        Message(role="user", text="hi"),
        Message(role="assistant", text="hello"),
        Message(role="user", text="card"),
    )
    request = ChatRequest(model="m", messages=(Message(role="system", text="Name the intent."), *turns))
    found = TaskIndex(TASKS).recognise(request)
    assert found is not None
    assert found.input == "user: hi\nassistant: hello\ncard"
