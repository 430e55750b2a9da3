"""The evaluation as a document, and the statement of power."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.fakes import NOON, an_estimate, an_evaluation
from tests.unit.evals.arms_under_test import an_experiment, arms
from tierwright.core.dataset import LabelSource
from tierwright.core.evaluation import Verdict
from tierwright.evals.compare import compare
from tierwright.evals.report import power_of, report
from tierwright.stats.bounds import bounded_rate_power
from tierwright.stats.power import PairedDesign, power, sample_size


def test_report_is_json_with_whole_estimates() -> None:
    """The document survives JSON unchanged, and every estimate comes with interval, n, level and method."""
    document = report(an_evaluation())
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    for name in ("candidate_score", "baseline_score", "difference", "local_share", "local_score"):
        assert set(document[name]) == {"value", "ci_low", "ci_high", "n", "level", "method"}
    assert (document["verdict"], document["reference"], document["allows_promotion"]) == ("superior", "human", True)


def test_report_of_a_cascade_that_never_answers_has_no_local_score() -> None:
    """What was not measured is null, not zero."""
    assert report(an_evaluation(local_score=None))["local_score"] is None


def test_summary_says_who_judged() -> None:
    """Agreement is never called anything that sounds like being right."""
    by_people = report(an_evaluation())["summary"]
    by_agreement = report(an_evaluation(reference=LabelSource.INCUMBENT, metric="agreement"))["summary"]
    assert "people's labels" in by_people
    assert "agreement with gpt-4o" in by_agreement
    assert "no judgement of who is right" in by_agreement


def test_undecided_summary_says_how_many_examples_would_do() -> None:
    """Undecided comes with the chance it had and the size that would have helped."""
    found = compare(
        an_experiment(), *arms([(True, False, 0.9), (False, True, 0.9), *[(True, True, 0.9)] * 18] * 20), at=NOON
    )
    assert found.verdict is Verdict.UNDECIDED
    assert f"about {power_of(found).examples_for_80_percent} examples" in report(found)["summary"]


def test_power_from_the_interval_agrees_with_the_plan() -> None:
    """Power and sample size read off an interval are those planned for the same discordance, within a point and 5 %."""
    outcomes = [*[(True, False, 0.9)] * 50, *[(False, True, 0.9)] * 50, *[(True, True, 0.9)] * 900]
    found = power_of(compare(an_experiment(margin=0.02), *arms(outcomes), at=NOON))
    design = PairedDesign(discordance=0.1, margin=0.02)
    assert found.value == pytest.approx(power(design, 1000).value, abs=0.01)
    assert found.examples_for_80_percent == pytest.approx(sample_size(design), rel=0.05)


def test_power_of_agreement_assumes_half_the_margin() -> None:
    """With the examples it names the exact power is at least 80 %, and the assumption is said."""
    evaluation = an_evaluation(reference=LabelSource.INCUMBENT, difference=an_estimate(-0.004, n=1000))
    found = power_of(evaluation)
    assert found.assumed_difference == -0.005
    assert found.value == bounded_rate_power(1000, rate=0.005, limit=0.01, level=0.975).value
    needed = found.examples_for_80_percent
    assert needed is not None
    assert bounded_rate_power(needed, rate=0.005, limit=0.01, level=0.975).value >= 0.8


def test_power_of_agreement_agrees_with_simulated_experiments() -> None:
    """So often do 300 simulated comparisons at half the margin come out non-inferior, within noise."""
    generator = np.random.default_rng(3)
    passed = 0
    for _ in range(300):
        changed = generator.random(600) < 0.025
        outcomes = [(not bool(c), True, 0.9) for c in changed]
        experiment = an_experiment(agreement_margin=0.05)
        passed += compare(experiment, *arms(outcomes, source=LabelSource.INCUMBENT), at=NOON).verdict.allows_promotion
    wanted = bounded_rate_power(600, rate=0.025, limit=0.05, level=0.975).value
    assert passed / 300 == pytest.approx(wanted, abs=3 * np.sqrt(wanted * (1 - wanted) / 300))
