"""Which test examples a person should label, and the comparison that such labels allow.

Owns the design of a label sheet: strata, draw, order; and its evaluation. Refuses to know the file it is written to.

Where candidate and incumbent give the same answer, both are right or both are wrong: the difference of the two needs no
label there. So most of the budget goes to examples on which they differ, drawn at random; the rest, drawn from those on
which they agree, says how high both scores are. Every example has a known chance of being drawn, and the estimates use
it (`stats.sampling`).

A sheet is drawn from dataset, version, threshold, budget and seed alone, so it can be drawn again: rows added, left out
or exchanged are noticed. Its order is random, so that labelling may stop after any row. A row passed over before the
last labelled one is a different matter, since what is hard to label is seldom average: it counts as if the baseline had
been right alone at the lower end of the interval, and the candidate at the upper one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.core.evaluation import Evaluation
from tierwright.core.ids import EvaluationId, digest
from tierwright.evals.arms import check_examples
from tierwright.evals.compare import answered_locally
from tierwright.evals.judging import verdict_of
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.clusters import design_effect
from tierwright.stats.inputs import group_codes
from tierwright.stats.intervals import wilson_by_group
from tierwright.stats.sampling import Stratum, disagreement_difference, stratified_proportion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.core.dataset import Example
    from tierwright.core.feedback import Feedback
    from tierwright.core.ids import DatasetId, InferenceId, ModelVersionId
    from tierwright.core.model import Prediction
    from tierwright.evals.compare import Experiment

#: The two strata.
DIFFER, AGREE = "differ", "agree"
#: What the author of every label of a sheet begins with. Such labels are no random sample of the test examples.
AUTHOR_PREFIX = "label-sheet:"
#: Labels of a stratum below which nothing is said, where it has so many examples.
MIN_LABELS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetDesign:
    """Everything a sheet is drawn from. Raises InputError where a number makes no sense."""

    dataset_id: DatasetId
    candidate: ModelVersionId
    #: Confidence from which the candidate answers itself.
    threshold: float
    #: Labels wanted at most.
    budget: int
    #: Share of the budget for examples on which both agree.
    agreement_share: float = 0.2
    seed: int = 1

    def __post_init__(self) -> None:
        if self.budget < 2 * MIN_LABELS:
            raise InputError(f"a budget of {self.budget} labels decides nothing; give {2 * MIN_LABELS} at least")
        if not 0.0 < self.agreement_share < 1.0:
            raise InputError(
                f"the share of labels for agreements is {self.agreement_share}; give a number between 0 and 1, for "
                "example 0.2"
            )
        if not math.isfinite(self.threshold):
            raise InputError(f"the threshold is {self.threshold}; give a confidence, for example 0.8")

    @property
    def id(self) -> str:
        """The same for the same sheet."""
        numbers = (self.threshold, self.budget, self.agreement_share, self.seed)
        return digest("label sheet", self.dataset_id, self.candidate, repr(numbers), length=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One example to label."""

    example: Example
    #: "differ" or "agree".
    stratum: str
    #: Its chance of being drawn, in (0, 1].
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSheet:
    """The examples to label, in the order in which to label them."""

    design: SheetDesign
    rows: tuple[SheetRow, ...]
    #: Test examples whose incumbent's answer is known, by stratum.
    sizes: Mapping[str, int]
    #: Test examples left out because the incumbent's answer is not known.
    unscored: int

    @property
    def examples(self) -> int:
        """Test examples that can be drawn."""
        return sum(self.sizes.values())

    def drawn(self, stratum: str) -> int:
        """Rows of a stratum."""
        return sum(row.stratum == stratum for row in self.rows)

    @property
    def worth(self) -> int:
        """Labels of examples drawn alike that would tell the difference as well."""
        differ = self.sizes[DIFFER]
        return self.examples if differ == 0 else round(self.drawn(DIFFER) * self.examples / differ)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetResult:
    """What the labels of a sheet say."""

    evaluation: Evaluation
    #: Rows with a label, by stratum.
    labelled: Mapping[str, int]
    #: Rows passed over before the last labelled one; each counts against both ends of the interval.
    skipped: int
    #: Rows after the last labelled one.
    not_reached: int
    #: Labels that the task's contract does not know; neither side was right there.
    outside_contract: int


def draw_sheet(
    experiment: Experiment, design: SheetDesign, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> LabelSheet:
    """The sheet of a design; the same design on the same dataset is the same sheet.

    Raises InputError where design and experiment don't belong together, NotEnoughData where no example has the
    incumbent's answer.
    """
    _belongs(experiment, design)
    pairs = _pairs(experiment, examples, predictions)
    strata = {DIFFER: np.flatnonzero(pairs.differ), AGREE: np.flatnonzero(~pairs.differ)}
    sizes = {name: int(places.size) for name, places in strata.items()}
    counts = _shared_out(sizes, design)
    generator = np.random.default_rng(int(design.id, 16))
    rows = [
        SheetRow(example=pairs.examples[place], stratum=name, probability=counts[name] / sizes[name])
        for name, places in strata.items()
        for place in generator.choice(places, size=counts[name], replace=False).tolist()
    ]
    order = generator.permutation(len(rows)).tolist()
    return LabelSheet(
        design=design,
        rows=tuple(rows[place] for place in order),
        sizes=sizes,
        unscored=len(examples) - len(pairs.examples),
    )


def compare_by_sheet(
    experiment: Experiment,
    sheet: LabelSheet,
    labels: Mapping[InferenceId, str],
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    at: datetime,
) -> SheetResult:
    """The evaluation of a candidate by the labels of a sheet, by example id; ids that are not on it are passed over.

    Metric, margin and verdict are those of `compare` by people's labels. Raises NotEnoughData, with what is missing,
    where a stratum has too few labels.
    """
    pairs = _pairs(experiment, examples, predictions)
    last = max((place for place, row in enumerate(sheet.rows) if row.example.id in labels), default=-1)
    reached = sheet.rows[: last + 1]
    answered = [row for row in reached if row.example.id in labels]
    labelled = {name: sum(row.stratum == name for row in answered) for name in (DIFFER, AGREE)}
    for name, count in labelled.items():
        needed = min(MIN_LABELS, sheet.sizes[name])
        if count < needed:
            raise NotEnoughData(
                f"{count} of the {sheet.drawn(name)} rows of the stratum {name!r} have a label; {needed} are needed: "
                "go on labelling, from the top of the sheet"
            )
    skipped = {name: sum(row.stratum == name for row in reached) - labelled[name] for name in (DIFFER, AGREE)}
    outcomes = _outcomes(experiment, pairs, {row.example.id: labels[row.example.id] for row in answered})
    effect = design_effect(group_codes([example.group for example in pairs.examples], len(pairs.examples)))
    difference = _difference(outcomes, pairs, skipped[DIFFER], effect, experiment.level)
    groups = [example.group for example in pairs.examples]
    evaluation = Evaluation(
        id=_evaluation_id(experiment, sheet, at, outcomes),
        task_id=experiment.dataset.task_id,
        dataset_id=experiment.dataset.id,
        candidate=experiment.version.id,
        baseline=experiment.baseline,
        created_at=at,
        policy=experiment.policy,
        threshold=experiment.threshold,
        margin=experiment.margin,
        metric="accuracy",
        reference=LabelSource.HUMAN,
        candidate_score=_score(outcomes.candidate, pairs, skipped, effect, experiment.level),
        baseline_score=_score(outcomes.baseline, pairs, skipped, effect, experiment.level),
        difference=difference,
        local_share=wilson_by_group(pairs.local.astype(np.float64), groups, level=experiment.level),
        local_score=_local_score(outcomes, pairs, skipped, effect, experiment.level),
        verdict=verdict_of(difference, experiment.margin),
    )
    contract = experiment.dataset.contract
    return SheetResult(
        evaluation=evaluation,
        labelled=labelled,
        skipped=sum(skipped.values()),
        not_reached=len(sheet.rows) - len(reached),
        outside_contract=sum(bool(contract.heads) and contract.parse(labels[r.example.id]) is None for r in answered),
    )


def representative(feedback: Mapping[InferenceId, Feedback]) -> dict[InferenceId, Feedback]:
    """The words that don't come from a sheet, which are taken for a random sample."""
    return {one: word for one, word in feedback.items() if not (word.author or "").startswith(AUTHOR_PREFIX)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Test examples with the incumbent's answer known, and what both sides say; all in parallel."""

    examples: Sequence[Example]
    candidate: Sequence[str]
    local: NDArray[np.bool_]
    differ: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcomes:
    """Who was right, by place among the pairs; only places that were labelled."""

    candidate: Mapping[int, float]
    baseline: Mapping[int, float]


def _belongs(experiment: Experiment, design: SheetDesign) -> None:
    for name, had, wanted in (
        ("dataset", design.dataset_id, experiment.dataset.id),
        ("version", design.candidate, experiment.version.id),
        ("threshold", design.threshold, experiment.threshold),
    ):
        if had != wanted:
            raise InputError(
                f"the label sheet was drawn for {name} {had}, and this comparison is of {name} {wanted}: where the two "
                "differ is another question there; draw a sheet for it with `tierwright eval labels`"
            )


def _pairs(experiment: Experiment, examples: Sequence[Example], predictions: Sequence[Prediction]) -> _Pairs:
    check_examples(examples, predictions)
    known = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.incumbent_output is not None]
    if not known:
        raise NotEnoughData(
            f"none of {len(examples)} test examples has the incumbent's answer, so there is nothing to differ from: "
            "capture or import traffic of this task"
        )
    local = answered_locally(experiment, [prediction for _, prediction in known])
    scorer = ExactAnswer(experiment.dataset.contract)
    candidate = [p.output if own else str(e.incumbent_output) for (e, p), own in zip(known, local, strict=True)]
    differ = [
        scorer.score(str(example.incumbent_output), answer) == 0.0
        for (example, _), answer in zip(known, candidate, strict=True)
    ]
    return _Pairs(
        examples=[example for example, _ in known],
        candidate=candidate,
        local=np.array(local, dtype=np.bool_),
        differ=np.array(differ, dtype=np.bool_),
    )


def _shared_out(sizes: Mapping[str, int], design: SheetDesign) -> dict[str, int]:
    """Rows of each stratum; what one can't use goes to the other."""
    agree = min(sizes[AGREE], max(MIN_LABELS, round(design.budget * design.agreement_share)))
    differ = min(sizes[DIFFER], design.budget - agree)
    return {DIFFER: differ, AGREE: min(sizes[AGREE], design.budget - differ)}


def _outcomes(experiment: Experiment, pairs: _Pairs, labels: Mapping[InferenceId, str]) -> _Outcomes:
    scorer = ExactAnswer(experiment.dataset.contract)
    candidate: dict[int, float] = {}
    baseline: dict[int, float] = {}
    for place, example in enumerate(pairs.examples):
        right = labels.get(example.id)
        if right is not None:
            candidate[place] = scorer.score(right, pairs.candidate[place])
            baseline[place] = scorer.score(right, str(example.incumbent_output))
    return _Outcomes(candidate=candidate, baseline=baseline)


def _difference(outcomes: _Outcomes, pairs: _Pairs, skipped: int, effect: float, level: float) -> Estimate:
    """The paired difference; rows passed over count for the baseline at the low end, for the candidate at the high."""
    changes = [
        outcomes.candidate[place] - outcomes.baseline[place] for place in outcomes.candidate if pairs.differ[place]
    ]
    gained, lost = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    differ, n = int(pairs.differ.sum()), len(pairs.examples)

    def estimated(more_gained: int, more_lost: int) -> Estimate:
        return disagreement_difference(
            gained + more_gained,
            lost + more_lost,
            len(changes) + more_gained + more_lost,
            disagreements=differ,
            n=n,
            effect=effect,
            level=level,
        )

    found = estimated(0, 0)
    if skipped == 0:
        return found
    return Estimate(
        value=found.value,
        ci_low=estimated(0, skipped).ci_low,
        ci_high=estimated(skipped, 0).ci_high,
        level=level,
        n=found.n,
        method=f"{found.method}, {skipped} passed over counted as worst",
    )


def _score(
    right: Mapping[int, float], pairs: _Pairs, skipped: Mapping[str, int], effect: float, level: float
) -> Estimate:
    """The share of right answers of one side; rows passed over count as wrong at the low end, as right at the high."""
    parts = {
        DIFFER: (int(pairs.differ.sum()), [score for place, score in right.items() if pairs.differ[place]]),
        AGREE: (int((~pairs.differ).sum()), [score for place, score in right.items() if not pairs.differ[place]]),
    }

    def estimated(filled: float | None) -> Estimate:
        strata = [
            Stratum(size=size, values=np.array([*found, *([filled] * skipped[name] if filled is not None else [])]))
            for name, (size, found) in parts.items()
        ]
        return stratified_proportion(strata, effect=effect, level=level)

    found = estimated(None)
    if not any(skipped.values()):
        return found
    return Estimate(
        value=found.value,
        ci_low=estimated(0.0).ci_low,
        ci_high=estimated(1.0).ci_high,
        level=level,
        n=found.n,
        method=f"{found.method}, {sum(skipped.values())} passed over counted as worst",
    )


def _local_score(
    outcomes: _Outcomes, pairs: _Pairs, skipped: Mapping[str, int], effect: float, level: float
) -> Estimate | None:
    """The candidate's score where it answers itself; None: too few labels there, or rows passed over."""
    if any(skipped.values()):
        return None
    strata = []
    for differ in (True, False):
        inside = pairs.local & (pairs.differ == differ)
        values = np.array([score for place, score in outcomes.candidate.items() if inside[place]], dtype=np.float64)
        if values.size == 0 and inside.any():
            return None
        strata.append(Stratum(size=int(inside.sum()), values=values))
    return stratified_proportion(strata, effect=effect, level=level) if pairs.local.any() else None


def _evaluation_id(experiment: Experiment, sheet: LabelSheet, at: datetime, outcomes: _Outcomes) -> EvaluationId:
    told = repr((sorted(outcomes.candidate.items()), sorted(outcomes.baseline.items())))
    settings = repr((experiment.margin, experiment.level, experiment.policy, experiment.baseline))
    return EvaluationId(digest(sheet.design.id, settings, at.isoformat(), told, length=32))
