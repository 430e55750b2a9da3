"""Makes the tasks of an audit out of the jobs it found.

Owns which job is which known task again, what its answers look like, and its name and process. Refuses to find jobs
(jobs.py, steps.py) and to say which request belongs to a task (owners.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.ids import TaskId, digest
from tierwright.core.task import Task
from tierwright.curation.contracts import widen, with_known
from tierwright.curation.jobs import prompt_of, prompt_of_job
from tierwright.curation.naming import free_name, propose_names
from tierwright.curation.steps import contract_of, step_names, with_calls, with_processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.curation.discovery import Discovery
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.observation import Observation
    from tierwright.curation.traffic_table import TrafficTable


def tasks_of(
    jobs: Sequence[Sequence[FrameGroup]],
    processes: Sequence[int | None],
    known: Sequence[Task],
    table: TrafficTable,
    discovery: Discovery,
    decided: Mapping[int, TaskId],
) -> list[Task]:
    """One task per job; a job whose requests mostly belonged to a known task is that task again.

    `processes` are the numbers of the jobs' processes. `decided` are the tasks of those jobs, by place, that people
    have put together or taken apart.
    """
    rows = _rows_of_jobs(jobs, table, discovery)
    prompts = [prompt_of(job[-1].frame) for job in jobs]
    contracts = [_contract_of(job, discovery) for job in jobs]
    by_id = {task.id: task for task in known}
    taken: set[TaskId] = set(decided.values())
    tasks: list[Task] = []
    names = step_names(jobs, processes, propose_names(prompts, contracts))
    proposed = zip(jobs, rows, contracts, names, strict=True)
    for place, (job, mine, contract, name) in enumerate(proposed):
        voted = [task_id for task_id, _ in table.tasks_before(mine).most_common() if task_id not in taken]
        wanted = [decided[place]] if place in decided else voted
        old = next((by_id[task_id] for task_id in wanted if task_id in by_id), None)
        task_id = old.id if old else id_of(job)
        taken.add(task_id)
        tasks.append(
            Task(
                id=task_id,
                name=old.name if old else name,
                contract=_contract(old, contract),
                frames=tuple(group.frame for group in job),
                created_at=datetime.fromtimestamp(table.at(int(mine[0])), UTC),
                named_by_person=old.named_by_person if old else False,
            )
        )
    free = _with_free_names(tasks, {task.name for task in known if task.id not in taken})
    return with_processes(free, processes, known)


def id_of(job: Sequence[FrameGroup]) -> TaskId:
    """The id of a task that is founded on a job: that of its oldest wording."""
    return TaskId(f"task_{digest(job[0].frame.id)}")


def _rows_of_jobs(
    jobs: Sequence[Sequence[FrameGroup]], table: TrafficTable, discovery: Discovery
) -> list[NDArray[np.int64]]:
    """The rows of each job, ascending."""
    job_of = {group.frame.id: place for place, job in enumerate(jobs) for group in job}
    nowhere = len(jobs)
    places = np.array([job_of.get(found.group.frame.id, nowhere) for found in discovery.frames], dtype=np.int64)
    frames = table.frames()
    place_of = np.where(frames >= 0, places[np.maximum(frames, 0)], nowhere)
    return [np.flatnonzero(place_of == place) for place in range(len(jobs))]


def _contract_of(job: Sequence[FrameGroup], discovery: Discovery) -> OutputContract:
    """What the answers of a job look like, in the samples; closed sets with the members that turned up elsewhere."""
    found = _members(job)
    mine = {group.frame.id for group in job}
    others, called = Counter[str](), Counter[str]()
    for number, one in enumerate(discovery.frames):
        if one.group.frame.id in mine:
            others.update(one.others)
            called.update(discovery.called.get(number, {}))
    contract = with_calls(contract_of(found, prompt_of_job(job)), called)
    # What was said once among many thousands is a slip of the incumbent's, and no member that it lacks.
    return widen(contract, [answer for answer, count in others.most_common() if count > 1]) if others else contract


def _contract(old: Task | None, found: OutputContract) -> OutputContract:
    """The contract found in the traffic, with the classes of the labelled history that the task was made from."""
    return found if old is None or old.frames else with_known(found, old.contract)


def _with_free_names(tasks: Sequence[Task], used: set[str]) -> list[Task]:
    """The tasks, with names changed that another task has; names chosen by people stay."""
    used = used | {task.name for task in tasks if task.named_by_person}
    result: list[Task] = []
    for task in tasks:
        name = task.name if task.named_by_person else free_name(task.name, used)
        used.add(name)
        result.append(replace(task, name=name))
    return result


def _members(job: Sequence[FrameGroup]) -> list[tuple[Observation, str]]:
    """The requests of a job with their inputs, in order of time."""
    pairs = [pair for group in job for pair in zip(group.members, group.inputs, strict=True)]
    return sorted(pairs, key=lambda pair: (pair[0].at, pair[0].id))
