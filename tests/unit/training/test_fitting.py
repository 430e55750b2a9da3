from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.training.problems import (
    FIELDS,
    LABELS,
    TOPICS,
    an_example,
    fields_examples,
    label_examples,
    texts_and_topics,
    training_set,
)
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Split
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable
from tierwright.specialists.specialist import Specialist
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.training.recipe import FittedSpecialist, TrainingSet


def fit(training: TrainingSet, artifacts: Path, seed: int = 1) -> FittedSpecialist:
    """What the cheapest recipe makes of a training set."""
    return NgramRecipe().fit(training, artifacts=artifacts, seed=seed, progress=lambda _: None)


def test_learns_labels(tmp_path: Path) -> None:
    """What can be learned is learned, from an incumbent that errs, and answers unseen inputs."""
    fitted = fit(training_set(label_examples(400, error=0.1)), tmp_path)
    fresh = texts_and_topics(200, seed=9)
    found = Specialist.load(fitted.path, encoder=None).predict([text for text, _, _ in fresh])
    assert np.mean([p.output == topic for p, (_, topic, _) in zip(found, fresh, strict=True)]) > 0.98
    assert fitted.threshold is not None
    assert fitted.metrics["cascade_accuracy"].value > fitted.metrics["incumbent_accuracy"].value


def test_learns_fields(tmp_path: Path) -> None:
    """Fields are answered as one object in the incumbent's style, each from its own words."""
    fitted = fit(training_set(fields_examples(300), FIELDS), tmp_path)
    found = Specialist.load(fitted.path, encoder=None).predict(["urgent parcel case 7", "whenever refund case 8"])
    assert [p.output for p in found] == [
        '{"topic":"delivery","urgency":"high"}',
        '{"topic":"billing","urgency":"low"}',
    ]


def test_same_seed_same_artifact(tmp_path: Path) -> None:
    """The same examples and seed give the same artifact, byte for byte; another seed gives another."""
    training = training_set(label_examples(200))
    one, two = fit(training, tmp_path / "one"), fit(training, tmp_path / "two")
    assert one.id == two.id
    assert all((two.path / file.name).read_bytes() == file.read_bytes() for file in one.path.iterdir())
    assert fit(training, tmp_path / "one", seed=2).id != one.id


def test_test_examples_are_refused(tmp_path: Path) -> None:
    """What the experiment will be made on can't be learned from."""
    examples = label_examples(100)
    examples[50] = replace(examples[50], split=Split.TEST)
    with pytest.raises(InputError, match="test examples"):
        fit(training_set(examples), tmp_path)


def test_one_answer_only(tmp_path: Path) -> None:
    """A task with one answer is not worth a model, and the message says what is."""
    examples = [replace(example, output="billing") for example in label_examples(100)]
    with pytest.raises(NotLearnable, match="constant"):
        fit(training_set(examples), tmp_path)


def test_answer_outside_the_contract(tmp_path: Path) -> None:
    """An output that the contract does not know is refused, without being quoted."""
    examples = [*label_examples(100), an_example(999, "x", "secret answer", None, labelled=True)]
    with pytest.raises(InputError) as caught:
        fit(training_set(examples), tmp_path)
    assert "secret" not in str(caught.value)


def test_contract_of_free_text(tmp_path: Path) -> None:
    """A contract that is no closed set is refused by name."""
    with pytest.raises(NotEnoughData, match="text"):
        fit(training_set(label_examples(100), OutputContract(kind=ContractKind.TEXT)), tmp_path)


def test_nobody_labelled(tmp_path: Path) -> None:
    """Without people's labels the calibration split is the reference: a specialist that agrees there may answer."""
    examples = [
        replace(example, split=Split.CALIBRATION if number % 4 == 0 else Split.TRAIN)
        for number, example in enumerate(label_examples(400, human=0.0))
    ]
    fitted = fit(training_set(examples), tmp_path)
    assert fitted.metrics["incumbent_accuracy"].value == 1.0
    assert fitted.metrics["accuracy"].n == 100


def test_member_seen_once(tmp_path: Path) -> None:
    """A member with a single example, absent from two folds or all but one, breaks nothing."""
    examples = label_examples(150)
    contract = replace(LABELS, labels=(*LABELS.labels, "lonely"))
    lonely = an_example(999, "the odd one out", "lonely", "lonely", labelled=False)
    assert fit(training_set([*examples, lonely], contract), tmp_path).path.is_dir()


def test_confidence_is_honest(tmp_path: Path) -> None:
    """Where labels are half chance, mean confidence on unseen inputs is near the share that is right."""
    rng = np.random.default_rng(0)
    rows = texts_and_topics(900)
    said = [topic if rng.random() < 0.7 else str(rng.choice(sorted(TOPICS))) for _, topic, _ in rows]
    examples = [an_example(n, rows[n][0], said[n], said[n], labelled=True) for n in range(600)]
    fitted = fit(training_set(examples), tmp_path)
    found = Specialist.load(fitted.path, encoder=None).predict([text for text, _, _ in rows[600:]])
    right = np.mean([p.output == s for p, s in zip(found, said[600:], strict=True)])
    assert np.mean([p.confidence for p in found]) == pytest.approx(right, abs=0.08)


def test_odd_texts_are_learned_from(tmp_path: Path) -> None:
    """Empty texts and one of 100,000 characters are examples like others, and are answered."""
    odd = [
        an_example(900 + n, text, "billing", "billing", labelled=True)
        for n, text in enumerate(["", " ", "x " * 50_000])
    ]
    fitted = fit(training_set([*label_examples(150), *odd]), tmp_path)
    found = Specialist.load(fitted.path, encoder=None).predict(["", "\ud800", "y" * 100_000, "invoice " * 12_500])
    assert all(p.output in TOPICS and 0.0 <= p.confidence <= 1.0 for p in found)


def test_labelled_history_of_an_unbalanced_kind(tmp_path: Path) -> None:
    """Without an incumbent and with one answer in fifty, the rare answer is still found."""
    examples = [
        replace(example, incumbent_output=None)
        for example in label_examples(400, human=1.0)
        if example.output != "delivery" or example.id.endswith("0")
    ]
    fitted = fit(training_set(examples), tmp_path)
    (found,) = Specialist.load(fitted.path, encoder=None).predict(["urgent parcel case 12"])
    assert found.output == "delivery"
    assert fitted.metrics["incumbent_accuracy"].value == 1.0
