"""The task audit: which recurring jobs are in the captured traffic, how often, at what cost.

Owns the order of the steps and what is reported of each task; reads and writes through the store it is handed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.core.protocols import InferenceStore, TaskEditStore, TaskStore, TrafficStore
from tierwright.curation.discovery import SAMPLE as DISCOVERY_SAMPLE
from tierwright.curation.discovery import Discovery
from tierwright.curation.edits import keep_edits
from tierwright.curation.founding import tasks_of
from tierwright.curation.long_tail import groups_in_long_tail
from tierwright.curation.owners import Owners
from tierwright.curation.recurrence import MIN_INPUTS
from tierwright.curation.steps import jobs_among, processes_among
from tierwright.curation.task_traffic import AuditPeriod
from tierwright.curation.traffic_table import TrafficTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.task import Task
    from tierwright.curation.discovery import Progress
    from tierwright.curation.groups import Embed
    from tierwright.curation.long_tail import ProposedGroup
    from tierwright.curation.task_traffic import TaskTraffic

#: Requests between two words on progress.
_WORD_EVERY = 5_000
#: Requests assigned between two words on progress.
_ASSIGNED_AT_ONCE = 20_000


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
    #: Requests in which no task can be found, by reason (`Refusal`); they are counted where they belonged before.
    refused: Mapping[str, int] = field(default_factory=dict)
    #: Groups of the long tail that look like jobs put in free words: for people to judge, and assigned to nothing.
    proposed_groups: tuple[ProposedGroup, ...] = ()
    #: The task of every inference looked at, in order of time; None: none.
    assignments: Mapping[InferenceId, TaskId | None]

    @property
    def unassigned(self) -> int:
        """Requests in no task."""
        return self.long_tail.requests


class AuditStore(InferenceStore, TrafficStore, TaskStore, TaskEditStore, Protocol):
    """What an audit reads and writes."""


def audit(
    store: AuditStore,
    *,
    seed: int,
    progress: Progress = lambda *_: None,
    sample: int = DISCOVERY_SAMPLE,
    embed: Embed | None = None,
) -> Audit:
    """Finds the tasks in all captured traffic, keeps them, and says of each inference which it belongs to.

    A task found before keeps its id, and its name where a person chose it; one made from labelled history stays as it
    is, and what its people's labels say of its answers is kept where its traffic is found. A wording of a known task
    that is not found again stays with it, and what people merged or split stays so. Frames are looked for in `sample`
    requests at a time at most, and recognised in all of them. `embed` gives the sentence embeddings by which groups are
    looked for in the long tail; None: n-grams do. Raises NotEnoughData where there is no traffic, or nothing in it
    recurs.
    """
    table = _read(store, progress)
    if not len(table):
        raise NotEnoughData(
            "there is no traffic to audit: import a log with `tierwright traffic import FILE`, "
            "or send requests through `tierwright serve`"
        )
    discovery = Discovery(store, table, seed=seed, progress=progress, sample=sample)
    rest = discovery.look()
    progress(f"comparing {len(discovery.frames)} prompts", 0, None)
    groups = discovery.groups()
    jobs = jobs_among(groups, seed=seed, inputs=discovery.different_inputs)
    if not jobs:
        raise NotEnoughData(
            f"no recurring task in {len(table)} requests: a task needs a prompt that is the same in at least "
            f"{MIN_INPUTS} requests with different inputs; nothing was changed"
        )
    used = {group.frame.id for job in jobs for group in job}
    rest = discovery.without({found.group.frame.id for found in discovery.frames} - used, rest)
    known = store.tasks()
    jobs, decided = keep_edits(jobs, store.task_edits(), {task.id for task in known})
    processes = processes_among(jobs, groups.links)
    owners = Owners(table, discovery, tasks_of(jobs, processes, known, table, discovery, decided))
    owners.settle(known, rest)
    findings = _findings(owners, table, seed=seed, progress=progress)
    _keep(store, [finding.task for finding in findings])
    assigned = owners.ids()
    progress("looking for groups in the long tail", 0, None)
    proposed_groups = groups_in_long_tail(
        owners.rows_of_none(),
        table,
        discovery,
        taken={task.name for task in (*known, *owners.tasks)},
        seed=seed,
        embed=embed,
    )
    _assign(store, list(table.changed(assigned)), progress)
    return Audit(
        requests=len(table),
        period=AuditPeriod(
            since=datetime.fromtimestamp(table.at(0), UTC), until=datetime.fromtimestamp(table.at(len(table) - 1), UTC)
        ),
        tasks=tuple(sorted(findings, key=lambda finding: (-finding.requests, finding.task.name))),
        long_tail=table.traffic(owners.rows_of_none(), ()),
        refused=table.refusals(),
        proposed_groups=proposed_groups,
        assignments=dict(zip(table.ids, assigned, strict=True)),
    )


def _read(store: AuditStore, progress: Progress) -> TrafficTable:
    """The columns of all traffic."""
    table, total = TrafficTable(), store.count()
    for row in store.traffic():
        if len(table) % _WORD_EVERY == 0:
            progress("reading the traffic", len(table), max(total, len(table)))
        table.note(row)
    progress("reading the traffic", len(table), len(table))
    return table


def _assign(store: AuditStore, changed: Sequence[tuple[InferenceId, TaskId | None]], progress: Progress) -> None:
    for start in range(0, len(changed), _ASSIGNED_AT_ONCE):
        progress("assigning requests", start, len(changed))
        store.assign(changed[start : start + _ASSIGNED_AT_ONCE])
    progress("assigning requests", len(changed), len(changed))


def _keep(store: TaskStore, tasks: Sequence[Task]) -> None:
    """Keeps the tasks; one that is known and no longer found stays as it is, since models may hang on it."""
    for task in tasks:
        store.put_task(task)


def _findings(owners: Owners, table: TrafficTable, *, seed: int, progress: Progress) -> list[TaskFinding]:
    """What was found of each task whose traffic can be told by its wording."""
    findings: list[TaskFinding] = []
    for place, task in enumerate(owners.tasks):
        progress("describing the tasks", place, len(owners.tasks))
        sample = owners.sample(place, seed=seed)
        if not sample:
            continue
        traffic = table.traffic(owners.rows(place), sample)
        answers = traffic.answer_key[traffic.answer_key != 0]
        findings.append(
            TaskFinding(
                task=task,
                requests=traffic.requests,
                share=traffic.requests / len(table),
                distinct_outputs=len(np.unique(answers)),
                traffic=traffic,
            )
        )
    progress("describing the tasks", len(owners.tasks), len(owners.tasks))
    return findings
