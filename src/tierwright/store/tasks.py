"""Tasks, feedback and the revision counter, in SQL.

Owns the tables `tasks`, `feedback` and `revisions`. Refuses to know how tasks are found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select, update

from tierwright.core.errors import Conflict, NotFound
from tierwright.store.origins import arriving
from tierwright.store.rows.scalars import to_name
from tierwright.store.rows.task import (
    FEEDBACK_COLUMNS,
    TASK_COLUMNS,
    feedback_of,
    feedback_row,
    task_of,
    task_row,
)
from tierwright.store.schema import (
    datasets,
    deployments,
    evaluations,
    feedback,
    inferences,
    model_versions,
    revisions,
    tasks,
)
from tierwright.store.seals import feedback_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from tierwright.core.feedback import Feedback
    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.task import Task
    from tierwright.store.database import Database
    from tierwright.store.seals import Seals

#: What is built for a task, and what to call it.
_BUILT = (
    (datasets, "datasets"),
    (model_versions, "models"),
    (evaluations, "evaluations"),
    (deployments, "deployments"),
)


def next_revision(connection: Connection) -> int:
    """Counts one change of tasks, deployments or keys; holds the counter's row until the transaction ends.

    Whoever changes one of them calls this first, so that changes are kept in the order they were counted.
    """
    counted = update(revisions).values(value=revisions.c.value + 1).returning(revisions.c.value)
    return int(connection.execute(counted).scalar_one())


def keep_task(database: Database, connection: Connection, task: Task) -> None:
    """Keeps or replaces a task within a transaction, as its first change. Raises Conflict as `TaskStore.put_task`."""
    row = task_row(task)
    statement = database.insert(tasks).values(row)
    replaced = {name: statement.excluded[name] for name in row if name != "id"}
    next_revision(connection)
    same_name = select(tasks.c.id).where(tasks.c.name == row["name"], tasks.c.id != task.id)
    holder = connection.execute(same_name).scalar_one_or_none()
    if holder is not None:
        raise Conflict(f"the name {task.name!r} belongs to task {holder} already; choose another name")
    connection.execute(statement.on_conflict_do_update(index_elements=[tasks.c.id], set_=replaced))


def built_for(connection: Connection, task_id: TaskId) -> list[str]:
    """What was made for a task, in words."""
    return [
        what
        for table, what in _BUILT
        if connection.execute(select(table.c.id).where(table.c.task_id == task_id).limit(1)).first()
    ]


class SqlTasks:
    """The `TaskStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_task(self, task: Task) -> None:
        """As `TaskStore.put_task`."""
        with self._database.write() as connection:
            keep_task(self._database, connection, task)

    def task(self, name_or_id: str) -> Task:
        """As `TaskStore.task`; an id is meant before a name."""
        wanted = to_name(name_or_id)
        statement = select(*TASK_COLUMNS).where(or_(tasks.c.id == wanted, tasks.c.name == wanted))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        if not rows:
            raise NotFound(f"there is no task {name_or_id!r}; `tierwright task list` shows those there are")
        return task_of(next((row for row in rows if row.id == wanted), rows[0]))

    def tasks(self) -> list[Task]:
        """As `TaskStore.tasks`."""
        with self._database.read() as connection:
            rows = connection.execute(select(*TASK_COLUMNS).order_by(tasks.c.name)).all()
        return [task_of(row) for row in rows]

    def remove_task(self, task_id: TaskId) -> None:
        """As `TaskStore.remove_task`; one that is not there is no error."""
        with self._database.write() as connection:
            next_revision(connection)
            built = built_for(connection, task_id)
            if built:
                raise Conflict(f"task {task_id} has {built[0]}, which would lose their meaning; keep the task")
            connection.execute(update(inferences).where(inferences.c.task_id == task_id).values(task_id=None))
            connection.execute(delete(tasks).where(tasks.c.id == task_id))


class SqlFeedback:
    """The demonstrations of the `FeedbackStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def add_feedback(self, given: Sequence[Feedback]) -> int:
        """As `FeedbackStore.add_feedback`: one transaction. Words on a request that was erased are passed over."""
        words = arriving(self._database, self._seals, given)
        by_id = {word.id: word for word in reversed(words.kept)}
        if not by_id:
            return 0
        statement = self._database.insert(feedback).on_conflict_do_nothing().returning(feedback.c.id)
        rows = [feedback_row(by_id[key]) for key in sorted(by_id)]
        if words.closer:
            for row in rows:
                label = words.labels[row["inference_id"]]
                row["output"] = words.closer.sealed(row["output"], label, feedback_place(row["id"]))
        with self._database.write() as connection:
            return len(connection.execute(statement, rows).all())

    def feedback_of_task(self, task_id: TaskId) -> Mapping[InferenceId, Feedback]:
        """As `FeedbackStore.feedback_of_task`."""
        statement = (
            select(*FEEDBACK_COLUMNS)
            .join(inferences, inferences.c.id == feedback.c.inference_id)
            .where(inferences.c.task_id == task_id)
            # The operator's words last: no caller's word replaces one.
            .order_by(feedback.c.client_id.is_(None), feedback.c.created_at_us, feedback.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        opener = self._seals.opening(row.output for row in rows)
        words = [feedback_of(row, opener) for row in rows if not opener.erased(row.output)]
        # The last one for an inference replaces those before it.
        return {word.inference_id: word for word in words}
