from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.tiny_bert import (
    CONFIG,
    MAX_TOKENS,
    TEXTS,
    reference_embedding,
    tiny_card,
    tiny_tokenizer,
    tiny_weights,
    token_ids,
)
from tierwright.core.errors import ArtifactError
from tierwright.training import encoder_graph
from tierwright.training.encoder_graph import read_config
from tierwright.training.tuned_export import Trained, export

if TYPE_CHECKING:
    from numpy.typing import NDArray


def trained(**changes: Any) -> Trained:
    """The tiny model as if it had been tuned, with one head of three members and one of two."""
    draw = np.random.default_rng(5)
    embeddings = np.stack([reference_embedding(tiny_weights(), token_ids(text)) for text in TEXTS])
    fields: dict[str, Any] = {
        "tensors": tiny_weights(),
        "config": read_config(json.dumps(CONFIG).encode()),
        "tokenizer": tiny_tokenizer(),
        "card": tiny_card(max_tokens=64),
        "max_tokens": MAX_TOKENS,
        "heads": [
            (draw.normal(0, 3, (CONFIG["hidden_size"], members)).astype(np.float32), np.zeros(members, np.float32))
            for members in (3, 2)
        ],
        "texts": TEXTS,
        "embeddings": embeddings.astype(np.float32),
    }
    return Trained(**fields | changes)


def corrupt(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantised rows whose scales were shuffled."""
    rows, scales = _QUANTISE(matrix)
    return rows, np.random.default_rng(0).permutation(scales) * 3


_QUANTISE = encoder_graph._quantise_rows


def test_int8_that_agrees() -> None:
    """A sound int8 encoder is kept; its card says what it was tuned from, how it is cut and how close it came."""
    encoder, files, agreement = export(trained(), threads=1, progress=str)
    assert encoder.card.precision == "int8"
    assert (agreement.same, agreement.n) == (1.0, len(TEXTS))
    assert agreement.largest < 0.1
    card = json.loads(files["encoder.json"])
    assert card["max_tokens"] == MAX_TOKENS
    assert card["source"].startswith("tuned from tiny")
    assert card["licence"] == "Apache-2.0"
    assert card["parity"]["mean_cosine"] > 0.99
    assert set(files) == {"encoder.onnx", "encoder.json", "tokenizer.json"}


def test_corrupt_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """int8 with wrong scales is found out on the held-out texts, said, and float32 is kept instead."""
    monkeypatch.setattr(encoder_graph, "_quantise_rows", corrupt)
    said: list[str] = []
    encoder, _, agreement = export(trained(), threads=1, progress=said.append)
    assert encoder.card.precision == "float32"
    assert agreement.largest < 0.001
    assert [words.split(":")[0] for words in said] == ["int8", "float32"]


def test_nothing_agrees() -> None:
    """Where not even float32 answers as what was trained, there is an error that says by how much."""
    others = trained(tensors=tiny_weights(seed=9))
    with pytest.raises(ArtifactError, match=r"does not answer as the trained one .*int8.*float32"):
        export(others, threads=1, progress=str)


def test_not_a_number() -> None:
    """Weights that became no numbers are refused, too."""
    broken = tiny_weights()
    broken["encoder.layer.1.output.dense.bias"][:] = np.nan
    with pytest.raises(ArtifactError, match="no model was written"):
        export(trained(tensors=broken), threads=1, progress=str)
