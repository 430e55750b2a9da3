"""The ladder: recipes from the cheapest to the dearest, each trained on the same examples.

Owns the order, which recipes learn which answers, what is skipped and why, where climbing stops, and the choice among
what was trained. All of it looks at validation examples only; the test examples belong to the experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.errors import ArtifactError, InputError, NotEnoughData
from tierwright.core.ids import ModelVersionId
from tierwright.core.model import ModelVersion
from tierwright.training.lm_weights import read_lm
from tierwright.training.recipe import TrainingSet, Unavailable
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.lora import LoraRecipe, missing_packages
from tierwright.training.recipes.ngram import NgramRecipe
from tierwright.training.recipes.span_tagger import SpanTaggerRecipe
from tierwright.training.recipes.template import TemplateRecipe
from tierwright.training.stopping import mean, why_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.estimate import Estimate
    from tierwright.specialists.encoder import Encoder
    from tierwright.training.recipe import FittedSpecialist, Recipe
    from tierwright.training.stopping import Gate

NGRAM, ENCODER_HEAD, ENCODER_TUNED = "ngram", "encoder-head", "encoder-tuned"
TEMPLATE, SPAN_TAGGER, LORA = "template", "span-tagger", "lora"
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
    #: Folder of pulled base weights.
    weights: Path
    #: Cores that training may use.
    threads: int
    seed: int
    #: Name of the language model that is tuned, in the registry; empty: none is wanted.
    lm: str = ""
    #: Whether rungs that take minutes are left out, because somebody waits.
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung of the ladder, before it is trained."""

    recipe: str
    #: Kinds of answers it learns.
    kinds: frozenset[ContractKind]
    #: Makes the recipe; raises Unavailable, with what to do, where something it needs is not here.
    make: Callable[[Means], Recipe]
    #: Whether training takes minutes.
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One recipe's outcome."""

    recipe: str
    #: "trained", "skipped" because something is missing here, or "not needed" since a cheaper rung will do.
    status: str
    #: Why it was not trained and what to do; empty: it was.
    why: str = ""
    #: None: it was not trained.
    version: ModelVersion | None = None

    @property
    def quality(self) -> Estimate | None:
        """Share of right answers on validation examples, all answered by the specialist."""
        return self.version.metrics.get("accuracy") if self.version else None

    @property
    def cascade(self) -> Estimate | None:
        """Share of right answers on validation examples, the incumbent answering below the threshold."""
        return self.version.metrics.get("cascade_accuracy") if self.version else None

    @property
    def local_share(self) -> Estimate | None:
        """Share of validation examples it would answer itself."""
        return self.version.metrics.get("local_share") if self.version else None


def _encoder_head(means: Means) -> Recipe:
    if means.encoder is not None:
        return EncoderHeadRecipe(encoder=means.encoder)
    if not means.encoder_name:
        raise Unavailable("the settings want no sentence encoder; name one in [training] encoder")
    raise Unavailable(f"the sentence encoder is not here; fetch it with `tierwright model pull {means.encoder_name}`")


def _encoder_tuned(means: Means) -> Recipe:
    _encoder_head(means)  # it begins with the frozen one
    assert means.encoder is not None
    if find_spec("torch") is None:
        raise Unavailable("tuning needs torch; install the extra: pip install 'tierwright[train]'")
    from tierwright.training.recipes.encoder_tuned import EncoderTunedRecipe  # noqa: PLC0415 - only where wanted
    from tierwright.training.weights import read_tunable  # noqa: PLC0415 - onnx takes a while to import

    try:
        base = read_tunable(means.weights / means.encoder_name)
    except ArtifactError as error:
        raise Unavailable(str(error)) from error
    return EncoderTunedRecipe(encoder=means.encoder, base=base, threads=means.threads)


def _lora(means: Means) -> Recipe:
    missing = missing_packages()
    if missing:
        raise Unavailable(f"it needs {', '.join(missing)}: install the extra with `pip install 'tierwright[train]'`")
    if not means.lm:
        raise Unavailable(
            "the settings want no language model; name one in [training] lm, `tierwright model weights` lists them"
        )
    directory = means.weights / means.lm
    if not directory.exists():
        raise Unavailable(f"the language model is not here; fetch it with `tierwright model pull {means.lm}`")
    return LoraRecipe(base=read_lm(directory), threads=means.threads)


_CLOSED = frozenset({ContractKind.LABEL, ContractKind.FIELDS})
#: Cheapest first.
LADDER = (
    Step(recipe=NGRAM, kinds=_CLOSED, make=lambda _: NgramRecipe()),
    Step(recipe=ENCODER_HEAD, kinds=_CLOSED, make=_encoder_head),
    Step(recipe=ENCODER_TUNED, kinds=_CLOSED, make=_encoder_tuned, slow=True),
    Step(recipe=TEMPLATE, kinds=frozenset({ContractKind.TEXT}), make=lambda _: TemplateRecipe()),
    Step(
        recipe=SPAN_TAGGER,
        kinds=frozenset({ContractKind.SPANS}),
        make=lambda means: SpanTaggerRecipe(encoder=means.encoder),
    ),
    Step(recipe=LORA, kinds=_CLOSED | {ContractKind.SPANS, ContractKind.TEXT}, make=_lora, slow=True),
)
RECIPES = tuple(step.recipe for step in LADDER)


def climb(
    dataset: Dataset,
    examples: Sequence[Example],
    *,
    means: Means,
    at: datetime,
    only: str | None = None,
    everything: bool = False,
    gate: Gate,
    progress: Callable[[str], None],
) -> list[Rung]:
    """Trains rung after rung, or `only` one; one that can't or need not be trained is in the list with the reason.

    Unless `everything` is wanted, climbing stops on the validation examples: after a rung that clears the gate, and
    after one that is not better than the best before it by more than noise. Test examples may be among the examples; no
    rung sees them. Raises InputError for a recipe that does not exist or does not learn such answers, NotEnoughData
    where no recipe learns them, and what the recipes raise.
    """
    kind = dataset.contract.kind
    steps = [step for step in LADDER if kind in step.kinds and not (means.quick and step.slow)]
    if not steps:
        raise NotEnoughData(f"no recipe learns {kind.value} answers: leave the task on the frontier model")
    if only is not None:
        steps = [step for step in steps if step.recipe == only]
        if not steps:
            able = ", ".join(step.recipe for step in LADDER if kind in step.kinds)
            raise InputError(f"there is no recipe {only!r} for {kind.value} answers; there are {able}")
    training = TrainingSet(
        dataset_id=dataset.id,
        contract=dataset.contract,
        examples=[example for example in examples if example.split is not Split.TEST],
    )
    rungs: list[Rung] = []
    best: FittedSpecialist | None = None
    stopped = ""
    for step in steps:
        if stopped:
            rungs.append(Rung(recipe=step.recipe, status="not needed", why=stopped))
            continue
        try:
            recipe = step.make(means)
        except Unavailable as reason:
            rungs.append(Rung(recipe=step.recipe, status="skipped", why=str(reason)))
            continue
        fitted = recipe.fit(training, artifacts=means.artifacts, seed=means.seed, progress=progress)
        rungs.append(
            Rung(
                recipe=step.recipe,
                status="trained",
                version=_version(fitted, step.recipe, dataset, means.seed, at),
            )
        )
        if not everything:
            stopped = why_stop(step.recipe, fitted, best, training.examples, gate)
        if best is None or mean(fitted.validated) > mean(best.validated):
            best = fitted
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


def _is_worth_more(dearer: Rung, cheaper: Rung) -> bool:
    gain = _value(dearer.cascade) - _value(cheaper.cascade)
    more = _value(dearer.local_share) - _value(cheaper.local_share)
    return gain >= _WORTH_ACCURACY or (gain > -_WORTH_ACCURACY and more >= _WORTH_SHARE)


def _value(estimate: Estimate | None) -> float:
    return estimate.value if estimate is not None else 0.0


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
