"""Tasks, edits of tasks and feedback as rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.core.contract import OutputContract
from tierwright.core.edit import EditKind, Pin, TaskEdit
from tierwright.core.feedback import Feedback
from tierwright.core.ids import FeedbackId, FrameId, InferenceId, TaskEditId, TaskId
from tierwright.core.instants import to_us
from tierwright.core.task import Frame, Task, Template
from tierwright.store.rows.scalars import from_bytes, from_json, from_us, to_bytes, to_json, to_name, to_name_or_none
from tierwright.store.schema import feedback, tasks
from tierwright.store.seals import feedback_place

if TYPE_CHECKING:
    from tierwright.store.seals import Opener

#: The columns `task_of` wants, in its order.
TASK_COLUMNS = tuple(tasks.c)
#: The columns `feedback_of` wants, in its order.
FEEDBACK_COLUMNS = tuple(feedback.c)
#: Members of a stored frame that older rows do not have.
_LATER = frozenset({"after", "opening", "process"})


def task_row(task: Task) -> dict[str, Any]:
    """The row of `tasks`."""
    return {
        "id": task.id,
        "name": to_name(task.name),
        "contract": to_json(task.contract),
        "frames": to_json([_frame_members(frame, task.process) for frame in task.frames]),
        "created_at_us": to_us(task.created_at),
        "named_by_person": task.named_by_person,
    }


def task_of(row: Any) -> Task:
    """The task in a row of `TASK_COLUMNS`."""
    frames = from_json(row.frames, list[dict[str, Any]])
    return Task(
        id=TaskId(row.id),
        name=row.name,
        contract=from_json(row.contract, OutputContract),
        frames=tuple(_frame(frame) for frame in frames),
        created_at=from_us(row.created_at_us),
        named_by_person=row.named_by_person,
        process=frames[0].get("process") if frames else None,
    )


def edit_row(edit: TaskEdit, revision: int) -> dict[str, Any]:
    """The row of `task_edits`."""
    document = {
        "created_at_us": to_us(edit.created_at),
        "kind": edit.kind,
        "task_id": edit.task_id,
        "other_ids": edit.other_ids,
        "before": [task_row(task) for task in edit.before],
        "pins": [{"frame": pin.frame, "task_id": pin.task_id} for pin in edit.pins],
    }
    return {"id": edit.id, "revision": revision, "edit": to_json(document)}


def edit_of(row: Any) -> TaskEdit:
    """The edit in a row of `task_edits`."""
    found = from_json(row.edit, dict[str, Any])
    return TaskEdit(
        id=TaskEditId(row.id),
        created_at=from_us(found["created_at_us"]),
        kind=EditKind(found["kind"]),
        task_id=TaskId(found["task_id"]),
        other_ids=tuple(map(TaskId, found["other_ids"])),
        before=tuple(task_of(SimpleNamespace(**task)) for task in found["before"]),
        pins=tuple(Pin(frame=_frame(pin["frame"]), task_id=TaskId(pin["task_id"])) for pin in found["pins"]),
    )


def feedback_row(word: Feedback) -> dict[str, Any]:
    """The row of `feedback`."""
    return {
        "id": word.id,
        "inference_id": to_name(word.inference_id),
        "output": to_bytes(word.output),
        "author": to_name_or_none(word.author),
        "created_at_us": to_us(word.created_at),
        "client_id": to_name_or_none(word.client_id),
    }


def feedback_of(row: Any, opener: Opener) -> Feedback:
    """The feedback in a row of `FEEDBACK_COLUMNS`, which is there."""
    output = opener.opened(row.output, feedback_place(row.id))
    assert output is not None
    return Feedback(
        id=FeedbackId(row.id),
        inference_id=InferenceId(row.inference_id),
        output=from_bytes(output),
        author=row.author,
        client_id=row.client_id,
        created_at=from_us(row.created_at_us),
    )


def _frame_members(frame: Frame, process: str | None) -> dict[str, Any]:
    """A frame as it is stored, with the process of its task: what is a step is told by the frames alone.

    Members that say nothing are left out, as rows were written before there were any.
    """
    members: dict[str, Any] = msgspec.to_builtins(frame)
    members["process"] = process
    return {name: value for name, value in members.items() if value is not None or name not in _LATER}


def _frame(stored: dict[str, Any]) -> Frame:
    opening = stored.get("opening")
    return Frame(
        id=FrameId(stored["id"]),
        system=Template(literals=tuple(stored["system"]["literals"])),
        user=Template(literals=tuple(stored["user"]["literals"])),
        tools=tuple(stored["tools"]),
        response_format=stored["response_format"],
        after=stored.get("after"),
        opening=None if opening is None else Template(literals=tuple(opening["literals"])),
    )
