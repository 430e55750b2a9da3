from __future__ import annotations

import numpy as np
import pytest

from tierwright.training.calibration import calibrate

#: Examples that calibrate, and draws of them.
_KNOWN, _DRAWS = 375, 200


@pytest.mark.slow
def test_a_worse_specialist_costs_next_to_nothing() -> None:
    """Where a specialist is worse by 5 points whatever its confidence, thresholds found by luck cost under 0.2."""
    lost = []
    for seed in range(_DRAWS):
        rng = np.random.default_rng(seed)
        probability = rng.uniform(0.5, 0.999, _KNOWN)
        found = calibrate(probability, rng.random(_KNOWN) < 0.85, rng.random(_KNOWN) < 0.9)
        local = found.threshold is not None and found.confidence.calibrated(probability) >= found.threshold
        lost.append(0.05 * float(np.mean(local)))
    assert np.mean(lost) < 0.002
