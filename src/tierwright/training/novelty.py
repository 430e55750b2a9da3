"""Fits what a specialist knows of its own limits: prototypes of its answers, and what evidence is ordinary.

Owns the evidence of examples that the scoring model has not seen. No example from outside is needed: what is ordinary
is learned, and what is not is everything else. Refuses to know how the votes were fitted and how the probabilities are
calibrated afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.linear import decode
from tierwright.specialists.novelty import (
    NoveltyConfig,
    Prototypes,
    gather,
    known_share,
    mean_margin,
    mean_similarity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

#: Prototypes of one head, about; at most so many of one member, and examples for each.
_PROTOTYPES, _PER_MEMBER, _PER_PROTOTYPE = 150, 16, 20
#: Rounds of spherical k-means, and examples of a member it looks at.
_ROUNDS, _SAMPLE = 8, 2_000
#: Shares of unseen training examples with less evidence than is taken for ordinary, and than nearly all have.
_LOW, _LOWEST = 0.05, 0.01
#: Least spreads of the kinds of evidence: where training texts are all alike, a little less is still ordinary.
_MIN_SPREADS = (1.0, 0.25, 0.1, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """In how many texts each n-gram occurs, to say what of a text would be known without some of the others."""

    #: N-grams of the training texts, shape (n, columns).
    ngrams: sp.csr_matrix
    #: Whether each column is one of words, shape (columns,).
    of_words: NDArray[np.bool_]
    #: Texts in which each occurs, shape (columns,).
    texts: NDArray[np.int64]
    #: From how many an n-gram is known.
    min_texts: int

    @classmethod
    def of(cls, ngrams: sp.csr_matrix, of_words: NDArray[np.bool_], min_texts: int) -> Spread:
        """Of all training texts."""
        texts = np.bincount(ngrams.indices, minlength=ngrams.shape[1])
        return cls(ngrams=ngrams, of_words=of_words, texts=texts, min_texts=min_texts)

    def known_without_itself(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """N-grams, of characters and of words, that would be known of each text had it not been seen: shape (n, 2)."""
        part = self.ngrams[rows]
        row = np.repeat(np.arange(len(rows)), np.diff(part.indptr))
        known = self.texts[part.indices] > self.min_texts
        kind = 2 * row[known] + self.of_words[part.indices[known]]
        return np.bincount(kind, minlength=2 * len(rows)).reshape(-1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Training examples with the scores of models that have not seen them: n examples, one entry for each head."""

    #: The member each example has, shape (n, heads).
    labels: NDArray[np.int64]
    #: Shape (n, k) each.
    log_probabilities: Sequence[NDArray[np.float64]]
    #: Shape (n, k) each.
    margins: Sequence[NDArray[np.float64]]
    #: Answers that are given, shape (m, heads); None: all.
    combinations: NDArray[np.int64] | None
    spread: Spread
    #: N-grams of characters and of words of each text, shape (n, 2).
    total: NDArray[np.int64]
    #: None: without an encoder.
    embeddings: NDArray[np.float32] | None
    #: The fold each example is left out with.
    folds: NDArray[np.int64]
    #: Whether each example's labels are taken to be right, shape (n,).
    kept: NDArray[np.bool_]
    seed: int

    def answers(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The answer to each of some examples, shape (rows, heads), and its evidence, shape (rows, kinds)."""
        best, probability = decode([scores[rows] for scores in self.log_probabilities], self.combinations)
        margin = mean_margin([of[rows] for of in self.margins], best)
        similarity = None if self.embeddings is None else self._similarity(self.embeddings, rows, best)
        known = known_share(self.spread.known_without_itself(rows), self.total[rows])
        return best, gather(probability, margin, known, similarity)

    def _similarity(
        self, embeddings: NDArray[np.float32], rows: NDArray[np.int64], best: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """To prototypes that were fitted without the fold of each example."""
        found = np.zeros(len(rows))
        for fold in np.unique(self.folds[rows]):
            inside = self.folds[rows] == fold
            outside = np.flatnonzero((self.folds != fold) & self.kept)
            prototypes = [
                fit_prototypes(embeddings[outside], self.labels[outside, head], scores.shape[1], seed=self.seed)
                for head, scores in enumerate(self.log_probabilities)
            ]
            found[inside] = mean_similarity(prototypes, embeddings[rows[inside]], best[inside])
        return found


def fit_prototypes(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], members: int, *, seed: int
) -> Prototypes:
    """The mean direction of each member's examples, or several where members are few and their examples many.

    Spherical k-means (Dhillon and Modha 2001), the same for the same seed.
    """
    vectors, owners = [], []
    wanted = min(_PER_MEMBER, max(1, _PROTOTYPES // max(members, 1)))
    for member in range(members):
        own = embeddings[labels == member]
        if not len(own):
            continue
        generator = np.random.default_rng([seed, member])
        if len(own) > _SAMPLE:
            own = own[np.sort(generator.choice(len(own), _SAMPLE, replace=False))]
        count = max(1, min(wanted, len(own) // _PER_PROTOTYPE))
        centres = _unit(own.mean(axis=0, keepdims=True))
        if count > 1:
            centres = own[np.sort(generator.choice(len(own), count, replace=False))]
            for _ in range(_ROUNDS):
                nearest = (own @ centres.T).argmax(axis=1)
                filled = [own[nearest == number].sum(axis=0) for number in range(count) if (nearest == number).any()]
                centres = _unit(np.stack(filled))
                count = len(centres)
        vectors.append(centres)
        owners += [member] * len(centres)
    return Prototypes(vectors=np.concatenate(vectors).astype(np.float32), members=np.array(owners, dtype=np.int64))


def fit_limits(evidence: NDArray[np.float64]) -> NoveltyConfig:
    """What evidence is ordinary, from that of unseen examples, shape (n, kinds)."""
    lows = np.quantile(evidence, _LOW, axis=0)
    width = np.median(evidence, axis=0) - np.quantile(evidence, _LOWEST, axis=0)
    return NoveltyConfig(lows=lows.tolist(), spreads=np.maximum(width, _MIN_SPREADS[: evidence.shape[1]]).tolist())


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: NDArray[np.float32] = vectors / np.maximum(length, 1e-12)
    return result
