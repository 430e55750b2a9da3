"""What candidate and baseline are measured by: the right answers, from one source, and the examples that have one.

Owns the choice between people's labels and the incumbent's answers. The two are never mixed: as soon as enough test
examples carry a person's label those alone are used; until then the incumbent's answers stand for the right ones, and
what is measured is agreement. Refuses to know how the arms are compared.

A person's labels must be a random sample of the test examples. Corrections that people send in only where an answer was
wrong are not: measured by them the incumbent looks worse than it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.dataset import Example
    from tierwright.core.model import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Test examples with the answers of both sides; all sequences run in parallel."""

    #: Who says what is right.
    reference: LabelSource
    examples: tuple[Example, ...]
    predictions: tuple[Prediction, ...]
    #: The right answers.
    right: tuple[str, ...]
    #: Test examples left out because the reference or the incumbent's answer is not known.
    unscored: int

    @property
    def groups(self) -> list[str]:
        """The near-duplicate group of each example."""
        return [example.group for example in self.examples]


def choose_arms(
    examples: Sequence[Example], predictions: Sequence[Prediction], *, min_gold: int, need_incumbent: bool = True
) -> Arms:
    """The arms of a comparison, by people's labels where at least `min_gold` test examples have one.

    With `need_incumbent` only examples whose incumbent answer is known are used, since both sides must have answered.
    Raises InputError where predictions and examples don't belong together, an id occurs twice, an example is not of
    the test split or a confidence is no probability; NotEnoughData where no example can be scored.
    """
    check_examples(examples, predictions)
    pairs = [
        (example, prediction)
        for example, prediction in zip(examples, predictions, strict=True)
        if example.incumbent_output is not None or not need_incumbent
    ]
    gold = [(example, prediction) for example, prediction in pairs if example.source is LabelSource.HUMAN]
    if gold and len(gold) >= min_gold:
        return Arms(
            reference=LabelSource.HUMAN,
            examples=tuple(example for example, _ in gold),
            predictions=tuple(prediction for _, prediction in gold),
            right=tuple(example.output for example, _ in gold),
            unscored=len(examples) - len(gold),
        )
    known = [(e, p, e.incumbent_output) for e, p in pairs if e.incumbent_output is not None]
    if not known:
        raise NotEnoughData(
            f"none of {len(examples)} test examples has the incumbent's answer, and only {len(gold)} of the "
            f"{min_gold} required have a person's label: capture or import more traffic, or add feedback"
        )
    return Arms(
        reference=LabelSource.INCUMBENT,
        examples=tuple(example for example, _, _ in known),
        predictions=tuple(prediction for _, prediction, _ in known),
        right=tuple(answer for _, _, answer in known),
        unscored=len(examples) - len(known),
    )


def gold_needed(examples: Sequence[Example], min_gold: int) -> int:
    """People's labels from which they alone count: where there is no incumbent to stand in, however few."""
    return min_gold if any(example.incumbent_output is not None for example in examples) else 1


def check_examples(examples: Sequence[Example], predictions: Sequence[Prediction]) -> None:
    """Raises as `choose_arms` does where examples and predictions can't be compared at all."""
    if len(examples) != len(predictions):
        raise InputError(
            f"there are {len(examples)} examples and {len(predictions)} predictions; predict each example once"
        )
    if not examples:
        raise NotEnoughData("the dataset has no test examples, so nothing can be compared: build it from more traffic")
    if len({example.id for example in examples}) < len(examples):
        raise InputError("an example occurs twice among the test examples; each may count once")
    strangers = sum(example.split is not Split.TEST for example in examples)
    if strangers:
        raise InputError(
            f"{strangers} of {len(examples)} examples are not of the test split; a comparison on what the model was "
            "fitted or calibrated on proves nothing"
        )
    for place, prediction in enumerate(predictions):
        if not (math.isfinite(prediction.confidence) and 0.0 <= prediction.confidence <= 1.0):
            raise InputError(
                f"prediction {place} has confidence {prediction.confidence}; a calibrated probability lies in [0, 1]"
            )
