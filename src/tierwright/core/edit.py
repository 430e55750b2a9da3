"""What people changed about the tasks that an audit found, so that later audits keep it.

Owns the noun; refuses to know how an audit follows it (curation).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.ids import TaskEditId, TaskId
    from tierwright.core.task import Frame, Task


class EditKind(StrEnum):
    """What was done."""

    #: Several tasks are one.
    MERGE = "merge"
    #: Some wordings of a task are another.
    SPLIT = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A wording that a person gave to a task."""

    frame: Frame
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEdit:
    """One merge or split of tasks, as a person decided it."""

    id: TaskEditId
    created_at: datetime
    kind: EditKind
    #: The task that stays: the others became part of it, or a part of it became another.
    task_id: TaskId
    #: The tasks that were merged away, or the one that was split off.
    other_ids: tuple[TaskId, ...]
    #: All the tasks it is about as they were before, so that it can be undone; without one that it made.
    before: tuple[Task, ...]
    #: Where each wording of these tasks belongs from then on.
    pins: tuple[Pin, ...]
