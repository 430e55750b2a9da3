"""A trained `span-tagger`, loaded: from inputs to answers in the incumbent's format, with calibrated confidence.

Owns what is kept in its artifact and the last steps: how likely each candidate is, which are chosen, and how sure the
whole answer is. Every string it answers stands in the input. Refuses to know how anything was fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright.core.contract import OutputContract
from tierwright.core.errors import ArtifactError
from tierwright.core.model import Prediction
from tierwright.specialists.artifact import encoder_of, read_artifact
from tierwright.specialists.linear import Confidence
from tierwright.specialists.spans.answers import FoundString, Habits, render, specs
from tierwright.specialists.spans.candidates import Gazetteer, choose, describe, found_string
from tierwright.specialists.spans.chain import ChainWeights, Transitions
from tierwright.specialists.spans.features import Features
from tierwright.specialists.spans.passages import Relevance
from tierwright.specialists.spans.reader import Reader, Standard
from tierwright.specialists.spans.text import tokenize
from tierwright.specialists.spans.vectors import TokenVectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tierwright.specialists.artifact import Artifact
    from tierwright.specialists.encoder import Encoder
    from tierwright.specialists.spans.candidates import Candidate
    from tierwright.specialists.spans.text import TokenText

_EDGE = 1e-4


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is no array."""

    contract: OutputContract
    habits: list[Habits]
    #: The fields of each chain, by their places in the contract.
    chains: list[list[int]]
    #: Probability of a candidate from which it is an answer.
    threshold: float
    #: Share of new words and pairs from which an input counts as unlike the training data.
    unlike: float
    confidence_slope: float
    confidence_intercept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What decides on candidates, and how sure a whole answer is."""

    many: tuple[bool, ...]
    #: The chain of each field.
    chain_of: tuple[int, ...]
    gazetteer: Gazetteer
    #: A logistic regression on what is known of a candidate, the intercept last, shape (features + 1,).
    ranker: NDArray[np.float64]
    threshold: float
    #: One on what is known of an answer (`answer_features`), the intercept last; shape (features + 1,).
    surety: NDArray[np.float64]
    unlike: float

    def probabilities(self, tokens: TokenText, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
        """How likely each candidate is an answer, shape (n,)."""
        if not candidates:
            return np.zeros(0)
        return logistic(describe(tokens, candidates, self.gazetteer, len(self.many)), self.ranker)

    def answer(
        self, candidates: Sequence[Candidate], likely: NDArray[np.float64], *, threshold: float | None = None
    ) -> list[int]:
        """The places of the chosen candidates; None: of those above the threshold that was fitted."""
        least = self.threshold if threshold is None else threshold
        return choose(candidates, likely, self.many, self.chain_of, threshold=least)

    def sure(self, features: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
        """How likely whole answers are right, before calibration: shape (n,).

        An input with more news than nearly all of the training data's had is trusted less, down to not at all: what a
        model does not know it does not find, and an answer without strings would look certain.
        """
        excess = np.maximum(new - self.unlike, 0) / max(1 - self.unlike, _EDGE)
        return logistic(features, self.surety) * np.maximum(1 - 2 * excess, 0)


def answer_features(likely: NDArray[np.float64], chosen: Sequence[int], new: float, tokens: int) -> list[float]:
    """What is known of a whole answer: its log-odds if candidates were independent, its size, the input's news."""
    picked = np.zeros(len(likely), dtype=np.bool_)
    picked[list(chosen)] = True
    clipped = np.clip(likely, _EDGE, 1 - _EDGE)
    whole = float(np.log(np.where(picked, clipped, 1 - clipped)).sum())
    whole = min(max(whole, float(np.log(_EDGE))), float(np.log(1 - _EDGE)))
    odds = whole - float(np.log1p(-np.exp(whole)))
    return [odds, float(np.log1p(len(chosen))), new, float(np.log1p(tokens))]


def logistic(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities, shape (n,)."""
    score = np.clip(features @ weights[:-1] + weights[-1], -30, 30)
    result: NDArray[np.float64] = 1 / (1 + np.exp(-score))
    return result


def located(candidates: Sequence[Candidate], chosen: Sequence[int], fields: int) -> list[list[FoundString]]:
    """The chosen strings of each field."""
    found: list[list[FoundString]] = [[] for _ in range(fields)]
    for at in chosen:
        found[candidates[at].field].append(found_string(candidates[at]))
    return found


class SpanTagger:
    """A loaded specialist. Thread-safe: nothing changes after loading."""

    def __init__(self, artifact: Artifact[Config], encoder: Encoder | None) -> None:
        """Raises ArtifactError where arrays are missing or the encoder is not the one it was trained with."""
        encoder = encoder_of(artifact, encoder)
        config = artifact.config
        self._contract, self._habits = config.contract, config.habits
        try:
            self._reader, self._judge = _restore(artifact, encoder)
        except (KeyError, ValueError, IndexError) as error:
            raise ArtifactError(f"model {artifact.id[:12]} lacks or garbles {error}; train it again") from error
        self._confidence = Confidence(slope=config.confidence_slope, intercept=config.confidence_intercept)

    @classmethod
    def load(cls, directory: Path, *, encoder: Encoder | None) -> SpanTagger:
        """The specialist in an artifact's directory; raises ArtifactError where it is damaged or does not fit."""
        return cls(read_artifact(directory, Config), encoder)

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction for each input, in order; any string is an answerable input."""
        return [self._predict(text) for text in inputs]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of what it looks for."""
        return tuple(habit.name for habit in self._habits)

    def locate(self, text: str, *, threshold: float | None = None) -> list[list[FoundString]]:
        """What it finds for each of its fields, with the characters of the input that say so.

        `threshold` is the probability from which a string counts; None: the one that its answers are made with.
        """
        tokens = tokenize(text)
        candidates, _ = self._reader.read(tokens)
        likely = self._judge.probabilities(tokens, candidates)
        chosen = self._judge.answer(candidates, likely, threshold=threshold)
        return located(candidates, chosen, len(self._habits))

    def _predict(self, text: str) -> Prediction:
        tokens = tokenize(text)
        candidates, new = self._reader.read(tokens)
        likely = self._judge.probabilities(tokens, candidates)
        chosen = self._judge.answer(candidates, likely)
        features = np.array([answer_features(likely, chosen, new, len(tokens))])
        sure = self._confidence.calibrated(self._judge.sure(features, np.array([new])))
        found = located(candidates, chosen, len(self._habits))
        return Prediction(output=render(self._contract, self._habits, found), confidence=float(sure[0]))


def arrays_of(reader: Reader, judge: Judge) -> dict[str, NDArray[np.generic]]:
    """The arrays of an artifact, by name."""
    arrays: dict[str, NDArray[np.generic]] = {
        "features": reader.features.columns,
        "gazetteer.numbers": judge.gazetteer.numbers,
        "gazetteer.counts": judge.gazetteer.counts,
        "ranker": judge.ranker,
        "surety": judge.surety,
    }
    for place, chain in enumerate(reader.chains):
        arrays[f"chain{place}.sparse"] = chain.sparse
        arrays[f"chain{place}.bias"] = chain.bias
        arrays[f"chain{place}.between"] = chain.transitions.between
        arrays[f"chain{place}.first"] = chain.transitions.first
        arrays[f"chain{place}.last"] = chain.transitions.last
        if chain.dense is not None:
            arrays[f"chain{place}.dense"] = chain.dense
    if reader.standard is not None:
        arrays["vectors.mean"], arrays["vectors.scale"] = reader.standard.mean, reader.standard.scale
    if reader.relevance is not None:
        arrays["relevance.columns"] = reader.relevance.columns
        arrays["relevance.weights"] = reader.relevance.weights
        arrays["relevance.bias"] = reader.relevance.bias
    return arrays


def _restore(artifact: Artifact[Config], encoder: Encoder | None) -> tuple[Reader, Judge]:
    config, arrays = artifact.config, artifact.arrays

    def single(name: str) -> NDArray[np.float32]:
        return np.asarray(arrays[name], dtype=np.float32)

    def double(name: str) -> NDArray[np.float64]:
        return np.asarray(arrays[name], dtype=np.float64)

    def numbers(name: str) -> NDArray[np.uint32]:
        return np.asarray(arrays[name], dtype=np.uint32)

    chains = tuple(
        ChainWeights(
            sparse=single(f"chain{place}.sparse"),
            dense=single(f"chain{place}.dense") if encoder is not None else None,
            bias=single(f"chain{place}.bias"),
            transitions=Transitions(
                between=double(f"chain{place}.between"),
                first=double(f"chain{place}.first"),
                last=double(f"chain{place}.last"),
            ),
        )
        for place in range(len(config.chains))
    )
    relevance = None
    if "relevance.columns" in arrays:
        relevance = Relevance(
            columns=numbers("relevance.columns"),
            weights=single("relevance.weights"),
            bias=single("relevance.bias"),
        )
    standard = None
    if encoder is not None:
        standard = Standard(
            mean=single("vectors.mean"),
            scale=single("vectors.scale"),
        )
    reader = Reader(
        features=Features(columns=numbers("features")),
        chains=chains,
        fields=tuple(tuple(own) for own in config.chains),
        relevance=relevance,
        standard=standard,
        vectors=None if encoder is None else TokenVectors(encoder),
    )
    judge = Judge(
        many=tuple(spec.many for spec in specs(config.contract)),
        chain_of=chain_of(config.chains),
        gazetteer=Gazetteer(
            numbers=numbers("gazetteer.numbers"),
            counts=single("gazetteer.counts"),
        ),
        ranker=double("ranker"),
        threshold=config.threshold,
        surety=double("surety"),
        unlike=config.unlike,
    )
    return reader, judge


def chain_of(chains: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The chain of each field, by the field's place."""
    pairs = sorted((field, place) for place, own in enumerate(chains) for field in own)
    return tuple(place for _, place in pairs)
