"""The projection of a month's requests."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.core.errors import InputError
from tierwright.stats.volume import DAYS_PER_MONTH, forecast, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY, HOUR = 86_400.0, 3600.0
#: A Monday.
MONDAY = datetime(2026, 3, 2, tzinfo=UTC).timestamp()


def steady(days: float, per_hour: int = 1) -> NDArray[np.float64]:
    """So many requests in each hour, evenly, from a Monday on."""
    step = HOUR / per_hour
    return MONDAY + step / 2 + step * np.arange(int(days * 24 * per_hour))


def office(days: int, per_hour: int = 10, start: float = MONDAY) -> NDArray[np.float64]:
    """Requests from 9 to 17 h on Mondays to Fridays, none else."""
    hours = start + HOUR * np.arange(days * 24)
    open_ = (hours % DAY // HOUR >= 9) & (hours % DAY // HOUR < 17) & ((hours // DAY + 3) % 7 < 5)
    return np.sort((hours[open_][:, None] + HOUR * (np.arange(per_hour) + 0.5) / per_hour).ravel())


def test_even_traffic_goes_on() -> None:
    """One request an hour for three weeks is 730.5 a month, inside a narrow interval of 90 %, without a trend."""
    found = project(steady(21), MONDAY, MONDAY + 21 * DAY)
    assert found.monthly.value == pytest.approx(24 * DAYS_PER_MONTH)
    assert found.monthly.ci_low < found.monthly.value < found.monthly.ci_high
    assert found.monthly.ci_high / found.monthly.ci_low < 1.3
    assert found.monthly.level == 0.9
    assert found.trend.value == pytest.approx(0.0, abs=1e-9)
    assert found.trend.ci_low < 0 < found.trend.ci_high
    assert found.hourly == pytest.approx((1.0,) * 24)
    assert found.weekly == pytest.approx((24.0,) * 7)
    assert found.daily == (24,) * 21 + (0,)


def test_the_month_does_not_depend_on_the_days_of_the_week_seen() -> None:
    """Office traffic seen for three weeks and a weekend, or for three weeks and three workdays, is the same month."""
    value = 80 * 5 / 7 * DAYS_PER_MONTH
    for days in (21, 24, 28):
        at = office(days)
        assert project(at, MONDAY, MONDAY + days * DAY).monthly.value == pytest.approx(value, rel=0.05)
    saturday = MONDAY + 5 * DAY
    assert project(office(23, start=saturday), saturday, saturday + 23 * DAY).monthly.value == pytest.approx(
        value, rel=0.05
    )


def test_a_cycle_is_used_for_what_comes_next() -> None:
    """After four office weeks, the forecast for the weekend is next to nothing, and for Monday a workday's count."""
    end = MONDAY + 26 * DAY
    at = office(26)
    weekend = forecast(at, MONDAY, end, horizon_s=2 * DAY)
    assert weekend.value < 10
    at, end = office(28), MONDAY + 28 * DAY
    monday = forecast(at, MONDAY, end, horizon_s=DAY)
    assert monday.value == pytest.approx(80, rel=0.1)
    assert monday.ci_low <= 80 <= monday.ci_high


def test_hours_and_days_are_means_over_those_seen() -> None:
    """Half a day seen twice counts by how often each hour and weekday was there."""
    at = MONDAY + np.array([0.5, 1.5, 24.5, 25.5, 25.6]) * HOUR
    found = project(at, MONDAY, MONDAY + 26 * HOUR)
    assert found.hourly[:3] == pytest.approx((1.0, 1.5, 0.0))
    assert found.daily == (2, 3)
    assert sum(found.weekly) == pytest.approx(5.0)


def test_growth_is_told_and_not_continued() -> None:
    """Traffic that grows by 2 % of its mean a day shows that trend; the month is near the last level."""
    rate = 200 * (1 + 0.02 * (np.arange(28) - 13.5))
    at = np.concatenate([MONDAY + DAY * (day + (np.arange(int(n)) + 0.5) / int(n)) for day, n in enumerate(rate)])
    found = project(at, MONDAY, MONDAY + 28 * DAY)
    assert found.trend.value == pytest.approx(0.02 * DAYS_PER_MONTH, rel=0.05)
    assert found.trend.ci_low > 0
    assert 200 * DAYS_PER_MONTH < found.monthly.value < rate[-1] * DAYS_PER_MONTH * 1.02


def test_what_was_not_seen_widens_the_interval() -> None:
    """The same even rate seen for 1 hour, 3 days and 3 weeks: each longer period is more certain, and says so."""
    found = [project(steady(days, 60), MONDAY, MONDAY + days * DAY).monthly for days in (1 / 24, 3, 21)]
    widths = [(estimate.ci_high - estimate.ci_low) / estimate.value for estimate in found]
    assert widths[0] > widths[1] > widths[2]
    assert found[0].ci_high > 4 * found[0].value
    assert ["not seen" in estimate.method for estimate in found] == [True, True, False]
    assert "less than a week" in project(steady(3), MONDAY, MONDAY + 3 * DAY).trend.method


def test_a_bursty_task_is_less_certain_than_an_even_one() -> None:
    """The same number of requests in a few heaps leaves more open."""
    even = steady(21)
    heaps = np.sort(np.repeat(MONDAY + DAY * np.array([1.3, 6.2, 11.9, 17.4]), len(even) // 4))
    narrow, wide = (project(at, MONDAY, MONDAY + 21 * DAY).monthly for at in (even, heaps))
    assert wide.ci_high - wide.ci_low > 5 * (narrow.ci_high - narrow.ci_low)


def test_nothing_seen_is_not_nothing_to_come() -> None:
    """Without a request the month is 0 to what 20 days would hide with a probability of 5 %."""
    found = project(np.array([]), MONDAY, MONDAY + 20 * DAY)
    assert (found.monthly.value, found.monthly.ci_low) == (0.0, 0.0)
    assert found.monthly.ci_high == math.ceil(-math.log(0.05) * DAYS_PER_MONTH / 20)
    assert found.daily == (0,) * 21


@pytest.mark.parametrize("length", [0.0, 1.0, 5 * HOUR, 3 * DAY, 400 * DAY])
def test_one_request_is_projected_from_any_period(length: float) -> None:
    """Also from one of no length: a value, and an interval around it."""
    found = project(np.array([MONDAY]), MONDAY, MONDAY + length).monthly
    assert found.ci_low <= found.value <= found.ci_high
    assert math.isfinite(found.ci_high)


@pytest.mark.parametrize("at", [MONDAY - 1, MONDAY + DAY + 1, math.nan, math.inf])
def test_instants_outside_the_period_are_refused(at: float) -> None:
    """A request before the period, after it or at no time would skew every figure."""
    with pytest.raises(InputError, match="outside the period"):
        project(np.array([MONDAY, at]), MONDAY, MONDAY + DAY)


@pytest.mark.parametrize("horizon_s", [0.0, -1.0, math.nan, math.inf])
def test_a_horizon_that_is_no_time_is_refused(horizon_s: float) -> None:
    """There is nothing to forecast."""
    with pytest.raises(InputError, match="horizon"):
        forecast(steady(3), MONDAY, MONDAY + 3 * DAY, horizon_s=horizon_s)


@given(
    days=st.floats(0.01, 60),
    places=st.lists(st.floats(0, 1), min_size=1, max_size=60),
    seed=st.integers(0, 2**16),
)
def test_any_traffic_has_a_projection_and_its_order_does_not_matter(
    days: float, places: list[float], seed: int
) -> None:
    """Value inside the interval, every request in a day, and the same figures for a shuffled log."""
    until = MONDAY + days * DAY
    at = np.minimum(MONDAY + np.array(places) * days * DAY, until)
    found = project(at, MONDAY, until)
    assert 0 <= found.monthly.ci_low <= found.monthly.value <= found.monthly.ci_high
    assert sum(found.daily) == len(at)
    # Not NumPy's: money is multiplied by them, by way of their text.
    numbers = (found.monthly.value, found.monthly.ci_low, found.monthly.ci_high, found.trend.value, *found.hourly)
    assert {type(number) for number in numbers} == {float}
    assert (len(found.hourly), len(found.weekly)) == (24, 7)
    assert project(np.random.default_rng(seed).permutation(at), MONDAY, until) == found
