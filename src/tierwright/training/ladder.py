"""The ladder: recipes from the cheapest to the dearest, each trained on the same examples.

Owns the order, what is skipped and why, and the choice among what was trained. The choice looks at calibration examples
only; the test examples belong to the experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tierwright.core.dataset import Split
from tierwright.core.errors import InputError
from tierwright.core.ids import ModelVersionId
from tierwright.core.model import ModelVersion
from tierwright.training.fitting import FittedSpecialist, TrainingSet
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.estimate import Estimate
    from tierwright.specialists.encoder import Encoder

NGRAM, ENCODER_HEAD = "ngram", "encoder-head"
#: Cheapest first.
RECIPES = (NGRAM, ENCODER_HEAD)
#: What makes a dearer rung worth it: points of the cascade, or share of the traffic.
_WORTH_ACCURACY, _WORTH_SHARE = 0.005, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What training may use."""

    #: None: it was not pulled.
    encoder: Encoder | None
    #: Its name in the registry, for messages; empty: none is wanted.
    encoder_name: str
    #: Folder that artifacts are written into.
    artifacts: Path
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One recipe's outcome."""

    recipe: str
    #: "trained" or "skipped".
    status: str
    #: Why it was skipped and what to do; empty: it was trained.
    why: str = ""
    #: None: it was skipped.
    version: ModelVersion | None = None

    @property
    def quality(self) -> Estimate | None:
        """Share of right answers on calibration examples, all answered by the specialist."""
        return self.version.metrics.get("accuracy") if self.version else None

    @property
    def cascade(self) -> Estimate | None:
        """Share of right answers on calibration examples, the incumbent answering below the threshold."""
        return self.version.metrics.get("cascade_accuracy") if self.version else None

    @property
    def local_share(self) -> Estimate | None:
        """Share of calibration examples it would answer itself."""
        return self.version.metrics.get("local_share") if self.version else None


def climb(
    dataset: Dataset,
    examples: Sequence[Example],
    *,
    means: Means,
    at: datetime,
    only: str | None,
    progress: Callable[[str], None],
) -> list[Rung]:
    """Trains every rung, or `only` one; a rung that can't be trained here is in the list with the reason.

    Test examples may be among the examples; no rung sees them. Raises InputError for a recipe that does not exist, and
    what the recipes raise.
    """
    if only is not None and only not in RECIPES:
        raise InputError(f"there is no recipe {only!r}; there are {', '.join(RECIPES)}")
    training = TrainingSet(
        dataset_id=dataset.id,
        contract=dataset.contract,
        examples=[example for example in examples if example.split is not Split.TEST],
    )
    rungs: list[Rung] = []
    for name in RECIPES if only is None else (only,):
        recipe: Recipe = NgramRecipe()
        if name == ENCODER_HEAD:
            if means.encoder is None:
                rungs.append(Rung(recipe=name, status="skipped", why=_no_encoder(means.encoder_name)))
                continue
            recipe = EncoderHeadRecipe(encoder=means.encoder)
        fitted = recipe.fit(training, artifacts=means.artifacts, seed=means.seed, progress=progress)
        rungs.append(Rung(recipe=name, status="trained", version=_version(fitted, name, dataset, means.seed, at)))
    return rungs


def choose(rungs: Sequence[Rung]) -> ModelVersion | None:
    """The version to take: the cheapest whose cascade no dearer one beats by half a point or more.

    Where cascades are that close, one that answers five points more of the traffic itself is worth its price.
    """
    chosen: Rung | None = None
    for rung in rungs:
        if rung.version is not None and (chosen is None or _is_worth_more(rung, chosen)):
            chosen = rung
    return chosen.version if chosen else None


class Recipe(Protocol):
    """What every rung can do."""

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """Trains a specialist and writes its artifact."""


def _is_worth_more(dearer: Rung, cheaper: Rung) -> bool:
    gain = _value(dearer.cascade) - _value(cheaper.cascade)
    more = _value(dearer.local_share) - _value(cheaper.local_share)
    return gain >= _WORTH_ACCURACY or (gain > -_WORTH_ACCURACY and more >= _WORTH_SHARE)


def _value(estimate: Estimate | None) -> float:
    return estimate.value if estimate is not None else 0.0


def _no_encoder(name: str) -> str:
    if not name:
        return "the settings want no sentence encoder; name one in [training] encoder"
    return f"the sentence encoder is not here; fetch it with `tierwright model pull {name}`"


def _version(fitted: FittedSpecialist, recipe: str, dataset: Dataset, seed: int, at: datetime) -> ModelVersion:
    return ModelVersion(
        id=ModelVersionId(fitted.id),
        task_id=dataset.task_id,
        dataset_id=dataset.id,
        recipe=recipe,
        created_at=at,
        path=fitted.path,
        encoder=fitted.encoder,
        threshold=fitted.threshold,
        seed=seed,
        train_seconds=fitted.train_seconds,
        size_bytes=fitted.size_bytes,
        metrics=fitted.metrics,
    )
