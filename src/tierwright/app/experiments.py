"""Experiments from registration to evaluation: what is fixed beforehand, and that nothing else is looked at.

Owns the order: register, then look, once. Everything that is counted is `evals`'s; what is kept is the store's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwright.app.slicing import slice_examples
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, InvalidTransition, NotEnoughData
from tierwright.core.experiment import Candidate, Registration
from tierwright.core.ids import ExperimentId
from tierwright.economics.savings import incumbent_models
from tierwright.evals.arms import Arms
from tierwright.evals.compare import CASCADE, Experiment, compare_each, metric_by, outcomes_of
from tierwright.evals.judging import Terms, shared_verdict
from tierwright.evals.learnability import Learnability, learnability
from tierwright.evals.planning import plan
from tierwright.evals.registration import draw_sample, looks, registered, require_unchanged
from tierwright.evals.texts import slots_checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.evaluation import Evaluation, Verdict
    from tierwright.core.experiment import Outcome, Plan
    from tierwright.core.model import ModelVersion
    from tierwright.evals.registration import Looks, Sample

#: What the incumbent is called where a log does not name the model that answered.
_UNKNOWN_MODEL = "the incumbent"
#: Above every confidence: it answers nothing.
_NEVER = 1.01
#: Slot errors per given attribute that texts may add, unless it is said otherwise.
_SLOT_MARGIN = 0.01
#: Calibration examples that people labelled from which these alone say how far the sides differ.
_MIN_CALIBRATION = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person who registers an experiment may choose; None: the settings', or the usual."""

    margin: float | None = None
    alpha: float | None = None
    #: True difference to plan for.
    min_effect: float | None = None
    #: Test examples to compare; None: all that can be.
    labels: int | None = None
    metric: str | None = None
    #: Confidence from which every candidate answers; None: each its own.
    threshold: float | None = None
    slot_margin: float | None = None
    #: What the baseline is called; None: the model that the ledger names.
    baseline: str | None = None
    slices: tuple[str, ...] = ()
    min_slice: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One candidate of an experiment, evaluated."""

    registration: Registration
    evaluation: Evaluation
    #: None: of texts it can't be told whether a constant would do.
    learned: Learnability | None
    #: Earlier ones.
    looks: Looks
    #: The verdict if all looks at these test examples until this one shared the error.
    shared: Verdict


def register(parts: Parts, versions: Sequence[ModelVersion], wishes: Wishes, *, implicit: bool = False) -> Registration:
    """An experiment of these versions, kept in the store, with the power it has. No test example is answered.

    Raises InputError where the versions don't belong together or a number makes no sense, NotEnoughData where there is
    too little to compare.
    """
    rules = parts.settings.file.evaluation
    dataset = _common_dataset(parts, versions)
    sample = draw_sample(_test_examples(parts, dataset), min_gold=rules.min_gold, size=wishes.labels, seed=dataset.seed)
    metric = metric_by(dataset.contract, sample.reference, wishes.metric)
    slice_examples(parts, sample.examples, wishes.slices)
    thresholds = [_threshold(version, wishes.threshold) for version in versions]
    terms = Registration(
        id=ExperimentId(""),
        task_id=dataset.task_id,
        dataset_id=dataset.id,
        test_sha256=sample.sha256,
        created_at=parts.clock(),
        implicit=implicit,
        candidates=tuple(
            Candidate(version=version.id, threshold=at) for version, at in zip(versions, thresholds, strict=True)
        ),
        baseline=wishes.baseline or incumbent_of(parts, dataset),
        policy=CASCADE,
        metric=metric,
        reference=sample.reference,
        margin=rules.margin if wishes.margin is None else wishes.margin,
        slot_margin=_slot_margin(dataset, sample, wishes.slot_margin),
        alpha=1 - rules.level if wishes.alpha is None else wishes.alpha,
        min_effect=wishes.min_effect,
        sample_size=len(sample.examples),
        slices=wishes.slices,
        min_slice=wishes.min_slice,
        min_gold=rules.min_gold,
        seed=dataset.seed,
    )
    if not 0.0 < terms.alpha < 1.0:
        raise InputError(f"alpha is {terms.alpha}; give a number between 0 and 1, for example 0.05")
    groups = [example.group for example in sample.examples]
    plans = [_plan(parts, terms, dataset, version, groups) for version in versions]
    registration = replace(registered(terms), plans=tuple(found for found in plans if found is not None))
    parts.store.add_experiment(registration)
    return registration


def look(parts: Parts, registration: Registration) -> list[Looked]:
    """Every candidate of an experiment, evaluated once and kept.

    Raises InvalidTransition where the experiment was looked at before, InputError where the test examples or a
    candidate's threshold are no longer those registered.
    """
    done = [found for found in parts.store.evaluations(registration.task_id) if found.experiment_id == registration.id]
    if done:
        raise InvalidTransition(
            f"experiment {registration.id[:12]} was evaluated on {done[0].created_at:%Y-%m-%d %H:%M}: {done[0].id}, "
            f"{done[0].verdict.value}. A second look is a new experiment: register it with `tierwright eval plan`, and "
            "its report will say that it is not the first"
        )
    dataset = parts.store.dataset(registration.dataset_id)
    sample = require_unchanged(registration, _test_examples(parts, dataset))
    return [_look(parts, registration, candidate, dataset, sample) for candidate in registration.candidates]


def evaluate(parts: Parts, version: ModelVersion) -> Looked:
    """An experiment of one version by the settings, registered and evaluated at once."""
    return look(parts, register(parts, [version], Wishes(), implicit=True))[0]


def require_metric(parts: Parts, dataset: Dataset) -> None:
    """Raises NotEnoughData, with the reason, where no figure can decide an experiment on a dataset."""
    sample = draw_sample(
        _test_examples(parts, dataset),
        min_gold=parts.settings.file.evaluation.min_gold,
        size=None,
        seed=dataset.seed,
    )
    metric_by(dataset.contract, sample.reference, None)


def scored_examples(parts: Parts, registration: Registration) -> tuple[Example, ...]:
    """The test examples of an experiment, in order. Raises InputError where they are no longer those registered."""
    dataset = parts.store.dataset(registration.dataset_id)
    return require_unchanged(registration, _test_examples(parts, dataset)).examples


def looks_before(parts: Parts, evaluation: Evaluation, registration: Registration) -> Looks:
    """The earlier evaluations on the same test examples."""
    return looks(
        evaluation.candidate,
        registration,
        parts.store.evaluations(evaluation.task_id),
        {found.id: found for found in parts.store.experiments(evaluation.task_id)},
        before=evaluation.created_at,
    )


def _look(parts: Parts, registration: Registration, candidate: Candidate, dataset: Dataset, sample: Sample) -> Looked:
    rules = parts.settings.file.evaluation
    version = parts.store.version(candidate.version)
    examples = sample.examples
    predictions = ArtifactLoader(parts).load(version).predict([example.input for example in examples])
    found = compare_each(
        _experiment(registration, version, dataset, candidate.threshold),
        examples,
        predictions,
        at=parts.clock(),
        sliced=slice_examples(parts, examples, registration.slices),
    )
    earlier = looks_before(parts, found.evaluation, registration)
    parts.store.add_evaluation(found.evaluation, found.outcomes)
    learned = None
    if dataset.contract.kind is not ContractKind.TEXT:
        learned = learnability(
            dataset.contract, examples, predictions, level=rules.level, min_gold=_min_gold(registration)
        )
    return Looked(
        registration=registration,
        evaluation=found.evaluation,
        learned=learned,
        looks=earlier,
        shared=shared_verdict(Terms.of(registration), found.outcomes, len(earlier.of_any) + 1),
    )


def _experiment(registration: Registration, version: ModelVersion, dataset: Dataset, threshold: float) -> Experiment:
    return Experiment(
        version=version,
        dataset=dataset,
        baseline=registration.baseline,
        threshold=threshold,
        margin=registration.margin,
        policy=registration.policy,
        level=registration.level,
        min_gold=_min_gold(registration),
        metric=registration.metric,
        slot_margin=registration.slot_margin,
        slices=registration.slices,
        min_slice=registration.min_slice,
        seed=registration.seed,
        registered=registration.id,
    )


def _min_gold(registration: Registration) -> int:
    """The number by which a sample, drawn by one reference, is compared by the same one."""
    return 1 if registration.reference is LabelSource.HUMAN else registration.sample_size + 1


def _plan(
    parts: Parts, registration: Registration, dataset: Dataset, version: ModelVersion, groups: Sequence[str]
) -> Plan | None:
    """The plan of one candidate; None: the calibration examples can't say how far the sides differ."""
    candidate = registration.candidate(version.id)
    assert candidate is not None
    experiment = _experiment(registration, version, dataset, candidate.threshold)
    terms = experiment.terms(registration.reference)
    answered = [
        example
        for example in parts.store.examples(dataset.id, Split.CALIBRATION)
        if example.incumbent_output is not None
    ]
    labelled = [example for example in answered if example.source is LabelSource.HUMAN]
    by_people = registration.reference is LabelSource.HUMAN and len(labelled) >= _MIN_CALIBRATION
    outcomes = _calibrated(parts, experiment, terms, labelled if by_people else answered, by_people=by_people)
    try:
        return plan(terms, outcomes, groups, difference=registration.min_effect, by_people=by_people)
    except NotEnoughData:
        return None


def _calibrated(
    parts: Parts, experiment: Experiment, terms: Terms, examples: Sequence[Example], *, by_people: bool
) -> tuple[Outcome, ...]:
    """What comes out on calibration examples; by the incumbent's answers where people's are too few."""
    if not examples or (not by_people and terms.metric not in {"accuracy", "agreement"}):
        return ()
    predictions = ArtifactLoader(parts).load(experiment.version).predict([example.input for example in examples])
    right = [example.output if by_people else example.incumbent_output or "" for example in examples]
    arms = Arms(
        reference=LabelSource.HUMAN if by_people else LabelSource.INCUMBENT,
        examples=tuple(examples),
        predictions=tuple(predictions),
        right=tuple(right),
        unscored=0,
    )
    return outcomes_of(experiment, replace(terms, slot_margin=None), arms, {})


def _common_dataset(parts: Parts, versions: Sequence[ModelVersion]) -> Dataset:
    """The one dataset that all candidates were trained on. Raises InputError where there are several."""
    datasets = {version.dataset_id for version in versions}
    if len({version.id for version in versions}) < len(versions):
        raise InputError("a version is named twice; each candidate may be compared once")
    if len(datasets) != 1:
        raise InputError(
            "the candidates were trained on different datasets ("
            + ", ".join(f"{version.id[:12]} on {version.dataset_id[:12]}" for version in versions)
            + "); compare those of one dataset, so that all meet the same test examples"
        )
    return parts.store.dataset(versions[0].dataset_id)


def _test_examples(parts: Parts, dataset: Dataset) -> list[Example]:
    examples = parts.store.examples(dataset.id, Split.TEST)
    if not examples:
        raise NotEnoughData(f"dataset {dataset.id} has no test examples to compare on; build a larger one")
    return examples


def _threshold(version: ModelVersion, wanted: float | None) -> float:
    """The one wanted, or the calibrated one; where the calibration found none it answers nothing."""
    if wanted is not None:
        return wanted
    return _NEVER if version.threshold is None else version.threshold


def _slot_margin(dataset: Dataset, sample: Sample, wanted: float | None) -> float | None:
    """The slot errors that may be added; None where the answers are no texts made from attributes."""
    if dataset.contract.kind is not ContractKind.TEXT:
        if wanted is not None:
            raise InputError("a slot margin is for texts made from attributes; leave --slot-margin out")
        return None
    if not slots_checked([example.input for example in sample.examples], [e.output for e in sample.examples]):
        return None
    return _SLOT_MARGIN if wanted is None else wanted


def incumbent_of(parts: Parts, dataset: Dataset) -> str:
    """The model that gave the incumbent's answers."""
    models = incumbent_models(parts.store.ledger())
    return models.get(dataset.task_id, _UNKNOWN_MODEL)
