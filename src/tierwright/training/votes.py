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
from tierwright.training.descent import descend
from tierwright.training.softmax import Head, fit_softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteConfig:
    """Hyper-parameters, chosen by cross-validation on several public data sets; see LAB.md."""

    #: C of the linear SVM on n-grams.
    svm_strength: float = 0.5
    #: N-grams of all examples times members up to which the SVM is solved exactly: minutes on one core. Beyond, it is
    #: approached in a fixed number of rounds.
    exact_work: int = 500_000_000
    #: C of the softmax regression on embeddings.
    softmax_strength: float = 30.0
    softmax_iterations: int = 100
    #: Weight of each member's own name as an example of it.
    name_weight: float = 3.0
    #: How far rare members are made to count more in the SVM: 0 not at all, 1 until all members count alike. Examples
    #: are weighted by their member's share to the power of minus this. In the softmax the same costs accuracy.
    balance: float = 0.5
    folds: int = 3


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
    tuned: Head | None = None,
) -> Votes:
    """The votes of a head; examples of weight 0 are left out.

    `names` are the features of the members' names, k rows: each is also an example of its member. `tuned` is what votes
    on the embeddings where it was learned together with their encoder: another one fitted to examples that the encoder
    knows by heart would be worse (LAB.md).
    """
    used = np.flatnonzero(weights > 0)
    chosen, target, weight = features.rows(used), labels[used], weights[used]
    ngram_weights, ngram_bias = _ngram_votes(chosen, target, weight, names, config=config, seed=seed)
    by_embeddings = tuned or _embedding_votes(chosen, target, weight, names, config=config)
    return Votes(
        ngram_weights=ngram_weights,
        ngram_bias=ngram_bias,
        embedding_weights=by_embeddings[0] if by_embeddings else None,
        embedding_bias=by_embeddings[1] if by_embeddings else None,
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
    tuned: Head | None = None,
) -> Scores:
    """Scores of every example by votes fitted without its fold; rows of zeros for examples of fold -1.

    `tuned`, as in `fit_votes`, has learned from none of the other examples.
    """
    numbers = [int(fold) for fold in np.unique(folds) if fold >= 0]
    inside = [np.flatnonzero(folds == fold) for fold in numbers]
    outside = [np.flatnonzero((folds != fold) & (weights > 0)) for fold in numbers]
    members = names.ngrams.shape[0]

    def ngrams() -> NDArray[np.float64]:
        found = np.zeros((len(labels), members))
        for held, used in zip(inside, outside, strict=True):
            votes = _ngram_votes(features.rows(used), labels[used], weights[used], names, config=config, seed=seed)
            found[held] = features.ngrams[held] @ votes[0] + votes[1]
        return found

    def embeddings() -> NDArray[np.float64] | None:
        if features.embeddings is None:
            return None
        found = np.zeros((len(labels), members))
        for held, used in zip(inside, outside, strict=True):
            votes = tuned or _embedding_votes(features.rows(used), labels[used], weights[used], names, config=config)
            if votes is not None:
                found[held] = features.embeddings[held] @ votes[0] + votes[1]
        return found

    # The two votes side by side: both solvers release the interpreter lock for most of their time. The SVMs one after
    # another, since liblinear draws from one random sequence; BLAS with one thread, since it would fight for the cores.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(2) as pool:
        by_ngrams, by_embeddings = pool.submit(ngrams), pool.submit(embeddings)
        return Scores(ngrams=by_ngrams.result(), embeddings=by_embeddings.result())


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


def _with_names(
    labels: NDArray[np.int64], weights: NDArray[np.float64], members: int, config: VoteConfig
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels and weights with those of the members' names behind them."""
    named = np.full(members, config.name_weight)
    return np.concatenate([labels, np.arange(members)]), np.concatenate([weights, named])


def _balanced(labels: NDArray[np.int64], weights: NDArray[np.float64], balance: float) -> NDArray[np.float64]:
    """Weights of the same sum, larger for rare members."""
    share = np.bincount(labels, weights)[labels] ** -balance
    result: NDArray[np.float64] = weights * share * (weights.sum() / max(float(weights @ share), 1e-12))
    return result


def _ngram_votes(
    features: Features,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    names: Features,
    *,
    config: VoteConfig,
    seed: int,
) -> Head:
    """Weights and intercepts of one-against-rest linear SVMs."""
    members = names.ngrams.shape[0]
    target, weight = _with_names(labels, _balanced(labels, weights, config.balance), members, config)
    ngrams = sp.vstack([features.ngrams, names.ngrams]).tocsr()
    if ngrams.nnz * members > config.exact_work:
        return descend(ngrams, target, weight, members, strength=config.svm_strength, seed=seed)
    model = LinearSVC(C=config.svm_strength, random_state=seed).fit(ngrams, target, sample_weight=weight)
    if members == 2:
        coefficients, intercepts = np.vstack([-model.coef_, model.coef_]), np.r_[-model.intercept_, model.intercept_]
    else:
        coefficients, intercepts = model.coef_, model.intercept_
    return coefficients.T.astype(np.float32), intercepts.astype(np.float32)


def _embedding_votes(
    features: Features,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    names: Features,
    *,
    config: VoteConfig,
) -> Head | None:
    """Weights and intercepts of a softmax regression; None: without an encoder."""
    if features.embeddings is None or names.embeddings is None:
        return None
    members = names.ngrams.shape[0]
    target, weight = _with_names(labels, weights, members, config)
    return fit_softmax(
        np.concatenate([features.embeddings, names.embeddings]),
        target,
        weight,
        members,
        strength=config.softmax_strength,
        iterations=config.softmax_iterations,
    )
