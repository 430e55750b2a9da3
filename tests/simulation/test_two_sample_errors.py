"""How often the two-sample tests reject without a difference and with one, and how often their sizes cover the truth.

The null has what traffic has: a cycle over the day, and days that differ from one another by chance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.lifecycle.traffic_under_test import SINCE, traffic
from tierwright.lifecycle.drift import check_drift
from tierwright.lifecycle.windows import cut
from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.permutation import Design
from tierwright.stats.two_sample import classifier_test, discrepancy_test, distance_test, mix_test, share_test

if TYPE_CHECKING:
    from tierwright.stats.two_sample import Comparison

pytestmark = pytest.mark.slow

SIMULATIONS = 2_000
DAYS, LATE_DAYS, A_DAY = 21, 7, 4
DAY = np.repeat(np.arange(DAYS), A_DAY)
LATE = DAY >= DAYS - LATE_DAYS
BLOCKS = Design.of(LATE, blocks=DAY.tolist())
PERMUTATIONS = 59
#: Three standard deviations of a rate of 5 % counted over that many simulations.
NOISE = 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)


def points(rng: np.random.Generator, dimensions: int, *, days: float = 0.5) -> np.ndarray:
    """One point for each request: what its hour adds, what its day adds, and chance."""
    hour = np.sin(2 * np.pi * np.arange(A_DAY) / A_DAY)[np.arange(len(DAY)) % A_DAY]
    day = days * rng.normal(size=(DAYS, dimensions))[DAY]
    return np.asarray(rng.normal(size=(len(DAY), dimensions)) + hour[:, None] + day)


def compared(name: str, rng: np.random.Generator, shift: float = 0.0) -> Comparison:
    """One simulated comparison; late requests are moved by a shift in every direction."""
    x = points(rng, 3 if name in {"classifier", "discrepancy"} else 1) + shift * LATE[:, None]
    if name == "classifier":
        return classifier_test(x @ x.T, BLOCKS, rng, permutations=PERMUTATIONS)
    if name == "discrepancy":
        return discrepancy_test(x @ x.T, BLOCKS, rng, permutations=PERMUTATIONS)
    if name == "mix":
        return mix_test(np.floor(x[:, 0]).clip(-2, 2), BLOCKS, rng, permutations=PERMUTATIONS)
    if name == "distance":
        return distance_test(x[:, 0], BLOCKS, rng, permutations=PERMUTATIONS)
    return share_test(x[:, 0] > 0.5, BLOCKS, rng, permutations=PERMUTATIONS)


@pytest.mark.parametrize("name", ["classifier", "discrepancy", "mix", "distance", "share"])
def test_tests_reject_as_seldom_as_they_say_where_days_differ(name: str) -> None:
    """With days that differ by chance, 5 % of null comparisons at most have p <= 0.05, and 95 % of sizes cover."""
    rng = np.random.default_rng(201)
    found = [compared(name, rng) for _ in range(SIMULATIONS)]
    rejected = np.mean([one.p_value <= 0.05 for one in found])
    assert rejected <= 0.05 + NOISE
    assert rejected >= 0.02
    alike = 0.5 if name in {"classifier", "discrepancy"} else 0.0
    covered = np.mean([one.size.ci_low <= alike <= one.size.ci_high for one in found])
    # Student's intervals of seven blocks or fewer are a little too wide.
    assert 0.95 - NOISE <= covered <= 0.99


def test_single_requests_as_units_would_take_days_for_a_change() -> None:
    """The control: permuting requests instead of days rejects more than twice as often as it says."""
    rng = np.random.default_rng(202)
    alone = Design.of(LATE)
    found = [distance_test(points(rng, 1, days=1.0)[:, 0], alone, rng, permutations=PERMUTATIONS) for _ in range(400)]
    assert np.mean([one.p_value <= 0.05 for one in found]) > 0.1


@pytest.mark.parametrize("name", ["classifier", "discrepancy", "mix", "distance", "share"])
def test_a_change_three_times_as_large_as_that_of_days_is_seen(name: str) -> None:
    """Power: it is seen in four of five weeks or more."""
    rng = np.random.default_rng(203)
    found = [compared(name, rng, shift=1.5) for _ in range(100)]
    assert np.mean([one.p_value <= 0.05 for one in found]) >= 0.8


def test_no_alarm_in_replays_without_a_change() -> None:
    """200 replays of three weeks whose nights are all about billing: alarms come no more often than the level says."""
    alarmed = 0
    for seed in range(200):
        windows = cut(*traffic(a_day=8, seed=seed, night=0.8), since=SINCE)
        alarmed += any(check.alarm for check in check_drift(windows, seed=seed))
    # 0.05 is the probability that a rate of 1 % shows more than this in 200 replays.
    assert clopper_pearson(alarmed, 200, level=0.9).ci_low <= 0.01
