"""Whether forecasts of volume hold what they promise, over kinds of traffic that differ in how they fluctuate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tierwright.stats.volume import forecast

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 86_400.0
#: A Monday.
START = 1_772_409_600.0


def daily_levels(kind: str, days: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Relative level of each day."""
    normal = generator.normal(size=days)
    if kind == "poisson":
        return np.ones(days)
    if kind == "overdispersed":
        return generator.gamma(10, 0.1, days)
    if kind == "drifting":
        return np.exp(0.04 * np.cumsum(normal) + 0.1 * generator.normal(size=days))
    level, levels = 0.0, []
    for shock in normal.tolist():
        level = 0.6 * level + 0.15 * shock
        levels.append(level)
    return np.exp(np.array(levels))


def requests(kind: str, days: int, per_day: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Poisson arrivals at these levels, with an office's days and weeks."""
    hours = np.arange(days * 24)
    cycle = np.where((hours % 24 >= 8) & (hours % 24 < 18), 2.0, 2 / 7) * np.where(hours // 24 % 7 < 5, 1.2, 0.5)
    rate = per_day / 24 * cycle * np.repeat(daily_levels(kind, days, generator), 24)
    counts = generator.poisson(rate)
    return START + 3600 * (np.repeat(hours, counts) + generator.random(int(counts.sum())))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["poisson", "overdispersed", "correlated", "drifting"])
@pytest.mark.parametrize("per_day", [3.0, 300.0])
def test_the_held_back_third_is_in_the_interval_of_ninety_percent(kind: str, per_day: float) -> None:
    """In 200 logs of 30 days the last ten days' requests lie in the interval in at least 80 of 100."""
    generator = np.random.default_rng(17)
    held = 0
    for _ in range(200):
        at = requests(kind, 30, per_day, generator)
        past = at[at < START + 20 * DAY]
        found = forecast(past, START, START + 20 * DAY, horizon_s=10 * DAY)
        held += found.ci_low <= len(at) - len(past) <= found.ci_high
    assert held >= 160


@pytest.mark.slow
def test_independent_days_are_not_drowned_in_caution() -> None:
    """Where days differ by nothing but chance the interval is at most twice as wide as the best one could be."""
    generator = np.random.default_rng(18)
    widths = []
    for _ in range(50):
        at = requests("poisson", 30, 300.0, generator)
        past = at[at < START + 20 * DAY]
        found = forecast(past, START, START + 20 * DAY, horizon_s=10 * DAY)
        # The count of ten days and the error of the mean of twenty.
        widths.append((found.ci_high - found.ci_low) / (2 * 1.645 * (3000 * (1 + 10 / 20)) ** 0.5))
    assert float(np.median(widths)) < 2.0
