"""How often the interval of skill holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.curation.probe import _skill

REPEATS = 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "majority", "right_there", "right_elsewhere"), [(100, 0.7, 0.9, 0.5), (300, 0.98, 0.995, 0.5)]
)
def test_the_interval_covers(n: int, majority: float, right_there: float, right_elsewhere: float) -> None:
    """At least 91 % of intervals of level 95 %, with an unbalanced label too."""
    truth = (majority * right_there + (1 - majority) * right_elsewhere - majority) / (1 - majority)
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(REPEATS):
        constant = rng.random(n) < majority
        hits = rng.random(n) < np.where(constant, right_there, right_elsewhere)
        found = _skill(hits, constant, list(range(n)))
        covered += found.ci_low <= truth <= found.ci_high
    assert covered / REPEATS >= 0.91
