"""An experiment, written down before anybody looks; and whether what is looked at later is still that experiment.

Owns the hash of the test examples, the sample, the registration's id, and how often these test examples were looked at
before. Refuses to know how predictions are made and where registrations are kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.ids import ExperimentId, digest
from tierwright.core.model import Prediction
from tierwright.evals.arms import choose_arms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tierwright.core.dataset import Example
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.experiment import Registration
    from tierwright.core.ids import ModelVersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The test examples of an experiment."""

    reference: LabelSource
    examples: tuple[Example, ...]

    @property
    def sha256(self) -> str:
        """Of ids, inputs, answers, sources and groups, in order."""
        return hash_examples(self.examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How often a result on the same test examples was seen before an evaluation."""

    #: Of this version, oldest first.
    of_version: tuple[Evaluation, ...]
    #: Of any version, oldest first.
    of_any: tuple[Evaluation, ...]

    @property
    def number(self) -> int:
        """Which experiment of this version on these examples it is, from 1."""
        return len(self.of_version) + 1


def draw_sample(examples: Sequence[Example], *, min_gold: int, size: int | None, seed: int) -> Sample:
    """The test examples that can be compared, or so many of them, drawn by a hash of seed and id.

    By people's labels where `min_gold` examples have one. Raises NotEnoughData, with the number that is missing, where
    there are fewer than `size`, and as `choose_arms` does.
    """
    arms = choose_arms(examples, [Prediction(output="", confidence=0.0)] * len(examples), min_gold=min_gold)
    there = arms.examples
    if size is None:
        return Sample(reference=arms.reference, examples=there)
    if size < 1:
        raise InputError(f"an experiment on {size} labels is none; give at least one")
    if size > len(there):
        by = "a person's label and" if arms.reference is LabelSource.HUMAN else "no label by people but"
        raise NotEnoughData(
            f"the experiment wants {size} test examples, and {len(there)} have {by} the incumbent's answer: "
            f"{size - len(there)} are missing. Label more, build the dataset anew, train on it and plan again"
        )
    drawn = sorted(there, key=lambda example: digest(str(seed), example.id, length=32))[:size]
    chosen = {example.id for example in drawn}
    return Sample(reference=arms.reference, examples=tuple(one for one in there if one.id in chosen))


def hash_examples(examples: Sequence[Example]) -> str:
    """SHA-256 of everything about examples that an experiment rests on, in order."""
    summed = hashlib.sha256()
    for one in examples:
        parts = [one.id, one.input, one.output, one.source.value, one.incumbent_output, one.group, one.split.value]
        summed.update(json.dumps(parts).encode() + b"\n")
    return summed.hexdigest()


def registered(terms: Registration) -> Registration:
    """The registration with its id: a hash of all that is in it but the plans."""
    parts = {
        name: value
        for name, value in ((field, getattr(terms, field)) for field in terms.__slots__)
        if name not in {"id", "plans"}
    }
    return replace(terms, id=ExperimentId(digest(repr(sorted(parts.items())), length=32)))


def require_unchanged(registration: Registration, examples: Sequence[Example]) -> Sample:
    """The registered sample, found again. Raises InputError where the test examples are no longer those."""
    human = registration.reference is LabelSource.HUMAN
    try:
        sample = draw_sample(
            examples, min_gold=registration.min_gold, size=registration.sample_size, seed=registration.seed
        )
    except NotEnoughData as error:
        raise InputError(f"{_changed(registration)}: {error}") from error
    if (sample.reference is LabelSource.HUMAN) != human or sample.sha256 != registration.test_sha256:
        raise InputError(
            f"{_changed(registration)}: their SHA-256 is {sample.sha256[:12]}, registered was "
            f"{registration.test_sha256[:12]}. What was registered can't be answered any more; plan a new experiment"
        )
    return sample


def looks(
    version: ModelVersionId,
    registration: Registration,
    evaluations: Sequence[Evaluation],
    registrations: Mapping[ExperimentId, Registration],
    *,
    before: datetime,
) -> Looks:
    """The evaluations before an instant that looked at the same test examples.

    An evaluation made before experiments were registered counts where its dataset is the same.
    """

    def same(evaluation: Evaluation) -> bool:
        if evaluation.experiment_id is None:
            return evaluation.dataset_id == registration.dataset_id
        theirs = registrations.get(evaluation.experiment_id)
        return theirs is not None and theirs.test_sha256 == registration.test_sha256

    found = sorted(
        (one for one in evaluations if one.created_at < before and same(one)), key=lambda one: one.created_at
    )
    return Looks(of_version=tuple(one for one in found if one.candidate == version), of_any=tuple(found))


def _changed(registration: Registration) -> str:
    return (
        f"the test examples of dataset {registration.dataset_id[:12]} have changed since experiment "
        f"{registration.id[:12]} was registered on {registration.created_at:%Y-%m-%d %H:%M}"
    )
