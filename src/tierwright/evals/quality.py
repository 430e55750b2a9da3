"""How good a specialist is, answering every test example by itself.

Owns which metric an output contract is measured by, and who says what is right: people's labels where there are enough,
the incumbent's answers otherwise, never both. Refuses to know what the specialist is compared with (`evals.compare`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.evals.arms import choose_arms
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.intervals import wilson_by_group

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def quality(
    contract: OutputContract,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    level: float,
    min_gold: int,
) -> Quality:
    """The share of test examples whose whole answer is right, with a Wilson interval by near-duplicate group.

    Raises as `choose_arms` does.
    """
    arms = choose_arms(examples, predictions, min_gold=min_gold, need_incumbent=False)
    scorer = ExactAnswer(contract)
    hits = [scorer.score(right, found.output) for right, found in zip(arms.right, arms.predictions, strict=True)]
    return Quality(
        metric=scorer.name,
        estimate=wilson_by_group(hits, arms.groups, level=level),
        reference=arms.reference,
    )
