"""Which task a request belongs to, and what its input is, among hundreds of tasks and well under a millisecond.

Owns the way from a frame to its task; the index of the frames is `core.frame_index`, which the audit uses too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.frame_index import FrameIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierwright.core.chat import ChatRequest
    from tierwright.core.task import Task


class Recognised(NamedTuple):
    """A task and the input that a request gives it."""

    task: Task
    #: The variable parts of the request.
    input: str


class TaskIndex:
    """Recognises the requests of the tasks it was built from.

    Of several frames that fit, `FrameIndex` says which one wins; among equals the older task. Whether a specialist may
    answer is for others to say (`Task.is_servable`).
    """

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        by_age = sorted(tasks, key=lambda task: (task.created_at, task.id))
        self._tasks = [task for task in by_age for _ in task.frames]
        self._index = FrameIndex(frame for task in by_age for frame in task.frames)

    def recognise(self, request: ChatRequest) -> Recognised | None:
        """The task of a request with its input; None: it is of no known task."""
        found = self._index.find(request)
        return None if found is None else Recognised(self._tasks[found[0]], found[1])
