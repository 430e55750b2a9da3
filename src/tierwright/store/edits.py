"""Merges and splits of tasks, in SQL.

Owns the table `task_edits` and the moving of inferences from task to task. Refuses to know why tasks are merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from tierwright.core.errors import Conflict, NotFound
from tierwright.store.rows.task import edit_of, edit_row
from tierwright.store.schema import inferences, task_edits, tasks
from tierwright.store.tasks import built_for, keep_task, next_revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.edit import TaskEdit
    from tierwright.core.ids import TaskEditId, TaskId
    from tierwright.core.task import Task
    from tierwright.store.database import Database

#: Inferences moved in one transaction: short enough that capture need not wait long for its turn.
_MOVED_AT_ONCE = 10_000


class SqlTaskEdits:
    """The `TaskEditStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def task_edits(self) -> list[TaskEdit]:
        """As `TaskEditStore.task_edits`."""
        with self._database.read() as connection:
            rows = connection.execute(select(task_edits.c.id, task_edits.c.edit).order_by(task_edits.c.revision)).all()
        return [edit_of(row) for row in rows]

    def edit_tasks(
        self,
        *,
        put: Sequence[Task],
        remove: Sequence[TaskId] = (),
        add: TaskEdit | None = None,
        drop: TaskEditId | None = None,
    ) -> None:
        """As `TaskEditStore.edit_tasks`: one transaction."""
        with self._database.write() as connection:
            revision = next_revision(connection)
            for task_id in remove:
                built = built_for(connection, task_id)
                if built:
                    raise Conflict(f"task {task_id} has {built[0]}, which would lose their meaning; keep the task")
                connection.execute(delete(tasks).where(tasks.c.id == task_id))
            for task in put:
                keep_task(self._database, connection, task)
            if add is not None:
                connection.execute(self._database.insert(task_edits).values(edit_row(add, revision)))
            if drop is not None:
                gone = connection.execute(delete(task_edits).where(task_edits.c.id == drop))
                if not gone.rowcount:
                    raise NotFound(f"there is no edit {drop!r}; `tierwright task edits` shows those there are")

    def move_inferences(self, task_id: TaskId, to: TaskId) -> int:
        """As `TaskEditStore.move_inferences`."""
        some = select(inferences.c.id).where(inferences.c.task_id == task_id).limit(_MOVED_AT_ONCE)
        statement = update(inferences).where(inferences.c.id.in_(some)).values(task_id=to)
        total = 0
        while task_id != to:
            with self._database.write() as connection:
                moved = connection.execute(statement).rowcount
            total += moved
            if moved < _MOVED_AT_ONCE:
                break
        return total

    def built_for(self, task_id: TaskId) -> list[str]:
        """As `TaskEditStore.built_for`."""
        with self._database.read() as connection:
            return built_for(connection, task_id)
