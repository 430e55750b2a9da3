from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tierwright.training.softmax import fit_softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray


def blobs(count: int = 300) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points around three centres, overlapping."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    centres = rng.normal(size=(3, 6))
    return (centres[labels] + rng.normal(size=(count, 6))).astype(np.float32), labels


def probabilities(
    points: NDArray[np.float32], fitted: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.float64]:
    """What fitted weights say of points."""
    scores = (points @ fitted[0] + fitted[1]).astype(np.float64)
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return found


def test_same_as_scikit_learn() -> None:
    """It is multinomial logistic regression: the probabilities are scikit-learn's."""
    points, labels = blobs()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(labels))
    found = fit_softmax(points, labels, weights, 3, strength=2.0, iterations=500)
    reference = LogisticRegression(C=2.0, max_iter=1000, tol=1e-8).fit(points, labels, sample_weight=weights)
    assert probabilities(points, found) == pytest.approx(reference.predict_proba(points), abs=5e-3)


def test_weight_is_repetition() -> None:
    """An example of weight 2 counts as two examples."""
    points, labels = blobs(60)
    doubled = np.where(np.arange(60) < 20, 2.0, 1.0)
    heavy = fit_softmax(points, labels, doubled, 3, strength=1.0, iterations=500)
    again = np.concatenate([np.arange(60), np.arange(20)])
    repeated = fit_softmax(points[again], labels[again], np.ones(80), 3, strength=1.0, iterations=500)
    assert probabilities(points, heavy) == pytest.approx(probabilities(points, repeated), abs=2e-2)


def test_strength_shrinks() -> None:
    """The less strength, the smaller the weights."""
    points, labels = blobs()
    weak, strong = (fit_softmax(points, labels, np.ones(300), 3, strength=s, iterations=300)[0] for s in (0.01, 10.0))
    assert np.abs(weak).sum() < 0.5 * np.abs(strong).sum()
