"""Fits the two linear votes of a head, and predicts each example by a model that has not seen it.

Owns the fitting of one closed-set decision; refuses to know where labels come from and what is done with the scores.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from tierwright.specialists.linear import log_softmax
from tierwright.training.softmax import fit_softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Score of a member that no training example has: below every other.
_ABSENT = -2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteConfig:
    """Hyper-parameters, chosen by cross-validation on several public data sets; see LAB.md."""

    #: C of the linear SVM on n-grams.
    svm_strength: float = 0.5
    #: C of the softmax regression on embeddings.
    softmax_strength: float = 30.0
    softmax_iterations: int = 100
    #: Weight of each member's own name as an example of it.
    name_weight: float = 3.0
    folds: int = 3
    #: Folds fitted at the same time; the outcome does not depend on it.
    threads: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of n examples and of the names of the k members of a head."""

    ngrams: sp.csr_matrix
    #: None: without an encoder.
    embeddings: NDArray[np.float32] | None

    def rows(self, chosen: NDArray[np.int64]) -> Features:
        """Those of some examples."""
        embeddings = None if self.embeddings is None else self.embeddings[chosen]
        return Features(ngrams=self.ngrams[chosen], embeddings=embeddings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the two votes say: shape (n, k) each."""

    ngrams: NDArray[np.float64]
    embeddings: NDArray[np.float64] | None

    def combined(self, scales: tuple[float, float]) -> NDArray[np.float64]:
        """Logarithms of probabilities."""
        total = scales[0] * self.ngrams
        return log_softmax(total if self.embeddings is None else total + scales[1] * self.embeddings)

    def rows(self, chosen: NDArray[np.bool_]) -> Scores:
        """Those of some examples."""
        return Scores(
            ngrams=self.ngrams[chosen], embeddings=None if self.embeddings is None else self.embeddings[chosen]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """The fitted weights and intercepts of the two votes."""

    ngram_weights: NDArray[np.float32]
    ngram_bias: NDArray[np.float32]
    embedding_weights: NDArray[np.float32] | None
    embedding_bias: NDArray[np.float32] | None

    def scores(self, features: Features) -> Scores:
        """What the votes say of examples."""
        embeddings = None
        if features.embeddings is not None and self.embedding_weights is not None and self.embedding_bias is not None:
            embeddings = (features.embeddings @ self.embedding_weights + self.embedding_bias).astype(np.float64)
        ngrams = np.asarray(features.ngrams @ self.ngram_weights + self.ngram_bias, dtype=np.float64)
        return Scores(ngrams=ngrams, embeddings=embeddings)


def fit_votes(
    features: Features,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    names: Features,
    *,
    config: VoteConfig,
    seed: int,
) -> Votes:
    """The votes of a head; examples of weight 0 are left out.

    `names` are the features of the members' names, k rows: each is also an example of its member.
    """
    used = np.flatnonzero(weights > 0)
    members = names.ngrams.shape[0]
    ngrams = sp.vstack([features.ngrams[used], names.ngrams]).tocsr()
    target = np.concatenate([labels[used], np.arange(members)])
    weight = np.concatenate([weights[used], np.full(members, config.name_weight)])
    ngram_weights, ngram_bias = _svm(ngrams, target, weight, members, config=config, seed=seed)
    embedding_weights = embedding_bias = None
    if features.embeddings is not None and names.embeddings is not None:
        embedding_weights, embedding_bias = fit_softmax(
            np.concatenate([features.embeddings[used], names.embeddings]),
            target,
            weight,
            members,
            strength=config.softmax_strength,
            iterations=config.softmax_iterations,
        )
    return Votes(
        ngram_weights=ngram_weights,
        ngram_bias=ngram_bias,
        embedding_weights=embedding_weights,
        embedding_bias=embedding_bias,
    )


def out_of_fold(
    features: Features,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    names: Features,
    folds: NDArray[np.int64],
    *,
    config: VoteConfig,
    seed: int,
) -> Scores:
    """Scores of every example by votes fitted without its fold."""
    members = names.ngrams.shape[0]
    ngrams = np.zeros((len(labels), members))
    embeddings = None if features.embeddings is None else np.zeros((len(labels), members))

    def held_out(fold: int) -> tuple[NDArray[np.int64], Scores]:
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        votes = fit_votes(features.rows(outside), labels[outside], weights[outside], names, config=config, seed=seed)
        return inside, votes.scores(features.rows(inside))

    # Both solvers release the interpreter lock for most of their time; threads of BLAS inside each would fight.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(config.threads) as pool:
        for inside, scores in pool.map(held_out, range(int(folds.max()) + 1)):
            ngrams[inside] = scores.ngrams
            if embeddings is not None and scores.embeddings is not None:
                embeddings[inside] = scores.embeddings
    return Scores(ngrams=ngrams, embeddings=embeddings)


def fit_scales(scores: Scores, labels: NDArray[np.int64]) -> tuple[float, float]:
    """The factors of the two votes with which the labels are likeliest; out-of-fold scores keep them honest."""
    rows = np.arange(len(labels))

    def loss(logs: NDArray[np.float64]) -> float:
        factors = np.exp(np.clip(logs, -5, 5))
        likelihood = scores.combined((float(factors[0]), float(factors[1])))[rows, labels]
        return float(-likelihood.mean() + 1e-3 * ((logs - _START) ** 2).sum())

    found = minimize(loss, _START, method="Nelder-Mead", options={"maxiter": 80, "xatol": 1e-2, "fatol": 1e-5})
    factors = np.exp(np.clip(found.x, -5, 5))
    return float(factors[0]), float(factors[1])


#: Logarithms of the factors the search starts at.
_START = np.log(np.array([2.0, 1.0]))


def _svm(
    ngrams: sp.csr_matrix,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    members: int,
    *,
    config: VoteConfig,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    model = LinearSVC(C=config.svm_strength, random_state=seed).fit(ngrams, labels, sample_weight=weights)
    matrix = np.zeros((ngrams.shape[1], members), dtype=np.float32)
    bias = np.full(members, _ABSENT, dtype=np.float32)
    if len(model.classes_) == 2:
        coefficients, intercepts = np.vstack([-model.coef_, model.coef_]), np.r_[-model.intercept_, model.intercept_]
    else:
        coefficients, intercepts = model.coef_, model.intercept_
    matrix[:, model.classes_] = coefficients.T
    bias[model.classes_] = intercepts
    return matrix, bias
