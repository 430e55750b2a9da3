"""What a judge's verdicts come to, with people's labels and without."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.evals.judge import Judged, Said
from tierwright.evals.judged import Basis, Material, judged_comparison
from tierwright.stats.sampling import disagreement_difference

WINNERS = {1.0: Said.CANDIDATE, -1.0: Said.BASELINE, 0.0: Said.NEITHER}


def material(
    truth: list[float], says: list[float], labelled: int, *, examples: int = 2000, orders: int = 2
) -> Material:
    """Disagreements with these true differences, of which the first are labelled, and a judge who says the others."""
    return Material(
        examples=examples,
        disagreements=frozenset(str(place) for place in range(len(truth))),
        judged=[
            Judged(
                id=str(place),
                first=WINNERS[said],
                second=WINNERS[said] if orders == 2 else Said.REFUSED,
            )
            for place, said in enumerate(says)
        ],
        human={str(place): found for place, found in enumerate(truth[:labelled])},
    )


def drawn(count: int, *, wins: float = 0.7) -> list[float]:
    """True differences: so many wins of the candidate, the rest of the baseline."""
    return np.random.default_rng(3).choice([1.0, -1.0], p=[wins, 1 - wins], size=count).tolist()


def test_a_judge_alone_is_shown_and_allows_nothing() -> None:
    """Without people's labels a judge sure of the candidate yields a superior verdict that allows no promotion."""
    found = judged_comparison(material(drawn(200), [1.0] * 200, 0), margin=0.01)
    assert (found.basis, found.verdict, found.allows_promotion) == (Basis.JUDGE_ALONE, Verdict.SUPERIOR, False)
    assert found.difference == found.by_judge
    assert "error not counted" in found.difference.method
    assert found.trust.human_agreement is None
    assert "nothing is promoted" in found.reason


def test_people_correct_a_judge_who_is_wrong() -> None:
    """A judge who always names the candidate, against labels that name the baseline: inferior by people's labels."""
    truth = drawn(300, wins=0.2)
    found = judged_comparison(material(truth, [1.0] * 300, 100), margin=0.01)
    assert found.basis is Basis.PREDICTION_POWERED
    assert found.by_judge.ci_low > 0
    assert found.verdict is Verdict.INFERIOR
    assert found.difference.ci_low <= sum(truth) / 2000 <= found.difference.ci_high


def test_a_good_judge_makes_few_labels_more_precise() -> None:
    """With 50 labels and a judge who is right the interval is under two thirds of that by the labels alone."""
    truth = drawn(300)
    found = judged_comparison(material(truth, truth, 50), margin=0.01)
    alone = disagreement_difference(
        sum(x > 0 for x in truth[:50]), sum(x < 0 for x in truth[:50]), 50, disagreements=300, n=2000
    )
    assert found.basis is Basis.PREDICTION_POWERED
    assert found.difference.ci_high - found.difference.ci_low < 2 / 3 * (alone.ci_high - alone.ci_low)
    assert found.allows_promotion
    assert found.trust.human_agreement is not None
    assert found.trust.human_agreement.value == 1.0
    assert found.trust.kappa is not None
    assert found.trust.kappa.value == 1.0


def test_below_thirty_labels_the_judge_adds_nothing() -> None:
    """With 29 labels people's alone count, with 9 the judge's alone."""
    truth = drawn(300)
    few = judged_comparison(material(truth, truth, 29), margin=0.01)
    assert (few.basis, few.difference.n) == (Basis.LABELS, 29)
    assert judged_comparison(material(truth, truth, 9), margin=0.01).basis is Basis.JUDGE_ALONE


def test_position_bias_is_measured() -> None:
    """Of ten pairs eight follow the order to the first place and two say the same: steady 0.2, first place 1."""
    judged = [
        *[Judged(id=str(n), first=Said.CANDIDATE, second=Said.BASELINE) for n in range(8)],
        *[Judged(id=str(n), first=Said.CANDIDATE, second=Said.CANDIDATE) for n in (8, 9)],
    ]
    ten = frozenset(str(n) for n in range(10))
    trust = judged_comparison(Material(examples=100, disagreements=ten, judged=judged, human={}), margin=0.01).trust
    assert trust.steady is not None
    assert trust.first_place is not None
    assert (trust.steady.value, trust.first_place.value) == (0.2, 1.0)


def test_a_judge_who_refuses_too_often_is_not_used() -> None:
    """No verdict at all, and more than a fifth missing, are refused with the counts; a tenth is not."""
    with pytest.raises(NotEnoughData, match="no verdict on any"):
        judged_comparison(material(drawn(20), [1.0] * 20, 0, orders=1), margin=0.01)
    judged = list(material(drawn(100), [1.0] * 100, 0).judged)
    for missing, fails in ((21, True), (10, False)):
        gone = [Judged(id=pair.id, first=Said.UNREADABLE, second=Said.REFUSED) for pair in judged[:missing]]
        found = Material(
            examples=1000,
            disagreements=frozenset(pair.id for pair in judged),
            judged=[*gone, *judged[missing:]],
            human={},
        )
        if fails:
            with pytest.raises(NotEnoughData, match=r"79 of 100 pairs \(21 questions declined, 21 answered"):
                judged_comparison(found, margin=0.01)
        else:
            assert judged_comparison(found, margin=0.01).usable == 90


def test_equal_answers_need_no_judge() -> None:
    """Where both always agree the difference is 0 by all examples, and no question was needed."""
    found = judged_comparison(Material(examples=800, disagreements=frozenset(), judged=[], human={}), margin=0.01)
    assert (found.difference.value, found.verdict, found.allows_promotion) == (0.0, Verdict.NON_INFERIOR, True)


def test_what_does_not_belong_together_is_refused() -> None:
    """A verdict on a pair that is none, a pair judged twice and a margin of 2 are refused."""
    pair = Judged(id="x", first=Said.BOTH, second=Said.BOTH)
    with pytest.raises(InputError, match="none of the disagreements"):
        Material(examples=10, disagreements=frozenset({"y"}), judged=[pair], human={})
    with pytest.raises(InputError, match="twice"):
        Material(examples=10, disagreements=frozenset({"x"}), judged=[pair, pair], human={})
    with pytest.raises(InputError, match="margin"):
        judged_comparison(Material(examples=10, disagreements=frozenset(), judged=[], human={}), margin=2.0)
