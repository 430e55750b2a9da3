"""Fits a version's confidence anew on fresh labels and certifies a threshold on others, so that its guarantee holds.

Owns which labels are used for what; the statistics are `stats`' and `training`'s. People's answers since the version's
dataset are split in three, near-duplicates together: a fifth fits the map from confidence to correctness, two fifths
certify the threshold, two fifths are left for the experiment (`tierwright eval run`), which the gate asks for. The
certificate is the k-th of a series and spends 6 delta / (pi k)^2: all of them together are wrong with probability delta
at most. It is about requests like the labelled ones; where these differ in confidence from the rest of the traffic,
they are no random sample of it, and nothing is certified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright.app.training_settings import word_limits
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.certificate import Risk
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import ArtifactError, InputError, NotEnoughData
from tierwright.core.ids import DatasetId, ModelVersionId
from tierwright.core.model import ModelVersion
from tierwright.curation.dataset import SplitPlan, build_dataset
from tierwright.evals.certify import Goal, certificate
from tierwright.lifecycle.traffic import Reader
from tierwright.specialists.artifact import Recalibration, read_manifest, recalibrate_artifact
from tierwright.specialists.linear import Confidence
from tierwright.stats.permutation import Design
from tierwright.stats.risk_control import Outcomes, certify, spent_delta
from tierwright.stats.thresholds import error_plan, grid_of
from tierwright.stats.two_sample import distance_test
from tierwright.training.calibration import fit_confidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.protocols import Predictor
    from tierwright.core.task import Task
    from tierwright.stats.risk_control import Certified
    from tierwright.stats.two_sample import Comparison

#: Shares of the fresh labels for certifying and for the experiment; the rest fits the map.
_PLAN = SplitPlan(test_share=0.4, calibration_share=0.4, min_human=1)
#: Unlabelled requests that make the grid of thresholds and that the labelled ones are compared with.
_TRAFFIC = 2000
#: Probability below which the labelled requests are not taken for a random sample.
_NOT_RANDOM = 0.01
#: Slope below which confidence says next to nothing about correctness.
_FLAT = 0.05
#: The first certificate is that of the version as it was trained.
_FIRST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibrated:
    """What came of it."""

    #: Kept in the store, also where nothing could be certified: each attempt counts.
    version: ModelVersion
    record: Recalibration
    dataset: Dataset
    #: Slope and intercept, in log-odds, from the old confidence to the new one.
    line: tuple[float, float]
    certified: Certified
    #: Labelled against unlabelled requests, by confidence.
    likeness: Comparison


def recalibrate(
    parts: Parts, version: ModelVersion, *, since: datetime | None, level: float, delta: float
) -> Recalibrated:
    """The version with a new map and threshold, kept in the store. Raises NotEnoughData where labels are too few."""
    if not 0 < level < 1 or not 0 < delta < 1:
        raise InputError(f"level {level} and delta {delta} must lie between 0 and 1, for example 0.05")
    task = parts.store.task(version.task_id)
    manifest = read_manifest(version.path)
    origin = version.id if manifest.recalibration is msgspec.UNSET else manifest.recalibration.origin
    number = _FIRST + sum(_of_series(other, origin) for other in parts.store.versions(task.id))
    spent = spent_delta(number, delta=delta)
    dataset, examples, unlabelled = _fresh(parts, task, version, since)
    predictor, seed = ArtifactLoader(parts).load(version), parts.settings.file.training.seed
    line = _line(predictor, dataset, [one for one in examples if one.split is Split.TRAIN])
    judged = _one_of_each_group([one for one in examples if one.split is Split.CALIBRATION])
    sure, right = _judged(predictor, dataset, judged)
    traffic = np.array([found.confidence for found in predictor.predict(unlabelled)])
    generator = np.random.default_rng([seed, number])
    likeness = distance_test(
        np.concatenate([sure, traffic]), Design.of(np.arange(len(sure) + len(traffic)) < len(sure)), generator
    )
    if likeness.p_value <= _NOT_RANDOM:
        raise NotEnoughData(
            f"the {len(judged)} labelled requests differ in confidence from the rest of the traffic (p = "
            f"{likeness.p_value:.2g}): they are no random sample of it, so what is true of them need not be true of "
            "the traffic. Have a random sample of requests labelled, right answers too, and say so again"
        )
    scores, grid_scores = (_mapped(line, values) for values in (sure, traffic))
    plan = error_plan(grid_of(grid_scores), len(scores), level, spent, confidences=grid_scores, generator=generator)
    found = certify(Outcomes.of(scores, right.astype(np.float64)), plan, limit=level, delta=spent, generator=generator)
    record = Recalibration(
        parent=version.id,
        origin=origin,
        number=number,
        dataset_id=dataset.id,
        level=level,
        delta=delta,
        spent=spent,
        threshold=found.threshold,
    )
    made = _written(parts, version, record, line, found)
    parts.store.add_dataset(dataset, examples)
    parts.store.add_version(made)
    goal = Goal(risk=Risk.ERROR, level=level, delta=spent, seed=seed)
    kept = certificate(made, goal, found, n=len(judged), reference=LabelSource.HUMAN, at=made.created_at)
    parts.store.add_certificate(kept)
    return Recalibrated(version=made, record=record, dataset=dataset, line=line, certified=found, likeness=likeness)


def _of_series(version: ModelVersion, origin: str) -> bool:
    """Whether a version is an earlier recalibration of a series; one whose artifact is gone is counted, to be safe."""
    try:
        manifest = read_manifest(version.path)
    except ArtifactError:
        return True
    return manifest.recalibration is not msgspec.UNSET and manifest.recalibration.origin == origin


def _fresh(
    parts: Parts, task: Task, version: ModelVersion, since: datetime | None
) -> tuple[Dataset, list[Example], list[str]]:
    """A dataset of what people labelled since the version's own dataset, and inputs of other requests since."""
    known = parts.store.examples(version.dataset_id)
    begin = since or max((example.created_at for example in known), default=None)
    used = {example.id for example in known}
    feedback = parts.store.feedback_of_task(task.id)
    reader = Reader(task=task, contract=task.contract)
    new = [
        inference
        for inference in parts.store.scan(since=begin, task_id=task.id)
        if inference.id in feedback and inference.id not in used
    ]
    rest = (one for one in parts.store.scan(since=begin, task_id=task.id) if one.id not in feedback)
    seed = parts.settings.file.training.seed
    # One of equal inputs, as in the dataset.
    others = list(dict.fromkeys(found.input for found in reader.sample(rest, seed=seed)))
    if len(others) < 2:
        raise NotEnoughData(
            f"there are {len(others)} unlabelled requests since {begin}, by which thresholds are chosen and the "
            "labelled ones judged; wait for traffic, or give an earlier --since"
        )
    chosen = np.random.default_rng(seed).permutation(len(others))[:_TRAFFIC]
    dataset, examples = build_dataset(
        task,
        new,
        {one.id: feedback[one.id] for one in new},
        seed=seed,
        at=parts.clock(),
        limits=word_limits(parts.settings.file.training),
        plan=_PLAN,
    )
    if dataset.contract.kind is ContractKind.TEXT:
        raise NotEnoughData("two good texts differ in wording, so right answers can't be counted for texts")
    return dataset, examples, [others[at] for at in np.sort(chosen).tolist()]


def _line(predictor: Predictor, dataset: Dataset, examples: Sequence[Example]) -> tuple[float, float]:
    sure, right = _judged(predictor, dataset, examples)
    found = fit_confidence(sure, right)
    if found.slope < _FLAT:
        raise NotEnoughData(
            "confidence says next to nothing about which of the fresh answers are right, so no threshold on it would "
            "help; train the model again with `tierwright model train`"
        )
    return found.slope, found.intercept


def _judged(
    predictor: Predictor, dataset: Dataset, examples: Sequence[Example]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence in the answer to each example, and whether it is right."""
    if not examples:
        raise NotEnoughData("too few fresh labels to fit, certify and test with; have more requests labelled")
    found = predictor.predict([example.input for example in examples])
    right = [
        dataset.contract.canonical(one.output) == example.output for one, example in zip(found, examples, strict=True)
    ]
    return np.array([one.confidence for one in found]), np.array(right, dtype=np.bool_)


def _one_of_each_group(examples: Sequence[Example]) -> list[Example]:
    """The first of each group of near-duplicates: a certificate wants independent examples."""
    return list({example.group: example for example in reversed(examples)}.values())


def _mapped(line: tuple[float, float], confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    return Confidence(slope=line[0], intercept=line[1]).calibrated(confidence)


def _written(
    parts: Parts, version: ModelVersion, record: Recalibration, line: tuple[float, float], found: Certified
) -> ModelVersion:
    identity, path = recalibrate_artifact(parts.settings.artifacts, version.path, line=line, recalibration=record)
    metrics = {"local_share": found.coverage, "local_error": found.realised_risk}
    return ModelVersion(
        id=ModelVersionId(identity),
        task_id=version.task_id,
        dataset_id=DatasetId(record.dataset_id),
        recipe=version.recipe,
        created_at=parts.clock(),
        path=path,
        encoder=version.encoder,
        threshold=found.threshold,
        seed=version.seed,
        train_seconds=version.train_seconds,
        size_bytes=sum(file.stat().st_size for file in path.iterdir()),
        metrics={name: value for name, value in metrics.items() if value is not None},
    )
