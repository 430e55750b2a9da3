"""Whether a task is worth a model at all.

Owns two refusals: *not learnable*, where the specialist alone is not better than always giving the most frequent answer
by more than noise; and *keep*, where it would answer too small a share itself to be worth running. Refuses to know how
the specialist was made and whether it beats the incumbent (`evals.compare`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotLearnable
from tierwright.core.estimate import as_percent, as_points
from tierwright.evals.arms import choose_arms
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.intervals import wilson_by_group
from tierwright.stats.paired import paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue, OutputContract
    from tierwright.core.dataset import Example, LabelSource
    from tierwright.core.estimate import Estimate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.model import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLearnability:
    """The same question for one field of the answer."""

    #: Name of the field; "label" where the answer is one.
    head: str
    specialist_score: Estimate
    majority_score: Estimate
    #: Specialist minus majority, paired.
    difference: Estimate

    @property
    def learnable(self) -> bool:
        """Whether the specialist is better by more than noise."""
        return self.difference.ci_low > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnability:
    """A specialist, alone on all test examples, against the most frequent answer."""

    #: Who says what is right.
    reference: LabelSource
    specialist_score: Estimate
    majority_score: Estimate
    #: Specialist minus majority, paired.
    difference: Estimate
    #: By field, in the contract's order; one where the answer is a label, none where it has no closed sets.
    heads: tuple[HeadLearnability, ...]

    @property
    def learnable(self) -> bool:
        """Whether the whole answer is better than the most frequent one by more than noise."""
        return self.difference.ci_low > 0

    @property
    def unlearnable_heads(self) -> tuple[str, ...]:
        """Fields the specialist does not get right more often than a constant would, though they do vary."""
        return tuple(h.head for h in self.heads if not h.learnable and h.majority_score.value < 1.0)

    @property
    def reason(self) -> str:
        """The finding in words."""
        if self.majority_score.value == 1.0:
            return (
                f"all {self.majority_score.n} test examples have the same answer: there is nothing to learn, a "
                "constant in the application does the same"
            )
        found = (
            f"the specialist alone scores {as_percent(self.specialist_score)}, always giving the most frequent answer "
            f"{as_percent(self.majority_score)}; the difference is {as_points(self.difference)}"
        )
        if not self.learnable:
            return f"{found}, not more than noise: what the answers depend on is not in the input, leave the task"
        fields = ", ".join(repr(head) for head in self.unlearnable_heads)
        return f"{found}; but a constant does as well for {fields}" if fields and len(self.heads) > 1 else found

    def require(self) -> None:
        """Raises NotLearnable, with the reason, where the task is not."""
        if not self.learnable:
            raise NotLearnable(self.reason)


def learnability(
    contract: OutputContract,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    level: float = 0.95,
    min_gold: int = 50,
) -> Learnability:
    """Whether predictions on test examples beat the most frequent right answer among the same examples.

    Taking the most frequent answer from the test examples themselves favours the constant, so noise passes less often
    than the level says. The reference is chosen as in `compare`, but the incumbent need not have answered. Raises as
    `choose_arms` does.
    """
    arms = choose_arms(examples, predictions, min_gold=min_gold, need_incumbent=False)
    scorer, groups = ExactAnswer(contract), arms.groups
    specialist = np.array([scorer.score(r, p.output) for r, p in zip(arms.right, arms.predictions, strict=True)])
    canonical = [contract.canonical(right) for right in arms.right]
    majority = _is_majority(canonical)
    parsed = [(contract.parse(r), contract.parse(p.output)) for r, p in zip(arms.right, arms.predictions, strict=True)]
    heads: list[HeadLearnability] = []
    for place, head in enumerate(contract.heads):
        wanted = [_at(right, place) for right, _ in parsed]
        hits = np.array(
            [right is not None and right == _at(given, place) for (_, given), right in zip(parsed, wanted, strict=True)]
        )
        constant = _is_majority(wanted)
        heads.append(
            HeadLearnability(
                head=head,
                specialist_score=wilson_by_group(hits, groups, level=level),
                majority_score=wilson_by_group(constant, groups, level=level),
                difference=paired_difference(hits, constant, groups, level=level),
            )
        )
    return Learnability(
        reference=arms.reference,
        specialist_score=wilson_by_group(specialist, groups, level=level),
        majority_score=wilson_by_group(majority, groups, level=level),
        difference=paired_difference(specialist, majority, groups, level=level),
        heads=tuple(heads),
    )


def reason_to_keep(evaluation: Evaluation, *, min_local_share: float = 0.05) -> str | None:
    """Why the task should stay with its incumbent though the specialist may be good enough; None: no reason.

    Whatever the verdict: a cascade that leaves nearly everything to the incumbent is as good as the incumbent, saves
    nothing and is one more thing to run.
    """
    share = evaluation.local_share
    if share.value >= min_local_share:
        return None
    return (
        f"at confidence {evaluation.threshold:g} the specialist would answer {as_percent(share)} itself, less than the "
        f"{min_local_share:.0%} from which it is worth running: keep the task on {evaluation.baseline}"
    )


def _is_majority(answers: Sequence[object]) -> NDArray[np.float64]:
    """1 where an answer is the most frequent one; ties go to the first seen."""
    most_frequent = Counter(answers).most_common(1)[0][0]
    return np.array([float(answer == most_frequent) for answer in answers])


def _at(values: tuple[FieldValue, ...] | None, place: int) -> tuple[str, FieldValue] | None:
    """One value with its type, so that True is not 1; None where the answer breaks the contract."""
    return None if values is None else (type(values[place]).__name__, values[place])
