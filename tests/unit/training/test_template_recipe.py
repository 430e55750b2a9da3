"""Tests of the recipe that makes texts from attributes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.attribute_texts import TEXT, examples, rows, training_set
from tests.unit.training.problems import LABELS
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable
from tierwright.specialists.template import TemplateSpecialist
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.template import TemplateRecipe

if TYPE_CHECKING:
    from tierwright.training.recipe import FittedSpecialist


def fit(training: TrainingSet, artifacts: Path, seed: int = 1) -> FittedSpecialist:
    """What the recipe makes of a training set."""
    return TemplateRecipe().fit(training, artifacts=artifacts, seed=seed, progress=lambda _: None)


def test_learns_to_write(tmp_path: Path) -> None:
    """It may answer most requests itself, is right nearly always, and each judged example has a score."""
    training = training_set(rows(240))
    fitted = fit(training, tmp_path)
    assert fitted.threshold is not None
    assert fitted.metrics["accuracy"].value > 0.7
    assert fitted.metrics["local_share"].value > 0.5
    assert fitted.metrics["incumbent_accuracy"].value == 1.0
    judged = {example.id for example in training.examples if example.split is Split.CALIBRATION}
    assert fitted.validated
    assert set(fitted.validated) <= judged
    assert all(0.0 <= score <= 1.0 for score in fitted.validated.values())


@pytest.mark.slow
def test_same_seed_same_artifact(tmp_path: Path) -> None:
    """The same examples and seed give the same artifact, byte for byte; another seed gives another."""
    training = training_set(rows(160))
    one, two = fit(training, tmp_path / "one"), fit(training, tmp_path / "two")
    assert one.id == two.id
    assert all((two.path / file.name).read_bytes() == file.read_bytes() for file in one.path.iterdir())
    assert fit(training, tmp_path / "one", seed=2).id != one.id


@pytest.mark.slow
def test_same_artifact_from_another_process(tmp_path: Path) -> None:
    """No order that a process makes up for itself, such as that of a set of strings, is in the artifact."""
    program = (
        "from pathlib import Path; from tests.attribute_texts import rows, training_set; "
        "from tierwright.training.recipes.template import TemplateRecipe; "
        f"print(TemplateRecipe().fit(training_set(rows(120)), artifacts=Path({str(tmp_path)!r}), seed=1, "
        "progress=lambda _: None).id)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


@pytest.mark.slow
def test_labelled_history(tmp_path: Path) -> None:
    """Texts by people, without an incumbent and without a calibration split, are enough."""
    training = training_set(rows(200), source=LabelSource.HUMAN, incumbent_output=None, split=Split.TRAIN)
    fitted = fit(training, tmp_path)
    assert fitted.metrics["incumbent_accuracy"].value == 1.0
    assert fitted.threshold is not None


@pytest.mark.slow
def test_an_incumbent_that_forgets(tmp_path: Path) -> None:
    """Answers that leave an attribute out become no templates: the specialist never leaves it out."""
    pairs = [
        (given, text.partition(".")[0] + "." if number % 4 == 0 and "waterproof" in given else text)
        for number, (given, text) in enumerate(rows(280))
    ]
    specialist = TemplateSpecialist.load(fit(training_set(pairs), tmp_path).path)
    for found in specialist.predict([given for given, _ in rows(60, seed=4) if '"waterproof": false' in given]):
        assert not found.output or "not" in found.output


def test_test_examples_are_refused(tmp_path: Path) -> None:
    """What the experiment will be made on can't be learned from."""
    with pytest.raises(InputError, match="test examples"):
        fit(training_set(rows(100), split=Split.TEST), tmp_path)


def test_one_text_only(tmp_path: Path) -> None:
    """A task with one answer is not worth a model."""
    with pytest.raises(NotLearnable, match="constant"):
        fit(training_set(rows(100), output="A tent."), tmp_path)


def test_other_contracts(tmp_path: Path) -> None:
    """Answers that are no texts are refused by name."""
    with pytest.raises(NotEnoughData, match="label"):
        fit(replace(training_set(rows(100)), contract=LABELS), tmp_path)


def test_inputs_that_are_no_attributes(tmp_path: Path) -> None:
    """Running text as input is refused, with what would do."""
    pairs = [(f"tell me of tent {number}", text) for number, (_, text) in enumerate(rows(100))]
    with pytest.raises(NotEnoughData, match="lists of attributes"):
        fit(training_set(pairs), tmp_path)


def test_answers_that_say_nothing_of_it(tmp_path: Path) -> None:
    """Where the answers don't hold what is given there is nothing to mine, and nothing is written."""
    pairs = [(given, f"sentence {number * 7919 % 1000}") for number, (given, _) in enumerate(rows(120))]
    with pytest.raises(NotEnoughData):
        fit(training_set(pairs), tmp_path)
    assert not list(tmp_path.iterdir())


def test_too_few(tmp_path: Path) -> None:
    """Twenty inputs are not enough."""
    with pytest.raises(NotEnoughData):
        fit(TrainingSet(dataset_id=training_set([]).dataset_id, contract=TEXT, examples=examples(rows(20))), tmp_path)
