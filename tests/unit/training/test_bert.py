from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.tiny_bert import CONFIG, TEXTS, reference_embedding, tiny_weights, token_ids
from tierwright.training.bert import Bert
from tierwright.training.encoder_graph import read_config


def a_bert(dropout: float = 0.0) -> Bert:
    """The tiny model, all words trainable."""
    config = read_config(json.dumps(CONFIG).encode())
    return Bert(tiny_weights(), config, used=np.arange(CONFIG["vocab_size"]), dropout=dropout)


@pytest.mark.parametrize("text", TEXTS)
def test_forward(text: str) -> None:
    """The embedding is the one that plain arithmetic gives, however much padding stands behind the text."""
    ids = token_ids(text)
    expected = reference_embedding(tiny_weights(), ids)
    padded = torch.tensor([[*ids, 0, 0, 0]])
    mask = torch.tensor([[True] * len(ids) + [False] * 3])
    with torch.no_grad():
        alone = a_bert()(padded[:, : len(ids)], mask[:, : len(ids)])
        beside = a_bert()(padded, mask)
    assert np.allclose(alone[0].numpy(), expected, atol=2e-6)
    assert np.allclose(beside[0].numpy(), expected, atol=2e-6)


def test_tensors_round_trip() -> None:
    """Weights come back under their names as they were, also those of words that are no parameters."""
    config = read_config(json.dumps(CONFIG).encode())
    bert = Bert(tiny_weights(), config, used=np.array([2, 3, 7]), dropout=0.1)
    found = bert.tensors(tiny_weights())
    assert set(found) == set(tiny_weights())
    for name, tensor in tiny_weights().items():
        assert np.allclose(found[name], tensor, atol=1e-6), name


def test_used_words_only() -> None:
    """A step on the used words changes their rows and no others."""
    config = read_config(json.dumps(CONFIG).encode())
    bert = Bert(tiny_weights(), config, used=np.array([2, 3, 7]), dropout=0.0)
    with torch.no_grad():
        bert.words.add_(1.0)
    before = tiny_weights()["embeddings.word_embeddings.weight"]
    moved = np.abs(bert.tensors(tiny_weights())["embeddings.word_embeddings.weight"] - before).max(axis=1) > 0.5
    assert np.flatnonzero(moved).tolist() == [2, 3, 7]


def test_dropout_draws_from_its_own_generator() -> None:
    """The same seed drops the same values whatever torch has drawn elsewhere; without one nothing is dropped."""
    bert = a_bert(dropout=0.5)
    ids, mask = torch.tensor([[2, 5, 6, 3]]), torch.ones(1, 4, dtype=torch.bool)

    def noisy(seed: int) -> torch.Tensor:
        torch.rand(3)
        with torch.no_grad():
            result: torch.Tensor = bert(ids, mask, torch.Generator().manual_seed(seed))
        return result

    assert torch.equal(noisy(1), noisy(1))
    assert not torch.allclose(noisy(1), noisy(2))
    with torch.no_grad():
        assert torch.equal(bert(ids, mask), bert(ids, mask))
