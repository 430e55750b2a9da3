"""Fits a chain: maximum penalised likelihood of the labels that are known.

Owns the objective and its minimisation; refuses to know where features and labels come from. A token may have several
possible labels: then all paths through them together are made likely (Täckström et al. 2013, Token and type constraints
for cross-lingual part-of-speech tagging), which is how a string that occurs in many places, of which only one need be
meant, is learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.spans.chain import ChainWeights, Order, Transitions, Walk, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

#: Pairs of steps that L-BFGS remembers (Nocedal 1980).
_MEMORY = 6
#: Sufficient decrease of a step (Armijo), and how much shorter the next try is.
_ARMIJO, _SHORTER = 1e-4, 0.4
_TRIES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Hyper-parameters, chosen by cross-validation on training splits of several public data sets; see LAB.md."""

    #: Half the penalty on each squared weight of a sparse feature, and of a dense one, against the summed likelihood.
    sparse_penalty: float = 0.2
    dense_penalty: float = 1.0
    iterations: int = 80
    #: Relative decrease over five iterations below which fitting stops.
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What n packed tokens are described by."""

    #: Shape (n, columns).
    sparse: sp.csr_matrix
    #: Shape (n, dimension); None: no dense features.
    dense: NDArray[np.float32] | None
    #: Tokens of each sequence, none of them 0.
    lengths: NDArray[np.int64]


def fit_chain(
    inputs: Inputs, possible: NDArray[np.bool_], config: ChainConfig, *, start: ChainWeights | None = None
) -> ChainWeights:
    """The chain under which the possible labels, shape (n, labels), are the most likely; each row has at least one.

    Deterministic. The objective is convex where each token has one possible label; `start` saves steps then.
    """
    labels = possible.shape[1]
    order = Order.of(inputs.lengths)
    columns = inputs.sparse.shape[1]
    dimension = 0 if inputs.dense is None else inputs.dense.shape[1]
    transposed = inputs.sparse.T.tocsr()
    sizes = [columns * labels, dimension * labels, labels, labels * labels, labels, labels]
    cuts = np.cumsum(sizes)[:-1]
    penalty = np.repeat(
        np.array([config.sparse_penalty, config.dense_penalty, 0.0, 0.1, 0.1, 0.1], dtype=np.float32), sizes
    )
    rows, only = np.arange(len(possible)), possible.argmax(axis=1)
    counted = _counts(only, order, labels) if (possible.sum(axis=1) == 1).all() else None

    def unpack(packed: NDArray[np.float32]) -> ChainWeights:
        sparse, dense, bias, between, first, last = np.split(packed, cuts)
        return ChainWeights(
            sparse=sparse.reshape(columns, labels),
            dense=dense.reshape(dimension, labels) if dimension else None,
            bias=bias,
            transitions=Transitions(
                between=between.reshape(labels, labels).astype(np.float64),
                first=first.astype(np.float64),
                last=last.astype(np.float64),
            ),
        )

    def objective(packed: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        weights = unpack(packed)
        scores = weights.scores(inputs.sparse, inputs.dense)
        free = walk(scores, order, weights.transitions)
        expected = _expectations(free, order, weights.transitions)
        residual = free.marginals()
        if counted is not None:
            score = float(scores[rows, only].sum(dtype=np.float64)) + _score(counted, weights.transitions)
            loss, observed = free.log_total - score, counted
            residual[rows, only] -= 1
        else:
            known = walk(scores, order, weights.transitions, open_to=possible)
            loss, observed = free.log_total - known.log_total, _expectations(known, order, weights.transitions)
            residual -= known.marginals()
        pairs, firsts, lasts = (a - b for a, b in zip(expected, observed, strict=True))
        errors = residual.astype(np.float32)
        parts = [np.asarray(transposed @ errors).ravel()]
        parts.append(np.empty(0, np.float32) if inputs.dense is None else (inputs.dense.T @ errors).ravel())
        parts.extend([errors.sum(axis=0), pairs.ravel(), firsts, lasts])
        gradient = np.concatenate([part.astype(np.float32) for part in parts]) + penalty * packed
        return loss + 0.5 * float(np.dot(penalty * packed, packed)), gradient

    begin = np.zeros(sum(sizes), dtype=np.float32) if start is None else _pack(start)
    return unpack(_minimise(objective, begin, config))


def mean_chain(chains: Sequence[ChainWeights]) -> ChainWeights:
    """The mean of chains with the same columns: near the chain fitted on all that they were fitted on."""
    dense = [chain.dense for chain in chains if chain.dense is not None]
    return ChainWeights(
        sparse=np.mean([chain.sparse for chain in chains], axis=0),
        dense=np.mean(dense, axis=0) if dense else None,
        bias=np.mean([chain.bias for chain in chains], axis=0),
        transitions=Transitions(
            between=np.mean([chain.transitions.between for chain in chains], axis=0),
            first=np.mean([chain.transitions.first for chain in chains], axis=0),
            last=np.mean([chain.transitions.last for chain in chains], axis=0),
        ),
    )


def _pack(weights: ChainWeights) -> NDArray[np.float32]:
    dense = np.empty(0, np.float32) if weights.dense is None else weights.dense.ravel()
    moves = weights.transitions
    parts: list[NDArray[np.floating]] = [
        weights.sparse.ravel(),
        dense,
        weights.bias,
        moves.between.ravel(),
        moves.first,
        moves.last,
    ]
    return np.concatenate([part.astype(np.float32) for part in parts])


_Counts = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def _counts(labels: NDArray[np.int64], order: Order, size: int) -> _Counts:
    """How often each pair of labels occurs, and each first and last label."""
    later = _later(order)
    pairs = np.bincount(labels[later - 1] * size + labels[later], minlength=size * size).reshape(size, size)
    firsts = np.bincount(labels[order.steps[0]], minlength=size)
    lasts = np.bincount(labels[order.finals], minlength=size)
    return pairs.astype(np.float64), firsts.astype(np.float64), lasts.astype(np.float64)


def _score(counts: _Counts, transitions: Transitions) -> float:
    pairs, firsts, lasts = counts
    moves = float((pairs * transitions.between).sum())
    return moves + float(firsts @ transitions.first) + float(lasts @ transitions.last)


def _later(order: Order) -> NDArray[np.int64]:
    """The places of all tokens but the first of each sequence."""
    return np.concatenate(order.steps[1:]) if len(order.steps) > 1 else np.empty(0, dtype=np.int64)


def _expectations(found: Walk, order: Order, transitions: Transitions) -> _Counts:
    """How often each pair of labels is expected, and each first and last label."""
    later = _later(order)
    arriving = found.backward[later] * found.factors[later] / found.scales[later][:, None]
    pairs = transitions.factors()[0] * (found.forward[later - 1].T @ arriving)
    marginals = found.marginals()
    return pairs, marginals[order.steps[0]].sum(axis=0), marginals[order.finals].sum(axis=0)


def _minimise(
    objective: Callable[[NDArray[np.float32]], tuple[float, NDArray[np.float32]]],
    start: NDArray[np.float32],
    config: ChainConfig,
) -> NDArray[np.float32]:
    """L-BFGS with backtracking (Liu and Nocedal 1989), in single precision: a chain has millions of weights."""
    here = start
    loss, gradient = objective(here)
    steps: list[NDArray[np.float32]] = []
    turns: list[NDArray[np.float32]] = []
    history = [loss]
    for _ in range(config.iterations):
        direction = _direction(gradient, steps, turns)
        slope = float(np.dot(direction, gradient))
        if slope >= 0:
            break
        length = 1.0 if steps else min(1.0, 1.0 / float(np.linalg.norm(gradient)))
        for _ in range(_TRIES):
            there = here + np.float32(length) * direction
            new_loss, new_gradient = objective(there)
            if new_loss <= loss + _ARMIJO * length * slope:
                break
            length *= _SHORTER
        else:
            break
        step, turn = there - here, new_gradient - gradient
        if float(np.dot(step, turn)) > 1e-10 * float(np.dot(turn, turn)):
            steps, turns = [*steps[-_MEMORY + 1 :], step], [*turns[-_MEMORY + 1 :], turn]
        here, loss, gradient = there, new_loss, new_gradient
        history.append(loss)
        if len(history) > 5 and history[-6] - loss < config.tolerance * max(abs(loss), 1.0):
            break
    return here


def _direction(
    gradient: NDArray[np.float32], steps: list[NDArray[np.float32]], turns: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The two-loop recursion."""
    result = -gradient
    if not steps:
        return result
    weights = []
    for step, turn in zip(reversed(steps), reversed(turns), strict=True):
        weight = float(np.dot(step, result)) / float(np.dot(step, turn))
        result = result - np.float32(weight) * turn
        weights.append(weight)
    result = result * np.float32(float(np.dot(steps[-1], turns[-1])) / float(np.dot(turns[-1], turns[-1])))
    for step, turn, weight in zip(steps, turns, reversed(weights), strict=True):
        again = float(np.dot(turn, result)) / float(np.dot(step, turn))
        result = result + np.float32(weight - again) * step
    return result
