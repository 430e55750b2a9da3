"""A fitted specialist as arrays: linear heads over n-grams and embeddings, and how their votes become one answer.

Owns scoring, joint decoding and calibrated confidence; refuses to know how anything was fitted and how it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

#: Probabilities are kept this far from 0 and 1 before their odds are taken.
_EDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHead:
    """The votes of one closed-set decision with k members."""

    #: Weights of the n-grams, shape (columns, k), and their intercepts, shape (k,).
    ngram_weights: NDArray[np.float32]
    ngram_bias: NDArray[np.float32]
    #: Weights of the embedding, shape (dimension, k), and their intercepts; None: a head without an encoder.
    embedding_weights: NDArray[np.float32] | None
    embedding_bias: NDArray[np.float32] | None
    #: How much the two votes count: factors of their scores before the softmax.
    ngram_scale: float
    embedding_scale: float

    def log_probabilities(self, ngrams: sp.csr_matrix, embeddings: NDArray[np.float32] | None) -> NDArray[np.float64]:
        """Shape (n, k): logarithms of the members' probabilities before the confidence is calibrated."""
        return self.votes(ngrams, embeddings)[1]

    def votes(
        self, ngrams: sp.csr_matrix, embeddings: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the n-grams alone say, as distances from the members' hyperplanes, and `log_probabilities`."""
        margins = (np.asarray(ngrams @ self.ngram_weights) + self.ngram_bias).astype(np.float64)
        scores = self.ngram_scale * margins
        if self.embedding_weights is not None and self.embedding_bias is not None and embeddings is not None:
            scores += self.embedding_scale * (embeddings @ self.embedding_weights + self.embedding_bias)
        return margins, log_softmax(scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """The map from the probability of the chosen answer to the probability that it is right: a line in log-odds.

    Platt (1999), Probabilistic outputs for support vector machines.
    """

    slope: float
    intercept: float

    def calibrated(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities, increasing in the given ones. Shape as given."""
        result: NDArray[np.float64] = 1 / (1 + np.exp(-(self.slope * log_odds(probability) + self.intercept)))
        return result


def decode(
    log_probabilities: list[NDArray[np.float64]], combinations: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best member of each head, shape (n, heads), and the probability of that answer as a whole, shape (n,).

    With `combinations`, shape (m, heads), only answers seen in training are given: their probabilities are the products
    of the heads', made to sum to one. Without, every head decides for itself.
    """
    if combinations is None:
        best = np.stack([scores.argmax(axis=1) for scores in log_probabilities], axis=1)
        total = np.sum([scores.max(axis=1) for scores in log_probabilities], axis=0)
        return best, np.exp(total)
    joint = np.sum([scores[:, combinations[:, head]] for head, scores in enumerate(log_probabilities)], axis=0)
    joint = log_softmax(joint)
    chosen = joint.argmax(axis=1)
    return combinations[chosen], np.exp(joint[np.arange(len(chosen)), chosen])


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the softmax of each row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)), finite for 0 and 1 too."""
    clipped = np.clip(probability, _EDGE, 1 - _EDGE)
    result: NDArray[np.float64] = np.log(clipped) - np.log1p(-clipped)
    return result
