"""Fits what a specialist knows of its own limits: prototypes of its answers, and the map from evidence to probability.

Owns the evidence of examples that the scoring model has not seen, among them examples that are made novel: an answer is
taken away from the closed set, and what would have had it must be answered by the others. That is what an input outside
of every known answer looks like, without having one. Refuses to know how the votes were fitted and how the
probabilities are calibrated afterwards.

Sources: Shu, Xu, Liu (2018), Unseen class discovery in open-world classification, for classes left out in place of
unknown ones; Platt (1999) for the line in log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

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
#: Weight of all novel examples together, as a share of that of the others.
_NOVEL_WEIGHT = 0.25
#: Members from which taking one away leaves a question worth answering.
MIN_MEMBERS = 5
#: Share of unseen training examples that may have less evidence than is taken for ordinary.
_LOW = 0.01
#: Least spreads of the kinds of evidence: where training texts are all alike, a little less is still ordinary.
_MIN_SPREADS = (1.0, 0.25, 0.1, 0.1)
#: Width of the priors on the slopes, for evidence of standard deviation 1: few labels move them little.
_SLOPE_SPREAD = 1.0


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
        return self._known(rows, self.texts - 1)

    def known_without_class(self, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same had no text with its label been seen. `labels` are those of all training texts."""
        found = np.zeros((len(rows), 2), dtype=np.int64)
        for label in np.unique(labels[rows]):
            own = np.bincount(self.ngrams[np.flatnonzero(labels == label)].indices, minlength=len(self.texts))
            chosen = np.flatnonzero(labels[rows] == label)
            found[chosen] = self._known(rows[chosen], self.texts - own)
        return found

    def _known(self, rows: NDArray[np.int64], texts: NDArray[np.int64]) -> NDArray[np.int64]:
        part = self.ngrams[rows]
        row = np.repeat(np.arange(len(rows)), np.diff(part.indptr))
        known = texts[part.indices] >= self.min_texts
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
        known = self.spread.known_without_itself(rows)
        return self._answers(rows, [scores[rows] for scores in self.log_probabilities], known)

    def novel(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The evidence of answers to some examples where the member that each has was never seen; shape (rows, kinds).

        Taken away is the member of the head that has most. No rows where even that has too few.
        """
        sizes = [scores.shape[1] for scores in self.log_probabilities]
        head = int(np.argmax(sizes))
        if sizes[head] < MIN_MEMBERS:
            rows = rows[:0]
        scores = [of[rows] for of in self.log_probabilities]
        scores[head] = without_own_member(scores[head], self.labels[rows, head])
        known = self.spread.known_without_class(rows, self.labels[:, head])
        return self._answers(rows, scores, known)[1]

    def _answers(
        self, rows: NDArray[np.int64], scores: list[NDArray[np.float64]], known: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        best, probability = decode(scores, self.combinations)
        margin = mean_margin([of[rows] for of in self.margins], best)
        similarity = None if self.embeddings is None else self._similarity(self.embeddings, rows, best)
        return best, gather(probability, margin, known_share(known, self.total[rows]), similarity)

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


def without_own_member(log_probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithms of probabilities, shape (n, k), own members taken away and the others made to sum to 1."""
    left = log_probabilities.copy()
    left[np.arange(len(labels)), labels] = -np.inf
    left -= left.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = left - np.log(np.exp(left).sum(axis=1, keepdims=True))
    return np.maximum(result, _NEVER)


#: Logarithm of the probability of a member that was taken away: finite, so that sums over heads are numbers.
_NEVER = -1e6


def fit_map(
    evidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    novel: NDArray[np.float64],
    *,
    weight: float = _NOVEL_WEIGHT,
) -> NoveltyConfig:
    """The map from evidence to the probability that an answer is right.

    `evidence`, shape (n, kinds), and `right`, shape (n,), are of unseen examples; `novel`, shape (m, kinds), of those
    made novel, whose answers are all wrong; m may be 0. Slopes are at least 0. That of the log-odds is drawn towards 1
    and the others towards 0, so that with few examples the probability stays nearly as it was.
    """
    centre = evidence.mean(axis=0)
    width = np.maximum(evidence.std(axis=0), 1e-6)
    width[0], centre[0] = 1.0, 0.0  # log-odds are on a scale of their own
    rows = (np.concatenate([evidence, novel]) - centre) / width
    target = np.concatenate([right, np.zeros(len(novel))])
    share = np.ones(len(rows))
    share[len(evidence) :] = weight * len(evidence) / max(len(novel), 1)
    prior = np.zeros(rows.shape[1])
    prior[0] = 1.0

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = rows @ line[:-1] + line[-1]
        entropy = np.logaddexp(0, score) - target * score
        error = share * (1 / (1 + np.exp(-np.clip(score, -700, 700))) - target)
        away = (line[:-1] - prior) / _SLOPE_SPREAD**2
        value = float((share * entropy).sum() + 0.5 * ((line[:-1] - prior) * away).sum())
        return value, np.append(rows.T @ error + away, error.sum())

    bounds = [(0.0, None)] * rows.shape[1] + [(None, None)]
    found = minimize(loss, np.append(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds)
    slopes = found.x[:-1] / width
    lows = np.quantile(evidence, _LOW, axis=0)
    spreads = np.maximum(np.median(evidence, axis=0) - lows, _MIN_SPREADS[: evidence.shape[1]])
    return NoveltyConfig(
        slopes=slopes.tolist(),
        intercept=float(found.x[-1] - slopes @ centre),
        lows=lows.tolist(),
        spreads=spreads.tolist(),
    )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: NDArray[np.float32] = vectors / np.maximum(length, 1e-12)
    return result
