"""Whether a candidate errs more often for some people than for others.

Owns the gaps in error rate, and in false-positive rate for a named positive label, between groups, and what they say of
the gap that is allowed. Refuses to know where groups come from; a column splits the examples, so its groups are held
against each other in pairs, terms may overlap, so the texts that name one are held against those that don't. Examples
without a value are no group.

All gaps are looked at with intervals that hold together (Bonferroni), each from two score intervals (Newcombe 1998). A
gap whose interval lies above what is allowed is an objection; one whose interval lies within is fine; what is between
is undecided, and a group of too few examples is said to be one. It is a gate on harm shown, not a proof of fairness:
`undecided` objects to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError
from tierwright.evals.slices import MIN_SLICE, NONE
from tierwright.stats.cluster_robust import clustered_share
from tierwright.stats.multiplicity import simultaneous_level
from tierwright.stats.two_samples import share_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.evals.slices import Slice

#: The texts that name no term of a list.
OTHERS = "(all others)"


class Fair(StrEnum):
    """What the interval of a gap says of the gap that is allowed."""

    #: The whole interval lies above it.
    OBJECTION = "objection"
    #: The whole interval lies within it.
    WITHIN = "within"
    #: The interval holds it: more labels are needed.
    UNDECIDED = "undecided"
    #: A group has too few examples.
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How much more often a candidate errs for one group than for another."""

    #: "error_rate" or "false_positive_rate".
    rate: str
    dimension: str
    #: The two groups, the one with the higher rate first where both are known.
    groups: tuple[str, str]
    #: Examples of each that the rate is of.
    sizes: tuple[int, int]
    #: Their rates; None: too few.
    rates: tuple[Estimate, Estimate] | None
    #: First minus second; None: too few.
    gap: Estimate | None
    verdict: Fair


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """All gaps, and what they come to."""

    verdict: Fair
    max_gap: float
    #: Level of each interval, so that all hold together.
    level: float
    #: The largest first; those of too few examples last.
    gaps: tuple[Gap, ...]


def fairness(
    groups: Sequence[Slice],
    wrong: NDArray[np.bool_],
    *,
    max_gap: float,
    false_positive: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
    clusters: Sequence[str] | None = None,
    level: float = 0.95,
    min_n: int = MIN_SLICE,
) -> Fairness:
    """The gaps of one answerer between groups of examples; `wrong` says which it got wrong, shape (n,).

    `false_positive` holds which examples are not of the positive label, and which of all were given it. Raises
    InputError where there is nothing to hold against each other or `max_gap` lies outside [0, 1].
    """
    if not 0.0 <= max_gap < 1.0:
        raise InputError(f"the gap that is allowed is {max_gap}; give a number from 0 to below 1, for example 0.05")
    everything = np.arange(len(wrong))
    rates = [("error_rate", everything, wrong)]
    if false_positive is not None:
        negative, given = false_positive
        rates.append(("false_positive_rate", np.flatnonzero(negative), given))
    pairs = _pairs(groups, len(wrong))
    if not pairs:
        raise InputError("there is only one group, so there is no gap; choose a column that has several values")
    asked = [(rate, base, bad, pair) for rate, base, bad in rates for pair in pairs]
    sized = [[np.intersect1d(members, base) for _, members in pair[1]] for _, base, _, pair in asked]
    each = simultaneous_level(level, max(1, sum(min(map(len, both)) >= max(min_n, 1) for both in sized)))
    found = []
    for (rate, _, bad, (dimension, named)), both in zip(asked, sized, strict=True):
        names, sizes = (named[0][0], named[1][0]), (both[0].size, both[1].size)
        rates_of, gap, verdict = None, None, Fair.TOO_FEW
        if min(sizes) >= max(min_n, 1):
            first, second = (_share(bad, places, clusters, each) for places in both)
            if second.value > first.value:
                first, second, names, sizes = second, first, names[::-1], sizes[::-1]
            rates_of, gap = (first, second), share_gap(first, second)
            verdict = _verdict(gap, max_gap)
        found.append(
            Gap(
                rate=rate,
                dimension=dimension,
                groups=names,
                sizes=sizes,
                rates=rates_of,
                gap=gap,
                verdict=verdict,
            )
        )
    found.sort(key=lambda one: -1.0 if one.gap is None else one.gap.value, reverse=True)
    return Fairness(verdict=_together(found), max_gap=max_gap, level=each, gaps=tuple(found))


def _pairs(
    groups: Sequence[Slice], n: int
) -> list[tuple[str, tuple[tuple[str, NDArray[np.int64]], tuple[str, NDArray[np.int64]]]]]:
    """What is held against each other, by dimension."""
    found: list[tuple[str, tuple[tuple[str, NDArray[np.int64]], tuple[str, NDArray[np.int64]]]]] = []
    named = [(one.dimension, one.value, np.asarray(one.members, dtype=np.int64)) for one in groups]
    split = [one for one in named if one[0] != "term" and one[1] != NONE]
    for first, second in combinations(split, 2):
        if first[0] == second[0]:
            found.append((first[0], (first[1:], second[1:])))
    for dimension, value, members in named:
        if dimension == "term":
            others = np.setdiff1d(np.arange(n), members)
            found.append((dimension, ((value, members), (OTHERS, others))))
    return found


def _share(bad: NDArray[np.bool_], places: NDArray[np.int64], clusters: Sequence[str] | None, level: float) -> Estimate:
    codes = list(range(places.size)) if clusters is None else [clusters[place] for place in places.tolist()]
    return clustered_share(bad[places].astype(np.float64), codes, level=level)


def _verdict(gap: Estimate, max_gap: float) -> Fair:
    if gap.ci_low > max_gap:
        return Fair.OBJECTION
    return Fair.WITHIN if gap.ci_high <= max_gap and gap.ci_low >= -max_gap else Fair.UNDECIDED


def _together(gaps: Sequence[Gap]) -> Fair:
    found = {one.verdict for one in gaps}
    for verdict in (Fair.OBJECTION, Fair.UNDECIDED, Fair.TOO_FEW):
        if verdict in found and not (verdict is Fair.TOO_FEW and Fair.WITHIN in found):
            return verdict
    return Fair.WITHIN
