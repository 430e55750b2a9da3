"""The task audit by the command line, on the generated log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import Cli, Ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("task-audit")]

ACTIONS = {"specialise", "cache", "prompt", "retrieve", "smaller-model", "keep"}
#: Keys of a task whose value is an estimate, or may be null instead.
ESTIMATES = ("monthly_requests", "entropy_bits", "sensitive_share", "duplicate_share", "complexity")
MAYBE = (
    "monthly_cost_usd",
    "determinism",
    "learnability",
    "prompt_tokens",
    "completion_tokens",
    "projected_monthly_saving_usd",
)


@pytest.fixture(scope="module")
def audited(log: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Cli, Ran]:
    """A folder with the log imported, and its audit as JSON."""
    cli = Cli(tmp_path_factory.mktemp("audit"))
    cli.settings()
    assert cli("traffic", "import", str(log[0]), "--json").code == 0
    return cli, cli("task", "audit", "--json")


def is_estimate(found: Any) -> bool:
    """Whether it has the members of an estimate, and its interval holds it."""
    return (
        set(found) >= {"value", "ci_low", "ci_high", "n", "level", "method"}
        and (found["ci_low"] is None or found["ci_low"] <= found["value"])
        and (found["ci_high"] is None or found["value"] <= found["ci_high"])
        and isinstance(found["n"], int)
        and bool(found["method"])
    )


def test_the_document_has_its_keys(audited: tuple[Cli, Ran]) -> None:
    """Every task has every key, each of its type."""
    assert audited[1].code == 0, audited[1].err
    document = audited[1].document
    assert {"requests", "unassigned", "period", "long_tail", "totals", "refused", "tasks"} <= set(document)
    assert document["unassigned"] == document["long_tail"]["requests"]
    assert document["requests"] == document["unassigned"] + sum(task["requests"] for task in document["tasks"])
    assert document["tasks"]
    for task in document["tasks"]:
        assert all(is_estimate(task[key]) for key in ESTIMATES)
        assert all(task[key] is None or is_estimate(task[key]) for key in MAYBE)
        assert task["recommendation"] in ACTIONS
        assert (task["rung"] is not None) == (task["recommendation"] == "specialise")
        assert task["reasons"]
        assert all(isinstance(reason, str) and reason for reason in task["reasons"])
        assert all(set(other) == {"action", "reason"} and other["action"] in ACTIONS for other in task["also"])
        assert sum(signal["weight"] for signal in task["complexity"]["signals"]) == pytest.approx(1.0)
        assert sum(task["languages"].values()) == pytest.approx(1.0)
        assert sum(task["clients_by_requests"].values()) == task["requests"]
        assert (len(task["volume"]["hourly"]), len(task["volume"]["weekly"])) == (24, 7)
        assert sum(task["volume"]["daily"]) == task["requests"]
        assert set(task["prompt"]) >= {"characters", "boilerplate_share", "few_shot_share", "unparsed_share"}
        assert set(task["retrieval"]) == {"changing_share", "ungrounded_share"}


def test_the_long_tail_is_kept(audited: tuple[Cli, Ran]) -> None:
    """With a reason."""
    tail = audited[1].document["long_tail"]
    assert tail["recommendation"] == "keep"
    assert tail["reasons"]


def test_totals_are_sums(audited: tuple[Cli, Ran]) -> None:
    """Of the tasks' savings, and of all costs."""
    document = audited[1].document
    savings = [found["value"] for task in document["tasks"] if (found := task["projected_monthly_saving_usd"])]
    assert document["totals"]["projected_monthly_saving_usd"]["value"] == pytest.approx(sum(savings))
    costs = [task["monthly_cost_usd"]["value"] for task in document["tasks"]]
    costs.append(document["long_tail"]["monthly_cost_usd"]["value"])
    assert document["totals"]["monthly_cost_usd"]["value"] == pytest.approx(sum(costs))


def test_the_same_traffic_gives_the_same_document(audited: tuple[Cli, Ran]) -> None:
    """To the byte: all that is drawn is seeded."""
    cli, first = audited
    assert cli("task", "audit", "--json").out == first.out


def test_the_quick_audit_gives_no_advice(audited: tuple[Cli, Ran]) -> None:
    """Tasks, volume and cost as in the full one."""
    cli, full = audited
    quick = cli("task", "audit", "--no-scores", "--json").document
    assert [task["recommendation"] for task in quick["tasks"]] == [None] * len(quick["tasks"])
    for key in ("id", "requests", "monthly_requests", "latency_ms"):
        assert [task[key] for task in quick["tasks"]] == [task[key] for task in full.document["tasks"]]


def test_people_get_a_table_and_reasons(audited: tuple[Cli, Ran]) -> None:
    """On standard output, with an advice for each task; progress is on standard error."""
    cli, full = audited
    ran = cli("task", "audit")
    assert ran.code == 0
    for task in full.document["tasks"]:
        assert f"{task['name']}: {task['recommendation']}" in ran.out
    assert "long tail: keep" in ran.out
    assert "looking for recurring requests" in ran.err
    assert "looking for recurring requests" not in ran.out


def test_peoples_time_changes_the_advice(audited: tuple[Cli, Ran]) -> None:
    """At $1,000 an hour nothing on a small log is worth anybody's time."""
    cli, full = audited
    assert any(task["projected_monthly_saving_usd"] for task in full.document["tasks"])
    cli.settings('[advice]\nperson_hour_usd = "1000"\n')
    try:
        document = cli("task", "audit", "--json").document
    finally:
        cli.settings()
    assert not any(task["projected_monthly_saving_usd"] for task in document["tasks"])


def test_impossible_assumptions_are_refused(audited: tuple[Cli, Ran]) -> None:
    """With the table, the key and what to do."""
    cli = audited[0]
    cli.settings("[advice]\nprice = [1.0, 0.5]\n")
    try:
        ran = cli("task", "audit", "--json")
    finally:
        cli.settings()
    assert ran.code != 0
    assert "[advice] price runs from 1.0 to 0.5" in ran.err


def test_pages_say_what_the_documents_say(audited: tuple[Cli, Ran]) -> None:
    """Audit, savings and break-even as HTML: each task is on its page, and the document is printed all the same."""
    cli, ran = audited
    names = [task["name"] for task in ran.document["tasks"]]
    quick = cli("task", "audit", "--no-scores", "--html", "audit.html", "--json")
    saved = cli("report", "savings", "--html", "savings.html", "--json")
    even = cli("report", "breakeven", "--scenario", "thesis", "--draws", "40", "--html", "even.html", "--json")
    for step, page, said in ((quick, "audit", names), (saved, "savings", names), (even, "even", ["thesis"])):
        assert step.code == 0, step.err
        assert step.document
        text = (cli.folder / f"{page}.html").read_text(encoding="utf-8")
        assert all(name in text for name in said)
        assert "<script" not in text


def test_a_page_that_cannot_be_written_is_said(audited: tuple[Cli, Ran]) -> None:
    """A folder that is not there: which file, and what became of the report."""
    ran = audited[0]("report", "breakeven", "--scenario", "thesis", "--draws", "40", "--html", "no/even.html")
    assert ran.code == 2
    assert "no/even.html can't be written" in ran.err
