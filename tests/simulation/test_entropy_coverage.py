"""How often the entropy's interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.stats.entropy import entropy_bits

REPEATS = 400


@pytest.mark.parametrize(("classes", "power", "n"), [(3, 1.0, 300), (77, 0.5, 1000), (150, 1.0, 1000), (25, 0.0, 200)])
def test_the_interval_covers(classes: int, power: float, n: int) -> None:
    """Between 90 % and 99 % of intervals of level 95 % hold the entropy of label sets as tasks have them."""
    shares = np.arange(1, classes + 1) ** -power
    shares /= shares.sum()
    truth = float(-(shares * np.log2(shares)).sum())
    rng = np.random.default_rng(7)
    found = [entropy_bits(rng.multinomial(n, shares)) for _ in range(REPEATS)]
    covered = sum(one.ci_low <= truth <= one.ci_high for one in found) / REPEATS
    assert 0.90 <= covered <= 0.995
    assert abs(np.mean([one.value for one in found]) - truth) < 0.03
