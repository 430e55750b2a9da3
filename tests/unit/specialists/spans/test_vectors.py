from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.tiny_bert import CONFIG, write_tiny_encoder
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.spans.text import tokenize
from tierwright.specialists.spans.vectors import TokenVectors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def vectors(tmp_path: Path) -> TokenVectors:
    """The layers of a tiny encoder."""
    return TokenVectors(Encoder.load(write_tiny_encoder(tmp_path / "tiny")))


def test_every_token_has_its_vector(vectors: TokenVectors) -> None:
    """One row for each token, of two layers, that differs with the word and with its neighbours."""
    tokens = tokenize("my card is lost, card please")
    found = vectors.of(tokens, [(0, len(tokens))])
    assert found.shape == (len(tokens), vectors.dimension)
    assert vectors.dimension % CONFIG["hidden_size"] == 0
    first, second = (at for at, word in enumerate(tokens.words) if word == "card")
    assert not np.allclose(found[first], found[second])


def test_a_range_is_read_by_itself(vectors: TokenVectors) -> None:
    """The vectors of a range don't depend on the rest of the text."""
    alone = tokenize("my card is lost")
    within = tokenize("please please my card is lost please")
    np.testing.assert_allclose(vectors.of(within, [(2, 6)]), vectors.of(alone, [(0, 4)]), atol=1e-6)


def test_texts_longer_than_the_encoder_reads(vectors: TokenVectors) -> None:
    """A long range is read in windows: every token has a vector, also the last."""
    tokens = tokenize("my card is lost please " * 100)
    found = vectors.of(tokens, [(0, len(tokens))])
    assert found.shape[0] == 500
    assert (np.abs(found).sum(axis=1) > 0).all()


@pytest.mark.parametrize(
    "text", ["\ud800 card", "\ud83d\ude00 card", "\U0001f600 \u7532\u65b9 cafe\u0301", "\x00 card"]
)
def test_any_text(vectors: TokenVectors, text: str) -> None:
    """Lone surrogates, astral characters and control characters have finite vectors."""
    tokens = tokenize(text)
    found = vectors.of(tokens, [(0, len(tokens))])
    assert found.shape[0] == len(tokens)
    assert np.isfinite(found).all()
    assert vectors.of(tokens, []).shape == (0, vectors.dimension)
