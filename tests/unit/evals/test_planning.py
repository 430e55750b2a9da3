"""What an experiment will say, before it is made."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.fakes import an_outcome
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.evals.judging import Terms, judged
from tierwright.evals.planning import agreement_odds, normal_odds, paired_odds, plan
from tierwright.stats.power import PairedDesign, power, simulated_power

ALONE = [f"t-{number}" for number in range(400)]


def calibration(candidate_only: int, baseline_only: int, n: int) -> list[object]:
    """Outcomes of n calibration examples of which so many differ."""
    found = []
    for number in range(n):
        ours = 0.0 if candidate_only <= number < candidate_only + baseline_only else 1.0
        theirs = 0.0 if number < candidate_only else 1.0
        found.append(an_outcome(number, candidate=(ours,), baseline=(theirs,)))
    return found


def test_agreement_without_changes_needs_368_examples() -> None:
    """One point at 97.5 % one-sided takes 368 examples without a change, of probability .995 ** 368."""
    assert agreement_odds(367, rate=0.005, margin=0.01, level=0.95).promoted == 0.0
    found = agreement_odds(368, rate=0.005, margin=0.01, level=0.95)
    assert found.promoted == pytest.approx(0.995**368)
    assert found.superior == 0.0


def test_agreement_is_inferior_from_the_first_count_above_the_margin() -> None:
    """Of 10 answers 3 changed prove more than 5 % (0.0667 of Clopper and Pearson's table), 2 do not (0.0252)."""
    found = agreement_odds(10, rate=0.3, margin=0.05, level=0.95)
    below = sum(math.comb(10, k) * 0.3**k * 0.7 ** (10 - k) for k in range(3))
    assert found.inferior == pytest.approx(1 - below)


def test_odds_are_a_distribution() -> None:
    """The four verdicts' probabilities add up to 1 and none is negative, by each way of counting."""
    design = PairedDesign(discordance=0.1, margin=0.02, difference=-0.01)
    for found in (
        paired_odds(design, 500, np.random.default_rng(1)),
        agreement_odds(500, rate=0.02, margin=0.02, level=0.95),
        normal_odds(0.01, difference=-0.02, margin=0.02, level=0.95),
    ):
        assert sum(found.by_name.values()) == pytest.approx(1)
        assert min(found.by_name.values()) >= 0
        assert set(found.by_name) == {"superior", "non_inferior", "undecided", "inferior"}


def test_paired_odds_agree_with_the_power_of_the_score_test() -> None:
    """Promotion is as likely as the simulated power says, and near Nam's approximation."""
    design = PairedDesign(discordance=0.08, margin=0.03)
    found = paired_odds(design, 800, np.random.default_rng(3))
    other = simulated_power(design, 800, np.random.default_rng(4), simulations=20_000)
    assert found.promoted == pytest.approx(other.value, abs=0.015)
    assert found.promoted == pytest.approx(power(design, 800).value, abs=0.03)


def test_normal_odds_worked_by_hand() -> None:
    """A margin of 3.92 standard errors at no difference: promoted when z > -1.96, superior when z > 1.96."""
    found = normal_odds(0.01, difference=0.0, margin=0.0392, level=0.95)
    assert found.promoted == pytest.approx(0.975, abs=1e-3)
    assert found.superior == pytest.approx(0.025, abs=1e-3)
    assert found.inferior == pytest.approx(0.0, abs=1e-6)


def test_plan_says_how_often_the_answer_will_be_undecided() -> None:
    """Few labels at a tight margin come out undecided mostly, many seldom; the odds' interval is the discordance's."""
    terms = Terms(metric="accuracy", margin=0.02)
    few = plan(terms, calibration(6, 6, 200), ALONE)
    many = plan(terms, calibration(6, 6, 200), [f"t-{n}" for n in range(8000)])
    assert few.odds["undecided"].value > 0.5
    assert many.odds["undecided"].value < 0.05
    assert few.odds["undecided"].ci_low < few.odds["undecided"].value < few.odds["undecided"].ci_high
    assert few.spread["discordance"].value == pytest.approx(12 / 200)
    assert few.examples_for_80_percent is not None
    step = plan(terms, calibration(6, 6, 200), [f"t-{n}" for n in range(few.examples_for_80_percent)])
    assert 1 - step.odds["undecided"].value - step.odds["inferior"].value == pytest.approx(0.8, abs=0.03)


def test_plan_without_a_discordant_calibration_example_promises_no_certainty() -> None:
    """Thirty examples on which the sides never differ still leave the answer open."""
    found = plan(Terms(metric="accuracy", margin=0.01), calibration(0, 0, 30), ALONE)
    assert found.odds["undecided"].value > 0.1


def test_near_duplicates_count_as_copies_in_the_plan() -> None:
    """Four hundred examples in forty groups of ten are planned as forty."""
    groups = [f"g-{number // 10}" for number in range(400)]
    assert plan(Terms(metric="accuracy", margin=0.02), calibration(6, 6, 200), groups).examples == 40


def test_agreement_is_planned_for_half_of_the_margin() -> None:
    """Unless it is said otherwise; a difference above 0 can't be, since the incumbent agrees with itself."""
    terms = Terms(metric="agreement", margin=0.02)
    found = plan(terms, calibration(0, 4, 200), ALONE)
    assert (found.assumed_difference, set(found.spread)) == (-0.01, {"changed"})
    with pytest.raises(InputError, match="from -1 to 0"):
        plan(terms, calibration(0, 4, 200), ALONE, difference=0.01)


def test_a_candidate_assumed_to_be_too_bad_is_never_enough() -> None:
    """At or below minus the margin no number of labels helps, and that is said."""
    found = plan(Terms(metric="accuracy", margin=0.01), calibration(6, 6, 200), ALONE, difference=-0.02)
    assert found.examples_for_80_percent is None
    assert found.odds["inferior"].value > found.odds["non_inferior"].value


def test_sums_are_planned_by_their_standard_error() -> None:
    """Span F1: four times the test examples halve the error, and the number for 80 % follows from the formula."""
    generator = np.random.default_rng(5)
    outcomes = [
        an_outcome(n, candidate=(float(a), 2.0, 2.0), baseline=(float(b), 2.0, 2.0))
        for n, (a, b) in enumerate(generator.integers(0, 3, size=(300, 2)))
    ]
    terms = Terms(metric="span_f1", margin=0.05)
    found = plan(terms, outcomes, ALONE)
    (spread,) = found.spread.values()
    needed = ((1.959964 + 0.841621) * (spread.ci_low + spread.ci_high) / 2 / 0.05) ** 2
    assert found.examples_for_80_percent == math.ceil(needed)
    assert [step.promoted for step in found.steps] == sorted(step.promoted for step in found.steps)
    figures = judged(terms, outcomes).figures.difference
    assert spread.value / math.sqrt(300) == pytest.approx((figures.ci_high - figures.ci_low) / 3.92, rel=0.1)


def test_no_calibration_is_refused() -> None:
    """Without a calibration example there is no power to state."""
    with pytest.raises(NotEnoughData, match="calibration"):
        plan(Terms(metric="accuracy", margin=0.01), [], ALONE)
