"""Label sheets: the draw and the comparison by their labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fakes import NOON, some_feedback
from tests.unit.evals.arms_under_test import RIGHT, an_experiment, arms
from tierwright.core.dataset import Example, LabelSource
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.core.ids import InferenceId
from tierwright.evals.compare import Experiment, compare
from tierwright.evals.label_sheet import (
    AGREE,
    AUTHOR_PREFIX,
    DIFFER,
    LabelSheet,
    SheetDesign,
    compare_by_sheet,
    draw_sheet,
    representative,
)

if TYPE_CHECKING:
    from tierwright.core.estimate import Estimate
    from tierwright.core.model import Prediction

#: 500 examples, 60 of them with two answers: 40 the candidate has right and 20 the incumbent.
OUTCOMES = [
    *[(True, False, 0.9)] * 40,
    *[(False, True, 0.9)] * 20,
    *[(True, True, 0.9)] * 300,
    *[(False, False, 0.9)] * 40,
    *[(True, True, 0.5)] * 100,
]


def a_design(experiment: Experiment, **changes: object) -> SheetDesign:
    """A design for an experiment."""
    found = SheetDesign(
        dataset_id=experiment.dataset.id, candidate=experiment.version.id, threshold=experiment.threshold, budget=50
    )
    return replace(found, **changes)  # type: ignore[arg-type]  # changed by name


def a_sheet(**changes: object) -> tuple[Experiment, LabelSheet, list[Example], list[Prediction]]:
    """A sheet on the examples above, whose labels nobody has given yet."""
    experiment = an_experiment()
    examples, predictions = arms(OUTCOMES, source=LabelSource.INCUMBENT)
    return (
        experiment,
        draw_sheet(experiment, a_design(experiment, **changes), examples, predictions),
        examples,
        predictions,
    )


def width(estimate: Estimate) -> float:
    """Of an interval."""
    return estimate.ci_high - estimate.ci_low


def all_right(sheet: LabelSheet) -> dict[InferenceId, str]:
    """The true label of every row."""
    return {row.example.id: RIGHT for row in sheet.rows}


def test_most_of_the_budget_goes_where_the_two_differ() -> None:
    """40 of 60 disagreements and 10 of 440 agreements, each with its chance; worth 333 labels drawn alike."""
    _, sheet, _, _ = a_sheet()
    assert (sheet.sizes, sheet.drawn(DIFFER), sheet.drawn(AGREE)) == ({DIFFER: 60, AGREE: 440}, 40, 10)
    assert {row.probability for row in sheet.rows} == {40 / 60, 10 / 440}
    assert sheet.worth == round(40 * 500 / 60)
    assert len({row.example.id for row in sheet.rows}) == 50


def test_budget_beyond_the_disagreements_goes_to_agreements() -> None:
    """With 200 labels all 60 disagreements are drawn and the other 140 go to agreements."""
    _, sheet, _, _ = a_sheet(budget=200)
    assert (sheet.drawn(DIFFER), sheet.drawn(AGREE)) == (60, 140)


def test_same_design_is_the_same_sheet_and_another_seed_another() -> None:
    """Ids and order repeat; with another seed they don't."""
    ids = [[row.example.id for row in a_sheet(seed=seed)[1].rows] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_every_disagreement_has_the_chance_it_is_said_to_have() -> None:
    """Over 100 seeds each of 60 disagreements is drawn near 40 times of 60."""
    experiment = an_experiment()
    examples, predictions = arms(OUTCOMES, source=LabelSource.INCUMBENT)
    drawn = np.zeros(60)
    places = {example.id: place for place, example in enumerate(examples[:60])}
    for seed in range(100):
        sheet = draw_sheet(experiment, a_design(experiment, seed=seed), examples, predictions)
        for row in sheet.rows:
            if row.stratum == DIFFER:
                drawn[places[row.example.id]] += 1
    assert np.abs(drawn / 100 - 2 / 3).max() < 4.5 * np.sqrt(2 / 9 / 100)


def test_all_disagreements_labelled_is_the_comparison_of_all_examples() -> None:
    """With every disagreement labelled the difference is that of `compare` on 500 labelled examples, to the digit."""
    experiment, sheet, examples, predictions = a_sheet(budget=80)
    found = compare_by_sheet(experiment, sheet, all_right(sheet), examples, predictions, at=NOON).evaluation
    full = compare(experiment, [replace(e, source=LabelSource.HUMAN) for e in examples], predictions, at=NOON)
    assert (found.difference.value, found.difference.ci_low, found.difference.ci_high) == pytest.approx(
        (full.difference.value, full.difference.ci_low, full.difference.ci_high)
    )
    assert (found.metric, found.reference) == ("accuracy", LabelSource.HUMAN)
    assert found.difference.n == 60
    assert found.local_share == full.local_share
    assert found.verdict is full.verdict is Verdict.SUPERIOR


def test_scores_weigh_the_strata_by_their_size() -> None:
    """20 labelled agreements stand for 440: the score is the weighted mean of the strata, and holds the true one."""
    experiment, sheet, examples, predictions = a_sheet(budget=80)
    found = compare_by_sheet(experiment, sheet, all_right(sheet), examples, predictions, at=NOON).evaluation
    seen = [e.incumbent_output == RIGHT for e in (row.example for row in sheet.rows if row.stratum == AGREE)]
    assert found.candidate_score.value == pytest.approx((60 * 40 / 60 + 440 * np.mean(seen)) / 500)
    assert found.candidate_score.ci_low < 440 / 500 < found.candidate_score.ci_high
    assert found.candidate_score.value - found.baseline_score.value == pytest.approx(found.difference.value)
    assert found.local_score is not None
    assert found.local_score.ci_low < 340 / 400 < found.local_score.ci_high


def test_labelling_may_stop_after_any_row() -> None:
    """Labels of the first 40 rows alone: nothing is skipped, ten rows are not reached, the interval is wider."""
    experiment, sheet, examples, predictions = a_sheet()
    first = {row.example.id: RIGHT for row in sheet.rows[:40]}
    whole = compare_by_sheet(experiment, sheet, all_right(sheet), examples, predictions, at=NOON)
    # At least ten agreements are wanted, and the sheet has exactly ten.
    with pytest.raises(NotEnoughData, match="'agree'"):
        compare_by_sheet(experiment, sheet, first, examples, predictions, at=NOON)
    experiment, sheet, examples, predictions = a_sheet(agreement_share=0.5)
    first = {row.example.id: RIGHT for row in sheet.rows[:40]}
    part = compare_by_sheet(experiment, sheet, first, examples, predictions, at=NOON)
    assert (part.skipped, part.not_reached) == (0, 10)
    assert width(part.evaluation.difference) > width(whole.evaluation.difference)


def test_rows_passed_over_count_as_the_worst_at_both_ends() -> None:
    """Five disagreements left out amid labelled rows widen the interval at both ends and are counted."""
    experiment, sheet, examples, predictions = a_sheet()
    labels = all_right(sheet)
    whole = compare_by_sheet(experiment, sheet, labels, examples, predictions, at=NOON).evaluation.difference
    differing = [row.example for row in sheet.rows[:-1] if row.stratum == DIFFER]
    won = [example for example in differing if example.incumbent_output != RIGHT]
    lost = [example for example in differing if example.incumbent_output == RIGHT]
    for example in (*won[:3], *lost[:2]):
        del labels[example.id]
    found = compare_by_sheet(experiment, sheet, labels, examples, predictions, at=NOON)
    assert found.skipped == 5
    assert found.evaluation.difference.ci_low < whole.ci_low
    assert found.evaluation.difference.ci_high > whole.ci_high
    assert found.evaluation.local_score is None


def test_labels_the_contract_does_not_know_are_counted() -> None:
    """A label outside of the closed set makes both wrong there, and is said."""
    experiment, sheet, examples, predictions = a_sheet()
    labels = all_right(sheet) | {sheet.rows[0].example.id: "a word nobody knows"}
    found = compare_by_sheet(experiment, sheet, labels, examples, predictions, at=NOON)
    assert found.outside_contract == 1


def test_two_that_always_agree_need_no_label_of_disagreements() -> None:
    """Without any disagreement the difference is 0 by 500 examples, whatever the labels of agreements say."""
    experiment = an_experiment()
    examples, predictions = arms([(True, True, 0.9)] * 500, source=LabelSource.INCUMBENT)
    sheet = draw_sheet(experiment, a_design(experiment), examples, predictions)
    found = compare_by_sheet(experiment, sheet, all_right(sheet), examples, predictions, at=NOON).evaluation
    assert (found.difference.value, found.difference.n) == (0.0, 500)
    assert found.verdict is Verdict.NON_INFERIOR


def test_foreign_designs_and_small_budgets_are_refused() -> None:
    """A sheet of another threshold, and a budget of 19 labels, are refused with what to do."""
    experiment, _, examples, predictions = a_sheet()
    with pytest.raises(InputError, match="drawn for threshold"):
        draw_sheet(experiment, a_design(experiment, threshold=0.7), examples, predictions)
    with pytest.raises(InputError, match="budget of 19"):
        a_design(experiment, budget=19)
    with pytest.raises(InputError, match="share of labels"):
        a_design(experiment, agreement_share=1.0)
    silent = [replace(example, incumbent_output=None) for example in examples]
    with pytest.raises(NotEnoughData, match="nothing to differ from"):
        draw_sheet(experiment, a_design(experiment), silent, predictions)


def test_labels_of_sheets_do_not_pass_for_a_random_sample() -> None:
    """Feedback by a sheet's author is left out of what a dataset is built from, and other feedback is not."""
    words = {
        InferenceId("a"): some_feedback(author=f"{AUTHOR_PREFIX}0123"),
        InferenceId("b"): some_feedback(author="ann"),
        InferenceId("c"): some_feedback(author=None),
    }
    assert set(representative(words)) == {"b", "c"}
