"""A trained specialist of linear votes, loaded: what the recipes `ngram` and `encoder-head` make.

From inputs to answers in the incumbent's format, with calibrated confidence. What is evaluated and what answers
requests is this same code on the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright.core.contract import OutputContract
from tierwright.core.errors import ArtifactError
from tierwright.core.model import Prediction
from tierwright.specialists.artifact import encoder_of, read_artifact
from tierwright.specialists.linear import Confidence, LinearHead, decode
from tierwright.specialists.ngram import NgramConfig, NgramFeaturiser
from tierwright.specialists.novelty import (
    NoveltyConfig,
    Prototypes,
    gather,
    known_share,
    mean_margin,
    mean_similarity,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue
    from tierwright.specialists.artifact import Artifact
    from tierwright.specialists.encoder import Encoder

#: Inputs scored at a time: bounds the memory of a large batch.
_BATCH = 1000
#: Names of arrays in an artifact.
FEATURES, IDF, COMBINATIONS = "ngram.features", "ngram.idf", "combinations"
#: The same of each head, after its number.
PROTOTYPES, OWNERS = "prototypes", "prototype_members"


class HeadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one head's votes are combined; its arrays are in the weights."""

    name: str
    #: The members, by column of the weights.
    values: list[str | int | float | bool | None]
    ngram_scale: float
    embedding_scale: float


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is no array."""

    contract: OutputContract
    ngrams: NgramConfig
    heads: list[HeadConfig]
    confidence_slope: float
    confidence_intercept: float
    #: How confidence falls on inputs unlike the training data; None: an artifact from before that was learned.
    novelty: NoveltyConfig | None = None


class Specialist:
    """A loaded specialist. Thread-safe: nothing changes after loading."""

    def __init__(self, artifact: Artifact[Config], encoder: Encoder | None) -> None:
        """Raises ArtifactError where arrays are missing or the encoder is not the one it was trained with."""
        self._contract = artifact.config.contract
        self._encoder = encoder_of(artifact, encoder)
        arrays = artifact.arrays
        try:
            self._ngrams = NgramFeaturiser(
                config=artifact.config.ngrams,
                features=np.asarray(arrays[FEATURES], dtype=np.uint32),
                idf=np.asarray(arrays[IDF], dtype=np.float32),
            )
            self._values: list[list[FieldValue]] = [list(head.values) for head in artifact.config.heads]
            self._heads = [
                LinearHead(
                    ngram_weights=np.asarray(arrays[f"head{place}.ngram.weights"], dtype=np.float32),
                    ngram_bias=np.asarray(arrays[f"head{place}.ngram.bias"], dtype=np.float32),
                    embedding_weights=_optional(arrays, f"head{place}.embedding.weights"),
                    embedding_bias=_optional(arrays, f"head{place}.embedding.bias"),
                    ngram_scale=head.ngram_scale,
                    embedding_scale=head.embedding_scale,
                )
                for place, head in enumerate(artifact.config.heads)
            ]
        except KeyError as error:
            raise ArtifactError(f"model {artifact.id[:12]} lacks the array {error}; train it again") from error
        self._novelty = artifact.config.novelty
        self._prototypes = _prototypes(arrays, len(self._heads)) if self._encoder is not None else None
        kinds = 3 if self._prototypes is None else 4
        if self._novelty is not None and {len(self._novelty.lows), len(self._novelty.spreads)} != {kinds}:
            raise ArtifactError(f"model {artifact.id[:12]} weighs other evidence than it has; train it again")
        combinations = arrays.get(COMBINATIONS)
        self._combinations = None if combinations is None else np.asarray(combinations, dtype=np.int64)
        self._confidence = Confidence(
            slope=artifact.config.confidence_slope, intercept=artifact.config.confidence_intercept
        )

    @classmethod
    def load(cls, directory: Path, *, encoder: Encoder | None) -> Specialist:
        """The specialist in an artifact's directory; raises ArtifactError where it is damaged or does not fit."""
        return cls(read_artifact(directory, Config), encoder)

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction for each input, in order; any string is an answerable input."""
        return [
            prediction
            for start in range(0, len(inputs), _BATCH)
            for prediction in self._predict(inputs[start : start + _BATCH])
        ]

    def _predict(self, inputs: Sequence[str]) -> list[Prediction]:
        reading = self._ngrams.read(inputs)
        embeddings = self._encoder.embed(inputs) if self._encoder is not None else None
        votes = [head.votes(reading.ngrams, embeddings) for head in self._heads]
        best, probability = decode([scores for _, scores in votes], self._combinations)
        if self._novelty is not None:
            similarity = None
            if self._prototypes is not None and embeddings is not None:
                similarity = mean_similarity(self._prototypes, embeddings, best)
            margin = mean_margin([margins for margins, _ in votes], best)
            evidence = gather(probability, margin, known_share(reading.known, reading.total), similarity)
            probability = weigh(evidence, self._novelty)
        confidence = self._confidence.calibrated(probability)
        return [
            Prediction(output=self._render(row), confidence=sure)
            for row, sure in zip(best.tolist(), confidence.tolist(), strict=True)
        ]

    def _render(self, members: list[int]) -> str:
        return self._contract.render([values[member] for values, member in zip(self._values, members, strict=True)])


def _prototypes(arrays: dict[str, NDArray[np.generic]], heads: int) -> list[Prototypes] | None:
    """Those of every head; None: an artifact without."""
    if f"head0.{PROTOTYPES}" not in arrays:
        return None
    return [
        Prototypes(
            vectors=np.asarray(arrays[f"head{place}.{PROTOTYPES}"], dtype=np.float32),
            members=np.asarray(arrays[f"head{place}.{OWNERS}"], dtype=np.int64),
        )
        for place in range(heads)
    ]


def _optional(arrays: dict[str, NDArray[np.generic]], name: str) -> NDArray[np.float32] | None:
    found = arrays.get(name)
    return None if found is None else np.asarray(found, dtype=np.float32)
