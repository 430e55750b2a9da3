"""The document and the table of `task audit`."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from tests.fakes import a_contract, a_task
from tests.profiles import a_cost, a_field, a_profile, a_volume, learned, near
from tests.traffic import task_traffic
from tierwright.app.cli.audit import audit_json, audit_table
from tierwright.app.cli.output import show
from tierwright.app.left_out import LeftOut
from tierwright.app.task_audit import AuditedTask, LongTail, TaskAudit
from tierwright.core.estimate import UsdEstimate
from tierwright.core.profile import Action, Advice, TaskProfile
from tierwright.curation.advice import advise_long_tail
from tierwright.curation.audit import Audit, TaskFinding
from tierwright.curation.task_traffic import AuditPeriod

SAVING = UsdEstimate(value=Decimal("4.5"), ci_low=Decimal(2), ci_high=Decimal(11), n=100, method="given")


def an_advice(**changes: Any) -> Advice:
    """To specialise, for four reasons and one more."""
    fields: dict[str, Any] = {
        "action": Action.SPECIALISE,
        "reasons": ("first", "second", "third", "fourth", "fifth"),
        "rung": "ngram",
        "monthly_saving_usd": SAVING,
        "also": ((Action.CACHE, "many repeats"),),
    }
    return Advice(**fields | changes)


def an_audited(name: str = "ticket-intent", **changes: Any) -> AuditedTask:
    """One task with scores and advice."""
    finding = TaskFinding(
        task=a_task(name=name, contract=a_contract("a", "b")),
        requests=100,
        share=0.5,
        distinct_outputs=2,
        traffic=task_traffic(100),
    )
    fields: dict[str, Any] = {
        "finding": finding,
        "volume": a_volume(12_345),
        "monthly_cost_usd": a_cost(Decimal("14.25")),
        "profile": a_profile(),
        "advice": an_advice(),
    }
    return AuditedTask(**fields | changes)


def a_report(*tasks: AuditedTask) -> TaskAudit:
    """These tasks and a long tail."""
    found = Audit(
        requests=200,
        period=AuditPeriod(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 31, tzinfo=UTC)),
        tasks=tuple(task.finding for task in tasks),
        long_tail=task_traffic(20),
        assignments={},
    )
    tail = LongTail(requests=20, monthly_cost_usd=a_cost(Decimal("0.5")), advice=advise_long_tail(20, 0.1))
    nothing = LeftOut(unpriced_calls={}, uncounted_calls={}, estimated_calls={})
    return TaskAudit(found=found, tasks=tasks, long_tail=tail, left_out=nothing)


def printed(report: TaskAudit, *, width: int = 100) -> str:
    """The table as it comes into a file so wide."""
    file = io.StringIO()
    audit_table(Console(file=file, width=width, highlight=False, markup=False, emoji=False), report)
    return file.getvalue()


def document(report: TaskAudit, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The document as strict JSON: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    show(audit_json(report), as_json=True, text=lambda _: None)
    found: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    return found


def test_the_table_fits_a_hundred_columns() -> None:
    """Every line, however long the name and however large the sums; only names and fields are folded."""
    wide = replace(SAVING, value=Decimal(123_456), ci_low=Decimal(-12_345), ci_high=Decimal(140_000))
    dear = an_audited(
        "customer-intent-classification",
        monthly_cost_usd=a_cost(Decimal(654_321)),
        advice=an_advice(action=Action.SMALLER_MODEL, monthly_saving_usd=wide),
    )
    text = printed(a_report(dear, an_audited("b")))
    assert max(map(len, text.splitlines())) <= 100
    rows = [line.split() for line in text.splitlines()]
    assert ["b", "label", "12,345", "$14.25", "90%", "0.20", "specialise", "$4.5", "(2", "to", "11)"] in rows
    assert "$654,321" in text
    assert "$120k (-12k to 140k)" in text


def test_the_table_is_followed_by_reasons() -> None:
    """The first four of each task, what else would do, and the long tail; the rest is in the document."""
    text = printed(a_report(an_audited()))
    assert "ticket-intent: specialise (ngram)" in text
    assert "- fourth" in text
    assert "fifth" not in text
    assert "also cache: many repeats" in text
    assert "long tail: keep" in text


def test_totals_are_told() -> None:
    """Cost with the long tail, and the saving."""
    text = printed(a_report(an_audited()))
    assert "All traffic costs $14.75 ($13.28 to $16.22) a month; following the advice saves $4.50" in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ((a_field("project", 0.99, 0.5), a_field("priority", 0.7, 0.7)), "project only"),
        ((a_field("label", 0.6, 0.6),), "no"),
        ((a_field("label", 0.99, 0.99),), "constant"),
    ],
)
def test_what_can_be_learned_is_said_by_name(fields: tuple[Any, ...], said: str) -> None:
    """In one or two words."""
    assert said in printed(a_report(an_audited(profile=a_profile(learnability=learned(*fields)))))


def test_the_quick_audit_has_no_scores(capsys: pytest.CaptureFixture[str]) -> None:
    """Same keys, null where nothing was measured; the table says a dash."""
    plain = a_report(an_audited(profile=None, advice=None))
    quick, full = document(plain, capsys)["tasks"][0], document(a_report(an_audited()), capsys)["tasks"][0]
    assert set(quick) == set(full)
    assert (quick["recommendation"], quick["complexity"], quick["reasons"]) == (None, None, [])
    assert quick["volume"] == full["volume"]
    assert "ticket-intent:" not in printed(plain)


def test_endless_intervals_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no infinity."""
    endless = replace(a_volume(), trend=replace(near(0.0), ci_low=-math.inf, ci_high=math.inf))
    trend = document(a_report(an_audited(volume=endless)), capsys)["tasks"][0]["volume"]["trend"]
    assert (trend["value"], trend["ci_low"], trend["ci_high"]) == (0.0, None, None)


def test_what_is_kept_saves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Null, not 0; and the totals leave it out."""
    kept = an_audited(advice=an_advice(action=Action.KEEP, rung=None, monthly_saving_usd=None))
    found = document(a_report(kept), capsys)
    assert found["tasks"][0]["projected_monthly_saving_usd"] is None
    assert found["totals"]["projected_monthly_saving_usd"] is None


def test_totals_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Values and ends alike."""
    totals = document(a_report(an_audited("a"), an_audited("b")), capsys)["totals"]
    saving = totals["projected_monthly_saving_usd"]
    assert (saving["value"], saving["ci_low"], saving["ci_high"]) == (9.0, 4.0, 22.0)
    assert totals["monthly_cost_usd"]["value"] == 29.0


def test_no_prices_at_all_are_spoken_of() -> None:
    """And where to give some."""
    report = a_report(an_audited(monthly_cost_usd=None, profile=unpriced(), advice=an_advice(monthly_saving_usd=None)))
    text = printed(replace(report, long_tail=replace(report.long_tail, monthly_cost_usd=None)))
    assert "unpriced" in text
    assert "[[economics.prices]]" in text


def test_what_is_left_out_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """By reason and model, in the document and for people."""
    lost = LeftOut(unpriced_calls={"own-model": 1200, "other": 3}, uncounted_calls={"own-model": 7}, estimated_calls={})
    report = replace(a_report(an_audited()), left_out=lost)
    text = printed(report)
    assert "1,203 calls have no price and are in no cost: own-model 1,200, other 3" in text
    assert "7 calls came without tokens" in text
    assert document(report, capsys)["left_out"] == {
        "unpriced_calls": {"own-model": 1200, "other": 3},
        "uncounted_calls": {"own-model": 7},
        "estimated_calls": {},
    }


def unpriced() -> TaskProfile:
    """A profile without any price."""
    return a_profile(cost=None)
