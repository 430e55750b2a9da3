"""Whether a task is worth a model at all."""

from __future__ import annotations

import pytest

from tests.fakes import a_contract, an_estimate, an_evaluation
from tests.unit.evals.arms_under_test import RIGHT, WRONG, an_arm_example
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import LabelSource
from tierwright.core.errors import NotLearnable
from tierwright.core.model import Prediction
from tierwright.evals.learnability import learnability, reason_to_keep
from tierwright.stats.paired import tango

CONTRACT = a_contract(RIGHT, WRONG)
FIELDS = OutputContract(
    kind=ContractKind.FIELDS,
    fields=(
        FieldSpec(name="project", values=("hadoop", "seamonkey")),
        FieldSpec(name="priority", values=("low", "high")),
    ),
    style=JsonStyle(),
)


def _predicted(*outputs: str) -> list[Prediction]:
    return [Prediction(output=output, confidence=0.5) for output in outputs]


def test_specialist_that_knows_more_than_the_majority_is_learnable() -> None:
    """60 of one label and 40 of the other, 90 right: the difference to the constant is 30 paired points."""
    examples = [an_arm_example(i, output=RIGHT if i < 60 else WRONG) for i in range(100)]
    predictions = _predicted(*[RIGHT] * 55, *[WRONG] * 5, *[WRONG] * 35, *[RIGHT] * 5)
    found = learnability(CONTRACT, examples, predictions)
    assert found.learnable
    assert found.difference == tango(35, 5, 100)
    assert found.reference is LabelSource.HUMAN
    assert (found.specialist_score.value, found.majority_score.value) == (0.9, 0.6)
    found.require()


def test_specialist_that_gives_the_majority_answer_is_not_learnable() -> None:
    """What always answers the same is refused with both scores in the reason."""
    examples = [an_arm_example(i, output=RIGHT if i < 75 else WRONG) for i in range(100)]
    found = learnability(CONTRACT, examples, _predicted(*[RIGHT] * 100))
    assert not found.learnable
    with pytest.raises(NotLearnable, match=r"75\.0%.*\+0\.0 points"):
        found.require()


def test_advantage_within_noise_is_not_learnable() -> None:
    """Two examples more than the constant are noise."""
    examples = [an_arm_example(i, output=RIGHT if i < 75 else WRONG) for i in range(100)]
    found = learnability(CONTRACT, examples, _predicted(*[RIGHT] * 75, *[WRONG] * 2, *[RIGHT] * 23))
    assert found.difference.value == pytest.approx(0.02)
    assert not found.learnable


def test_task_with_one_answer_has_nothing_to_learn() -> None:
    """One label only is refused with the advice to use a constant, though the specialist is never wrong."""
    examples = [an_arm_example(i) for i in range(100)]
    with pytest.raises(NotLearnable, match="constant"):
        learnability(CONTRACT, examples, _predicted(*[RIGHT] * 100)).require()


def test_agreement_is_the_reference_without_labels() -> None:
    """Without people's labels learnability is measured against the incumbent's answers, and says so."""
    examples = [an_arm_example(i, source=LabelSource.INCUMBENT, incumbent_right=i < 60) for i in range(100)]
    found = learnability(CONTRACT, examples, _predicted(*[RIGHT] * 60, *[WRONG] * 40))
    assert found.reference is LabelSource.INCUMBENT
    assert found.specialist_score.value == 1.0


def test_fields_are_told_apart() -> None:
    """One field that can be learned makes the answer learnable, and the field that can't is named."""
    answers = [{"project": ("hadoop", "seamonkey")[i % 2], "priority": ("low", "high")[i % 7 == 0]} for i in range(200)]
    examples = [an_arm_example(i, output=FIELDS.render(list(a.values()))) for i, a in enumerate(answers)]
    predictions = _predicted(*[FIELDS.render([a["project"], "low"]) for a in answers])
    found = learnability(FIELDS, examples, predictions)
    assert found.learnable
    assert [head.learnable for head in found.heads] == [True, False]
    assert found.unlearnable_heads == ("priority",)
    assert "'priority'" in found.reason


def test_prediction_that_breaks_the_contract_is_wrong_in_every_field() -> None:
    """Text that is no JSON object scores nothing, not an error."""
    answers = [FIELDS.render([("hadoop", "seamonkey")[i % 2], "low"]) for i in range(60)]
    examples = [an_arm_example(i, output=answer) for i, answer in enumerate(answers)]
    found = learnability(FIELDS, examples, _predicted(*["no idea"] * 60))
    assert [head.specialist_score.value for head in found.heads] == [0.0, 0.0]
    assert not found.learnable


@pytest.mark.parametrize(("share", "kept"), [(0.0, True), (0.049, True), (0.05, False), (0.8, False)])
def test_small_local_share_is_a_reason_to_keep(share: float, *, kept: bool) -> None:
    """Below five per cent answered locally the task stays where it is, whatever the verdict."""
    reason = reason_to_keep(an_evaluation(local_share=an_estimate(share)))
    assert (reason is not None) is kept
    assert reason is None or "keep the task on gpt-4o" in reason
