from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
import scipy.sparse as sp

from tests.tiny_bert import write_tiny_encoder
from tests.unit.training.problems import label_examples, texts_and_topics, training_set
from tierwright.specialists.artifact import read_artifact, write_artifact
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Config, Specialist
from tierwright.training.novelty import Spread, fit_limits, fit_prototypes
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from pathlib import Path

ODD = ["", "!!!", "zxqv wfjk bbbq", "今天天气很好我们去公园吧", "def f(x): return x * x"]


@pytest.mark.parametrize("encoded", [False, True])
def test_confidence_falls_on_what_training_never_saw(encoded: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Inputs of another language, of nothing, and of noise are below the threshold; ordinary ones mostly are not."""
    encoder = Encoder.load(write_tiny_encoder(tmp_path / "encoder")) if encoded else None
    recipe = NgramRecipe() if encoder is None else EncoderHeadRecipe(encoder=encoder)
    training = training_set(label_examples(300, error=0.1))
    fitted = recipe.fit(training, artifacts=tmp_path, seed=1, progress=lambda _: None)
    specialist = Specialist.load(fitted.path, encoder=encoder)
    assert fitted.threshold is not None
    assert all(p.confidence < fitted.threshold for p in specialist.predict(ODD))
    ordinary = specialist.predict([text for text, _, _ in texts_and_topics(100, seed=9)])
    assert np.mean([p.confidence >= fitted.threshold for p in ordinary]) > 0.9


def test_artifacts_from_before_are_read(tmp_path: Path) -> None:
    """An artifact that says nothing of novelty loads, and its confidence is that of the votes."""
    training = training_set(label_examples(200))
    fitted = NgramRecipe().fit(training, artifacts=tmp_path, seed=1, progress=lambda _: None)
    whole = read_artifact(fitted.path, Config)
    manifest = msgspec.structs.replace(whole.manifest, files={})
    config = msgspec.structs.replace(whole.config, novelty=None)
    _, path = write_artifact(tmp_path / "before", manifest=manifest, config=config, arrays=whole.arrays)
    new, old = (Specialist.load(p, encoder=None).predict(["zxqv wfjk bbbq"])[0] for p in (fitted.path, path))
    assert new.confidence < old.confidence


def test_known_without_itself() -> None:
    """An n-gram that only a text itself and one other have would not be known without the text."""
    rows = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 0, 1]], dtype=np.float32)
    spread = Spread.of(sp.csr_matrix(rows), np.array([False, True, True]), min_texts=2)
    assert spread.known_without_itself(np.array([0, 3])).tolist() == [[1, 0], [0, 0]]


def test_prototypes() -> None:
    """Members of many examples have several prototypes where members are few, those without examples none."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(200, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = np.repeat([0, 2], [195, 5])
    one, two = (fit_prototypes(embeddings, labels, 3, seed=1) for _ in range(2))
    counts = np.bincount(one.members, minlength=3)
    assert counts[0] > 1
    assert counts[1:].tolist() == [0, 1]
    assert np.linalg.norm(one.vectors, axis=1) == pytest.approx(np.ones(len(one.vectors)), abs=1e-5)
    assert np.array_equal(one.vectors, two.vectors)


def test_limits() -> None:
    """What 95 % of unseen examples have is ordinary; a step has a least width where all examples are alike."""
    evidence = np.stack([np.linspace(-5, 5, 101), np.linspace(0, 1, 101), np.full(101, 0.75)], axis=1)
    found = fit_limits(evidence)
    assert found.lows == pytest.approx([-4.5, 0.05, 0.75])
    assert found.spreads == pytest.approx([4.9, 0.49, 0.1])
