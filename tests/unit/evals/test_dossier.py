"""The one-page report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import a_plan, a_registration, after, an_estimate, an_evaluation
from tierwright.core.dataset import LabelSource
from tierwright.core.evaluation import Verdict
from tierwright.core.experiment import SliceFinding
from tierwright.core.ids import EvaluationId
from tierwright.evals.dossier import Dossier, Ratio, dossier_json, sections
from tierwright.evals.plan_report import plan_summary, registration_json, registration_summary
from tierwright.evals.registration import Looks


def a_dossier(**changes: Any) -> Dossier:
    """The first look of a superior candidate."""
    fields: dict[str, Any] = {
        "task": "card-intent",
        "registration": a_registration(),
        "evaluation": an_evaluation(),
        "looks": Looks(of_version=(), of_any=()),
    }
    return Dossier(**fields | changes)


def section(dossier: Dossier, title: str) -> str:
    """All that a section says."""
    found = next(one for one in sections(dossier) if one.title == title)
    return "\n".join([*found.lines, *(" | ".join(row) for row in found.rows)])


def test_the_page_has_every_part_in_its_order() -> None:
    """Verdict first, then the question, the registration, numbers, power, slices, cost, and what would change it."""
    assert [one.title for one in sections(a_dossier())] == [
        "Verdict",
        "Question",
        "Registered beforehand",
        "Numbers",
        "Power",
        "Slices",
        "Cost and latency",
        "What would change the verdict",
    ]


def test_the_document_is_json() -> None:
    """It survives JSON unchanged, with registration and evaluation in it."""
    found = dossier_json(a_dossier(ratios=[Ratio(name="cheaper", estimate=an_estimate(12.0), basis="here")]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["ratios"]["cheaper"]["value"] == 12.0
    assert found["registration"]["id"] == "experiment-1"


def test_earlier_looks_are_told() -> None:
    """Which experiment it is, what came out before, and that fresh labels would say more."""
    before = an_evaluation(id=EvaluationId("before"), margin=0.005, verdict=Verdict.UNDECIDED, created_at=after(-60))
    found = a_dossier(looks=Looks(of_version=(before,), of_any=(before,)), shared=Verdict.NON_INFERIOR)
    told = section(found, "Registered beforehand")
    assert "experiment 2 of this version" in told
    assert "margin 0.5 points, undecided" in told
    changes = section(found, "What would change the verdict")
    assert "fresh labels" in changes
    assert "If all looks shared the error it would be non_inferior" in changes


@pytest.mark.parametrize(
    ("verdict", "ci_low", "said"),
    [
        (Verdict.SUPERIOR, 0.01, "at any margin it would be promoted"),
        (Verdict.NON_INFERIOR, -0.004, "at a margin of 0.40 points or less"),
        (Verdict.UNDECIDED, -0.03, "A margin above 3.00 points would have allowed it, but"),
        (Verdict.INFERIOR, -0.09, "Only a better candidate"),
    ],
)
def test_what_would_change_each_verdict(verdict: Verdict, ci_low: float, said: str) -> None:
    """In numbers, with the warning that a margin chosen by the result is a new experiment."""
    difference = an_estimate(ci_low + 0.02, ci_low=ci_low)
    evaluation = an_evaluation(verdict=verdict, difference=difference)
    assert said in section(a_dossier(evaluation=evaluation), "What would change the verdict")


def test_agreement_is_never_sold_as_being_right() -> None:
    """By the incumbent's answers the page says so in the question and at the end."""
    found = a_dossier(evaluation=an_evaluation(reference=LabelSource.INCUMBENT, metric="agreement"))
    assert "by the incumbent's own answers" in section(found, "Question")
    assert "count against it" in section(found, "What would change the verdict")


def test_the_worst_slices_come_first() -> None:
    """By the lower end of their difference; those shown to be worse are counted."""
    slices = tuple(
        SliceFinding(
            dimension="label",
            value=f"v{n}",
            candidate_score=an_estimate(),
            baseline_score=an_estimate(),
            difference=an_estimate(-0.05 * n, ci_low=-0.05 * n - 0.01, ci_high=-0.05 * n + 0.01),
        )
        for n in range(3)
    )
    told = section(a_dossier(evaluation=an_evaluation(slices=slices)), "Slices")
    assert "shown to be worse in 2 of them" in told
    assert told.index("v2") < told.index("v1") < told.index("v0")


def test_a_plan_is_told_in_words() -> None:
    """How often it comes out undecided, how many labels would do, and that nothing would where nothing does."""
    assert "come out undecided 30% of the time" in plan_summary(a_plan())
    assert "exactly one of the two is right in 5.0 % [3.0, 7.0]" in plan_summary(a_plan())
    assert "about 1200 independent labels" in plan_summary(a_plan())
    assert "no number of labels" in plan_summary(a_plan(examples_for_80_percent=None))
    assert "is not known" in registration_summary(a_registration(plans=()))
    document = registration_json(a_registration())
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["candidates"][0]["plan"]["steps"] == [{"examples": 500, "promoted": 0.4, "undecided": 0.6}]
    assert registration_json(a_registration(plans=()))["candidates"][0]["plan"] is None
