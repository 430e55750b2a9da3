"""What every store promises of merges and splits of tasks, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, a_dataset, a_frame, a_task, after, inferences
from tierwright.core.edit import EditKind, Pin, TaskEdit
from tierwright.core.errors import Conflict, NotFound
from tierwright.core.ids import FrameId, TaskEditId, TaskId
from tierwright.core.task import Template

if TYPE_CHECKING:
    from tierwright.store.sql import SqlStore

ONE = a_task()
OTHER = replace(
    ONE,
    id=TaskId("task-2"),
    name="other",
    frames=(a_frame(id=FrameId("frame-2"), user=Template(literals=("Ticket:\ud800\n", "\x00"))),),
)


def an_edit(**changes: Any) -> TaskEdit:
    """The merge of `OTHER` into `ONE`."""
    fields: dict[str, Any] = {
        "id": TaskEditId("edit-1"),
        "created_at": NOON,
        "kind": EditKind.MERGE,
        "task_id": ONE.id,
        "other_ids": (OTHER.id,),
        "before": (ONE, OTHER),
        "pins": tuple(Pin(frame=frame, task_id=ONE.id) for frame in (*ONE.frames, *OTHER.frames)),
    }
    return TaskEdit(**fields | changes)


def test_an_edit_comes_back_as_it_was_given(store: SqlStore) -> None:
    """Tasks, frames and instants are the same, whatever characters they hold, in the order the edits were made."""
    first, second = an_edit(id=TaskEditId("edit-9")), an_edit(kind=EditKind.SPLIT, created_at=after(-5))
    store.edit_tasks(put=[], add=first)
    store.edit_tasks(put=[], add=second)
    assert store.task_edits() == [first, second]


def test_tasks_change_with_the_edit(store: SqlStore) -> None:
    """A task is removed, another replaced by its name, the edit noted, and the revision grows."""
    store.put_task(ONE)
    store.put_task(OTHER)
    before = store.revision()
    merged = replace(ONE, name=OTHER.name, frames=(*ONE.frames, *OTHER.frames))
    store.edit_tasks(put=[merged], remove=[OTHER.id], add=an_edit())
    assert store.tasks() == [merged]
    assert store.revision() > before
    store.edit_tasks(put=[ONE, OTHER], drop=TaskEditId("edit-1"))
    assert (store.tasks(), store.task_edits()) == ([OTHER, ONE] if OTHER.name < ONE.name else [ONE, OTHER], [])


def test_all_of_it_or_nothing(store: SqlStore) -> None:
    """Where something was built for a task, a name is taken or an edit is missing, nothing changes."""
    store.put_task(ONE)
    store.put_task(OTHER)
    store.add_dataset(a_dataset(), [])
    with pytest.raises(Conflict, match="has datasets"):
        store.edit_tasks(put=[replace(OTHER, name="new")], remove=[ONE.id], add=an_edit())
    with pytest.raises(Conflict, match="belongs to task"):
        store.edit_tasks(put=[replace(OTHER, name=ONE.name)], add=an_edit())
    with pytest.raises(NotFound, match="no edit"):
        store.edit_tasks(put=[replace(OTHER, name="new")], drop=TaskEditId("edit-7"))
    assert {task.name for task in store.tasks()} == {ONE.name, OTHER.name}
    assert store.task_edits() == []
    assert (store.built_for(ONE.id), store.built_for(OTHER.id)) == (["datasets"], [])


def test_inferences_move(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one task, over several batches, and none of another; moving to the same task ends."""
    monkeypatch.setattr("tierwright.store.edits._MOVED_AT_ONCE", 3)
    store.append(inferences(7, prefix="a", task_id=OTHER.id))
    store.append(inferences(2, prefix="b", task_id=TaskId("task-3")))
    assert store.move_inferences(OTHER.id, ONE.id) == 7
    assert sum(1 for _ in store.scan(task_id=ONE.id)) == 7
    assert sum(1 for _ in store.scan(task_id=TaskId("task-3"))) == 2
    assert store.move_inferences(OTHER.id, ONE.id) == store.move_inferences(ONE.id, ONE.id) == 0
