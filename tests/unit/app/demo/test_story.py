"""Tests of the demo's document and tables: their structure, not their wording."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

from rich.console import Console

from tests.fakes import (
    NOON,
    a_dataset,
    a_deployment,
    a_task,
    a_version,
    after,
    an_estimate,
    an_evaluation,
)
from tests.traffic import task_traffic
from tierwright.app.demo.story import Latencies, Outcome, TaskOutcome, document, tell
from tierwright.app.ring import Turn
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.ids import InferenceId, TaskId
from tierwright.curation.audit import Audit, TaskFinding
from tierwright.curation.task_traffic import AuditPeriod
from tierwright.training.ladder import Rung

NOTHING = Latencies(local_p50=None, local_p95=None, frontier_p50=None, frontier_p95=None)
OPEN = a_task(id=TaskId("task-2"), name="help-chat", contract=OutputContract(kind=ContractKind.OPEN))


def a_finding(**changes: Any) -> TaskFinding:
    """What the audit says about the task that went live."""
    fields: dict[str, Any] = {
        "task": a_task(name="proposed-by-audit"),
        "requests": 700,
        "share": 0.7,
        "distinct_outputs": 9,
        "traffic": task_traffic(700),
    }
    return TaskFinding(**fields | changes)


def live_task(**changes: Any) -> TaskOutcome:
    """A task whose specialist went live."""
    fields: dict[str, Any] = {
        "turn": Turn(
            task=a_task(),
            verdict="superior",
            reason="better",
            dataset=a_dataset(),
            rungs=(
                Rung(recipe="ngram", status="trained", version=a_version()),
                Rung(recipe="encoder-head", status="skipped", why="no encoder here"),
            ),
            chosen=a_version(),
            evaluation=an_evaluation(),
            deployment=a_deployment(),
        ),
        "proposed_name": "proposed-by-audit",
        "requests": 1000,
        "live_requests": 300,
        "accuracy": an_estimate(0.951),
        "incumbent_accuracy": an_estimate(0.907),
        "local_share": an_estimate(0.8),
        "latency": Latencies(local_p50=3.25, local_p95=9.5, frontier_p50=1400.0, frontier_p95=2800.0),
    }
    return TaskOutcome(**fields | changes)


def kept_task() -> TaskOutcome:
    """A task that stays on the frontier model."""
    return TaskOutcome(
        turn=Turn(task=OPEN, verdict="keep", reason="no recipe learns open answers"),
        proposed_name="help-chat",
        requests=90,
        live_requests=0,
        accuracy=None,
        incumbent_accuracy=None,
        local_share=None,
        latency=NOTHING,
    )


def an_outcome(**changes: Any) -> Outcome:
    """A demo with one task that went live and one that was kept."""
    fields: dict[str, Any] = {
        "traffic": "The traffic is [made] up.",
        "requests": 1200,
        "live_requests": 400,
        "live_days": 10,
        "audit": Audit(
            requests=800,
            period=AuditPeriod(since=NOON, until=after(86_400)),
            long_tail=task_traffic(40),
            tasks=(a_finding(), a_finding(task=OPEN, requests=60, share=0.06)),
            assignments={InferenceId("i1"): TaskId("task-1")},
        ),
        "tasks": [live_task(), kept_task()],
        "failed": 0,
        "joined": (),
        "cost_before_usd": Decimal("2.50"),
        "cost_after_usd": Decimal("1.00"),
        "saving_share": an_estimate(0.6),
        "monthly_saving_usd": Decimal("4.56"),
        "unpriced_requests": 0,
        "speedup": 20.0,
        "seconds": {"capture": 10.0, "train": 20.0},
        "peak_memory_mb": 512.0,
    }
    return Outcome(**fields | changes)


def told(outcome: Outcome, *, width: int = 200) -> str:
    """The story as text."""
    page = io.StringIO()
    tell(Console(file=page, width=width, highlight=False, markup=False, emoji=False), outcome)
    return page.getvalue()


def test_document_has_what_scripts_read() -> None:
    """The document is JSON with the promised members: tasks with estimates and latencies, and totals."""
    found = json.loads(json.dumps(document(an_outcome())))
    task = found["tasks"][0]
    assert (task["name"], task["requests"], task["contract"], task["verdict"]) == (
        "card-intent",
        1000,
        "label",
        "superior",
    )
    assert task["accuracy"]["value"] == 0.951
    assert {"value", "ci_low", "ci_high", "n"} <= set(task["accuracy"])
    assert {"value", "ci_low", "ci_high", "n"} <= set(task["incumbent_accuracy"])
    assert task["local_share"] == 0.8
    assert (task["latency_ms"]["local_p50"], task["latency_ms"]["frontier_p50"]) == (3.25, 1400.0)
    totals = found["totals"]
    assert (totals["requests"], totals["cost_before_usd"], totals["cost_after_usd"]) == (1200, 2.5, 1.0)
    assert totals["saving_share"] == 0.6


def test_document_of_a_task_that_was_kept() -> None:
    """What was not measured is null, what did not happen is zero or false, and the reason is there."""
    task = document(an_outcome())["tasks"][1]
    assert (task["verdict"], task["deployed"], task["recipe"]) == ("keep", False, None)
    assert task["reason"] == "no recipe learns open answers"
    assert (task["accuracy"], task["incumbent_accuracy"], task["local_share"]) == (None, None, 0.0)
    assert set(task["latency_ms"].values()) == {None}


def test_unpriced_savings_are_null() -> None:
    """Where no share can be given the document has null, not zero."""
    assert document(an_outcome(saving_share=None))["totals"]["saving_share"] is None
    assert told(an_outcome(saving_share=None))


def test_story_has_the_figures_of_every_task() -> None:
    """Every task, rung, verdict, share, accuracy, latency and amount stands in the tables."""
    text = told(an_outcome())
    for piece in ("card-intent", "help-chat", "ngram", "encoder-head", "no encoder here", "superior", "keep"):
        assert piece in text
    for figure in ("95.1", "90.7", "80.0%", "3.2 / 9.5", "1,400 / 2,800", "$2.50", "$1.00", "60.0%", "$4.56", "+4.0"):
        assert figure in text, figure
    assert "no recipe learns open answers" in text


def test_story_calls_tasks_by_their_final_name() -> None:
    """A name that people gave after the audit stands in the audit's table too."""
    assert "proposed-by-audit" not in told(an_outcome())


def test_story_marks_the_chosen_rung() -> None:
    """One rung of each ladder is marked: the one that was taken."""
    lines = [line for line in told(an_outcome()).splitlines() if "←" in line]
    assert len(lines) == 1
    assert "ngram" in lines[0]


def test_story_tells_what_went_wrong() -> None:
    """Requests without an answer, without a price, and new wordings are told only where there are any."""
    quiet = told(an_outcome())
    joined = "02 Sep 06:00: a [new] wording joined card-intent"
    loud = told(an_outcome(failed=7123, unpriced_requests=8456, joined=[joined]))
    assert "7123" in loud.replace(",", "")
    assert "8456" in loud.replace(",", "")
    assert joined in loud
    extra = set(loud.splitlines()) - set(quiet.splitlines())
    assert len(extra) == 3


def test_story_says_what_the_traffic_is() -> None:
    """Where the traffic comes from, the replay's speed, time and memory stand at the end, brackets and all."""
    last = " ".join(told(an_outcome()).split("\n\n")[-1].split())
    for piece in ("The traffic is [made] up.", "20 times", "30 s", "512 MB"):
        assert piece in last


def test_figures_are_not_lost_in_a_narrow_terminal() -> None:
    """Tables fold long cells instead of cutting them."""
    narrow = told(an_outcome(), width=60)
    assert "…" not in narrow
