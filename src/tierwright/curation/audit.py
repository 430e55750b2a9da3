"""The task audit: which recurring jobs are in the captured traffic, how often, at what cost.

Owns the order of the steps and what is reported of each task; reads and writes through the store it is handed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.errors import NotEnoughData
from tierwright.core.ids import TaskId, digest
from tierwright.core.protocols import InferenceStore, TaskStore
from tierwright.core.task import Task
from tierwright.curation.contracts import is_closed, widen
from tierwright.curation.jobs import prompt_of
from tierwright.curation.naming import propose_names
from tierwright.curation.observation import observe
from tierwright.curation.recurrence import MIN_INPUTS
from tierwright.curation.steps import contract_of, find_jobs, step_names, with_processes
from tierwright.curation.task_traffic import SAMPLE, AuditPeriod, SampledRequest
from tierwright.curation.traffic_table import TrafficTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.observation import Observation
    from tierwright.curation.task_traffic import TaskTraffic


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinding:
    """A task and its traffic."""

    task: Task
    requests: int
    #: Of all requests looked at, in [0, 1].
    share: float
    distinct_outputs: int
    traffic: TaskTraffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The outcome of an audit."""

    #: All inferences looked at.
    requests: int
    period: AuditPeriod
    #: Most requests first.
    tasks: tuple[TaskFinding, ...]
    #: What is in no task.
    long_tail: TaskTraffic
    #: The task of every inference looked at, in order of time; None: none.
    assignments: Mapping[InferenceId, TaskId | None]
    #: Requests that no frame can be read from, by what is wrong; they are in no task unless they named it.
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def unassigned(self) -> int:
        """Requests in no task."""
        return self.long_tail.requests


class AuditStore(InferenceStore, TaskStore, Protocol):
    """What an audit reads and writes."""


def audit(store: AuditStore, *, seed: int, progress: Callable[[str], None] = lambda _: None) -> Audit:
    """Finds the tasks in all captured traffic, keeps them, and says of each inference which it belongs to.

    A task found before keeps its id, and its name where a person chose it; one made from labelled history stays as it
    is, and what its people's labels say of its answers is kept where its traffic is found. Raises NotEnoughData where
    there is no traffic, or nothing in it recurs.
    """
    table = TrafficTable()
    before: dict[InferenceId, TaskId] = {}
    progress("reading the traffic")
    left_out = Counter[str]()
    observations = list(observe(_noting(store.scan(), table, before), left_out))
    if not table:
        raise NotEnoughData(
            "there is no traffic to audit: import a log with `tierwright traffic import FILE`, "
            "or send requests through `tierwright serve`"
        )
    progress("looking for recurring requests")
    jobs, processes = find_jobs(observations, is_closed=is_closed, seed=seed)
    if not jobs:
        raise NotEnoughData(
            f"no recurring task in {len(table)} requests: a task needs a prompt that is the same in at least "
            f"{MIN_INPUTS} requests with different inputs; nothing was changed"
        )
    progress("describing the tasks")
    known = store.tasks()
    tasks = with_processes(_tasks(jobs, processes, known, before), processes, known)
    assigned = {
        member.id: task.id for task, job in zip(tasks, jobs, strict=True) for group in job for member in group.members
    }
    # A task made from labelled history has no wording to be found by: who named it meant it.
    by_name = {task.id for task in known if not task.frames}
    named = {inference_id: task_id for inference_id, task_id in before.items() if task_id in by_name}
    assignments = {inference_id: assigned.get(inference_id, named.get(inference_id)) for inference_id in table.row_of}
    _keep(store, tasks)
    store.assign(assignments.items())
    return _report(tasks, jobs, table, assignments, left_out, seed=seed)


def _noting(
    inferences: Iterable[Inference], table: TrafficTable, before: dict[InferenceId, TaskId]
) -> Iterator[Inference]:
    """Passes the inferences on and notes what the report needs of each."""
    for inference in inferences:
        table.note(inference)
        if inference.task_id is not None:
            before[inference.id] = inference.task_id
        yield inference


def _tasks(
    jobs: Sequence[Sequence[FrameGroup]],
    processes: Sequence[int | None],
    known: Sequence[Task],
    before: Mapping[InferenceId, TaskId],
) -> list[Task]:
    """One task per job; a job whose requests mostly belonged to a known task is that task again."""
    members = [_members(job) for job in jobs]
    prompts = [prompt_of(job[-1].frame) for job in jobs]
    contracts = [
        contract_of(found, "\n".join(prompt_of(group.frame) for group in job))
        for job, found in zip(jobs, members, strict=True)
    ]
    by_id = {task.id: task for task in known}
    taken: set[TaskId] = set()
    tasks: list[Task] = []
    names = step_names(jobs, processes, propose_names(prompts, contracts))
    for job, found, contract, name in zip(jobs, members, contracts, names, strict=True):
        votes = Counter(before[observation.id] for observation, _ in found if observation.id in before)
        old = next((by_id[i] for i, _ in votes.most_common() if i in by_id and i not in taken), None)
        task_id = old.id if old else TaskId(f"task_{digest(job[0].frame.id)}")
        taken.add(task_id)
        tasks.append(
            Task(
                id=task_id,
                name=old.name if old else name,
                contract=_contract(old, contract),
                frames=tuple(group.frame for group in job),
                created_at=datetime.fromtimestamp(found[0][0].at, UTC),
                named_by_person=old.named_by_person if old else False,
            )
        )
    return _with_free_names(tasks, {task.name for task in known if task.id not in taken})


def _contract(old: Task | None, found: OutputContract) -> OutputContract:
    """The contract found in the traffic, with the classes of the labelled history that the task was made from."""
    if old is None or old.frames or old.contract.kind is not found.kind:
        return found
    if found.kind is ContractKind.LABEL:
        return widen(found, old.contract.labels)
    if {spec.name for spec in found.fields} != {spec.name for spec in old.contract.fields}:
        return found
    values = {spec.name: spec.values for spec in old.contract.fields}
    fields = (replace(s, values=tuple(dict.fromkeys((*s.values, *values[s.name])))) for s in found.fields)
    return replace(found, fields=tuple(fields))


def _with_free_names(tasks: Sequence[Task], used: set[str]) -> list[Task]:
    """The tasks, with names changed that another task has; names chosen by people stay."""
    used = used | {task.name for task in tasks if task.named_by_person}
    result: list[Task] = []
    for task in tasks:
        name, number = task.name, 1
        while not task.named_by_person and name in used:
            number += 1
            name = f"{task.name}-{number}"
        used.add(name)
        result.append(replace(task, name=name))
    return result


def _keep(store: TaskStore, tasks: Sequence[Task]) -> None:
    """Keeps the tasks; one that is known and no longer found stays as it is, since models may hang on it."""
    for task in tasks:
        store.put_task(task)


def _members(job: Sequence[FrameGroup]) -> list[tuple[Observation, str]]:
    """The requests of a job with their inputs, in order of time."""
    pairs = [pair for group in job for pair in zip(group.members, group.inputs, strict=True)]
    return sorted(pairs, key=lambda pair: (pair[0].at, pair[0].id))


def _report(
    tasks: Sequence[Task],
    jobs: Sequence[Sequence[FrameGroup]],
    table: TrafficTable,
    assignments: Mapping[InferenceId, TaskId | None],
    left_out: Mapping[str, int],
    *,
    seed: int,
) -> Audit:
    by_task: dict[TaskId | None, list[InferenceId]] = defaultdict(list)
    for inference_id, task_id in assignments.items():
        by_task[task_id].append(inference_id)
    findings: list[TaskFinding] = []
    for task, job in zip(tasks, jobs, strict=True):
        texts = {member.id: (given, task.contract.canonical(member.answer)) for member, given in _members(job)}
        ids = by_task[task.id]
        traffic = table.traffic(ids, texts, _sample(job, seed=seed))
        findings.append(
            TaskFinding(
                task=task,
                requests=len(ids),
                share=len(ids) / len(table),
                distinct_outputs=len({said for _, said in texts.values()}),
                traffic=traffic,
            )
        )
    everything = table.traffic(list(assignments), {}, ())
    return Audit(
        requests=len(table),
        period=AuditPeriod(
            since=datetime.fromtimestamp(everything.at[0], UTC), until=datetime.fromtimestamp(everything.at[-1], UTC)
        ),
        tasks=tuple(sorted(findings, key=lambda finding: (-finding.requests, finding.task.name))),
        long_tail=table.traffic(by_task[None], {}, ()),
        assignments=assignments,
        left_out=left_out,
    )


def _sample(job: Sequence[FrameGroup], *, seed: int) -> list[SampledRequest]:
    found = [
        SampledRequest(at=member.at, request=member.request, input=given, answer=member.answer, frame=number)
        for number, group in enumerate(job)
        for member, given in zip(group.members, group.inputs, strict=True)
    ]
    if len(found) > SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(found), size=SAMPLE, replace=False)
        found = [found[i] for i in chosen]
    return sorted(found, key=lambda one: one.at)
