"""Which task each request belongs to, once the tasks are known.

Owns the order of the claims: the frame that was found in it; a known task's frame that this audit did not find again;
what the request was taken for before, where nothing else can be told of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.curation.steps import with_calls
from tierwright.curation.task_traffic import SAMPLE, SampledRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.ids import FrameId, TaskId
    from tierwright.core.task import Frame, Task
    from tierwright.curation.discovery import Discovery
    from tierwright.curation.traffic_table import TrafficTable

#: Characters of inputs and answers in all samples together: what they may take of the memory.
_SAMPLED_CHARACTERS = 200_000_000
#: Requests of a sample that are read at a time.
_READ_AT_ONCE = 500
_NOBODY = -1


class Owners:
    """The tasks of an audit and their rows."""

    def __init__(self, table: TrafficTable, discovery: Discovery, tasks: Sequence[Task]) -> None:
        """`tasks` are those found; their frames are the frames discovered."""
        self._table, self._discovery = table, discovery
        #: Those found, then known ones that keep some of their requests.
        self.tasks = list(tasks)
        #: Of each frame by its number: the frame, and the place of its task.
        self._frames: list[tuple[Frame, int]] = []
        place_of = {frame.id: place for place, task in enumerate(tasks) for frame in task.frames}
        for found in discovery.frames:
            # Frames that are no task's were taken back, and no row has them.
            self._frames.append((found.group.frame, place_of.get(found.group.frame.id, _NOBODY)))
        self._owner: NDArray[np.int64] = np.full(len(table), _NOBODY, dtype=np.int64)

    def settle(self, known: Sequence[Task], rest: NDArray[np.int64]) -> None:
        """Gives each row to its task; `rest` are the readable ones in which no frame was found."""
        self._recognise_known(known, rest)
        frames = self._table.frames()
        places = np.array([place for _, place in self._frames], dtype=np.int64)
        has_frame = frames >= 0
        self._owner[has_frame] = places[frames[has_frame]]
        unreadable = ~self._table.is_readable()
        for task in known:
            before = (self._owner == _NOBODY) & self._table.was_of(task.id)
            # A task made from labelled history has no wording to be found by: who named it meant it.
            rows = np.flatnonzero(before if not task.frames else before & unreadable)
            if len(rows):
                self._owner[rows] = self._place(task)

    def _recognise_known(self, known: Sequence[Task], rest: NDArray[np.int64]) -> None:
        """Looks in the rest for the frames of known tasks that were not found again."""
        there = {frame.id for frame, place in self._frames if place != _NOBODY}
        missing = [(task, frame) for task in known for frame in task.frames if frame.id not in there]
        if not missing or not len(rest):
            return
        first = len(self._frames)
        self._discovery.recognise(
            rest,
            [(frame, task.contract) for task, frame in missing],
            first=first,
            stage="recognising prompts of known tasks",
        )
        seen = set(self._table.frames()[rest].tolist())
        for number, (task, frame) in enumerate(missing, start=first):
            place = _NOBODY
            if number in seen:
                place = self._place(task)
                now = self.tasks[place]
                if frame not in now.frames:
                    now = replace(now, frames=(*now.frames, frame))
                self.tasks[place] = replace(now, contract=with_calls(now.contract, self._discovery.called[number]))
            self._frames.append((frame, place))

    def _place(self, task: Task) -> int:
        """The place of a known task, which is given one where it has none."""
        for place, one in enumerate(self.tasks):
            if one.id == task.id:
                return place
        self.tasks.append(task)
        return len(self.tasks) - 1

    def ids(self) -> list[TaskId | None]:
        """The task of each row; None: none."""
        names: list[TaskId | None] = [task.id for task in self.tasks]
        names.append(None)  # where `_NOBODY` points
        return [names[place] for place in self._owner.tolist()]

    def rows(self, place: int) -> NDArray[np.int64]:
        """The rows of a task, ascending."""
        return np.flatnonzero(self._owner == place)

    def rows_of_none(self) -> NDArray[np.int64]:
        """The rows of no task, ascending."""
        return np.flatnonzero(self._owner == _NOBODY)

    def sample(self, place: int, *, seed: int) -> list[SampledRequest]:
        """A uniform sample of the requests of a task that have one of its frames, ascending by time.

        It is smaller where the texts are so long that the samples of all tasks would not fit.
        """
        task, frames = self.tasks[place], self._table.frames()
        number_of = {frame.id: number for number, frame in enumerate(task.frames)}
        rows = self.rows(place)
        rows = rows[frames[rows] >= 0]
        if len(rows) > SAMPLE:
            rows = np.random.default_rng(seed).choice(rows, size=SAMPLE, replace=False)
        left = _SAMPLED_CHARACTERS // len(self.tasks)
        found: list[tuple[int, SampledRequest]] = []
        for start in range(0, len(rows), _READ_AT_ONCE):
            for row, one in self._read(rows[start : start + _READ_AT_ONCE], number_of):
                found.append((row, one))
                left -= len(one.input) + len(one.answer)
            if left <= 0:
                break
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def _read(self, rows: NDArray[np.int64], number_of: dict[FrameId, int]) -> list[tuple[int, SampledRequest]]:
        found: list[tuple[int, SampledRequest]] = []
        frames = self._table.frames()[rows].tolist()
        frame_of = dict(zip(rows.tolist(), [self._frames[number][0] for number in frames], strict=True))
        for row, one in self._discovery.observations(rows):
            given = frame_of[row].match(one.request) or ""
            number = number_of[frame_of[row].id]
            found.append(
                (row, SampledRequest(at=one.at, request=one.request, input=given, answer=one.answer, frame=number))
            )
        return found
