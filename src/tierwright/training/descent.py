"""Linear SVMs by steps over a few examples at a time: for training sets too large for the exact solver.

Owns the optimisation. It minimises what liblinear does (one against the rest, squared hinge) for all members at once,
in single precision and without a copy of the matrix, in a fixed number of rounds, and stops near the optimum.

Source: Duchi, Hazan, Singer (2011), Adaptive subgradient methods; here with one step size for each n-gram, shared
by the members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tierwright.training.softmax import Head

#: Times that every example is looked at, steps in each, and the first step's size; the last is a tenth of it.
_ROUNDS, _STEPS, _STEP = 5, 50, 0.2
#: Examples of one step, at least.
_MIN_BATCH = 256


def descend(
    ngrams: sp.csr_matrix,
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    members: int,
    *,
    strength: float,
    seed: int,
) -> Head:
    """Weights, shape (columns, members), and intercepts, shape (members,); the same for the same seed.

    Minimises half the squared weights plus `strength` (scikit-learn's C) times the weighted squared hinge losses.
    """
    count, columns = ngrams.shape
    generator = np.random.default_rng(seed)
    weight = weights.astype(np.float32)
    found, bias = np.zeros((columns, members), np.float32), np.zeros(members, np.float32)
    squares, bias_squares = np.full(columns, 1e-6, np.float32), 1e-6
    place = np.zeros(columns, np.int32)
    size = max(_MIN_BATCH, -(-count // _STEPS))
    steps, done = _ROUNDS * -(-count // size), 0
    for _ in range(_ROUNDS):
        order = generator.permutation(count)
        for start in range(0, count, size):
            rows = order[start : start + size]
            step = _STEP * (1 - 0.9 * done / steps)
            done += 1
            batch = ngrams[rows]
            # Only the columns of this batch are touched: the batch as a smaller matrix of those.
            used = np.unique(batch.indices)
            place[used] = np.arange(len(used), dtype=np.int32)
            small = sp.csr_matrix((batch.data, place[batch.indices], batch.indptr), shape=(len(rows), len(used)))
            current = found[used]
            slope = _slope(small @ current + bias, labels[rows], weight[rows])
            gradient = small.T.tocsr() @ slope
            gradient += current * np.float32(1 / (strength * count))
            squares[used] += np.einsum("ij,ij->i", gradient, gradient) / np.float32(members)
            gradient *= (step / np.sqrt(squares[used]))[:, None]
            current -= gradient
            found[used] = current
            drift = slope.sum(axis=0)
            bias_squares += float(np.square(drift).mean())
            bias -= np.float32(step / np.sqrt(bias_squares)) * drift
    return found, bias


def _slope(scores: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the mean weighted squared hinge in the scores, shape (n, members)."""
    own = np.arange(len(labels))
    slope = np.maximum(scores + 1, 0)
    slope[own, labels] = -np.maximum(1 - scores[own, labels], 0)
    result: NDArray[np.float32] = slope * (weights * np.float32(2 / len(labels)))[:, None]
    return result
