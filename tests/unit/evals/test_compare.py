"""The controlled experiment."""

from __future__ import annotations

import pytest

from tests.fakes import NOON, a_dataset, a_version, after, an_estimate
from tests.unit.evals.arms_under_test import RIGHT, WRONG, an_arm_example, an_experiment, arms
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.core.ids import ModelVersionId, TaskId
from tierwright.core.model import Prediction
from tierwright.evals.compare import SPECIALIST, compare, verdict_of
from tierwright.stats.intervals import clopper_pearson, wilson
from tierwright.stats.paired import tango

#: 400 examples: 320 answered locally, 300 of them right; the other 80 left to the incumbent, which has 10 wrong.
MIXED = [
    *[(True, True, 0.9)] * 280,
    *[(True, False, 0.9)] * 20,
    *[(False, True, 0.8)] * 6,
    *[(False, False, 0.9)] * 14,
    *[(False, True, 0.5)] * 70,
    *[(True, False, 0.79)] * 10,
]


def test_cascade_is_scored_on_specialist_above_and_incumbent_below_the_threshold() -> None:
    """Scores, shares and the paired difference come out as counted by hand; a confidence at the threshold is local."""
    found = compare(an_experiment(), *arms(MIXED), at=NOON)
    assert found.candidate_score == wilson(300 + 70, 400)
    assert found.baseline_score == wilson(280 + 6 + 70, 400)
    assert found.difference == tango(20, 6, 400)
    assert found.local_share == wilson(320, 400)
    assert found.local_score == wilson(300, 320)
    assert (found.metric, found.reference, found.margin) == ("accuracy", LabelSource.HUMAN, 0.01)
    assert found.verdict is Verdict.SUPERIOR


def test_specialist_policy_answers_everything_itself() -> None:
    """Without a cascade every example is local, whatever its confidence."""
    found = compare(an_experiment(policy=SPECIALIST), *arms(MIXED), at=NOON)
    assert found.candidate_score == wilson(310, 400)
    assert found.difference == tango(30, 76, 400)
    assert found.local_share.value == 1.0
    assert found.verdict is Verdict.INFERIOR


def test_cascade_that_never_answers_equals_its_incumbent() -> None:
    """Above every confidence the difference is zero with an interval that has a width, and there is no local score."""
    found = compare(an_experiment(threshold=1.01), *arms(MIXED), at=NOON)
    assert found.difference == tango(0, 0, 400)
    assert found.local_score is None
    assert found.local_share.value == 0.0


def test_agreement_is_measured_where_too_few_labels_exist() -> None:
    """With 49 of 50 labels the incumbent is the reference on every example, its own score 1 by definition."""
    examples, predictions = arms(MIXED, source=LabelSource.INCUMBENT, output=RIGHT)
    examples = [
        an_arm_example(i, incumbent_right=e.incumbent_output == RIGHT, source=LabelSource.HUMAN) if i < 49 else e
        for i, e in enumerate(examples)
    ]
    found = compare(an_experiment(), examples, predictions, at=NOON)
    changed = clopper_pearson(20 + 6, 400)
    assert (found.metric, found.reference) == ("agreement", LabelSource.INCUMBENT)
    assert found.baseline_score.value == found.baseline_score.ci_low == 1.0
    assert found.difference.value == pytest.approx(-26 / 400)
    assert (found.difference.ci_low, found.difference.ci_high) == (-changed.ci_high, -changed.ci_low)
    assert found.verdict is Verdict.INFERIOR


def test_labels_alone_decide_from_the_stated_number_on() -> None:
    """With 50 labels only these are used: examples the incumbent alone labelled change nothing."""
    gold, sure = arms([(True, True, 0.9)] * 50)
    silent = [an_arm_example(100 + i, source=LabelSource.INCUMBENT, incumbent_right=False) for i in range(500)]
    wrong = [Prediction(output=RIGHT, confidence=0.9)] * 500
    found = compare(an_experiment(), [*gold, *silent], [*sure, *wrong], at=NOON)
    assert found.reference is LabelSource.HUMAN
    assert found.difference.n == 50
    assert found.candidate_score.value == 1.0


def test_agreement_can_not_come_out_superior() -> None:
    """A specialist that changes nothing is non-inferior with enough examples and undecided with few."""
    many = arms([(True, True, 0.9)] * 400, source=LabelSource.INCUMBENT)
    few = arms([(True, True, 0.9)] * 300, source=LabelSource.INCUMBENT)
    assert compare(an_experiment(), *many, at=NOON).verdict is Verdict.NON_INFERIOR
    assert compare(an_experiment(), *few, at=NOON).verdict is Verdict.UNDECIDED


def test_agreement_margin_counts_only_for_agreement() -> None:
    """A wider margin for changed answers is used and recorded there, and never for people's labels."""
    outcomes = [*[(True, True, 0.9)] * 390, *[(False, True, 0.9)] * 10]
    experiment = an_experiment(agreement_margin=0.06)
    by_agreement = compare(experiment, *arms(outcomes, source=LabelSource.INCUMBENT), at=NOON)
    by_people = compare(experiment, *arms(outcomes), at=NOON)
    assert (by_agreement.margin, by_agreement.verdict) == (0.06, Verdict.NON_INFERIOR)
    assert (by_people.margin, by_people.verdict) == (0.01, Verdict.INFERIOR)


def test_near_duplicates_count_once() -> None:
    """Forty groups of ten examples carry the evidence of forty, so what separate examples prove they don't."""
    examples, predictions = arms([(True, True, 0.9)] * 400)
    grouped = [an_arm_example(i, group=f"g-{i // 10}") for i, _ in enumerate(examples)]
    found = compare(an_experiment(), grouped, predictions, at=NOON)
    assert found.difference.n == 40
    assert found.verdict is Verdict.UNDECIDED
    assert compare(an_experiment(), examples, predictions, at=NOON).verdict is Verdict.NON_INFERIOR


def test_answers_are_compared_in_the_contracts_form() -> None:
    """Case and a final full stop don't make an answer wrong."""
    examples, _ = arms([(True, True, 0.9)] * 60)
    found = compare(an_experiment(), examples, [Prediction(output="Card_Arrival.", confidence=0.9)] * 60, at=NOON)
    assert found.candidate_score.value == 1.0


def test_examples_without_the_incumbents_answer_are_left_out() -> None:
    """What only one side answered can't be paired, however it is labelled."""
    paired, sure = arms([(True, True, 0.9)] * 60)
    alone = [an_arm_example(100 + i, incumbent_output=None) for i in range(40)]
    found = compare(
        an_experiment(), [*paired, *alone], [*sure, *[Prediction(output=WRONG, confidence=1.0)] * 40], at=NOON
    )
    assert found.difference.n == 60
    assert found.candidate_score.value == 1.0


def test_evaluation_ids_follow_what_was_measured() -> None:
    """The same experiment on the same outcomes has the same id; another threshold, outcome or instant another one."""
    first = compare(an_experiment(), *arms(MIXED), at=NOON)
    assert compare(an_experiment(), *arms(MIXED), at=NOON) == first
    others = {
        compare(an_experiment(threshold=0.81), *arms(MIXED), at=NOON).id,
        compare(an_experiment(), *arms(MIXED[:-1]), at=NOON).id,
        compare(an_experiment(), *arms(MIXED), at=after(1)).id,
    }
    assert len(others | {first.id}) == 4


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.02, Verdict.SUPERIOR),
        (0.0, 0.02, Verdict.NON_INFERIOR),
        (-0.009, 0.02, Verdict.NON_INFERIOR),
        (-0.01, 0.02, Verdict.UNDECIDED),
        (-0.02, -0.01, Verdict.UNDECIDED),
        (-0.03, -0.011, Verdict.INFERIOR),
        (-0.009, -0.001, Verdict.NON_INFERIOR),
    ],
)
def test_verdict_follows_from_the_interval(low: float, high: float, verdict: Verdict) -> None:
    """An end on zero or on the margin does not pass it."""
    assert verdict_of(an_estimate(ci_low=low, ci_high=high), 0.01) is verdict


def test_comparison_without_test_examples_is_refused() -> None:
    """Nothing to compare is said as such, with what to do."""
    with pytest.raises(NotEnoughData, match="build it from more traffic"):
        compare(an_experiment(), [], [], at=NOON)


def test_comparison_without_any_reference_is_refused() -> None:
    """Examples whose incumbent never answered, with too few labels, leave nothing to measure by."""
    examples = [an_arm_example(i, incumbent_output=None) for i in range(10)]
    with pytest.raises(NotEnoughData, match="none of 10 test examples"):
        compare(an_experiment(), examples, [Prediction(output=RIGHT, confidence=1.0)] * 10, at=NOON)


def test_predictions_that_do_not_fit_the_examples_are_refused() -> None:
    """A missing prediction, a doubled id, a training example and a confidence that is none are each named."""
    examples, predictions = arms([(True, True, 0.9)] * 3)
    with pytest.raises(InputError, match="3 examples and 2 predictions"):
        compare(an_experiment(), examples, predictions[:2], at=NOON)
    with pytest.raises(InputError, match="twice"):
        compare(an_experiment(), [examples[0], examples[0]], predictions[:2], at=NOON)
    with pytest.raises(InputError, match="1 of 1 examples are not of the test split"):
        compare(an_experiment(), [an_arm_example(1, split=Split.TRAIN)], predictions[:1], at=NOON)
    for confidence in (float("nan"), 1.5, -0.1):
        with pytest.raises(InputError, match="prediction 0 has confidence"):
            compare(an_experiment(), examples[:1], [Prediction(output=RIGHT, confidence=confidence)], at=NOON)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": a_dataset(task_id=TaskId("task-2"))}, "compare within one task"),
        ({"policy": "shadow"}, "policy"),
        ({"threshold": float("nan")}, "threshold"),
        ({"margin": 0.0}, "margin"),
        ({"agreement_margin": 1.0}, "agreement margin"),
        ({"level": 95}, "level"),
    ],
)
def test_experiment_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    """What could not prove anything is refused before a result is seen."""
    with pytest.raises(InputError, match=message):
        an_experiment(**change)


def test_evaluation_names_what_was_compared() -> None:
    """Candidate, dataset, task and baseline are the experiment's."""
    version = a_version(id=ModelVersionId("f" * 64))
    found = compare(an_experiment(version=version), *arms(MIXED), at=NOON)
    assert (found.candidate, found.dataset_id, found.task_id) == (version.id, "dataset-1", "task-1")
    assert (found.baseline, found.policy, found.threshold) == ("gpt-4o", "cascade", 0.8)
