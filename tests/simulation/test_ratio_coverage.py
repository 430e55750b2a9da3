"""Coverage of the intervals of ratios, and what plans promise against what experiments do."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import an_outcome
from tierwright.evals.judging import Terms
from tierwright.evals.planning import plan
from tierwright.stats.paired import tango_ends
from tierwright.stats.ratios import ratio_of_means


@pytest.mark.slow
def test_the_interval_covers_the_true_ratio() -> None:
    """In 400 simulated pairs of samples of 60 the interval holds the true ratio of means in 91 to 98 of 100."""
    generator = np.random.default_rng(5)
    held = 0
    for seed in range(400):
        before, after = generator.gamma(4, 3, 60), generator.gamma(4, 1, 60)
        found = ratio_of_means(before, after, seed=seed)
        held += found.ci_low <= 3.0 <= found.ci_high
    assert 0.91 <= held / 400 <= 0.98


def test_plans_promise_what_experiments_do() -> None:
    """Over 4,000 experiments decided by Tango's interval, undecided comes out as often as planned, within 3 points."""
    generator = np.random.default_rng(6)
    calibration = [
        an_outcome(n, candidate=(float(n >= 50),), baseline=(float(not 50 <= n < 100),)) for n in range(1000)
    ]
    planned = plan(Terms(metric="accuracy", margin=0.03), calibration, [f"t-{n}" for n in range(500)])
    drawn = generator.multinomial(500, [0.05, 0.05, 0.9], size=4000)
    low, high = tango_ends(drawn[:, 0], drawn[:, 1], 500, 1.959964)
    undecided = float(((low <= -0.03) & (high >= -0.03)).mean())
    assert planned.odds["undecided"].value == pytest.approx(undecided, abs=0.03)
    assert 0.3 < undecided < 0.7
