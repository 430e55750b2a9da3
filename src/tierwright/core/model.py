"""A trained specialist: an artifact and where it came from. It has no stage; a `Deployment` has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import DatasetId, ModelVersionId, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A specialist's answer to one input."""

    #: In exactly the incumbent's format.
    output: str
    #: Calibrated probability that `output` is right, in [0, 1].
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A trained specialist."""

    #: SHA-256 of the artifact's manifest: the same id is the same model.
    id: ModelVersionId
    task_id: TaskId
    dataset_id: DatasetId
    #: ngram, encoder-head, …
    recipe: str
    created_at: datetime
    #: The artifact's directory.
    path: Path
    #: Fingerprint of the sentence encoder it needs; None: none.
    encoder: str | None = None
    #: Confidence from which it should answer itself, chosen on calibration data; None: it never should.
    threshold: float | None
    seed: int
    train_seconds: float
    size_bytes: int
    #: What the training measured on calibration data, by name.
    metrics: Mapping[str, Estimate]
