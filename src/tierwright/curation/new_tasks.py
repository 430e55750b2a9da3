"""Proposes new tasks between two audits, from wordings that are no known job.

Owns the proposal and the founding that a person asks for. A proposal changes nothing: the next full audit, which sees
all traffic at once, finds what is a task by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tierwright.core.ids import TaskId, digest
from tierwright.core.protocols import InferenceStore, TaskStore
from tierwright.core.task import Task
from tierwright.curation.founding import id_of
from tierwright.curation.jobs import prompt_of, prompt_of_job
from tierwright.curation.naming import propose_names
from tierwright.curation.steps import contract_of, jobs_among, processes_among, step_names, with_processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.ids import InferenceId
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.steps import Groups


class FoundingStore(InferenceStore, TaskStore, Protocol):
    """What founding writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedTask:
    """A job that is no known task."""

    #: As it would be kept.
    task: Task
    #: The requests it was seen in.
    members: tuple[InferenceId, ...]
    #: Different ones among them.
    inputs: int


def propose_tasks(groups: Groups, known: Sequence[Task], *, seed: int) -> list[ProposedTask]:
    """One task for each job among wordings that are none of the known tasks, the most frequent first."""
    jobs = sorted(jobs_among(groups, seed=seed), key=lambda job: -sum(len(group.members) for group in job))
    contracts = [
        contract_of(
            [pair for group in job for pair in zip(group.members, group.inputs, strict=True)],
            prompt_of_job(job),
        )
        for job in jobs
    ]
    processes = processes_among(jobs, groups.links)
    prompts = [prompt_of(job[-1].frame) for job in jobs]
    names = propose_names(prompts, contracts, taken={task.name for task in known})
    names = step_names(jobs, processes, names, taken={task.name for task in known})
    taken = {task.id for task in known}
    tasks = [
        Task(
            id=_free_id(job, taken),
            name=name,
            contract=contract,
            frames=tuple(group.frame for group in job),
            created_at=datetime.fromtimestamp(min(group.members[0].at for group in job), UTC),
        )
        for job, contract, name in zip(jobs, contracts, names, strict=True)
    ]
    return [
        ProposedTask(
            task=task,
            members=tuple(member.id for group in job for member in group.members),
            inputs=len({given for group in job for given in group.inputs}),
        )
        for task, job in zip(with_processes(tasks, processes, known), jobs, strict=True)
    ]


def found_tasks(store: FoundingStore, proposed: Sequence[ProposedTask]) -> None:
    """Keeps the tasks and gives them their requests; gateways recognise them from now on."""
    for one in proposed:
        store.put_task(one.task)
        store.assign((member, one.task.id) for member in one.members)


def _free_id(job: Sequence[FrameGroup], taken: set[TaskId]) -> TaskId:
    """The id an audit would give, unless a task that has left this wording has it."""
    found = id_of(job)
    return TaskId(f"task_{digest(job[0].frame.id, 'again')}") if found in taken else found
