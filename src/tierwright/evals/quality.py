"""How good a specialist is, answering every test example by itself.

Owns which metric an output contract is measured by, and who says what is right: people's labels where there are enough,
the incumbent's answers otherwise, never both. Refuses to know what the specialist is compared with (`evals.compare`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind
from tierwright.core.errors import NotEnoughData
from tierwright.evals.arms import choose_arms, gold_needed
from tierwright.evals.scorers import ExactAnswer
from tierwright.evals.spans import span_f1
from tierwright.evals.texts import text_quality
from tierwright.stats.intervals import wilson_by_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Example, LabelSource
    from tierwright.core.estimate import Estimate
    from tierwright.core.model import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One figure of a specialist."""

    #: As the field calls it.
    metric: str
    estimate: Estimate
    #: Who says what is right.
    reference: LabelSource
    #: Further figures, by name: "accuracy" of the whole answer for spans, "slot_error_rate" for texts.
    further: Mapping[str, Estimate] = field(default_factory=dict)


def quality(
    contract: OutputContract,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    level: float,
    min_gold: int,
    seed: int,
) -> Quality:
    """How right the answers to test examples are, with an interval by near-duplicate group.

    Labels and fields: the share of whole answers that are right (Wilson). Spans: F1 of the strings. Texts: BLEU,
    every right text of the same input being a reference; both by bootstrap. Raises as `choose_arms` does.
    """
    needed = gold_needed(examples, min_gold)
    arms = choose_arms(examples, predictions, min_gold=needed, need_incumbent=False)
    answers = [found.output for found in arms.predictions]
    if contract.kind is ContractKind.TEXT:
        inputs = [example.input for example in arms.examples]
        rights: dict[str, list[str]] = defaultdict(list)
        for given, right in zip(inputs, arms.right, strict=True):
            rights[given].append(right)
        found = text_quality(
            contract, inputs, [rights[given] for given in inputs], answers, arms.groups, seed=seed, level=level
        )
        slots = {"slot_error_rate": found.slot_errors} if found.slot_errors is not None else {}
        return Quality(metric="bleu", estimate=found.bleu, reference=arms.reference, further=slots)
    scorer = ExactAnswer(contract)
    hits = [scorer.score(right, answer) for right, answer in zip(arms.right, answers, strict=True)]
    whole = Quality(
        metric=scorer.name, estimate=wilson_by_group(hits, arms.groups, level=level), reference=arms.reference
    )
    if contract.kind is not ContractKind.SPANS:
        return whole
    try:
        strings = span_f1(contract, arms.right, answers, arms.groups, seed)
    except NotEnoughData:  # there is nothing to extract anywhere, and nothing was
        return whole
    return Quality(metric="span_f1", estimate=strings, reference=arms.reference, further={whole.metric: whole.estimate})
