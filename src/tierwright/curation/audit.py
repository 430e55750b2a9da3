"""The task audit: which recurring jobs are in the captured traffic, how often, at what cost.

Owns the order of the steps and what is reported of each task; reads and writes through the store it is handed.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from tierwright.core.contract import ContractKind
from tierwright.core.errors import NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.core.ids import TaskId, digest
from tierwright.core.protocols import InferenceStore, TaskStore
from tierwright.core.task import Task
from tierwright.curation.contracts import infer_contract, is_closed, widen
from tierwright.curation.frames import find_frames
from tierwright.curation.jobs import join_jobs, prompt_of
from tierwright.curation.naming import propose_names
from tierwright.curation.observation import observe
from tierwright.curation.recurrence import MIN_INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.observation import Observation

_DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Latency of the answering calls, in milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinding:
    """What the audit found out about one task."""

    task: Task
    requests: int
    #: Of all requests looked at, in [0, 1].
    share: float
    monthly_requests: Estimate
    #: US dollars of the calls that have a price, scaled to a month; None: none has.
    monthly_cost_usd: Decimal | None
    #: Calls of the task without a price.
    unpriced_calls: int
    #: None: the log holds no latencies.
    latency_ms: Percentiles | None
    distinct_outputs: int
    clients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The outcome of an audit."""

    #: All inferences looked at.
    requests: int
    #: Of them, in no task.
    unassigned: int
    #: First and last request.
    since: datetime
    until: datetime
    #: Most requests first.
    tasks: tuple[TaskFinding, ...]
    #: The task of every inference looked at, in order of time; None: none.
    assignments: Mapping[InferenceId, TaskId | None]


class AuditStore(InferenceStore, TaskStore, Protocol):
    """What an audit reads and writes."""


def audit(store: AuditStore, *, seed: int, progress: Callable[[str], None] = lambda _: None) -> Audit:
    """Finds the tasks in all captured traffic, keeps them, and says of each inference which it belongs to.

    A task found before keeps its id, and its name where a person chose it; one made from labelled history stays as it
    is, and what its people's labels say of its answers is kept where its traffic is found. Raises NotEnoughData where
    there is no traffic, or nothing in it recurs.
    """
    facts: dict[InferenceId, _Facts] = {}
    before: dict[InferenceId, TaskId] = {}
    progress("reading the traffic")
    observations = list(observe(_noting(store.scan(), facts, before)))
    if not facts:
        raise NotEnoughData(
            "there is no traffic to audit: import a log with `tierwright traffic import FILE`, "
            "or send requests through `tierwright serve`"
        )
    progress("looking for recurring requests")
    jobs = join_jobs(find_frames(observations, is_closed=is_closed, seed=seed), seed=seed)
    if not jobs:
        raise NotEnoughData(
            f"no recurring task in {len(facts)} requests: a task needs a prompt that is the same in at least "
            f"{MIN_INPUTS} requests with different inputs; nothing was changed"
        )
    progress("describing the tasks")
    known = store.tasks()
    tasks = _tasks(jobs, known, before)
    assigned = {
        member.id: task.id for task, job in zip(tasks, jobs, strict=True) for group in job for member in group.members
    }
    # A task made from labelled history has no wording to be found by: who named it meant it.
    by_name = {task.id for task in known if not task.frames}
    named = {inference_id: task_id for inference_id, task_id in before.items() if task_id in by_name}
    assignments = {inference_id: assigned.get(inference_id, named.get(inference_id)) for inference_id in facts}
    _keep(store, tasks)
    store.assign(assignments.items())
    return _report(tasks, jobs, facts, assignments)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the report needs of an inference."""

    at: datetime
    client_id: str
    cost_usd: Decimal | None
    unpriced: int
    latency_ms: float | None


def _noting(
    inferences: Iterable[Inference], facts: dict[InferenceId, _Facts], before: dict[InferenceId, TaskId]
) -> Iterator[Inference]:
    """Passes the inferences on and notes what the report needs of each."""
    for inference in inferences:
        # What was asked a second time belongs to those who run the gateway, and is not what the job costs.
        calls = [call for call in inference.calls if not call.role.is_second]
        priced = [call.cost_usd for call in calls if call.cost_usd is not None]
        facts[inference.id] = _Facts(
            at=inference.created_at,
            client_id=inference.client_id,
            cost_usd=sum(priced, Decimal(0)) if priced else None,
            unpriced=len(calls) - len(priced),
            latency_ms=inference.latency_ms,
        )
        if inference.task_id is not None:
            before[inference.id] = inference.task_id
        yield inference


def _tasks(
    jobs: Sequence[Sequence[FrameGroup]], known: Sequence[Task], before: Mapping[InferenceId, TaskId]
) -> list[Task]:
    """One task per job; a job whose requests mostly belonged to a known task is that task again."""
    members = [_members(job) for job in jobs]
    prompts = [prompt_of(job[-1].frame) for job in jobs]
    contracts = [
        infer_contract(
            [given for _, given in found],
            [observation.answer for observation, _ in found],
            "\n".join(prompt_of(group.frame) for group in job),
        )
        for job, found in zip(jobs, members, strict=True)
    ]
    by_id = {task.id: task for task in known}
    taken: set[TaskId] = set()
    tasks: list[Task] = []
    for job, found, contract, name in zip(jobs, members, contracts, propose_names(prompts, contracts), strict=True):
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
    facts: Mapping[InferenceId, _Facts],
    assignments: Mapping[InferenceId, TaskId | None],
) -> Audit:
    since, until = min(fact.at for fact in facts.values()), max(fact.at for fact in facts.values())
    by_task: dict[TaskId, list[_Facts]] = defaultdict(list)
    for inference_id, task_id in assignments.items():
        if task_id is not None:
            by_task[task_id].append(facts[inference_id])
    findings = [
        _finding(task, job, by_task[task.id], len(facts), (since, until)) for task, job in zip(tasks, jobs, strict=True)
    ]
    return Audit(
        requests=len(facts),
        unassigned=sum(task_id is None for task_id in assignments.values()),
        since=since,
        until=until,
        tasks=tuple(sorted(findings, key=lambda finding: (-finding.requests, finding.task.name))),
        assignments=assignments,
    )


def _finding(
    task: Task, job: Sequence[FrameGroup], facts: Sequence[_Facts], total: int, period: tuple[datetime, datetime]
) -> TaskFinding:
    outputs = {task.contract.canonical(member.answer) for group in job for member in group.members}
    latencies = sorted(fact.latency_ms for fact in facts if fact.latency_ms is not None)
    costs = [fact.cost_usd for fact in facts if fact.cost_usd is not None]
    days = max((period[1] - period[0]).total_seconds() / 86_400, 1.0)
    return TaskFinding(
        task=task,
        requests=len(facts),
        share=len(facts) / total,
        monthly_requests=_per_month([fact.at for fact in facts], period),
        monthly_cost_usd=sum(costs, Decimal(0)) * Decimal(_DAYS_PER_MONTH / days) if costs else None,
        unpriced_calls=sum(fact.unpriced for fact in facts),
        latency_ms=_percentiles(latencies),
        distinct_outputs=len(outputs),
        clients=len({fact.client_id for fact in facts}),
    )


def _per_month(instants: Sequence[datetime], period: tuple[datetime, datetime]) -> Estimate:
    """Requests per month from the daily counts of the period; the interval is that of their mean.

    Less than two days tell nothing of how days differ: then the interval is that of a Poisson count.
    """
    first, last = period[0].date().toordinal(), period[1].date().toordinal()
    per_day = Counter(instant.date().toordinal() for instant in instants)
    days = max((period[1] - period[0]).total_seconds() / 86_400, 1.0)
    value = len(instants) * _DAYS_PER_MONTH / days
    counts = [per_day[day] for day in range(first, last + 1)]
    if len(counts) > 2:
        half = 1.96 * statistics.stdev(counts) / math.sqrt(len(counts)) * _DAYS_PER_MONTH
        method = "mean of daily counts, normal interval"
    else:
        half = 1.96 * math.sqrt(len(instants)) * _DAYS_PER_MONTH / days
        method = "Poisson count, normal interval"
    return Estimate(value=value, ci_low=max(0.0, value - half), ci_high=value + half, n=len(counts), method=method)


def _percentiles(ordered: Sequence[float]) -> Percentiles | None:
    if not ordered:
        return None
    return Percentiles(p50=ordered[len(ordered) // 2], p95=ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))])
