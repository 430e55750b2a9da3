"""The controlled experiment: candidate against incumbent on the same held-out examples.

Owns the paired comparison and its verdict. Refuses to know where examples come from, how the candidate was made, and
what is done with the verdict (lifecycle).

Two questions, by who says what is right (see `evals.arms`):

*People's labels* (`reference` human): is the candidate as good as the incumbent, but for a margin? Labels and fields by
accuracy, with Tango's paired score interval; spans by the F1 of their strings, texts by chrF with the incumbent's own
text as the other side, both by a paired bootstrap (`evals.metrics`).

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
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Evaluation
from tierwright.core.experiment import Outcome
from tierwright.core.ids import EvaluationId, digest
from tierwright.evals.arms import choose_arms
from tierwright.evals.judging import Terms, judged, verdict_of
from tierwright.evals.metrics import contribution, metrics_of
from tierwright.evals.scorers import ExactAnswer
from tierwright.evals.texts import slot_counts
from tierwright.stats.intervals import wilson_by_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import ExperimentId
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
    #: The figure that decides (`evals.metrics`); None: the usual one of such answers.
    metric: str | None = None
    #: Slot errors per given attribute that texts may add besides; None: not looked at.
    slot_margin: float | None = None
    #: Dimensions of slices, and the fewest examples of one.
    slices: tuple[str, ...] = ()
    min_slice: int = 30
    #: Of the bootstrap.
    seed: int = 0
    #: Where all this was registered beforehand; None: nowhere.
    registered: ExperimentId | None = None

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

    def terms(self, reference: LabelSource) -> Terms:
        """What the calculation needs. Raises as `metric_by` does."""
        return Terms(
            metric=metric_by(self.dataset.contract, reference, self.metric),
            margin=self.margin_by(reference),
            slot_margin=self.slot_margin,
            level=self.level,
            slices=self.slices,
            min_slice=self.min_slice,
            seed=self.seed,
        )


def metric_by(contract: OutputContract, reference: LabelSource, wanted: str | None) -> str:
    """The figure that decides: the one wanted, or the usual one of such answers.

    Raises NotEnoughData where there is none without people's labels, InputError where it can't be had.
    """
    possible = metrics_of(contract, by_people=reference is LabelSource.HUMAN)
    if not possible:
        raise NotEnoughData(
            "two good texts differ in wording, so likeness to the incumbent's says nothing about who is better: label "
            "test examples (`tierwright feedback import`) until people's labels decide, or put it live by hand"
        )
    if wanted is not None and wanted not in possible:
        raise InputError(
            f"the metric {wanted!r} can't decide on {contract.kind.value} answers by "
            f"{'people' if reference is LabelSource.HUMAN else 'the incumbent'}; choose {' or '.join(possible)}"
        )
    return wanted or possible[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An evaluation and what it was computed from."""

    evaluation: Evaluation
    outcomes: tuple[Outcome, ...]


def compare(
    experiment: Experiment, examples: Sequence[Example], predictions: Sequence[Prediction], *, at: datetime
) -> Evaluation:
    """The evaluation alone, as `compare_each`."""
    return compare_each(experiment, examples, predictions, at=at).evaluation


def compare_each(
    experiment: Experiment,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    at: datetime,
    sliced: Mapping[str, Mapping[str, str]] | None = None,
) -> Compared:
    """The evaluation of a candidate on the test examples of a dataset, with its predictions in the same order.

    The same experiment on the same outcomes at the same instant has the same id. `sliced` says where each example
    lies, by its id and dimension. Raises as `choose_arms` and `compared` do, and NotEnoughData where the answers are
    texts and people's labels are too few.
    """
    arms = choose_arms(examples, predictions, min_gold=experiment.min_gold)
    terms = experiment.terms(arms.reference)
    outcomes = outcomes_of(experiment, terms, arms, sliced or {})
    found = judged(terms, outcomes)
    return Compared(
        outcomes=outcomes,
        evaluation=Evaluation(
            id=_evaluation_id(experiment, at, outcomes),
            task_id=experiment.dataset.task_id,
            dataset_id=experiment.dataset.id,
            candidate=experiment.version.id,
            baseline=experiment.baseline,
            created_at=at,
            policy=experiment.policy,
            threshold=experiment.threshold,
            margin=terms.margin,
            metric=terms.metric,
            reference=arms.reference,
            candidate_score=found.figures.candidate,
            baseline_score=found.figures.baseline,
            difference=found.figures.difference,
            local_share=found.local_share,
            local_score=found.local_score,
            verdict=found.verdict,
            experiment_id=experiment.registered,
            slot_difference=found.slot_difference,
            slices=found.slices,
            local_agreement=_local_agreement(experiment, arms),
        ),
    )


def _local_agreement(experiment: Experiment, arms: Arms) -> Estimate | None:
    """How often the candidate answers itself as the incumbent did, where it is known what the incumbent did."""
    scorer = ExactAnswer(experiment.dataset.contract)
    local = answered_locally(experiment, arms.predictions)
    same = [
        (scorer.score(example.incumbent_output, found.output), example.group)
        for example, found, own in zip(arms.examples, arms.predictions, local, strict=True)
        if own and example.incumbent_output is not None
    ]
    if not same:
        return None
    return wilson_by_group([score for score, _ in same], [group for _, group in same], level=experiment.level)


def answered_locally(experiment: Experiment, predictions: Sequence[Prediction]) -> list[bool]:
    """Which of the predictions the candidate gives itself."""
    return [experiment.policy == SPECIALIST or found.confidence >= experiment.threshold for found in predictions]


def outcomes_of(
    experiment: Experiment, terms: Terms, arms: Arms, sliced: Mapping[str, Mapping[str, str]]
) -> tuple[Outcome, ...]:
    """What comes out on each example of two arms."""
    contract = experiment.dataset.contract
    rights = _all_right(contract, arms)
    local = answered_locally(experiment, arms.predictions)
    incumbent = [example.incumbent_output or "" for example in arms.examples]
    served = [p.output if own else theirs for p, own, theirs in zip(arms.predictions, local, incumbent, strict=True)]
    slots: list[tuple[tuple[float, ...], tuple[float, ...]]] = [((), ())] * len(served)
    if terms.slot_margin is not None:
        inputs = [example.input for example in arms.examples]
        ours, theirs = (slot_counts(inputs, rights, given)[0].tolist() for given in (served, incumbent))
        slots = [(tuple(one), tuple(other)) for one, other in zip(ours, theirs, strict=True)]
    return tuple(
        Outcome(
            example=example.id,
            group=example.group,
            confidence=arms.predictions[at].confidence,
            local=local[at],
            candidate=contribution(terms.metric, contract, rights[at], served[at]),
            baseline=contribution(terms.metric, contract, rights[at], incumbent[at]),
            candidate_slots=slots[at][0],
            baseline_slots=slots[at][1],
            slices=dict(sliced.get(example.id, {})),
        )
        for at, example in enumerate(arms.examples)
    )


def _all_right(contract: OutputContract, arms: Arms) -> list[list[str]]:
    """The right answers of each example: one, but for texts, where every right text of the same input counts."""
    if contract.kind is not ContractKind.TEXT:
        return [[right] for right in arms.right]
    by_input: dict[str, list[str]] = defaultdict(list)
    for example, right in zip(arms.examples, arms.right, strict=True):
        by_input[example.input].append(right)
    return [by_input[example.input] for example in arms.examples]


def _evaluation_id(experiment: Experiment, at: datetime, outcomes: Sequence[Outcome]) -> EvaluationId:
    settings = (
        experiment.threshold,
        experiment.margin,
        experiment.agreement_margin,
        experiment.level,
        experiment.min_gold,
        experiment.metric,
        experiment.slot_margin,
    )
    return EvaluationId(
        digest(
            experiment.version.id,
            experiment.dataset.id,
            experiment.baseline,
            experiment.policy,
            repr(settings),
            at.isoformat(),
            repr([(one.example, one.local, one.candidate) for one in outcomes]),
            experiment.registered or "",
            length=32,
        )
    )


__all__ = [
    "CASCADE",
    "SPECIALIST",
    "Compared",
    "Experiment",
    "compare",
    "compare_each",
    "metric_by",
    "outcomes_of",
    "verdict_of",
]
