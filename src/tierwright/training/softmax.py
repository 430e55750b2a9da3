"""Softmax regression on dense features, with example weights.

Owns the optimisation. scikit-learn's does the same several times slower on a hundred classes, because it works in
double precision; here the products are single precision and the sums double.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Weights and intercepts of a linear vote, shapes (d, classes) and (classes,).
Head = tuple["NDArray[np.float32]", "NDArray[np.float32]"]


def fit_softmax(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: int,
    *,
    strength: float,
    iterations: int,
) -> Head:
    """Weights, shape (d, classes), and intercepts, shape (classes,), by L-BFGS.

    Minimises the weighted cross-entropy plus the squared weights over twice the `strength` (scikit-learn's C).
    """
    mean = features.mean(axis=0)
    centred = features - mean
    dimension, rows = centred.shape[1], np.arange(len(labels))
    weight = weights.astype(np.float32)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        matrix = flat.reshape(dimension + 1, classes).astype(np.float32)
        scores = centred @ matrix[:dimension] + matrix[dimension]
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[rows, labels]
        np.exp(scores, out=scores)
        total = scores.sum(axis=1, keepdims=True)
        value = float((weight * (np.log(total[:, 0]) - right)).sum(dtype=np.float64))
        scores *= (weight / total[:, 0])[:, None]
        scores[rows, labels] -= weight
        gradient = np.empty((dimension + 1, classes))
        gradient[:dimension] = centred.T @ scores + matrix[:dimension] / strength
        gradient[dimension] = scores.sum(axis=0)
        value += 0.5 / strength * float((matrix[:dimension].astype(np.float64) ** 2).sum())
        return value / len(labels), gradient.ravel() / len(labels)

    start = np.zeros((dimension + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations, "ftol": 1e-6})
    matrix = found.x.reshape(dimension + 1, classes)
    bias = matrix[dimension] - mean.astype(np.float64) @ matrix[:dimension]
    return matrix[:dimension].astype(np.float32), bias.astype(np.float32)
