"""The outcome of one controlled comparison of a candidate with the incumbent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.dataset import LabelSource
    from tierwright.core.estimate import Estimate
    from tierwright.core.experiment import SliceFinding
    from tierwright.core.ids import DatasetId, EvaluationId, ExperimentId, ModelVersionId, TaskId


class Verdict(StrEnum):
    """What the interval of the difference says about the margin."""

    #: The whole interval lies above zero.
    SUPERIOR = "superior"
    #: The whole interval lies above minus the margin.
    NON_INFERIOR = "non_inferior"
    #: The whole interval lies below minus the margin.
    INFERIOR = "inferior"
    #: The interval holds minus the margin: more labels are needed.
    UNDECIDED = "undecided"

    @property
    def allows_promotion(self) -> bool:
        """Whether a candidate with this verdict may answer real requests."""
        return self in {Verdict.SUPERIOR, Verdict.NON_INFERIOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Candidate against baseline on the same held-out examples."""

    id: EvaluationId
    task_id: TaskId
    dataset_id: DatasetId
    #: The specialist under test.
    candidate: ModelVersionId
    #: The model the incumbent's answers came from.
    baseline: str
    created_at: datetime
    #: What is compared: "cascade" (specialist above the threshold, incumbent below) or "specialist" (it alone).
    policy: str
    #: Confidence from which the candidate answers itself.
    threshold: float
    #: Share of points that may be given up, fixed beforehand, for example 0.01.
    margin: float
    #: The score, for example "accuracy" of the whole answer.
    metric: str
    #: Who says what is right; agreement with the incumbent is never called accuracy.
    reference: LabelSource
    candidate_score: Estimate
    baseline_score: Estimate
    #: Candidate minus baseline, paired.
    difference: Estimate
    #: Share of the examples that the candidate answers itself.
    local_share: Estimate
    #: Score of the candidate on the examples it answers itself; None: it answers none.
    local_score: Estimate | None
    verdict: Verdict
    #: What was registered beforehand; None: made before experiments were registered.
    experiment_id: ExperimentId | None = None
    #: Slot errors of texts, candidate minus baseline, per given attribute; None: not looked at.
    slot_difference: Estimate | None = None
    #: By the registered dimensions, the largest slice first; slices that are too small are left out.
    slices: tuple[SliceFinding, ...] = ()
    #: Share of the examples it answers itself on which the incumbent answered the same, whoever says what is right;
    #: None: it answers none, or nobody knows what the incumbent answered.
    local_agreement: Estimate | None = None
