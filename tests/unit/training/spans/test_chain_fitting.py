from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tierwright.specialists.spans.chain import Order, walk
from tierwright.training.spans.chain_fitting import ChainConfig, Inputs, fit_chain, mean_chain

LABELS = 3
CONFIG = ChainConfig(sparse_penalty=0.1, dense_penalty=0.1, iterations=200, tolerance=1e-9)


def a_problem(seed: int, *, dense: bool = False) -> tuple[Inputs, np.ndarray]:
    """Random tokens of ten sequences whose labels follow from their one feature."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, size=50)
    labels = np.where(kinds == 1, 1, 0)
    sparse = sp.csr_matrix((np.ones(50, np.float32), (np.arange(50), kinds)), shape=(50, 3))
    vectors = rng.normal(size=(50, 2)).astype(np.float32) if dense else None
    return Inputs(sparse=sparse, dense=vectors, lengths=np.full(10, 5)), labels


@pytest.mark.parametrize("dense", [False, True])
def test_the_optimum_is_stationary(dense: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """At the fitted weights no small change of any of them lowers the penalised loss."""
    inputs, labels = a_problem(0, dense=dense)
    possible = np.eye(LABELS, dtype=bool)[labels]
    fitted = fit_chain(inputs, possible, CONFIG)
    order = Order.of(inputs.lengths)

    def loss(sparse: np.ndarray) -> float:
        scores = np.asarray(inputs.sparse @ sparse) + fitted.bias
        scores = scores if inputs.dense is None else scores + inputs.dense @ fitted.dense
        free = walk(scores, order, fitted.transitions).log_total
        known = walk(scores, order, fitted.transitions, open_to=possible).log_total
        return free - known + 0.05 * float((sparse**2).sum())

    best = loss(fitted.sparse)
    for at in np.ndindex(fitted.sparse.shape):
        for change in (-0.05, 0.05):
            other = fitted.sparse.copy()
            other[at] += change
            assert loss(other) > best - 1e-4


def test_labels_are_learned() -> None:
    """The likeliest labels of what was learned are the given ones."""
    inputs, labels = a_problem(1)
    fitted = fit_chain(inputs, np.eye(LABELS, dtype=bool)[labels], CONFIG)
    found = walk(fitted.scores(inputs.sparse, None), Order.of(inputs.lengths), fitted.transitions)
    assert found.marginals().argmax(axis=1).tolist() == labels.tolist()


def test_open_labels_are_decided_by_the_others() -> None:
    """Where a token may have several labels it gets the one that the certain tokens speak for."""
    inputs, labels = a_problem(2)
    possible = np.eye(LABELS, dtype=bool)[labels]
    possible[::4] = [True, True, False]
    fitted = fit_chain(inputs, possible, CONFIG)
    found = walk(fitted.scores(inputs.sparse, None), Order.of(inputs.lengths), fitted.transitions)
    assert (found.marginals().argmax(axis=1) == labels).all()


def test_deterministic_and_warm() -> None:
    """The same problem gives the same weights; started at their mean, the optimum stays where it is."""
    inputs, labels = a_problem(3)
    possible = np.eye(LABELS, dtype=bool)[labels]
    first, second = fit_chain(inputs, possible, CONFIG), fit_chain(inputs, possible, CONFIG)
    np.testing.assert_array_equal(first.sparse, second.sparse)
    again = fit_chain(inputs, possible, CONFIG, start=mean_chain([first, second]))
    np.testing.assert_allclose(again.sparse, first.sparse, atol=0.02)
