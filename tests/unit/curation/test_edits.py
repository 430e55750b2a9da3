"""That an audit keeps what people merged and split."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes import NOON, a_frame
from tests.unit.curation.logs import seen
from tierwright.core.edit import EditKind, Pin, TaskEdit
from tierwright.core.ids import FrameId, TaskEditId, TaskId
from tierwright.core.task import Template
from tierwright.curation.edits import frame_for, keep_edits
from tierwright.curation.frames import FrameGroup

if TYPE_CHECKING:
    from tierwright.core.task import Frame

A, B = TaskId("task-a"), TaskId("task-b")


def group(system: str, *, start: int, count: int = 10) -> FrameGroup:
    """A wording with so many requests."""
    pairs = [(f"text {system} {n}", "x") for n in range(count)]
    frame = a_frame(id=FrameId(f"frame_{system}"), system=Template(literals=(system,)))
    members = tuple(seen(pairs, system=system, start=start))
    return FrameGroup(frame=frame, members=members, inputs=tuple(text for text, _ in pairs))


def edit(*pins: tuple[Frame, TaskId]) -> TaskEdit:
    """An edit that places these frames."""
    return TaskEdit(
        id=TaskEditId("e"),
        created_at=NOON,
        kind=EditKind.MERGE,
        task_id=A,
        other_ids=(),
        before=(),
        pins=tuple(Pin(frame=frame, task_id=task_id) for frame, task_id in pins),
    )


ROUTE, SORT, MOOD = group("route the mail", start=0), group("sort the mail", start=20), group("say the mood", start=40)


def test_without_edits_jobs_stay_as_they_are() -> None:
    """Nothing is decided, and nothing moves."""
    assert keep_edits([[ROUTE, SORT], [MOOD]], [], {A}) == ([[ROUTE, SORT], [MOOD]], {})


def test_merged_jobs_are_one_again() -> None:
    """Two jobs whose wordings a person gave to one task are one, with all that is the same job as either."""
    jobs, owners = keep_edits([[ROUTE, SORT], [MOOD]], [edit((ROUTE.frame, A), (MOOD.frame, A))], {A})
    assert jobs == [[ROUTE, SORT, MOOD]]
    assert owners == {0: A}


def test_split_wordings_stay_apart() -> None:
    """A job whose wordings a person gave to two tasks is two, and a new wording follows the more similar prompt."""
    third = group("sort the mail please", start=60)
    jobs, owners = keep_edits([[ROUTE, SORT, third]], [edit((ROUTE.frame, A), (SORT.frame, B))], {A, B})
    assert {owners[place]: job for place, job in enumerate(jobs)} == {A: [ROUTE], B: [SORT, third]}


def test_the_later_edit_counts() -> None:
    """A wording that was placed twice is where it was placed last."""
    jobs, owners = keep_edits([[ROUTE], [SORT]], [edit((ROUTE.frame, A)), edit((ROUTE.frame, B))], {A, B})
    assert jobs == [[ROUTE], [SORT]]
    assert owners == {0: B}


def test_an_edit_about_a_task_that_is_gone_says_nothing() -> None:
    """Its wordings are found like any others."""
    assert keep_edits([[ROUTE]], [edit((ROUTE.frame, A))], {B}) == ([[ROUTE]], {})


def test_a_wording_is_known_by_its_requests() -> None:
    """Fixed text that came out longer from more traffic, so that the id is another, is the same wording."""
    pinned = replace(ROUTE.frame, id=FrameId("frame_old"), user=Template(literals=("text ", "")))
    jobs, owners = keep_edits([[ROUTE], [MOOD]], [edit((pinned, A))], {A})
    assert (jobs, owners) == ([[ROUTE], [MOOD]], {0: A})
    assert frame_for([pinned], MOOD) is None
    assert frame_for([pinned, replace(pinned, user=Template(literals=("", "")))], ROUTE) == pinned
