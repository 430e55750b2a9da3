from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_bert import write_tiny_encoder
from tests.unit.training.problems import LABELS, label_examples, texts_and_topics, training_set
from tierwright.core.errors import ArtifactError
from tierwright.specialists.artifact import read_artifact, write_artifact
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Config, Specialist
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.core.model import Prediction


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A tiny encoder."""
    return Encoder.load(write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny"))


@pytest.fixture(scope="module")
def ngram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a specialist without an encoder."""
    training = training_set(label_examples(150))
    folder = tmp_path_factory.mktemp("ngram")
    return NgramRecipe().fit(training, artifacts=folder, seed=1, progress=lambda _: None).path


@pytest.fixture(scope="module")
def encoder_head(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Path:
    """The artifact of a specialist with one."""
    training = training_set(label_examples(150))
    folder = tmp_path_factory.mktemp("encoder-head")
    return EncoderHeadRecipe(encoder=encoder).fit(training, artifacts=folder, seed=1, progress=lambda _: None).path


def close(one: list[Prediction], other: list[Prediction]) -> bool:
    """Whether two lists of predictions are the same up to rounding of the confidence."""
    return [p.output for p in one] == [p.output for p in other] and all(
        a.confidence == pytest.approx(b.confidence, abs=1e-5) for a, b in zip(one, other, strict=True)
    )


def test_predict_alone_and_in_a_batch(ngram: Path) -> None:
    """An input has the same answer and confidence alone as in a batch larger than is scored at a time."""
    specialist = Specialist.load(ngram, encoder=None)
    inputs = [text for text, _, _ in texts_and_topics(1203, seed=3)]
    together = specialist.predict(inputs)
    assert len(together) == 1203
    assert all(close([together[n]], specialist.predict([inputs[n]])) for n in (0, 999, 1000, 1202))


def test_predict_loaded_twice(ngram: Path) -> None:
    """What is loaded again answers exactly as before."""
    inputs = [text for text, _, _ in texts_and_topics(50, seed=3)]
    one, two = (Specialist.load(ngram, encoder=None).predict(inputs) for _ in range(2))
    assert one == two


def test_predict_from_many_threads(ngram: Path) -> None:
    """Threads that share a specialist do not disturb each other."""
    specialist = Specialist.load(ngram, encoder=None)
    inputs = [text for text, _, _ in texts_and_topics(200, seed=3)]
    alone = [specialist.predict([text])[0] for text in inputs]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: specialist.predict([text])[0], inputs)) == alone


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_predict_any_text(ngram: Path, text: str) -> None:
    """Any string is answered from the closed set with a probability."""
    (found,) = Specialist.load(ngram, encoder=None).predict([text])
    assert found.output in LABELS.labels
    assert 0.0 <= found.confidence <= 1.0


def test_predict_nothing(ngram: Path) -> None:
    """No inputs get no predictions."""
    assert Specialist.load(ngram, encoder=None).predict([]) == []


def test_predict_with_an_encoder(encoder_head: Path, encoder: Encoder) -> None:
    """Embeddings and n-grams answer together, alone as in a batch."""
    specialist = Specialist.load(encoder_head, encoder=encoder)
    inputs = [text for text, _, _ in texts_and_topics(40, seed=3)]
    together = specialist.predict(inputs)
    assert close(together, [specialist.predict([text])[0] for text in inputs])
    assert sum(p.output == topic for p, (_, topic, _) in zip(together, texts_and_topics(40, seed=3), strict=True)) > 36


def test_load_without_its_encoder(encoder_head: Path) -> None:
    """A specialist that needs an encoder is refused without one, with what to do."""
    with pytest.raises(ArtifactError, match="there is none"):
        Specialist.load(encoder_head, encoder=None)


def test_load_with_another_encoder(encoder_head: Path, tmp_path: Path) -> None:
    """Another encoder, here the same weights in another precision, is refused: the embeddings would differ."""
    other = Encoder.load(write_tiny_encoder(tmp_path / "other", precision="float32"))
    with pytest.raises(ArtifactError, match="this one is"):
        Specialist.load(encoder_head, encoder=other)


def test_load_ngram_with_an_encoder_at_hand(ngram: Path, encoder: Encoder) -> None:
    """A specialist that needs no encoder does not mind one."""
    assert Specialist.load(ngram, encoder=encoder).predict(["refund"]) == Specialist.load(ngram, encoder=None).predict(
        ["refund"]
    )


def test_load_lacking_an_array(ngram: Path, tmp_path: Path) -> None:
    """An artifact whose sums are right but that lacks an array is refused by the array's name."""
    whole = read_artifact(ngram, Config)
    arrays = {name: array for name, array in whole.arrays.items() if name != "head0.ngram.bias"}
    manifest = msgspec.structs.replace(whole.manifest, files={})
    _, path = write_artifact(tmp_path, manifest=manifest, config=whole.config, arrays=arrays)
    with pytest.raises(ArtifactError, match=r"head0\.ngram\.bias"):
        Specialist.load(path, encoder=None)
