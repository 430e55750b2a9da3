"""What an experiment is to show, written down before any result is seen, and what then came out on each example."""

from __future__ import annotations

# The store and the bundle read these annotations at run time, so nothing here is imported for type checking alone.
from collections.abc import Mapping  # noqa: TC003 - as above
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - as above

from tierwright.core.dataset import LabelSource  # noqa: TC001 - as above
from tierwright.core.estimate import Estimate  # noqa: TC001 - as above
from tierwright.core.ids import DatasetId, ExperimentId, ModelVersionId, TaskId  # noqa: TC001 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version under test and how it is to serve."""

    version: ModelVersionId
    #: Confidence from which it answers itself; above 1: it never does.
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """What a number of examples would come to."""

    #: Independent examples.
    examples: int
    #: Probability that the verdict allows promotion.
    promoted: float
    #: Probability that it is "undecided".
    undecided: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How likely each verdict is before the experiment is made."""

    #: Independent test examples: groups of near-duplicates count as one where they count as copies.
    examples: int
    #: True difference, candidate minus baseline, for which the plan is made.
    assumed_difference: float
    #: What the calibration examples say of the spread, by name: "discordance", "changed" or "standard_error".
    spread: Mapping[str, Estimate]
    #: Probability of each verdict, by its name; the interval is that of the spread.
    odds: Mapping[str, Estimate]
    #: Independent examples that allow promotion in 80 % of such experiments; None: none would, or over a million.
    examples_for_80_percent: int | None
    #: The same for other numbers of examples, ascending.
    steps: tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is compared, by what, and what would prove it: fixed before a result is seen, and never changed.

    Any other margin, level, metric, threshold, sample or dataset is another experiment.
    """

    #: Hash of everything below, the plan left out.
    id: ExperimentId
    task_id: TaskId
    dataset_id: DatasetId
    #: SHA-256 of the test examples compared, in order: ids, inputs, answers, sources and groups.
    test_sha256: str
    created_at: datetime
    #: Whether `eval run` registered it just before it looked, since nobody had.
    implicit: bool
    #: Several share the error: each has its intervals at level 1 - alpha / candidates (Dunn 1961).
    candidates: tuple[Candidate, ...]
    #: The model the incumbent's answers came from.
    baseline: str
    #: "cascade" or "specialist".
    policy: str
    #: "accuracy", "agreement", "span_f1", "chrf" or "bleu".
    metric: str
    reference: LabelSource
    #: What may be given up, in the metric's own unit as a share, for example 0.01.
    margin: float
    #: Slot errors per given attribute that may be added, besides the margin; None: slots are not looked at.
    slot_margin: float | None
    #: Chance that any interval of the experiment's differences misses; 1 - alpha is the level of one candidate's.
    alpha: float
    #: True difference the size is planned for, the least worth finding; None: equally good, or, by agreement, half of
    #: the margin changed.
    min_effect: float | None
    #: Test examples compared.
    sample_size: int
    #: Dimensions by which the test examples are sliced.
    slices: tuple[str, ...]
    #: Examples of a slice below which nothing is said of it.
    min_slice: int
    #: Test examples with a person's label from which on these alone decide.
    min_gold: int
    #: Of the sample, where it is not all, and of the bootstrap.
    seed: int
    #: One plan for each candidate, in their order.
    plans: tuple[Plan, ...] = ()

    @property
    def level(self) -> float:
        """Confidence level of the interval of each candidate's difference."""
        return 1.0 - self.alpha / len(self.candidates)

    def candidate(self, version: ModelVersionId) -> Candidate | None:
        """A version's place in the experiment; None: it has none."""
        return next((found for found in self.candidates if found.version == version), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came out on one test example. It holds no text."""

    #: The example's id.
    example: str
    #: Near-duplicates share a group.
    group: str
    confidence: float
    #: Whether the candidate answered itself.
    local: bool
    #: What the metric adds up, of the candidate's answer as served: (1.0,) right, (0.0,) wrong, or counts.
    candidate: tuple[float, ...]
    #: The same of the baseline's answer.
    baseline: tuple[float, ...]
    #: Slot errors and slots checked, of the candidate's and of the baseline's answer; empty: not looked at.
    candidate_slots: tuple[float, ...] = ()
    baseline_slots: tuple[float, ...] = ()
    #: Where the example lies, by dimension.
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFinding:
    """The difference within one slice."""

    dimension: str
    value: str
    candidate_score: Estimate
    baseline_score: Estimate
    #: Candidate minus baseline; the intervals of all slices of an evaluation hold together (Bonferroni).
    difference: Estimate
