from __future__ import annotations

import numpy as np
import pytest

from tierwright.training.noise import incumbent_error_rate, label_weights


def kept(stated: float, other: float, *, human: bool = False, error_rate: float = 0.08) -> bool:
    """Whether label 0 is kept where the model gives it `stated`, label 1 `other`, and label 2 the rest."""
    probability = np.array([[stated, other, 1 - stated - other]])
    found = label_weights(np.log(probability), np.array([0]), np.array([human]), error_rate=error_rate)
    return bool(found[0])


def test_label_the_model_shares() -> None:
    """A label that the model would give itself is kept."""
    assert kept(0.9, 0.05)


def test_label_against_a_sure_model() -> None:
    """A label that a very sure model contradicts is left out."""
    assert not kept(0.01, 0.98)


def test_label_against_an_unsure_model() -> None:
    """A doubt is no reason: with a tenth of the probability a label is kept."""
    assert kept(0.1, 0.6)


def test_label_at_the_boundary() -> None:
    """With two plausible answers a label goes where the other's probability passes 1 - e."""
    assert kept(0.08, 0.919999, error_rate=0.08) is True
    assert kept(0.07, 0.929999, error_rate=0.08) is False


def test_label_of_a_person() -> None:
    """A person's label is kept whatever the model says."""
    assert kept(0.001, 0.998, human=True)


def test_label_of_a_worse_incumbent() -> None:
    """The more often the incumbent errs, the sooner its label is doubted."""
    assert kept(0.1, 0.85, error_rate=0.02)
    assert not kept(0.1, 0.85, error_rate=0.3)


def test_label_impossible_for_the_model() -> None:
    """A probability of zero neither divides by zero nor makes NaN."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([[0.0, 1.0], [1.0, 0.0]]))
    found = label_weights(logs, np.array([0, 0]), np.zeros(2, np.bool_), error_rate=0.08)
    assert found.tolist() == [0.0, 1.0]


def test_slips_are_found() -> None:
    """With a fair model most slips are left out and few right labels with them."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 4000)
    labels = np.where(rng.random(4000) < 0.08, (truth + 1) % 5, truth)
    scores = rng.normal(size=(4000, 5))
    scores[np.arange(4000), truth] += 6
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    weights = label_weights(logs, labels, np.zeros(4000, np.bool_), error_rate=0.08)
    slip = labels != truth
    assert weights[slip].mean() < 0.15
    assert weights[~slip].mean() > 0.99


def test_error_rate_without_labels() -> None:
    """Of an unknown incumbent a moderate rate is assumed, never none."""
    assert incumbent_error_rate(0, 0) == pytest.approx(0.05)


def test_error_rate_with_labels() -> None:
    """Many labels speak for themselves."""
    assert incumbent_error_rate(1000, 10_000) == pytest.approx(0.1, abs=1e-3)
    assert incumbent_error_rate(0, 10) > 0
