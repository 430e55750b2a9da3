from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from tests.tiny_bert import (
    CONFIG,
    MAX_TOKENS,
    TEXTS,
    reference_embedding,
    tiny_tokenizer,
    tiny_weights,
    token_ids,
    write_card,
    write_tiny_encoder,
)
from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import _BATCH_TOKENS, Encoder, _batches, read_card

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A tiny int8 encoder's directory."""
    return write_tiny_encoder(tmp_path / "tiny")


def test_embed_float32_graph(tmp_path: Path) -> None:
    """Embeddings of the float32 graph are those of the plain numpy forward pass."""
    encoder = Encoder.load(write_tiny_encoder(tmp_path / "tiny", precision="float32"))
    wanted = np.stack([reference_embedding(tiny_weights(), token_ids(text)) for text in TEXTS])
    np.testing.assert_allclose(encoder.embed(TEXTS), wanted, atol=2e-6)


def test_embed_int8_graph(directory: Path) -> None:
    """Embeddings of the int8 graph point where the numpy forward pass points."""
    embeddings = Encoder.load(directory).embed(TEXTS)
    wanted = np.stack([reference_embedding(tiny_weights(), token_ids(text)) for text in TEXTS])
    assert embeddings.dtype == np.float32
    assert (embeddings * wanted).sum(axis=1).min() > 0.995


def test_embed_gives_unit_vectors(directory: Path) -> None:
    """Every embedding has length 1."""
    lengths = np.linalg.norm(Encoder.load(directory).embed(TEXTS), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_embed_alone_or_in_a_batch(directory: Path) -> None:
    """A text's int8 embedding does not depend on the texts it is embedded with, nor on their order."""
    encoder = Encoder.load(directory)
    many = [text for number in range(40) for text in (*TEXTS, "please " * (number % 12), "card " * (number % 7))]
    together = encoder.embed(many)
    alone = np.concatenate([encoder.embed([text]) for text in many])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(encoder.embed(many[::-1])[::-1], alone, atol=1e-6)


def test_embed_nothing(directory: Path) -> None:
    """No texts give no rows, of the right width."""
    encoder = Encoder.load(directory)
    assert encoder.embed([]).shape == (0, CONFIG["hidden_size"])
    assert encoder.dimension == CONFIG["hidden_size"]


def test_embed_blank_texts(directory: Path) -> None:
    """An empty text and a blank one have the same finite embedding."""
    empty, blank = Encoder.load(directory).embed(["", " \n\t  " * 20_000])
    assert np.isfinite(empty).all()
    np.testing.assert_array_equal(empty, blank)


def test_embed_text_behind_a_page_of_blanks(directory: Path) -> None:
    """Leading blanks cost a text none of its words, however many they are."""
    far, near = Encoder.load(directory).embed(["\n " * 50_000 + TEXTS[0], TEXTS[0]])
    np.testing.assert_allclose(far, near, atol=1e-6)


def test_embed_truncates_at_the_token_limit(directory: Path) -> None:
    """A text of too many tokens has the embedding of its first tokens, special ones counted."""
    kept = MAX_TOKENS - 2
    first, longer = Encoder.load(directory).embed(["card " * kept, "card " * kept + "refund " * 3])
    np.testing.assert_allclose(first, longer, atol=1e-6)


def test_embed_very_long_text(directory: Path) -> None:
    """A text of 100,000 characters has the embedding of its first tokens, however it goes on."""
    start = "where is my refund " * 100
    encoder = Encoder.load(directory)
    one, other, short = encoder.embed([start + "x" * 100_000, start + "? " * 50_000, start])
    np.testing.assert_allclose(one, short, atol=1e-6)
    np.testing.assert_allclose(other, short, atol=1e-6)


def test_embed_tokenizes_a_bounded_number_of_characters(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches the tokenizer of a very long text is bounded by the token limit, not by the text."""
    encoder = Encoder.load(directory)
    seen: list[int] = []

    class Watched:
        def encode(self, text: str) -> object:
            seen.append(len(text))
            return encoder_tokenizer.encode(text)

    encoder_tokenizer = encoder._tokenizer
    monkeypatch.setattr(encoder, "_tokenizer", Watched())
    encoder.embed([" " * 1000 + "card " * 100_000])
    assert seen == [MAX_TOKENS * 32]


def test_embed_invalid_unicode(directory: Path) -> None:
    """A lone surrogate, as JSON may carry one, is read as an unknown character."""
    broken, question = Encoder.load(directory).embed(["my card \ud800", "my card ?"])
    np.testing.assert_array_equal(broken, question)


def test_embed_one_text_instead_of_many(directory: Path) -> None:
    """A bare string is refused: it would be read as a sequence of letters."""
    with pytest.raises(TypeError, match="sequence of texts"):
        Encoder.load(directory).embed("where is my card?")


def test_embed_without_special_tokens(tmp_path: Path) -> None:
    """A text that has no token at all, for want of special ones, has a finite embedding of length 0."""
    directory = write_tiny_encoder(tmp_path / "tiny")
    tokenizer = json.loads(tiny_tokenizer()) | {"post_processor": None}
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    write_card(directory)
    empty, word = Encoder.load(directory).embed(["", "card"])
    np.testing.assert_array_equal(empty, 0)
    assert np.linalg.norm(word) == pytest.approx(1, abs=1e-6)


def test_embed_from_several_threads(directory: Path) -> None:
    """Threads that embed different texts at the same time each get their own embeddings."""
    encoder = Encoder.load(directory, threads=2)
    wanted = {text: encoder.embed([text])[0] for text in TEXTS}

    def is_always_right(text: str) -> bool:
        rounds = [encoder.embed([text, "please cancel"])[0] for _ in range(30)]
        return np.allclose(rounds, wanted[text], atol=1e-6)

    with ThreadPoolExecutor(len(TEXTS)) as pool:
        assert list(pool.map(is_always_right, TEXTS)) == [True] * len(TEXTS)


@given(st.lists(st.integers(0, 300), max_size=80))
def test_batches_of_any_lengths(lengths: list[int]) -> None:
    """Every row is in exactly one batch, and no batch of several rows exceeds the budget of padded tokens."""
    batches = list(_batches(np.array(lengths, dtype=np.int64)))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= _BATCH_TOKENS


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_load_damaged_file(directory: Path, name: str) -> None:
    """A file with one changed byte is refused, by name."""
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} is damaged.*model pull"):
        Encoder.load(directory)


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json", "encoder.json"])
def test_load_missing_file(directory: Path, name: str) -> None:
    """A missing file is named, with what to do."""
    (directory / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name}.*No such file.*model pull"):
        Encoder.load(directory)


def test_load_from_nowhere(tmp_path: Path) -> None:
    """A directory that is not there is no sentence encoder."""
    with pytest.raises(ArtifactError, match="No sentence encoder at"):
        Encoder.load(tmp_path / "nowhere")


@pytest.mark.parametrize("change", [{"format": 2}, {"pooling": "cls"}])
def test_load_card_of_another_kind(directory: Path, change: dict[str, object]) -> None:
    """A card of a later format or of another pooling is refused, since its embeddings would be wrong."""
    write_card(directory, **change)
    with pytest.raises(ArtifactError, match="reads format 1, pooling 'mean'"):
        Encoder.load(directory)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"colour": "blue"}'])
def test_load_card_that_is_no_card(directory: Path, content: str) -> None:
    """A card that is not JSON, or not the right JSON, is refused."""
    (directory / "encoder.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match="can't be understood"):
        Encoder.load(directory)


@pytest.mark.parametrize("name", ["../outside.txt", "..\\outside.txt"])
def test_load_card_that_points_outside(directory: Path, name: str) -> None:
    """A card may name files of its own directory only."""
    sums = read_card(directory).files | {name: "0" * 64}
    write_card(directory, files=sums)
    with pytest.raises(ArtifactError, match="plain file"):
        Encoder.load(directory)


def test_load_card_without_a_sum(directory: Path) -> None:
    """A graph for which the card has no SHA-256 is refused."""
    sums = {name: total for name, total in read_card(directory).files.items() if name != "encoder.onnx"}
    write_card(directory, files=sums)
    with pytest.raises(ArtifactError, match=r"no SHA-256 for a plain file 'encoder\.onnx'"):
        Encoder.load(directory)


def test_load_graph_that_is_no_graph(directory: Path) -> None:
    """What onnxruntime can't read becomes an ArtifactError, even where its sum is right."""
    (directory / "encoder.onnx").write_bytes(b"no graph")
    write_card(directory)
    with pytest.raises(ArtifactError, match="can't load the graph of encoder tiny"):
        Encoder.load(directory)


def test_load_tokenizer_that_is_no_tokenizer(directory: Path) -> None:
    """What tokenizers can't read becomes an ArtifactError, even where its sum is right."""
    (directory / "tokenizer.json").write_text("{}", encoding="utf-8")
    write_card(directory)
    with pytest.raises(ArtifactError, match="tokenizer of encoder tiny"):
        Encoder.load(directory)


def test_load_without_threads(directory: Path) -> None:
    """Zero threads, which onnxruntime would read as all of them, is refused."""
    with pytest.raises(ValueError, match="at least 1"):
        Encoder.load(directory, threads=0)


def test_fingerprint_of_the_same_encoder(tmp_path: Path) -> None:
    """Two directories with the same content have the same fingerprint, whatever their cards say of their origin."""
    one = Encoder.load(write_tiny_encoder(tmp_path / "one"))
    other = Encoder.load(write_tiny_encoder(tmp_path / "other", source="elsewhere"))
    assert one.fingerprint == other.fingerprint


def test_fingerprint_of_another_encoder(tmp_path: Path) -> None:
    """Other weights, another token limit or another tokenizer change the fingerprint."""
    directories = [
        write_tiny_encoder(tmp_path / "plain"),
        write_tiny_encoder(tmp_path / "weights", seed=1),
        write_tiny_encoder(tmp_path / "limit", max_tokens=MAX_TOKENS - 1),
        write_tiny_encoder(tmp_path / "tokenizer"),
    ]
    tokenizer = json.loads(tiny_tokenizer())
    tokenizer["normalizer"]["lowercase"] = False
    (directories[-1] / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    write_card(directories[-1])
    assert len({Encoder.load(directory).fingerprint for directory in directories}) == len(directories)


def test_load_where_products_saturate(directory: Path) -> None:
    """Where the graph's probe finds 8-bit products inexact, the session is opened again with exact ones."""
    usual = Encoder.load(directory)
    graph = onnx.load(directory / "encoder.onnx")
    for constant in graph.graph.initializer:
        if constant.name == "probe_expected":
            constant.CopyFrom(numpy_helper.from_array(np.int32(-1), constant.name))
    onnx.save(graph, directory / "encoder.onnx")
    write_card(directory)
    careful = Encoder.load(directory)
    options = careful._session.get_session_options()
    assert options.get_session_config_entry("session.x64quantprecision") == "1"
    np.testing.assert_allclose(careful.embed(TEXTS), usual.embed(TEXTS), atol=1e-6)
