"""How many times cheaper and faster."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.stats.ratios import ratio_of_means, ratio_of_medians


def test_ratios_are_those_of_the_samples() -> None:
    """Means of 12 and 3, medians of 10 and 2."""
    before, after = [10.0, 6.0, 20.0], [2.0, 1.0, 6.0]
    assert ratio_of_means(before, after, seed=1).value == pytest.approx(4.0)
    assert ratio_of_medians(before, after, seed=1).value == pytest.approx(5.0)


def test_a_ratio_and_its_inverse_have_the_same_interval() -> None:
    """What is 4 times cheaper one way is a quarter the other way, ends exchanged."""
    generator = np.random.default_rng(2)
    before, after = generator.lognormal(2, 1, 300), generator.lognormal(0, 1, 300)
    there, back = ratio_of_means(before, after, seed=3), ratio_of_means(after, before, seed=4)
    assert there.ci_low == pytest.approx(1 / back.ci_high, rel=0.05)
    assert there.ci_high == pytest.approx(1 / back.ci_low, rel=0.05)


def test_what_has_no_ratio_is_refused() -> None:
    """Nothing measured, one measurement, a price of nothing, a time that is no number."""
    for few in ([], [1.0]):
        with pytest.raises(NotEnoughData):
            ratio_of_means(few, [1.0, 2.0], seed=1)
    for bad in ([1.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(InputError):
            ratio_of_means(bad, [1.0, 2.0], seed=1)
