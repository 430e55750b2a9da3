from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.tiny_bert import write_tiny_encoder
from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import Encoder, Parity
from tierwright.training.encoder_parity import MIN_MEAN_COSINE, SENTENCES, check_parity, measure_parity

if TYPE_CHECKING:
    from pathlib import Path


def test_parity_of_an_encoder_with_itself(tmp_path: Path) -> None:
    """An encoder agrees with itself on every sentence."""
    encoder = Encoder.load(write_tiny_encoder(tmp_path / "tiny"))
    parity = measure_parity(encoder, encoder)
    assert parity.n == len(SENTENCES) == len(set(SENTENCES))
    np.testing.assert_allclose([parity.mean_cosine, parity.min_cosine], 1, atol=1e-6)


def test_parity_of_different_encoders(tmp_path: Path) -> None:
    """Encoders with other weights disagree, and the figures are the cosines' mean and minimum."""
    one, other = (Encoder.load(write_tiny_encoder(tmp_path / str(seed), seed=seed)) for seed in (0, 1))
    parity = measure_parity(one, other)
    cosines = [float(a @ b) for a, b in zip(one.embed(SENTENCES), other.embed(SENTENCES), strict=True)]
    assert parity.mean_cosine == pytest.approx(sum(cosines) / len(cosines), abs=1e-6)
    assert parity.min_cosine == pytest.approx(min(cosines), abs=1e-6)
    with pytest.raises(ArtifactError, match="does not agree with the float32 one"):
        check_parity(parity)


def test_check_parity_at_the_limit() -> None:
    """A mean cosine at the limit passes; one just below it, or none at all, does not."""
    check_parity(Parity(mean_cosine=MIN_MEAN_COSINE, min_cosine=0, n=32))
    for mean in (MIN_MEAN_COSINE - 1e-9, float("nan")):
        with pytest.raises(ArtifactError):
            check_parity(Parity(mean_cosine=mean, min_cosine=0, n=32))
