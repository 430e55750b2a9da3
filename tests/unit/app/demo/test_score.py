"""Tests of scoring the demo's last days, on a store with a handful of requests."""

from __future__ import annotations

import gzip
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.fakes import NOON, a_contract, a_task, after, an_inference
from tests.traffic import task_traffic
from tierwright.app.demo.driver import Driven
from tierwright.app.demo.labels import KeyEntry
from tierwright.app.demo.score import score
from tierwright.app.ring import Turn
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.ids import InferenceId, TaskId
from tierwright.curation.audit import Audit, TaskFinding
from tierwright.curation.task_traffic import AuditPeriod
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tierwright.app.demo.story import TaskOutcome
    from tierwright.app.wiring import Parts
    from tierwright.core.task import Task
    from tierwright.store.sql import SqlStore

TASK = TaskId("task-1")
DAY = 86_400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A store with one task of labels a, b and c."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.put_task(a_task(contract=a_contract("a", "b", "c")))
    yield opened
    opened.close()


def answered(number: int, answer: str | None = "a", **changes: Any) -> Driven:
    """A request of the last days and what the gateway answered, locally after as many milliseconds as its number."""
    fields: dict[str, Any] = {
        "position": number,
        "log_id": f"log-{number}",
        "status": 200 if answer is not None else 502,
        "answer": answer,
        "response_id": f"i-{number}" if answer is not None else None,
        "served_by": "specialist",
        "route_reason": "specialist",
        "confidence": 0.9,
        "inference_id": f"i-{number}",
        "latency_ms": float(number),
        "error": None if answer is not None else "HTTP 502: upstream_unavailable",
    }
    return Driven(**fields | changes)


def scored(
    store: SqlStore,
    tmp_path: Path,
    records: Sequence[Driven],
    gold: Sequence[str | None],
    *,
    logged: Sequence[tuple[str | None, float | None]],
    members: Sequence[TaskId | None] | None = None,
    tasks: Sequence[Task] = (),
) -> list[TaskOutcome]:
    """Scores records, of which the key holds the gold answers and the log the incumbent's answers and latencies."""
    belongs = members or [TASK] * len(records)
    store.append(
        [
            an_inference(id=InferenceId(r.inference_id), created_at=after(DAY + n), task_id=task)
            for n, (r, task) in enumerate(zip(records, belongs, strict=True))
            if r.inference_id is not None
        ]
    )
    log = tmp_path / "log.jsonl.gz"
    rows = []
    for record, (answer, latency_ms) in zip(records, logged, strict=True):
        message = {"role": "assistant", "content": answer}
        response = {"id": record.log_id, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        row = {"timestamp": 1.0, "request": {}, "response": response, "latency_ms": latency_ms}
        rows.append(json.dumps(row))
    log.write_bytes(gzip.compress("\n".join(rows).encode()))
    known = list(tasks) or [store.task(TASK)]
    findings = tuple(
        TaskFinding(
            task=task,
            requests=100,
            share=0.5,
            distinct_outputs=3,
            traffic=task_traffic(100),
        )
        for task in known
    )
    audit = Audit(
        requests=200,
        period=AuditPeriod(since=NOON, until=after(DAY)),
        tasks=findings,
        long_tail=task_traffic(0),
        assignments={},
    )
    return score(
        cast("Parts", SimpleNamespace(store=store)),
        [Turn(task=task, verdict="superior", reason="") for task in known],
        audit,
        proposed={task.id: "proposed" for task in known},
        log=log,
        key={f"log-{n}": KeyEntry(task="t", gold=text) for n, text in enumerate(gold)},
        driven=records,
        since=after(DAY),
    )


def test_accuracy_is_of_what_was_answered(store: SqlStore, tmp_path: Path) -> None:
    """Right answers, whoever gave them and however they are spelled, against the incumbent on the same requests."""
    records = [answered(0, "a"), answered(1, "B."), answered(2, "c", served_by="frontier"), answered(3, "a")]
    logged = [("a", 500.0), ("a", 500.0), ("b", 500.0), ("c", 500.0)]
    (outcome,) = scored(store, tmp_path, records, ["a", "b", "c", "c"], logged=logged)
    assert outcome.accuracy is not None
    assert (outcome.accuracy.value, outcome.accuracy.n) == (0.75, 4)
    assert outcome.incumbent_accuracy is not None
    assert (outcome.incumbent_accuracy.value, outcome.incumbent_accuracy.n) == (0.5, 4)
    assert outcome.local_share is not None
    assert (outcome.local_share.value, outcome.local_share.n) == (0.75, 4)
    assert (outcome.live_requests, outcome.requests, outcome.proposed_name) == (4, 104, "proposed")


def test_failed_requests_count_as_wrong(store: SqlStore, tmp_path: Path) -> None:
    """An answer that never came is a wrong one, not a missing one."""
    records = [answered(0, "a"), answered(1, None, served_by=None)]
    (outcome,) = scored(store, tmp_path, records, ["a", "a"], logged=[("a", 1.0), ("a", 1.0)])
    assert outcome.accuracy is not None
    assert (outcome.accuracy.value, outcome.accuracy.n) == (0.5, 2)


def test_requests_without_gold_are_not_scored(store: SqlStore, tmp_path: Path) -> None:
    """Only requests whose right answer the key says are in n; where it says none there is no accuracy."""
    records = [answered(0, "a"), answered(1, "a"), answered(2, "a")]
    logged = [("a", 1.0)] * 3
    (outcome,) = scored(store, tmp_path, records, ["a", None], logged=logged)
    assert outcome.accuracy is not None
    assert outcome.accuracy.n == 1
    assert outcome.live_requests == 3
    (unscored,) = scored(store, tmp_path, records, [], logged=logged)
    assert (unscored.accuracy, unscored.incumbent_accuracy) == (None, None)


def test_membership_is_the_gateways_word(store: SqlStore, tmp_path: Path) -> None:
    """Requests the gateway did not recognise, and requests that never reached it, are in no task's figures."""
    records = [answered(0, "a"), answered(1, "b"), answered(2, "a", inference_id=None)]
    (outcome,) = scored(store, tmp_path, records, ["a", "a", "a"], logged=[("a", 1.0)] * 3, members=[TASK, None, None])
    assert outcome.live_requests == 1
    assert outcome.accuracy is not None
    assert (outcome.accuracy.value, outcome.accuracy.n) == (1.0, 1)


def test_latencies_of_both_sides(store: SqlStore, tmp_path: Path) -> None:
    """Local percentiles are of local answers as the client saw them; the frontier's are the log's."""
    records = [answered(n, "a") for n in range(1, 101)] + [answered(200, "a", served_by="frontier")]
    logged = [("a", 1000.0 + n) for n in range(100)] + [("a", None)]
    (outcome,) = scored(store, tmp_path, records, [], logged=logged)
    latency = outcome.latency
    assert (latency.local_p50, latency.local_p95) == (51.0, 96.0)
    assert (latency.frontier_p50, latency.frontier_p95) == (1050.0, 1095.0)


def test_task_without_traffic(store: SqlStore, tmp_path: Path) -> None:
    """A task that nobody asked for in the last days has no share, no accuracy and no latencies."""
    quiet = a_task(id=TaskId("task-2"), name="quiet")
    store.put_task(quiet)
    tasks = [store.task(TASK), quiet]
    busy, outcome = scored(store, tmp_path, [answered(0, "a")], ["a"], logged=[("a", 1.0)], tasks=tasks)
    assert busy.live_requests == 1
    assert (outcome.live_requests, outcome.requests) == (0, 100)
    assert (outcome.accuracy, outcome.local_share) == (None, None)
    latency = outcome.latency
    assert {latency.local_p50, latency.local_p95, latency.frontier_p50, latency.frontier_p95} == {None}


def test_open_answers_are_not_scored(store: SqlStore, tmp_path: Path) -> None:
    """Text that can be right in many ways has no accuracy, even where the key holds a text."""
    task = a_task(contract=OutputContract(kind=ContractKind.OPEN))
    store.put_task(task)
    (outcome,) = scored(store, tmp_path, [answered(0, "hello")], ["hello"], logged=[("hello", 1.0)], tasks=[task])
    assert (outcome.accuracy, outcome.incumbent_accuracy) == (None, None)
    assert outcome.live_requests == 1


def test_the_task_as_it_is_now(store: SqlStore, tmp_path: Path) -> None:
    """The outcome shows the task as the store has it at the end, with the name and wordings it has by then."""
    before = store.task(TASK)
    store.put_task(a_task(name="renamed", contract=before.contract, named_by_person=True))
    (outcome,) = scored(store, tmp_path, [answered(0, "a")], ["a"], logged=[("a", 1.0)], tasks=[before])
    assert outcome.turn.task.name == "renamed"
