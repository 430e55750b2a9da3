"""What share of a task a specialist may answer at a certified risk, or that nothing could be certified."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.dataset import LabelSource
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import CertificateId, DatasetId, ModelVersionId, TaskId


class Risk(StrEnum):
    """What is kept below a level."""

    #: The share of wrong answers among those the specialist gives itself.
    ERROR = "R1"
    #: The accuracy given up against the baseline, over all requests.
    REGRET = "R2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The outcome of one attempt to certify a threshold; refusals are kept too, since each attempt is a look at labels.

    With probability 1 - delta over the drawing of the labelled examples the risk at the threshold is below the level,
    for requests like those examples.
    """

    id: CertificateId
    task_id: TaskId
    #: Where the labelled examples are from: a split that the version has not seen.
    dataset_id: DatasetId
    model_version_id: ModelVersionId
    created_at: datetime
    risk: Risk
    #: The risk that is kept below, in (0, 1).
    level: float
    #: The accepted probability of a wrong certificate, in (0, 1).
    delta: float
    #: Confidence from which the specialist may answer; None: nothing could be certified.
    threshold: float | None
    #: Independent labelled examples: one for each group of near-duplicates.
    n: int
    #: Of the choice among near-duplicates and of the plan.
    seed: int
    #: Who says what is right.
    reference: LabelSource
    #: Share of the examples that the specialist may answer; None: as the threshold.
    coverage: Estimate | None
    #: The risk seen on the examples; None: as the threshold.
    realised_risk: Estimate | None
    #: Labelled examples that would do; None: no number would.
    labels_needed: int | None
    #: In words.
    reason: str

    @property
    def certified(self) -> bool:
        """Whether there is a threshold."""
        return self.threshold is not None
