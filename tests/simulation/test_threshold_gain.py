from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tierwright.training.calibration import calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Examples that calibrate, examples that are answered afterwards, and draws of both.
_KNOWN, _FRESH, _DRAWS = 375, 10_000, 200


def _chances(rng: np.random.Generator, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A specialist's chances of being right, which it knows, and an incumbent's, which rise with them a little."""
    specialist = 1 - 0.5 * rng.random(size) ** 1.5
    return specialist, 0.86 + 0.2 * (specialist - 0.8)


@pytest.mark.slow
def test_thresholds_gain_more_than_the_best_as_counted() -> None:
    """Two estimates of the gain make better cascades than counting alone, and better ones than either model."""
    gained, counted = [], []
    for seed in range(_DRAWS):
        rng = np.random.default_rng(seed)
        specialist, incumbent = _chances(rng, _KNOWN)
        right, beside = rng.random(_KNOWN) < specialist, rng.random(_KNOWN) < incumbent
        found = calibrate(specialist, right, beside, tolerance=0.0)
        here, there = _chances(rng, _FRESH)
        best = np.maximum(here, there).mean()
        sure = found.confidence.calibrated(here)
        local = np.zeros(_FRESH, np.bool_) if found.threshold is None else sure >= found.threshold
        gained.append(np.where(local, here, there).mean() - best)
        order = np.argsort(-specialist)
        total = np.cumsum(right[order].astype(int) - beside[order])
        cut = specialist[order][total.argmax()] if total.max() > 0 else np.inf
        counted.append(np.where(here >= cut, here, there).mean() - best)
    alone = max(part.mean() for part in _chances(np.random.default_rng(0), 100_000)) - best
    assert np.mean(gained) > np.mean(counted) > alone


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
