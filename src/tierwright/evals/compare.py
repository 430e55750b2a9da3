"""The controlled experiment: candidate against incumbent on the same held-out examples.

Owns the paired comparison and its verdict. Refuses to know where examples come from, how the candidate was made, and
what is done with the verdict (lifecycle).

Two questions, by who says what is right (see `evals.arms`):

*People's labels* (`reference` human, metric "accuracy"): is the candidate right as often as the incumbent, but for a
margin? The difference of the two accuracies has Tango's paired score interval.

*The incumbent's answers* (`reference` incumbent, metric "agreement"): is another answer than the incumbent's given at
most as often as the margin allows? The incumbent then agrees with itself by definition, so the difference is minus the
share of changed answers, with the exact binomial interval, and `superior` can't come out. This is the stricter
question. An answer that changes takes away at most one right answer, so a candidate that changes at most 1 % of the
answers can't be more than one point less accurate than the incumbent, whatever the truth is. It is also blind: it
counts against a specialist every error of the incumbent that it mends. A team that trusts its incumbent less may state
a wider `agreement_margin` beforehand; with an incumbent that is right in 91 of 100 cases a perfect specialist disagrees
in 9.

Every distinct input counts once, however often it was asked. Near-duplicates that share a group count as copies of one
another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.core.evaluation import Evaluation, Verdict
from tierwright.core.ids import EvaluationId, digest
from tierwright.evals.arms import choose_arms
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.intervals import clopper_pearson_by_group, wilson_by_group
from tierwright.stats.paired import paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.model import ModelVersion, Prediction
    from tierwright.evals.arms import Arms

#: The specialist above the threshold, the incumbent below: what the gateway does.
CASCADE = "cascade"
#: The specialist alone, whatever its confidence.
SPECIALIST = "specialist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is compared and what would prove it, written down before any result is seen.

    Raises InputError where the parts don't belong together or a number makes no sense.
    """

    #: The candidate.
    version: ModelVersion
    dataset: Dataset
    #: The model the incumbent's answers came from.
    baseline: str
    #: Confidence from which the candidate answers itself.
    threshold: float
    #: Accuracy that may be given up, by people's labels.
    margin: float = 0.01
    #: Share of answers that may change, where only the incumbent's are known; None: the same as `margin`.
    agreement_margin: float | None = None
    #: "cascade" or "specialist".
    policy: str = CASCADE
    #: Confidence level of every interval, two-sided.
    level: float = 0.95
    #: Test examples with a person's label from which on these alone decide.
    min_gold: int = 50

    def __post_init__(self) -> None:
        if self.version.task_id != self.dataset.task_id:
            raise InputError(
                f"version {self.version.id[:12]} was trained for task {self.version.task_id}, dataset "
                f"{self.dataset.id[:12]} is of task {self.dataset.task_id}; compare within one task"
            )
        if self.policy not in {CASCADE, SPECIALIST}:
            raise InputError(f"the policy is {self.policy!r}; choose {CASCADE!r} or {SPECIALIST!r}")
        if not math.isfinite(self.threshold):
            raise InputError(f"the threshold is {self.threshold}; give a confidence, for example 0.8")
        for name, margin in (("margin", self.margin), ("agreement margin", self.agreement_margin)):
            if margin is not None and not 0.0 < margin < 1.0:
                raise InputError(f"the {name} is {margin}; give a number between 0 and 1, for example 0.01")
        if not 0.0 < self.level < 1.0:
            raise InputError(f"the confidence level is {self.level}; give a number between 0 and 1, for example 0.95")

    def margin_by(self, reference: LabelSource) -> float:
        """The margin that counts with a reference."""
        if reference is LabelSource.INCUMBENT and self.agreement_margin is not None:
            return self.agreement_margin
        return self.margin


def compare(
    experiment: Experiment, examples: Sequence[Example], predictions: Sequence[Prediction], *, at: datetime
) -> Evaluation:
    """The evaluation of a candidate on the test examples of a dataset, with its predictions in the same order.

    The same experiment on the same outcomes at the same instant has the same id. Raises as `choose_arms` does.
    """
    arms = choose_arms(examples, predictions, min_gold=experiment.min_gold)
    local = _answered_locally(experiment, arms)
    specialist, incumbent = _outcomes(experiment.dataset, arms)
    candidate = np.where(local, specialist, incumbent)
    groups, level = arms.groups, experiment.level
    margin = experiment.margin_by(arms.reference)
    if arms.reference is LabelSource.HUMAN:
        baseline_score = wilson_by_group(incumbent, groups, level=level)
        difference = paired_difference(candidate, incumbent, groups, level=level)
    else:
        baseline_score = Estimate(
            value=1.0, ci_low=1.0, ci_high=1.0, level=level, n=len(groups), method="by definition"
        )
        difference = _minus(clopper_pearson_by_group(1.0 - candidate, groups, level=level))
    kept = np.flatnonzero(local)
    return Evaluation(
        id=_evaluation_id(experiment, at, candidate, local),
        task_id=experiment.dataset.task_id,
        dataset_id=experiment.dataset.id,
        candidate=experiment.version.id,
        baseline=experiment.baseline,
        created_at=at,
        policy=experiment.policy,
        threshold=experiment.threshold,
        margin=margin,
        metric="accuracy" if arms.reference is LabelSource.HUMAN else "agreement",
        reference=arms.reference,
        candidate_score=wilson_by_group(candidate, groups, level=level),
        baseline_score=baseline_score,
        difference=difference,
        local_share=wilson_by_group(local.astype(np.float64), groups, level=level),
        local_score=wilson_by_group(specialist[kept], [groups[place] for place in kept], level=level)
        if kept.size
        else None,
        verdict=verdict_of(difference, margin),
        local_agreement=_agreement(experiment, arms, kept),
    )


def verdict_of(difference: Estimate, margin: float) -> Verdict:
    """What the interval of a difference, candidate minus baseline, says about a margin; an end on a limit fails it."""
    if difference.ci_low > 0:
        return Verdict.SUPERIOR
    if difference.ci_low > -margin:
        return Verdict.NON_INFERIOR
    if difference.ci_high < -margin:
        return Verdict.INFERIOR
    return Verdict.UNDECIDED


def _answered_locally(experiment: Experiment, arms: Arms) -> NDArray[np.bool_]:
    if experiment.policy == SPECIALIST:
        return np.ones(len(arms.predictions), dtype=np.bool_)
    confidence = np.array([prediction.confidence for prediction in arms.predictions])
    return np.asarray(confidence >= experiment.threshold)


def _outcomes(dataset: Dataset, arms: Arms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whether the specialist, and whether the incumbent, was right on each example."""
    scorer = ExactAnswer(dataset.contract)
    specialist = [scorer.score(right, p.output) for right, p in zip(arms.right, arms.predictions, strict=True)]
    incumbent = [
        scorer.score(right, example.incumbent_output) if example.incumbent_output is not None else 0.0
        for right, example in zip(arms.right, arms.examples, strict=True)
    ]
    return np.array(specialist), np.array(incumbent)


def _agreement(experiment: Experiment, arms: Arms, kept: NDArray[np.intp]) -> Estimate | None:
    """How often the specialist answers itself as the incumbent did, where it is known what the incumbent did."""
    scorer = ExactAnswer(experiment.dataset.contract)
    known = [(arms.examples[place].incumbent_output, place) for place in kept]
    same = [(scorer.score(said, arms.predictions[place].output), place) for said, place in known if said is not None]
    if not same:
        return None
    return wilson_by_group(
        [score for score, _ in same], [arms.groups[place] for _, place in same], level=experiment.level
    )


def _minus(share: Estimate) -> Estimate:
    """Minus a share of changed answers, as a difference."""
    return Estimate(
        value=0.0 - share.value,
        ci_low=0.0 - share.ci_high,
        ci_high=0.0 - share.ci_low,
        level=share.level,
        n=share.n,
        method=f"{share.method} of changed answers",
    )


def _evaluation_id(
    experiment: Experiment, at: datetime, candidate: NDArray[np.float64], local: NDArray[np.bool_]
) -> EvaluationId:
    settings = (
        experiment.threshold,
        experiment.margin,
        experiment.agreement_margin,
        experiment.level,
        experiment.min_gold,
    )
    return EvaluationId(
        digest(
            experiment.version.id,
            experiment.dataset.id,
            experiment.baseline,
            experiment.policy,
            repr(settings),
            at.isoformat(),
            candidate.astype(np.uint8).tobytes().hex(),
            local.astype(np.uint8).tobytes().hex(),
            length=32,
        )
    )
