from __future__ import annotations

import numpy as np
import pytest

from tierwright.training.calibration import calibrate


@pytest.mark.parametrize(("specialist", "limit"), [(0.85, 5), (0.75, 1)])
def test_threshold_of_a_worse_specialist(specialist: float, limit: int) -> None:
    """A specialist that is worse everywhere hardly ever gets a threshold, whatever the draw of the labels."""
    given = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        probability = rng.uniform(0.5, 0.999, 500)
        given += calibrate(probability, rng.random(500) < specialist, rng.random(500) < 0.9).threshold is not None
    assert given <= limit


def test_threshold_with_equal_confidences() -> None:
    """Where all confidences are equal it is all or nothing, and a worse specialist gets nothing."""
    rng = np.random.default_rng(0)
    probability, incumbent = np.full(500, 0.9), rng.random(500) < 0.9
    assert calibrate(probability, rng.random(500) < 0.8, incumbent).threshold is None
    assert calibrate(probability, rng.random(500) < 0.99, incumbent).threshold is not None


def test_threshold_counts_what_it_lets_in() -> None:
    """Where the incumbent's answers are the reference, a tie at the threshold can't cost more than the tolerance."""
    probability = np.repeat([0.99, 0.6], [300, 700])
    right = np.concatenate([np.ones(300), np.arange(700) % 5 > 1]).astype(bool)
    found = calibrate(probability, right, np.ones(1000, np.bool_), tolerance=0.01)
    assert found.threshold is not None
    assert (found.confidence.calibrated(probability) >= found.threshold).sum() == 300
