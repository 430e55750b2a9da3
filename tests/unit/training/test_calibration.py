from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.training.calibration import calibrate, fit_confidence


def test_confidence_of_a_calibrated_model() -> None:
    """Probabilities that are right as they are stay nearly as they are."""
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.3, 0.99, 4000)
    found = fit_confidence(probability, rng.random(4000) < probability)
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.calibrated(np.array([0.6, 0.9])) == pytest.approx([0.6, 0.9], abs=0.03)


def test_confidence_of_an_overconfident_model() -> None:
    """Odds that are the square of the right ones are brought down."""
    rng = np.random.default_rng(0)
    right = rng.uniform(0.5, 0.95, 4000)
    claimed = right**2 / (right**2 + (1 - right) ** 2)
    found = fit_confidence(claimed, rng.random(4000) < right)
    assert found.slope == pytest.approx(0.5, abs=0.1)
    assert np.abs(found.calibrated(claimed) - right).max() < 0.05


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_confidence_never_falls(seed: int, count: int) -> None:
    """However few the examples and whatever they say, a more probable answer is never trusted less."""
    rng = np.random.default_rng(seed)
    found = fit_confidence(rng.random(count), rng.random(count) < 0.5)
    assert found.slope >= 0
    assert np.all(np.isfinite(found.calibrated(np.array([0.0, 0.5, 1.0]))))


def test_threshold_of_a_useful_specialist() -> None:
    """Where it is better than the incumbent when sure and worse when not, it answers when sure, and both gain."""
    rng = np.random.default_rng(0)
    probability = 1 - 0.5 * rng.random(2000) ** 2
    found = calibrate(probability, rng.random(2000) < probability, rng.random(2000) < 0.9)
    assert found.threshold is not None
    fresh = 1 - 0.5 * rng.random(50_000) ** 2
    local = found.confidence.calibrated(fresh) >= found.threshold
    assert 0.4 < local.mean() < 0.8
    assert ((fresh - 0.9) * local).mean() > 0.02


def test_threshold_near_the_best_one() -> None:
    """No more than the tolerance is given up against the best threshold there is."""
    rng = np.random.default_rng(1)
    probability = 1 - 0.5 * rng.random(20_000) ** 2
    found = calibrate(probability, rng.random(20_000) < probability, rng.random(20_000) < 0.9, tolerance=0.003)
    assert found.threshold is not None
    local = found.confidence.calibrated(probability) >= found.threshold
    best = np.maximum(probability - 0.9, 0).mean()
    assert best - ((probability - 0.9) * local).mean() == pytest.approx(0.003, abs=0.002)


def test_threshold_with_more_tolerance() -> None:
    """More tolerance is more traffic, never less."""
    rng = np.random.default_rng(2)
    probability = 1 - 0.5 * rng.random(1000) ** 2
    right, incumbent = rng.random(1000) < probability, rng.random(1000) < 0.9
    thresholds = [calibrate(probability, right, incumbent, tolerance=t).threshold for t in (0.0, 0.003, 0.01)]
    assert [t for t in thresholds if t is not None] == sorted(thresholds, key=lambda t: t or 0.0, reverse=True)
    assert thresholds[0] != thresholds[-1]


def test_threshold_of_a_hopeless_specialist() -> None:
    """A specialist that is always wrong gets no threshold."""
    probability = np.random.default_rng(0).uniform(0.3, 0.9, 200)
    assert calibrate(probability, np.zeros(200, np.bool_), np.ones(200, np.bool_)).threshold is None
