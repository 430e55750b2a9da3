"""Scores the demo's last days against the key, task by task.

Owns the comparison; a task's requests are those the gateway or the joiner said belong to it, never those the key says.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwright.app.demo.logfile import read_log
from tierwright.app.demo.story import Latencies, TaskOutcome
from tierwright.core.chat import decode_answer
from tierwright.core.contract import ContractKind
from tierwright.core.ids import InferenceId
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from tierwright.app.demo.driver import Driven
    from tierwright.app.demo.labels import KeyEntry
    from tierwright.app.ring import Turn
    from tierwright.app.wiring import Parts
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import TaskId
    from tierwright.core.task import Task
    from tierwright.curation.audit import Audit

#: Contracts whose answers are right or wrong as a whole.
_SCORED = frozenset({ContractKind.LABEL, ContractKind.FIELDS, ContractKind.SPANS})
_SPECIALIST = "specialist"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logged:
    """What the log's model did with a request."""

    answer: str | None
    latency_ms: float | None


def score(
    parts: Parts,
    turns: Sequence[Turn],
    found: Audit,
    *,
    proposed: Mapping[TaskId, str],
    log: Path,
    key: Mapping[str, KeyEntry],
    driven: Sequence[Driven],
    since: datetime,
) -> list[TaskOutcome]:
    """The outcome of each task, in the order of the turns; `since` is where the last days begin."""
    task_of = {inference.id: inference.task_id for inference in parts.store.scan(since=since)}
    by_task: dict[TaskId, list[Driven]] = defaultdict(list)
    for record in driven:
        task_id = task_of.get(InferenceId(record.inference_id)) if record.inference_id else None
        if task_id is not None:
            by_task[task_id].append(record)
    logged = _logged(log, {record.log_id for record in driven})
    before = {finding.task.id: finding.requests for finding in found.tasks}
    outcomes = []
    for turn in turns:
        task = parts.store.task(turn.task.id)
        records = by_task[task.id]
        local = [record for record in records if record.served_by == _SPECIALIST]
        outcomes.append(
            TaskOutcome(
                turn=replace(turn, task=task),
                proposed_name=proposed[task.id],
                requests=before[task.id] + len(records),
                live_requests=len(records),
                accuracy=_accuracy(task, [(r.answer, r.log_id) for r in records], key),
                incumbent_accuracy=_accuracy(task, [(logged[r.log_id].answer, r.log_id) for r in records], key),
                local_share=wilson(len(local), len(records)) if records else None,
                latency=Latencies(
                    local_p50=_percentile([r.latency_ms for r in local], 0.5),
                    local_p95=_percentile([r.latency_ms for r in local], 0.95),
                    frontier_p50=_percentile(_latencies(logged, records), 0.5),
                    frontier_p95=_percentile(_latencies(logged, records), 0.95),
                ),
            )
        )
    return outcomes


def _accuracy(task: Task, answers: Sequence[tuple[str | None, str]], key: Mapping[str, KeyEntry]) -> Estimate | None:
    """Share of answers that are right; an answer that never came is wrong. None: nothing says what is right."""
    if task.contract.kind not in _SCORED:
        return None
    hits = [
        answer is not None and task.contract.canonical(answer) == task.contract.canonical(gold)
        for answer, log_id in answers
        if (entry := key.get(log_id)) is not None and (gold := entry.gold) is not None
    ]
    return wilson(sum(hits), len(hits)) if hits else None


def _logged(path: Path, wanted: set[str]) -> dict[str, _Logged]:
    found: dict[str, _Logged] = {}
    for log_id, line in read_log(path, on_bad_line=lambda _: None):
        if log_id in wanted:
            answer = decode_answer(bytes(line.response))
            found[log_id] = _Logged(answer=answer.text, latency_ms=line.latency_ms)
    return found


def _latencies(logged: Mapping[str, _Logged], records: Sequence[Driven]) -> list[float]:
    return [ms for record in records if (ms := logged[record.log_id].latency_ms) is not None]


def _percentile(values: Sequence[float], share: float) -> float | None:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else None
