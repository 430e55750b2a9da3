"""What a recipe is: what it is given, what it gives back, and what every one of them can do."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from tierwright import __version__
from tierwright.specialists.artifact import FORMAT, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Example
    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import DatasetId, InferenceId
    from tierwright.specialists.encoder import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """What a recipe is given."""

    dataset_id: DatasetId
    contract: OutputContract
    #: Of the splits train and calibration.
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSpecialist:
    """What a recipe gives back."""

    #: Of the artifact.
    id: str
    path: Path
    size_bytes: int
    #: Fingerprint of the encoder it needs; None: none.
    encoder: str | None
    #: Confidence from which it should answer itself; None: it never should.
    threshold: float | None
    train_seconds: float
    #: On examples whose right answer is known, scored by a model that had not seen them: "accuracy",
    #: "incumbent_accuracy", "cascade_accuracy", "local_share".
    metrics: Mapping[str, Estimate]
    #: How right the answer to each of those examples was, in [0, 1]: what rungs are compared by, example by example.
    validated: Mapping[InferenceId, float]


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """Tierwright's version and those of installed packages, by name."""
    return {"tierwright": __version__, **{name: version(name) for name in packages}}


def manifest_of(
    training: TrainingSet, *, recipe: str, seed: int, packages: Sequence[str], encoder: Encoder | None = None
) -> Manifest:
    """What an artifact's manifest says before its files are known; the packages' arithmetic is in the weights."""
    return Manifest(
        format=FORMAT,
        recipe=recipe,
        dataset_id=training.dataset_id,
        seed=seed,
        versions=versions_of(packages),
        encoder=encoder.fingerprint if encoder is not None else None,
        files={},
    )


class Unavailable(Exception):  # noqa: N818 - a state, as in HTTP
    """Something a recipe needs is not here: the message says what, and what to do. The ladder skips the rung."""


class Recipe(Protocol):
    """What every rung can do."""

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """Trains a specialist and writes its artifact.

        Raises NotLearnable where all answers are the same, NotEnoughData where too few examples are left, InputError
        where test examples are among them, ServiceError where the artifact can't be written.
        """
