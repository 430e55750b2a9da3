"""How many requests a month brings, from the times of those seen.

Owns the projection: the daily and the weekly cycle, the level and its drift, and how far a forecast can be trusted.
Refuses to know what a request costs. The times are counted once into hours (into shorter bins where the period is less
than two days), so the work is one pass over the instants and the rest depends on the length of the period alone.

What is assumed, in the open:

- The level of the past goes on, drifting as it did: growth is told (`Volume.trend`), not continued.
- A cycle is believed as far as it stands out of the noise (shrunk as by James and Stein): hours of the day from two
  days on, Saturday and Sunday against the rest from one week on, each day of the week from two weeks on.
- What was not seen widens the interval: a period shorter than a day may have shown the rush or the rest of an office
  that works 40 of 168 hours, so each end moves by up to 168/40; one shorter than a week by up to 7/5. Both fade in
  proportion to what was seen of the day and of the week.

References:
    James and Stein (1961), Estimation with quadratic loss: means shrunk by their noise.
    Newey and West (1987), Econometrica 55:703-708: the slope's variance where neighbours resemble each other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv, ndtri, stdtrit

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.core.profile import Volume
from tierwright.stats.local_level import forecast_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAYS_PER_MONTH = 365.25 / 12
LEVEL = 0.9
_HOUR_S, _DAY_S, _WEEK_S = 3600.0, 86_400.0, 7 * 86_400.0
#: The instant 0 was a Thursday; Monday is 0.
_FIRST_WEEKDAY = 3
#: Days of the week in which offices rest.
_WEEKEND = np.array([0, 0, 0, 0, 0, 1, 1])
#: How many stretches the level is followed over: below, short periods say nothing of drift; above, it is only slower.
_FEWEST, _MOST = 32, 128
_UNSEEN_DAY, _UNSEEN_WEEK = math.log(168 / 40), math.log(7 / 5)
_LEAST_DAYS = 7


def project(at: NDArray[np.float64], since: float, until: float) -> Volume:
    """The volume of requests at the given instants (seconds since 1970, UTC, in any order) of a period.

    The interval of the month is for its number of requests, not for a mean: it holds, in nine of ten months, what a
    month brings. Raises InputError for an instant that is outside the period or not a number.
    """
    grid = _Grid(at, since, until)
    first, last = int(since // _DAY_S), int(until // _DAY_S)
    daily = np.bincount((at // _DAY_S).astype(np.int64) - first, minlength=last - first + 1)
    hour_counts, hour_days = _by_hour(at, since, until)
    weekday = (np.arange(first, last + 1) + _FIRST_WEEKDAY) % 7
    exposure = _overlap(since, until, first, last)
    days = np.bincount(weekday, weights=exposure, minlength=7)
    weekly = np.bincount(weekday, weights=daily, minlength=7) / np.where(days > 0, np.maximum(days, 1.0), 1.0)
    return Volume(
        monthly=_forecast(grid, DAYS_PER_MONTH * _DAY_S, whole_weeks=True),
        trend=_trend(grid),
        hourly=tuple((hour_counts / np.maximum(hour_days, 1.0)).tolist()),
        weekly=tuple(weekly.tolist()),
        daily=tuple(daily.tolist()),
    )


def forecast(
    at: NDArray[np.float64], since: float, until: float, *, horizon_s: float, level: float = LEVEL
) -> Estimate:
    """The number of requests in the `horizon_s` seconds that follow the period, by the same rules as `project`."""
    if not (math.isfinite(horizon_s) and horizon_s > 0):
        raise InputError(f"the horizon is {horizon_s} seconds; give a time above 0")
    return _forecast(_Grid(at, since, until), horizon_s, whole_weeks=False, level=level)


class _Grid:
    """Counts in equal bins, with the share of a mean bin's traffic that the cycles give to each."""

    def __init__(self, at: NDArray[np.float64], since: float, until: float) -> None:
        if len(at) and not (since <= float(at.min()) and float(at.max()) <= until):
            raise InputError(
                f"a request lies outside the period from {since} to {until} (seconds since 1970), or at no time; "
                "give the period that holds all requests"
            )
        # A period of no length is one of the shortest that a clock tells.
        self.until, self.length = until, max(until - since, 1e-6)
        self.requests = len(at)
        self.by_hours = self.length >= 2 * _DAY_S
        if self.by_hours:
            # Whole hours, counted back from the end; the rest, less than an hour, goes to the first.
            self.count = int(self.length // _HOUR_S)
            self.step = _HOUR_S
        else:
            self.count, self.step = _FEWEST, self.length / _FEWEST
        back = np.minimum((until - at) // self.step, self.count - 1).astype(np.int64)
        self.counts = np.bincount(self.count - 1 - back, minlength=self.count).astype(np.float64)
        self.widths = np.ones(self.count)
        self.widths[0] = (self.length - (self.count - 1) * self.step) / self.step
        self.hour, self.weekday = _places(until - self.step * (np.arange(self.count, 0, -1, dtype=np.float64) - 0.5))
        self.hour_factor, self.day_factor = np.ones(24), np.ones(7)
        if self.by_hours and self.requests:
            self._learn_cycles()
        self.shape = self.hour_factor[self.hour] * self.day_factor[self.weekday] * self.widths

    @property
    def days(self) -> float:
        return self.length / _DAY_S

    def _learn_cycles(self) -> None:
        """Both cycles, each given the other, by turns until they stand."""
        for _ in range(4):
            self.hour_factor = _factors(
                self.counts, self.day_factor[self.weekday] * self.widths, self.hour, 24, self._day_numbers()
            )
            if self.length < _WEEK_S:
                continue
            by_day, expected, weekday = self._per_day(self.hour_factor[self.hour] * self.widths)
            kinds = weekday if self.length >= 2 * _WEEK_S else _WEEKEND[weekday]
            found = _factors(by_day, expected, kinds, int(kinds.max()) + 1, np.arange(len(by_day)))
            self.day_factor = found if self.length >= 2 * _WEEK_S else found[_WEEKEND]

    def _day_numbers(self) -> NDArray[np.int64]:
        """Of each bin: days counted back from the end, the first being 0."""
        back = np.arange(self.count - 1, -1, -1) // 24
        return np.asarray(back.max() - back, dtype=np.int64)

    def _per_day(
        self, expected: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Counts and expectations of each calendar day."""
        local = np.floor((self.until - self.step * (np.arange(self.count, 0, -1) - 0.5)) / _DAY_S).astype(np.int64)
        place = local - local[0]
        counts = _summed(place, self.counts)
        return counts, _summed(place, expected), (np.arange(len(counts)) + local[0] + _FIRST_WEEKDAY) % 7

    def stretches(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Counts and shapes of the stretches that the level is followed over, and their length in seconds."""
        if not self.by_hours:
            return self.counts, self.shape, self.step
        # Days, once there are enough of them: what is left of the daily cycle is then the same in each.
        per = 24 if self.days >= _LEAST_DAYS else 6
        per *= max(1, math.ceil(self.count / per / _MOST))
        back = np.minimum(np.arange(self.count - 1, -1, -1) // per, self.count // per - 1)
        place = back.max() - back
        return _summed(place, self.counts), _summed(place, self.shape), per * self.step

    def future(self, horizon_s: float) -> float:
        """Shape of the time that follows, in bins."""
        if not self.by_hours:
            return horizon_s / self.step
        whole = int(horizon_s // self.step)
        hour, weekday = _places(self.until + self.step * (np.arange(whole + 1, dtype=np.float64) + 0.5))
        widths = np.ones(whole + 1)
        widths[-1] = horizon_s / self.step - whole
        return float((self.hour_factor[hour] * self.day_factor[weekday] * widths).sum())


def _forecast(grid: _Grid, horizon_s: float, *, whole_weeks: bool, level: float = LEVEL) -> Estimate:
    counts, shape, stretch_s = grid.stretches()
    n, horizon = len(counts), horizon_s / stretch_s
    # A mean month begins on no day of the week: it has each as often.
    expected = (
        float(grid.hour_factor.mean() * grid.day_factor.mean()) * horizon_s / grid.step
        if whole_weeks
        else grid.future(horizon_s)
    )
    tail = (1 - level) / 2
    if not grid.requests:
        # The upper end of an exact interval for a rate of which nothing was seen.
        none_seen = -math.log(tail) * expected / float(shape.sum())
        return Estimate(
            value=0.0, ci_low=0.0, ci_high=float(math.ceil(none_seen)), level=level, n=n, method="none seen"
        )
    rate = float(counts.sum() / shape.sum())
    relative = counts / (rate * shape)
    found = forecast_mean(relative, shape.mean() / shape, horizon=horizon, noise=n / grid.requests, level=level)
    mean = max(found.mean, 0.5 / grid.requests)
    low, high = min(found.low, mean) / mean, max(found.high, mean) / mean
    # Counts are never below 0 and reach further up than down: the wider of the model's ends and a gamma's.
    deviations = ((1 - low) / -float(ndtri(tail)), (high - 1) / -float(ndtri(tail)))
    low = max(0.0, min(low, _gamma_end(tail, deviations[0])))
    high = max(high, _gamma_end(1 - tail, deviations[1]))
    unseen = math.hypot(
        _UNSEEN_DAY * max(0.0, 1 - grid.length / _DAY_S) * min(1.0, horizon_s / _DAY_S),
        _UNSEEN_WEEK * max(0.0, 1 - grid.length / _WEEK_S) * min(1.0, horizon_s / _WEEK_S),
    )
    low, high = _widened(low, unseen), _widened(high, unseen)
    value = mean * rate * expected
    method = "local level over " + ("days" if stretch_s >= _DAY_S else "stretches of the period") + ", gamma ends"
    return Estimate(
        value=value,
        ci_low=float(math.floor(value * low)),
        ci_high=float(math.ceil(value * high)),
        level=level,
        n=n,
        method=method + (", widened for hours and days not seen" if unseen else ""),
    )


def _gamma_end(quantile: float, deviation: float) -> float:
    """Quantile of a gamma distribution of mean 1 and this standard deviation."""
    if deviation < 1e-6:
        return 1.0
    shape = 1 / deviation**2
    return float(gammaincinv(shape, quantile)) / shape


def _widened(end: float, log_half: float) -> float:
    """An end, relative to the value, after an independent error of the logarithm."""
    if end <= 0.0:
        return 0.0
    logarithm = math.hypot(math.log(end), log_half)
    return math.exp(-logarithm if end < 1.0 else logarithm)


def _trend(grid: _Grid) -> Estimate:
    """Growth a month, relative to the middle of the period: a weighted line through the stretches."""
    counts, shape, stretch_s = grid.stretches()
    n = len(counts)
    if grid.days < _LEAST_DAYS or grid.requests < 2:
        return Estimate(
            value=0.0, ci_low=-math.inf, ci_high=math.inf, level=LEVEL, n=n, method="less than a week, not estimated"
        )
    per_month = DAYS_PER_MONTH * _DAY_S / stretch_s
    weight = shape / shape.sum()
    relative = counts / shape * shape.sum() / counts.sum()
    time = np.arange(n) - weight @ np.arange(n)
    spread = float(weight @ time**2)
    slope = float(weight @ (time * relative)) / spread
    pulls = weight * time * (relative - 1 - slope * time) / spread
    lags = max(1, round(0.75 * n ** (1 / 3)))
    variance = float(pulls @ pulls) + 2 * sum(
        (1 - lag / (lags + 1)) * float(pulls[lag:] @ pulls[:-lag]) for lag in range(1, lags + 1)
    )
    poisson = 1 / (grid.requests * spread)
    half = float(stdtrit(n - 2, 0.5 + LEVEL / 2)) * math.sqrt(max(variance * n / (n - 2), poisson))
    return Estimate(
        value=slope * per_month,
        ci_low=(slope - half) * per_month,
        ci_high=(slope + half) * per_month,
        level=LEVEL,
        n=n,
        method="weighted line over days, Newey-West",
    )


def _factors(
    counts: NDArray[np.float64],
    expected: NDArray[np.float64],
    cell: NDArray[np.int64],
    cells: int,
    repeat: NDArray[np.int64],
) -> NDArray[np.float64]:
    """How much more than expected each cell of a cycle brings, shrunk towards 1 by how much that is noise.

    `repeat` numbers the rounds of the cycle: within a round a cell is one observation.
    """
    place = repeat * cells + cell
    seen = np.bincount(place, weights=counts, minlength=cells)
    room = np.bincount(place, weights=expected, minlength=cells)
    there = room > 0
    of_cell = np.arange(len(seen)) % cells
    rate = counts.sum() / expected.sum()
    relative = np.divide(seen, rate * room, out=np.ones(len(seen)), where=there)
    weight = np.bincount(of_cell, weights=room, minlength=cells)
    rounds = np.bincount(of_cell[there], minlength=cells)
    if not weight.all() or not (rounds > 1).any():
        return np.ones(cells)
    mean = np.bincount(of_cell, weights=room * relative, minlength=cells) / weight
    squares = np.bincount(of_cell, weights=room * (relative - mean[of_cell]) ** 2, minlength=cells)
    # Variance of one round, in a cell of mean room, pooled; never below that of a Poisson count.
    typical = float(room[there].mean())
    pooled = float(squares.sum()) / typical / max(float((rounds - 1).sum()), 1.0)
    noise = max(pooled, 1 / (rate * typical)) * typical / weight
    between = float(((mean - 1) ** 2).sum()) / max(cells - 1, 1)
    kept = max(0.0, 1 - float(noise.mean()) / between) if between > 0 else 0.0
    factors = 1 + kept * (mean - 1)
    # A cell in which nothing came yet is not one in which nothing can come.
    return np.asarray(np.maximum(factors, 0.5 / (rate * weight)))


def _summed(place: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.bincount(place, weights=weights), dtype=np.float64)


def _places(at: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hour of the day and day of the week, Monday first."""
    day = np.floor(at / _DAY_S)
    return ((at - day * _DAY_S) // _HOUR_S).astype(np.int64), ((day + _FIRST_WEEKDAY) % 7).astype(np.int64)


def _by_hour(at: NDArray[np.float64], since: float, until: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Requests in each hour of the day, and on how many days (with parts) that hour lies in the period."""
    counts = np.bincount((at % _DAY_S // _HOUR_S).astype(np.int64), minlength=24).astype(np.float64)
    first, last = int(since // _HOUR_S), int(until // _HOUR_S)
    if last - first > 24 * 366:
        return counts, np.full(24, (until - since) / _DAY_S)
    hours = np.arange(first, last + 1)
    exposure = np.minimum(until, (hours + 1) * _HOUR_S) - np.maximum(since, hours * _HOUR_S)
    return counts, np.asarray(np.bincount(hours % 24, weights=exposure / _HOUR_S, minlength=24), dtype=np.float64)


def _overlap(since: float, until: float, first: int, last: int) -> NDArray[np.float64]:
    """Share of each day that lies in the period."""
    days = np.arange(first, last + 1)
    return np.asarray((np.minimum(until, (days + 1) * _DAY_S) - np.maximum(since, days * _DAY_S)) / _DAY_S)
