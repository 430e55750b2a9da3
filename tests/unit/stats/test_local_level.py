"""Forecasts of a level that may drift."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.stats.local_level import forecast_mean

#: Annual flow of the Nile at Aswan, 1871 to 1970: the worked example of Durbin and Koopman (2012), chapter 2.
NILE = np.array(
    [
        *(
            1120,
            1160,
            963,
            1210,
            1160,
            1160,
            813,
            1230,
            1370,
            1140,
            995,
            935,
            1110,
            994,
            1020,
            960,
            1180,
            799,
            958,
            1140,
        ),
        *(1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969),
        *(831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759),
        *(781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890),
        *(744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740),
    ],
    dtype=np.float64,
)


def test_the_published_forecast_of_the_nile() -> None:
    """The book forecasts 798.4 for 1971, with a standard error of 143.5.

    Weighing the ratios instead of picking one moves the forecast by less than 15, the half width by less than a tenth.
    """
    found = forecast_mean(NILE, np.ones(100), horizon=1.0, noise=1.0, level=0.9)
    assert found.mean == pytest.approx(798.4, abs=15)
    assert (found.high - found.low) / 2 == pytest.approx(1.645 * 143.5, rel=0.1)


def test_a_level_that_stands_still_is_forecast_by_the_mean() -> None:
    """Of independent values the forecast is close to the mean of all, not to the last ones."""
    seen = np.tile([1.0, 3.0], 50)
    assert forecast_mean(seen, np.ones(100), horizon=10.0, noise=0.1, level=0.9).mean == pytest.approx(2.0, abs=0.1)


def test_a_level_that_moved_is_forecast_by_its_last_values() -> None:
    """After a step from 1 to 5 the forecast is 5, and the interval knows that such a step may come again."""
    seen = np.concatenate([np.ones(20), np.full(20, 5.0)])
    found = forecast_mean(seen, np.ones(40), horizon=20.0, noise=0.01, level=0.9)
    assert found.mean == pytest.approx(5.0, abs=0.2)
    assert found.low < 4.0
    assert found.high > 6.0


@pytest.mark.parametrize("longer", [10.0, 100.0])
def test_a_longer_horizon_of_a_walk_is_less_certain(longer: float) -> None:
    """Where the level walks, the mean of a longer stretch is known worse."""
    walk = np.cumsum(np.random.default_rng(3).normal(size=60))
    near, far = (forecast_mean(walk, np.ones(60), horizon=h, noise=0.1, level=0.9) for h in (2.0, longer))
    assert far.high - far.low > near.high - near.low


def test_one_value_is_forecast_with_the_noise_that_is_given() -> None:
    """The interval then follows from the prior guess alone: ten times the noise is sqrt(10) times as wide."""
    narrow, wide = (
        forecast_mean(np.array([4.0]), np.ones(1), horizon=1.0, noise=noise, level=0.9) for noise in (0.1, 1.0)
    )
    assert narrow.mean == pytest.approx(4.0)
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(10**0.5, rel=1e-6)


def test_a_value_known_worse_counts_less() -> None:
    """A value whose noise has ten times the variance moves the forecast less than one like the others."""
    seen = np.array([1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0])
    spread = np.ones(8)
    plain = forecast_mean(seen, spread, horizon=4.0, noise=0.1, level=0.9)
    spread[4] = 10.0
    assert forecast_mean(seen, spread, horizon=4.0, noise=0.1, level=0.9).mean < plain.mean
