from __future__ import annotations

import errno
import importlib.util
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.tiny_bert import write_tiny_weights
from tests.unit.training.problems import (
    FIELDS,
    LABELS,
    an_example,
    fields_examples,
    label_examples,
    texts_and_topics,
    training_set,
)
from tierwright.core.dataset import Split
from tierwright.core.errors import ArtifactError, InputError, NotEnoughData, NotLearnable, ServiceError
from tierwright.specialists.artifact import read_artifact, read_manifest
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.specialists.specialist import Config
from tierwright.specialists.tuned import FILES
from tierwright.training import encoder_graph, tuning
from tierwright.training.checkpoints import Checkpoints
from tierwright.training.fitting import TunedEncoder
from tierwright.training.ladder import LADDER, Means
from tierwright.training.recipe import Unavailable
from tierwright.training.recipes.encoder_tuned import EncoderTunedRecipe
from tierwright.training.tuning_plan import TuningPlan
from tierwright.training.weights import LocalCopy, pull, read_tunable

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.training.recipe import FittedSpecialist, TrainingSet
    from tierwright.training.tuning_plan import TunedWeights

PLAN = TuningPlan(epochs=2, rate=3e-3)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pulled weights with the tiny model in it."""
    copy, into = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("weights")
    known = {"tiny": write_tiny_weights(copy)}
    pull("tiny", into=into, sources=[LocalCopy(path=copy)], progress=str, known=known)
    return into


@pytest.fixture
def recipe(weights: Path) -> EncoderTunedRecipe:
    """The recipe on the tiny model."""
    directory = weights / "tiny"
    return EncoderTunedRecipe(encoder=Encoder.load(directory), base=read_tunable(directory), threads=2, plan=PLAN)


def fit(
    recipe: EncoderTunedRecipe, training: TrainingSet, artifacts: Path, *, said: list[str] | None = None, seed: int = 1
) -> FittedSpecialist:
    """What the recipe makes of a training set."""
    return recipe.fit(training, artifacts=artifacts, seed=seed, progress=[].append if said is None else said.append)


def test_labels_with_slips(recipe: EncoderTunedRecipe, tmp_path: Path) -> None:
    """Of an incumbent that errs the slips are left out, people's labels judge, and the artifact answers right."""
    examples = label_examples(300, error=0.1)
    said: list[str] = []
    fitted = fit(recipe, training_set(examples), tmp_path, said=said)
    assert any("probably slips" in words for words in said)
    humans = {example.id for example in examples if example.split is Split.CALIBRATION}
    assert set(fitted.validated) <= humans
    assert 50 <= len(fitted.validated) <= 80
    assert fitted.metrics["accuracy"].n == len(fitted.validated)
    assert fitted.metrics["accuracy"].value > fitted.metrics["incumbent_accuracy"].value
    assert fitted.threshold is not None
    assert fitted.encoder is None
    unseen = texts_and_topics(200, seed=9)
    predictions = load_specialist(fitted.path, encoder=None).predict([text for text, _, _ in unseen])
    assert np.mean([p.output == topic for p, (_, topic, _) in zip(predictions, unseen, strict=True)]) > 0.95


def test_fields(recipe: EncoderTunedRecipe, tmp_path: Path) -> None:
    """Two fields are answered together, in the incumbent's format; any string is an answerable input."""
    fitted = fit(recipe, training_set(fields_examples(200), FIELDS), tmp_path)
    specialist = load_specialist(fitted.path, encoder=None)
    inputs = ["urgent refund case 7", "", "x" * 100_000, "\ud800 tracking number whenever", "订单"]
    predictions = specialist.predict(inputs)
    assert predictions[0].output == '{"topic":"billing","urgency":"high"}'
    assert all(FIELDS.parse(p.output) is not None and 0 <= p.confidence <= 1 for p in predictions)
    assert predictions[0].confidence > max(predictions[at].confidence for at in (1, 2, 4))


def test_same_artifact(recipe: EncoderTunedRecipe, tmp_path: Path) -> None:
    """The same examples and seed give the same artifact, and no checkpoint is left; another seed gives another one."""
    training = training_set(fields_examples(120), FIELDS)
    one, two = (fit(recipe, training, tmp_path / folder) for folder in ("one", "two"))
    assert one.id == two.id
    assert [path.name for path in (tmp_path / "one").iterdir()] == [one.id]
    assert fit(recipe, training, tmp_path / "three", seed=2).id != one.id
    manifest = read_manifest(one.path)
    assert (manifest.recipe, manifest.seed, manifest.dataset_id) == ("encoder-tuned", 1, "dataset-1")
    assert {"torch", "onnxruntime", "tierwright"} <= manifest.versions.keys()


def test_the_tuned_heads_are_served(
    recipe: EncoderTunedRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact votes with the heads that were learned together with its encoder, not with others fitted later."""
    made: list[TunedWeights] = []
    tune = tuning.tune

    def kept(*given: Any, **named: Any) -> TunedWeights:
        made.append(tune(*given, **named))
        return made[0]

    monkeypatch.setattr(tuning, "tune", kept)
    fitted = fit(recipe, training_set(fields_examples(120), FIELDS), tmp_path)
    arrays = read_artifact(fitted.path, Config, files=FILES).arrays
    for place, (weights, bias) in enumerate(made[0].heads):
        assert np.array_equal(arrays[f"head{place}.embedding.weights"], weights)
        assert np.array_equal(arrays[f"head{place}.embedding.bias"], bias)


def test_members_that_were_only_slips_are_left_out(recipe: EncoderTunedRecipe) -> None:
    """A tuned head is asked by its members' names, in the order of the examples that are left; True is not 1."""
    weights, bias = np.arange(8, dtype=np.float32).reshape(2, 4), np.arange(4, dtype=np.float32)
    encoder = TunedEncoder(
        encoder=recipe.encoder,
        files={},
        values=[["a", 1, True, "b"]],
        heads=[(weights, bias)],
        packages=(),
        judges=np.ones(1, np.bool_),
    )
    for members, columns in ((["b", "a"], [3, 0]), ([True], [2]), (["a", 1, True, "b"], [0, 1, 2, 3])):
        found = encoder.head(0, members)
        assert np.array_equal(found[0], weights[:, columns])
        assert np.array_equal(found[1], bias[columns])


class KilledError(Exception):
    """Stands for the end of the process."""


def test_killed_and_resumed(recipe: EncoderTunedRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed half-way it leaves no artifact; run again it goes on, and makes the artifact it would have made."""
    training = training_set(fields_examples(120), FIELDS)
    whole = fit(recipe, training, tmp_path / "whole")
    save = Checkpoints.save

    def save_and_die(*given: Any) -> None:
        save(*given)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(KilledError):
            fit(recipe, training, tmp_path / "killed")
    assert [path.suffix for path in (tmp_path / "killed").iterdir()] == [".safetensors"]
    said: list[str] = []
    assert fit(recipe, training, tmp_path / "killed", said=said).id == whole.id
    assert any("going on after step" in words for words in said)
    assert [path.name for path in (tmp_path / "killed").iterdir()] == [whole.id]


def test_disk_full_during_export(recipe: EncoderTunedRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when the artifact is written leaves the checkpoint and no half of an artifact."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tierwright.specialists.artifact._write_through", full)
    with pytest.raises(ServiceError, match="No space left"):
        fit(recipe, training_set(fields_examples(120), FIELDS), tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_export_that_answers_otherwise(
    recipe: EncoderTunedRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the exported encoder does not answer as the trained one, there is no artifact."""
    norm = encoder_graph._GraphWriter._layer_norm
    monkeypatch.setattr(
        encoder_graph._GraphWriter, "_layer_norm", lambda self, prefix: tuple(reversed(norm(self, prefix)))
    )
    with pytest.raises(ArtifactError, match="does not answer as the trained one"):
        fit(recipe, training_set(fields_examples(120), FIELDS), tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_refused(recipe: EncoderTunedRecipe, tmp_path: Path) -> None:
    """Test examples, one single answer and too few examples are refused before anything is spent."""
    examples = label_examples(60, human=1.0)
    with pytest.raises(InputError, match="test examples"):
        fit(recipe, training_set([*examples, replace(examples[0], split=Split.TEST)]), tmp_path)
    with pytest.raises(NotLearnable):
        fit(recipe, training_set([replace(example, output="billing") for example in examples]), tmp_path)
    unlabelled = [
        an_example(at, f"refund {at}", ("billing", "account")[at % 2], None, labelled=False) for at in range(9)
    ]
    with pytest.raises(NotEnoughData):
        fit(recipe, training_set(unlabelled, LABELS), tmp_path)
    assert list(tmp_path.iterdir()) == []


def step(weights: Path, tmp_path: Path, *, encoder: Encoder | None) -> Any:
    """The ladder's step on the given weights."""
    (made,) = [step for step in LADDER if step.recipe == "encoder-tuned"]
    means = Means(encoder=encoder, encoder_name="tiny", artifacts=tmp_path, weights=weights, threads=1, seed=1)
    return made.make(means)


def test_unavailable(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch, an encoder or its weights, the rung says what to do."""
    encoder = Encoder.load(weights / "tiny")
    assert isinstance(step(weights, tmp_path, encoder=encoder), EncoderTunedRecipe)
    with pytest.raises(Unavailable, match="tierwright model pull tiny"):
        step(weights, tmp_path, encoder=None)
    with pytest.raises(Unavailable, match="tierwright model pull"):
        step(tmp_path, tmp_path, encoder=encoder)
    monkeypatch.setattr("tierwright.training.ladder.find_spec", lambda _: None)
    assert importlib.util.find_spec("torch") is not None
    with pytest.raises(Unavailable, match=r"pip install 'tierwright\[train\]'"):
        step(weights, tmp_path, encoder=encoder)
