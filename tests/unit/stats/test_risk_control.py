"""The lowest certified threshold, and what is said where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tierwright.core.errors import InputError
from tierwright.stats.risk_control import (
    Certified,
    Outcomes,
    certify,
    coverage_bound,
    spent_delta,
)
from tierwright.stats.thresholds import error_plan, own_grid, regret_plan


def errors(score: object, right: object, limit: float, delta: float = 0.05) -> Certified:
    """The certificate of errors without confidences to guide it."""
    outcomes = Outcomes.of(score, right)  # type: ignore[arg-type]  # the test gives bad ones, too
    plan = error_plan(own_grid(outcomes.scores), outcomes.scores.size, limit, delta)
    return certify(outcomes, plan, limit=limit, delta=delta, generator=np.random.default_rng(0))


def regret(score: object, candidate: object, baseline: object, limit: float) -> Certified:
    """The certificate of regret."""
    outcomes = Outcomes.of(score, candidate, baseline)  # type: ignore[arg-type]  # as above
    plan = regret_plan(own_grid(outcomes.scores))
    return certify(outcomes, plan, limit=limit, delta=0.05, generator=np.random.default_rng(0))


def test_the_threshold_lies_where_the_bound_does() -> None:
    """Errors only among the lower half of 1,000: a little more than that is certified; estimates are counts."""
    score = np.linspace(1.0, 0.0, 1000)
    right = np.ones(1000)
    right[500:] = np.arange(500) % 2
    found = errors(score, right, 0.05)
    assert found.threshold is not None
    accepted = score >= found.threshold
    assert 500 <= accepted.sum() <= 560
    assert found.coverage is not None
    assert found.coverage.value == accepted.mean()
    assert found.realised_risk is not None
    assert found.realised_risk.value == pytest.approx(1 - right[accepted].mean())
    assert found.realised_risk.n == accepted.sum()
    assert "error rate is below 5.00%" in found.reason


def test_a_better_candidate_may_answer_everything() -> None:
    """Where the baseline is wrong more often at every confidence, no accuracy is given up by accepting all."""
    generator = np.random.default_rng(2)
    found = regret(generator.random(400), generator.random(400) < 0.9, generator.random(400) < 0.8, 0.01)
    assert found.threshold == 0.0
    assert found.coverage is not None
    assert found.coverage.value == 1.0
    assert found.realised_risk is not None
    assert found.realised_risk.value < 0


def test_qualities_between_0_and_1_are_certified_by_betting() -> None:
    """Half-right answers count half; the interval of what was seen is a bootstrap's."""
    generator = np.random.default_rng(3)
    score = generator.random(1500)
    found = errors(score, np.where(score > 0.3, 0.98, 0.3), 0.1)
    assert found.threshold is not None
    assert found.threshold > 0.1
    assert found.realised_risk is not None
    assert "bootstrap" in found.realised_risk.method


def test_too_few_labels_are_said_to_be_too_few() -> None:
    """40 perfect answers can't certify 5 %: 59 would; 200 examples can't certify a regret of one point: 299 would."""
    few = errors(np.linspace(0, 1, 40), np.ones(40), 0.05)
    assert (few.threshold, few.coverage, few.realised_risk) == (None, None, None)
    assert few.reason.startswith("cannot certify: 40 labelled examples are too few")
    assert "59 are needed" in few.reason
    assert few.labels_needed is not None
    assert few.labels_needed >= 59
    paired = regret(np.linspace(0, 1, 200), np.ones(200), np.ones(200), 0.01)
    assert "299 are needed" in paired.reason


def test_the_labels_that_would_do_do() -> None:
    """A sample of the number that was named is certified more often than not, as the stated 80 % promise."""
    generator = np.random.default_rng(4)

    def drawn(n: int) -> Certified:
        score = generator.random(n)
        return errors(score, generator.random(n) > 0.3 * (1 - score) ** 2, 0.08)

    refused = next(one for one in (drawn(60) for _ in range(50)) if one.threshold is None and one.labels_needed)
    assert refused.labels_needed is not None
    assert refused.labels_needed > 60
    certified = [drawn(refused.labels_needed).threshold is not None for _ in range(40)]
    assert np.mean(certified) > 0.5


def test_a_risk_above_the_limit_everywhere_needs_no_number_of_labels() -> None:
    """Half of the answers are wrong at every confidence: there is no certificate and no number that would do."""
    found = errors(np.linspace(0, 1, 1000), np.arange(1000) % 2, 0.1)
    assert (found.threshold, found.labels_needed) == (None, None)
    assert "50.0% of all answers are wrong" in found.reason
    assert "56%" in found.reason  # (1 - 0.5) / (1 - 0.1)


def test_all_equal_outcomes_are_told_apart() -> None:
    """All wrong is refused with that reason; all right is certified with a warning."""
    wrong = errors(np.linspace(0, 1, 300), np.zeros(300), 0.1)
    assert wrong.reason == "cannot certify: every answer of the candidate is wrong"
    right = errors(np.linspace(0, 1, 300), np.ones(300), 0.1)
    assert right.threshold == 0.0
    assert "not the candidate's own" in right.reason


def test_a_saturated_score_stands_or_falls_as_a_block() -> None:
    """400 of 500 examples have the highest score and 12 % errors: nothing is certified at 10 %, and ties are named."""
    score = np.where(np.arange(500) < 400, 1.0, 0.5)
    found = errors(score, np.arange(500) % 8 != 0, 0.1)
    assert found.threshold is None
    assert "400 examples have the highest score" in found.reason


def test_the_bound_on_coverage() -> None:
    """1 - (mu - alpha) / (1 - alpha): 25 % errors can't be sieved to 5 % with more than 79 % accepted."""
    assert coverage_bound(0.25, 0.05) == pytest.approx(0.7895, abs=1e-4)
    assert coverage_bound(0.03, 0.05) == 1.0


def test_the_deltas_of_a_series_sum_to_delta() -> None:
    """Whatever its length; the first one gets 61 %."""
    assert sum(spent_delta(k) for k in range(1, 20_000)) == pytest.approx(0.05, abs=1e-5)
    assert spent_delta(1, delta=0.1) == pytest.approx(0.0608, abs=1e-4)
    with pytest.raises(InputError, match="first one is 1"):
        spent_delta(0)


def test_bad_input_is_refused_with_the_reason() -> None:
    """NaN scores, qualities out of range, lengths that differ, a delta that is no probability."""
    with pytest.raises(InputError, match="scores are NaN"):
        errors([0.1, math.nan], [1, 0], 0.1)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        errors([0.1, 0.2], [1, 2], 0.1)
    with pytest.raises(InputError, match="differ in length"):
        regret([0.1, 0.2], [1, 1], [1], 0.1)
    outcomes = Outcomes.of([0.1, 0.2], [1, 1])
    plan = error_plan(own_grid([0.1, 0.2]), 2, 0.1, 0.05)
    with pytest.raises(InputError, match=r"delta is 1\.5"):
        certify(outcomes, plan, limit=0.1, delta=1.5, generator=np.random.default_rng(0))
