"""Test examples and predictions of a label task, built from who was right on which example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes import a_contract, a_dataset, a_version, after, an_example
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.ids import InferenceId
from tierwright.core.model import Prediction
from tierwright.evals.compare import Experiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.dataset import Example

#: The right answer of every example here, and the wrong one.
RIGHT, WRONG = "card_arrival", "card_lost"


def an_arm_example(number: int, *, incumbent_right: bool = True, **changes: Any) -> Example:
    """A test example a person has labelled, alone in its group."""
    fields: dict[str, Any] = {
        "id": InferenceId(f"i-{number:06d}"),
        "input": f"input {number}",
        "output": RIGHT,
        "source": LabelSource.HUMAN,
        "incumbent_output": RIGHT if incumbent_right else WRONG,
        "split": Split.TEST,
        "group": f"g-{number:06d}",
        "created_at": after(number),
    }
    return an_example(**fields | changes)


def arms(outcomes: Sequence[tuple[bool, bool, float]], **changes: Any) -> tuple[list[Example], list[Prediction]]:
    """Examples and predictions from (specialist right, incumbent right, confidence)."""
    examples = [an_arm_example(i, incumbent_right=right, **changes) for i, (_, right, _) in enumerate(outcomes)]
    predictions = [Prediction(output=RIGHT if right else WRONG, confidence=sure) for right, _, sure in outcomes]
    return examples, predictions


def an_experiment(**changes: Any) -> Experiment:
    """A cascade at 0.8 with the usual margin of one point."""
    fields: dict[str, Any] = {
        "version": a_version(),
        "dataset": a_dataset(contract=a_contract(RIGHT, WRONG)),
        "baseline": "gpt-4o",
        "threshold": 0.8,
    }
    return Experiment(**fields | changes)
