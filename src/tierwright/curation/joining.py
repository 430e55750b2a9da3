"""Joins new wordings to known tasks between two audits.

Owns the look at requests that no known frame recognises. Founds no task unless it is told to: what is no known job is
proposed (`new_tasks`) and waits for a person or the next audit. Until a wording has joined, its requests stay on the
frontier model, so being slow or too strict costs money and never an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from tierwright.core.protocols import InferenceStore, TaskStore
from tierwright.curation.answered import answered_pairs
from tierwright.curation.contracts import is_closed
from tierwright.curation.jobs import Profile, comparable, profile, prompt_of, same_job
from tierwright.curation.new_tasks import found_tasks, propose_tasks
from tierwright.curation.observation import observe
from tierwright.curation.steps import Groups, find_groups

if TYPE_CHECKING:
    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.task import Frame, Task
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.new_tasks import ProposedTask
    from tierwright.curation.observation import Observation

#: Different inputs from which a wording's answers are compared with a task's.
MIN_NEW_INPUTS = 30
#: Unrecognised requests that are remembered, the newest.
_REMEMBERED = 20_000
#: Requests of a task that stand for it.
_TASK_SAMPLE = 3000


class JoiningStore(InferenceStore, TaskStore, Protocol):
    """What joining reads and writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A wording that joined a task."""

    task: Task
    frame: Frame
    #: Requests by which it was recognised.
    requests: int


class Joiner:
    """Looks at what has come since it last looked."""

    def __init__(self, store: JoiningStore, *, since: datetime, seed: int) -> None:
        """`since`: where the unrecognised requests begin; normally the end of the last audit."""
        self._store, self._seed = store, seed
        self._next = since
        self._seen: set[InferenceId] = set()
        self._unknown: list[Observation] = []
        self._profiles: dict[tuple[TaskId, int], Profile] = {}
        self._strange = Groups(groups=(), turns=(), links={})

    def look(self) -> list[Joined]:
        """Joins the wordings that are recognisable by now as known jobs, and assigns their requests."""
        self._read()
        joined: list[Joined] = []
        found = find_groups(self._unknown, is_closed=is_closed, seed=self._seed)
        strange: list[FrameGroup] = []
        for group in found.groups:
            if len(set(group.inputs)) < MIN_NEW_INPUTS:
                continue
            tasks = self._jobs_of(group)
            if not tasks:
                strange.append(group)
            # A wording that could be of several tasks waits for the next audit.
            if len(tasks) != 1:
                continue
            task = tasks[0]
            turns = [turn for turn, root in found.turns if root == group.frame.id]
            longer = replace(task, frames=(*task.frames, group.frame, *(turn.frame for turn in turns)))
            members = {member.id for one in (group, *turns) for member in one.members}
            self._store.put_task(longer)
            self._store.assign((member, task.id) for member in sorted(members))
            self._forget(members)
            joined.append(Joined(task=longer, frame=group.frame, requests=len(members)))
        roots = {group.frame.id for group in strange}
        turns_of_them = tuple((turn, root) for turn, root in found.turns if root in roots)
        self._strange = Groups(groups=tuple(strange), turns=turns_of_them, links=found.links)
        return joined

    def proposed(self) -> list[ProposedTask]:
        """New tasks among what the last look found: wordings that are no known job. Nothing is changed."""
        return propose_tasks(self._strange, self._store.tasks(), seed=self._seed)

    def found(self) -> list[ProposedTask]:
        """Keeps the tasks that are proposed, and gives them their requests."""
        new = self.proposed()
        found_tasks(self._store, new)
        self._forget({member for one in new for member in one.members})
        self._strange = Groups(groups=(), turns=(), links={})
        return new

    def _forget(self, members: set[InferenceId]) -> None:
        self._unknown = [observation for observation in self._unknown if observation.id not in members]

    def _read(self) -> None:
        """Adds the unrecognised requests that came since; rows written late by another process are found again."""
        newest = self._next
        fresh = []
        for inference in self._store.scan(since=self._next):
            newest = max(newest, inference.created_at)
            if inference.task_id is None and inference.id not in self._seen:
                self._seen.add(inference.id)
                fresh.append(inference)
        self._unknown = [*self._unknown, *observe(fresh)][-_REMEMBERED:]
        self._next = newest - _LATE

    def _jobs_of(self, group: FrameGroup) -> list[Task]:
        """The tasks that the group may be a wording of."""
        mine = profile(group, seed=self._seed)
        calls = any(member.calls for member in group.members)
        found = []
        for task in self._store.tasks():
            known = self._profile_of(task) if bool(task.contract.calls) is calls else None
            if known is not None and comparable(task.frames[-1], group.frame) and same_job(known, mine):
                found.append(task)
        return found

    def _profile_of(self, task: Task) -> Profile | None:
        key = task.id, len(task.frames)
        if key not in self._profiles:
            pairs = answered_pairs(self._store, task, most=_TASK_SAMPLE)
            if len(pairs) < MIN_NEW_INPUTS:
                return None
            inputs, answers = zip(*pairs, strict=True)
            self._profiles[key] = Profile(inputs, answers, prompt_of(task.frames[-1]), seed=self._seed)
        return self._profiles[key]


#: How much later than others an inference may reach the store.
_LATE = timedelta(minutes=10)
#: The beginning of time, for stores whose last audit is not known.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
