"""From outcomes to a verdict, with nothing but the registered terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_registration, an_outcome
from tierwright.core.errors import NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.evals.judging import Terms, judged, shared_verdict
from tierwright.stats.intervals import wilson
from tierwright.stats.paired import tango

if TYPE_CHECKING:
    from tierwright.core.experiment import Outcome


def right_and_wrong(n: int, *, ours: int, theirs: int, **changes: object) -> list[Outcome]:
    """Outcomes of n examples: the first are lost by the candidate, the next by the baseline, both right on the rest."""
    return [
        an_outcome(
            number,
            candidate=(0.0 if number < ours else 1.0,),
            baseline=(0.0 if ours <= number < ours + theirs else 1.0,),
            **changes,
        )
        for number in range(n)
    ]


def test_a_judgement_is_that_of_the_counts() -> None:
    """Scores are Wilson's, the difference Tango's, of the counts and nothing else."""
    found = judged(Terms(metric="accuracy", margin=0.01), right_and_wrong(400, ours=4, theirs=20))
    assert found.figures.candidate == wilson(396, 400)
    assert found.figures.difference == tango(20, 4, 400)
    assert found.verdict is Verdict.SUPERIOR
    assert found.slices == ()
    assert found.slot_difference is None


def test_the_terms_are_those_registered() -> None:
    """Every term of the calculation comes from the registration."""
    registration = a_registration(metric="chrf", margin=0.02, slot_margin=0.03, seed=9, min_slice=5, slices=("time",))
    assert Terms.of(registration) == Terms(
        metric="chrf", margin=0.02, slot_margin=0.03, level=0.95, slices=("time",), min_slice=5, seed=9
    )


def test_slices_are_large_enough_and_hold_together() -> None:
    """A slice of 29 is left out; of two others each interval is at 1 - 0.05 / 2."""
    outcomes = [
        *right_and_wrong(200, ours=10, theirs=0, slices={"label": "a"}),
        *right_and_wrong(100, ours=0, theirs=10, slices={"label": "b"}),
        *right_and_wrong(29, ours=0, theirs=0, slices={"label": "c"}),
        *right_and_wrong(40, ours=0, theirs=0, slices={}),
    ]
    outcomes = [
        an_outcome(n, candidate=o.candidate, baseline=o.baseline, slices=o.slices) for n, o in enumerate(outcomes)
    ]
    found = judged(Terms(metric="accuracy", margin=0.01, slices=("label", "client")), outcomes).slices
    assert [(one.dimension, one.value, one.difference.n) for one in found] == [("label", "a", 200), ("label", "b", 100)]
    assert found[0].difference == tango(0, 10, 200, level=0.975)
    assert judged(Terms(metric="accuracy", margin=0.01, slices=()), outcomes).slices == ()


@pytest.mark.parametrize(("added", "verdict"), [(0, Verdict.SUPERIOR), (2, Verdict.UNDECIDED), (30, Verdict.INFERIOR)])
def test_texts_that_lose_slots_are_not_promoted(added: int, verdict: Verdict) -> None:
    """Better likeness does not make up for more slot errors than registered: both conditions must hold."""
    outcomes = [
        an_outcome(
            n,
            candidate=(10.0, 10.0, 9.0 - n % 2) * 6,
            baseline=(10.0, 10.0, 4.0 + n % 3) * 6,
            candidate_slots=(float(n < added), 4.0),
            baseline_slots=(0.0, 4.0),
        )
        for n in range(100)
    ]
    found = judged(Terms(metric="chrf", margin=0.01, slot_margin=0.01 if added else 0.05), outcomes)
    assert found.verdict is verdict
    assert found.slot_difference is not None
    assert found.slot_difference.value == pytest.approx(added / 400)


def test_looks_that_share_the_error_prove_less() -> None:
    """What one look proves at 95 % ten looks may not at 99.5 %; a single look shares with nobody."""
    terms, outcomes = Terms(metric="accuracy", margin=0.01), right_and_wrong(400, ours=8, theirs=20)
    assert judged(terms, outcomes).verdict is shared_verdict(terms, outcomes, 1) is Verdict.SUPERIOR
    assert tango(20, 8, 400, level=0.995).ci_low < 0
    assert shared_verdict(terms, outcomes, 10) is not Verdict.SUPERIOR


def test_all_equal_outcomes_have_an_interval_by_accuracy_and_none_by_sums() -> None:
    """Where nobody ever differs shares keep an interval with a width, and sums are refused with the reason."""
    same = right_and_wrong(60, ours=0, theirs=0)
    found = judged(Terms(metric="accuracy", margin=0.01), same)
    assert found.verdict is Verdict.UNDECIDED
    assert found.figures.difference.ci_high > 0
    with pytest.raises(NotEnoughData, match="score the same"):
        judged(
            Terms(metric="span_f1", margin=0.01),
            [an_outcome(n, candidate=(1.0, 1.0, 1.0), baseline=(1.0, 1.0, 1.0)) for n in range(60)],
        )


def test_a_candidate_that_answers_nothing_has_no_local_score() -> None:
    """None, not 0; its share is 0."""
    found = judged(Terms(metric="accuracy", margin=0.01), right_and_wrong(60, ours=0, theirs=0, local=False))
    assert found.local_score is None
    assert found.local_share.value == 0.0
