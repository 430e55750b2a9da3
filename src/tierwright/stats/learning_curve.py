"""How quality grows with the number of examples, how far that can be foretold, and how many are needed for a goal.

Owns the inverse power law a - b n^-c, its bootstrap and the limits of extrapolation. Refuses to know what is learned.

The law is fitted to the mean quality at each size by weighted least squares, 0 <= b, a <= 1; for a given c the best a
and b are known in closed form, and c is sought on a grid. Intervals come from a bootstrap on two levels, of the repeats
(each with its own split) and of the groups judged within each: percentiles of what the refitted law says. Three repeats
say little about how repeats vary; the second level counts the noise of judging once more, which makes up for it.

Real curves rise late: below some hundred examples they are flat, and a law through them foretells too little. So large
sizes count most in the fit (weights grow with the square of the size), and where the law, fitted without the largest
size, was wrong about it, every further doubling widens the interval by as much on that side.

A fitted law says nothing of what it has not seen. It is asked no further than two or four times the largest size: four
only where the same law, fitted to the sizes up to a quarter of the largest, foretold the largest within noise. Beyond
that power laws have overestimated the need up to twelvefold (arXiv 2303.01598), and an asymptote is a hint, not a
figure to plan with: it serves to say that more of the same will not do, when even its upper end is too low.

References:
    Figueroa, Zeng-Treitler, Kandula and Ngo (2012), Predicting sample size required for classification performance, BMC
        Medical Informatics and Decision Making 12:8: the law, weighted fitting, errors below 0.01 from 80-560 labels.
    Efron and Tibshirani (1993), An Introduction to the Bootstrap: percentile intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate, as_percent
from tierwright.stats.inputs import check_level, check_share, group_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.stats.inputs import Groups

#: Exponents that are tried: those of published learning curves of text classifiers lie well inside. Smaller ones would
#: let any flat curve rise for ever.
_EXPONENTS = np.geomspace(0.1, 2.0, 40)
#: How far the law is asked: times the largest size, where it has foretold its own end and where it has not.
_FAR, _NEAR = 4, 2
_FEWEST_SIZES = 4
#: Sizes at which a curve is asked for a goal.
_ASKED = 120
_METHOD = "inverse power law, bootstrap of repeats and groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One repeat: nested training sets of growing size, all judged on the same held-out observations."""

    #: Whether each observation came out right, shape (sizes, observations), 0 or 1.
    right: NDArray[np.float64]
    #: The group of each observation: near-duplicates share one.
    groups: Groups


class Outlook(StrEnum):
    """What a curve says of a goal."""

    #: Reached already, by more than noise.
    REACHED = "reached"
    #: So many more examples are likely to reach it.
    MORE = "more"
    #: More than can be foretold.
    BEYOND = "beyond"
    #: Not reached with any number of examples, by more than noise.
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many examples a goal takes, besides those there are."""

    outlook: Outlook
    goal: float
    #: Ends of the interval and its middle; None: more than can be foretold.
    fewest: int | None
    likely: int | None
    most: int | None
    #: Examples, in all, up to which the law is asked.
    limit: int
    #: In words.
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """A fitted learning curve."""

    sizes: tuple[int, ...]
    #: What was measured at each size.
    measured: tuple[Estimate, ...]
    #: Asymptote a, drop b and exponent c of the law, with n in units of the largest size.
    law: tuple[float, float, float]
    #: The same of every bootstrap replicate, shape (replicates, 3).
    replicates: NDArray[np.float64]
    #: Whether the law, fitted to the sizes up to a quarter of the largest, foretold the largest.
    foretold: bool
    #: What was measured at the largest size, less what the law foretold of it from the others.
    slack: float
    level: float

    @property
    def limit(self) -> int:
        """The number of examples up to which the law is asked."""
        return self.sizes[-1] * (_FAR if self.foretold else _NEAR)

    @property
    def asymptote(self) -> Estimate:
        """Quality with any number of examples, if the law held for ever."""
        return self._estimate(self.law[0], self.replicates[:, 0])

    def at(self, size: int) -> Estimate:
        """Quality expected with so many examples; raises InputError beyond the limit and below the smallest size."""
        if not self.sizes[0] <= size <= self.limit:
            raise InputError(
                f"the curve was measured from {self.sizes[0]} to {self.sizes[-1]} examples and is asked up to "
                f"{self.limit}; {size} lies outside: measure again with more examples"
            )
        scaled = size / self.sizes[-1]
        value = float(_quality(np.array([self.law]), np.array([scaled]))[0, 0])
        found = self._estimate(value, _quality(self.replicates, np.array([scaled]))[:, 0])
        doublings = max(0.0, math.log2(scaled))
        return replace(
            found,
            ci_low=max(0.0, found.ci_low + min(0.0, self.slack) * doublings),
            ci_high=min(1.0, found.ci_high + max(0.0, self.slack) * doublings),
        )

    def gain(self, now: int, later: int) -> Estimate:
        """How much better than with `now` examples it is expected to be with `later`; raises as `at`."""
        before, after = self.at(now), self.at(later)
        scaled = np.array([now, later]) / self.sizes[-1]
        qualities = _quality(self.replicates, scaled)
        found = self._estimate(after.value - before.value, qualities[:, 1] - qualities[:, 0])
        doublings = max(0.0, math.log2(max(1.0, float(scaled[1]))))
        return replace(
            found,
            ci_low=found.ci_low + min(0.0, self.slack) * doublings,
            ci_high=found.ci_high + max(0.0, self.slack) * doublings,
        )

    def need(self, goal: float, *, available: int | None = None) -> Need:
        """How many examples more than `available` (by default the largest size) a quality takes.

        Raises InputError for a goal outside [0, 1].
        """
        check_share(goal, "goal")
        have = self.sizes[-1] if available is None else available
        asked = [round(size) for size in np.geomspace(self.sizes[0], self.limit, _ASKED)]
        foretold = [(size, self.at(size)) for size in asked]

        def more(enough: Callable[[Estimate], float]) -> int | None:
            size = next((size for size, quality in foretold if enough(quality) >= goal), None)
            return None if size is None else max(0, size - have)

        fewest = more(lambda quality: quality.ci_high)
        middle = more(lambda quality: quality.value)
        most = more(lambda quality: quality.ci_low)
        if most == 0:
            outlook, why = Outlook.REACHED, f"{goal:.1%} is reached with the {have:,} examples there are"
        elif self.foretold and max(self.asymptote.ci_high, foretold[-1][1].ci_high) < goal:
            outlook = Outlook.NEVER
            why = (
                f"more of the same examples will not help: the curve levels off at {as_percent(self.asymptote)}, below "
                f"{goal:.1%}"
            )
        elif middle is not None:
            outlook = Outlook.MORE
            span = f"{fewest:,} to {most:,}" if most is not None else f"{fewest:,} to more than can be foretold"
            why = f"about {middle:,} more examples ({span}) for {goal:.1%}"
        else:
            outlook = Outlook.BEYOND
            reached = "may be" if fewest is not None else "is not"
            why = (
                f"{goal:.1%} {reached} reached with {self.limit:,} examples in all (with that many: "
                f"{as_percent(foretold[-1][1])}), {self.limit // self.sizes[-1]} times as many as were measured; no "
                f"further can be foretold{self._because}: collect some, then measure again"
            )
        return Need(outlook=outlook, goal=goal, fewest=fewest, likely=middle, most=most, limit=self.limit, why=why)

    @property
    def _because(self) -> str:
        return "" if self.foretold else " (the law did not foretell the largest size from the smaller ones)"

    def _estimate(self, value: float, replicates: NDArray[np.float64]) -> Estimate:
        return _percentile(value, replicates, level=self.level, n=len(self.replicates), method=_METHOD)


def fit_learning_curve(
    sizes: Sequence[int],
    repeats: Sequence[Repeat],
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 1000,
) -> LearningCurve:
    """The curve through the mean quality of all repeats at each size.

    Sizes increase; `n` of the estimates is the number of groups judged in all repeats. Raises InputError where shapes
    don't fit, NotEnoughData for fewer than four sizes or a repeat without observations.
    """
    check_level(level)
    if len(sizes) < _FEWEST_SIZES or not repeats:
        raise NotEnoughData(
            f"a curve takes {_FEWEST_SIZES} sizes and a repeat; there are {len(sizes)} and {len(repeats)}"
        )
    if any(one >= other for one, other in pairwise(sizes)) or sizes[0] < 1:
        raise InputError(f"the sizes are {list(sizes)}; give increasing numbers of examples")
    sums = [_sums(repeat, len(sizes)) for repeat in repeats]
    scaled = np.asarray(sizes, dtype=np.float64) / sizes[-1]
    weights = scaled**2
    means = np.stack([totals.sum(axis=1) / counts.sum() for totals, counts in sums])
    drawn = _resampled(sums, generator, resamples)
    law = _fit(scaled, means.mean(axis=0)[None], weights)[0]
    replicates = _fit(scaled, drawn, weights)
    groups = sum(len(counts) for _, counts in sums)
    return LearningCurve(
        sizes=tuple(int(size) for size in sizes),
        measured=tuple(
            _percentile(
                float(means[:, at].mean()),
                drawn[:, at],
                level=level,
                n=groups,
                method="bootstrap of repeats and groups",
            )
            for at in range(len(sizes))
        ),
        law=(float(law[0]), float(law[1]), float(law[2])),
        replicates=replicates,
        foretold=_foretold(scaled, drawn, weights, level),
        slack=_slack(scaled, means.mean(axis=0), weights),
        level=level,
    )


def _sums(repeat: Repeat, sizes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right answers by size and group, and observations by group."""
    if repeat.right.ndim != 2 or repeat.right.shape[0] != sizes:
        raise InputError(f"a repeat's outcomes have shape {repeat.right.shape}; give one row for each of {sizes} sizes")
    if not repeat.right.shape[1]:
        raise NotEnoughData("a repeat has no held-out observation to judge by")
    codes = group_codes(repeat.groups, repeat.right.shape[1])
    counts = np.bincount(codes).astype(np.float64)
    return np.stack([np.bincount(codes, weights=row, minlength=len(counts)) for row in repeat.right]), counts


def _resampled(
    sums: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """Mean quality by size of bootstrap replicates, shape (resamples, sizes)."""
    found = np.zeros((resamples, sums[0][0].shape[0]))
    for place in range(resamples):
        for at in generator.integers(0, len(sums), size=len(sums)).tolist():
            totals, counts = sums[at]
            times = np.bincount(generator.integers(0, len(counts), size=len(counts)), minlength=len(counts))
            found[place] += totals @ times / (counts @ times)
    return found / len(sums)


def _fit(
    scaled: NDArray[np.float64], quality: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The laws through curves, shape (curves, 3), from their qualities, shape (curves, sizes)."""
    best = np.full(len(quality), np.inf)
    law = np.zeros((len(quality), 3))
    share = weights / weights.sum()
    centre = quality @ share
    for exponent in _EXPONENTS:
        shrunk = scaled**-exponent
        middle = float(shrunk @ share)
        spread = float(((shrunk - middle) ** 2) @ share)
        drop = np.maximum(0.0, -((quality - centre[:, None]) * (shrunk - middle)) @ share / spread)
        top = centre + drop * middle
        # An asymptote above 1 is held at 1, and the drop is the best one for it.
        held = np.maximum(0.0, ((1 - quality) * shrunk) @ share / float(shrunk**2 @ share))
        drop, top = np.where(top > 1, held, drop), np.minimum(top, 1.0)
        off = ((top[:, None] - drop[:, None] * shrunk - quality) ** 2) @ share
        better = off < best
        best = np.where(better, off, best)
        law[better] = np.stack([top, drop, np.full_like(top, exponent)], axis=1)[better]
    return law


def _quality(laws: NDArray[np.float64], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (laws, sizes)."""
    result: NDArray[np.float64] = laws[:, :1] - laws[:, 1:2] * scaled[None, :] ** -laws[:, 2:]
    return result


def _foretold(
    scaled: NDArray[np.float64], drawn: NDArray[np.float64], weights: NDArray[np.float64], level: float
) -> bool:
    """Whether the interval of what the small sizes foretell of the largest, less what was measured there, holds 0."""
    early = scaled <= 0.26
    if early.sum() < _FEWEST_SIZES - 1:
        return False
    error = _quality(_fit(scaled[early], drawn[:, early], weights[early]), scaled[-1:])[:, 0] - drawn[:, -1]
    low, high = np.quantile(error, [(1 - level) / 2, (1 + level) / 2])
    return bool(low <= 0 <= high)


def _slack(scaled: NDArray[np.float64], quality: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The last measured quality, less what the law through the others foretells."""
    law = _fit(scaled[:-1], quality[None, :-1], weights[:-1])
    return float(quality[-1] - _quality(law, scaled[-1:])[0, 0])


def _percentile(value: float, replicates: NDArray[np.float64], *, level: float, n: int, method: str) -> Estimate:
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(
        value=value, ci_low=min(float(low), value), ci_high=max(float(high), value), level=level, n=n, method=method
    )
