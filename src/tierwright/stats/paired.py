"""Differences between two answerers on the same examples.

Owns Tango's score interval for the paired difference of two proportions, alone and for grouped examples, and the exact
McNemar test. Refuses to know who the answerers are. Throughout, the difference is candidate minus baseline,
`candidate_only` counts the examples that only the candidate got right and `baseline_only` those that only the baseline
did.

References:
    Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
        design, Statistics in Medicine 17:891-908, equations (24)-(26).
    McNemar (1947), Note on the sampling error of the difference between correlated proportions, Psychometrika
        12:153-157; exact form: a binomial test of the discordant pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, ndtri

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.stats.clusters import design_effect
from tierwright.stats.inputs import check_counts, check_level, group_codes, outcomes, same_length, scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.inputs import Groups

#: Halvings of [-1, 1] after which the two ends are neighbouring doubles.
_HALVINGS = 54


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """The outcome of a test of no difference."""

    #: Two-sided.
    p_value: float
    #: Pairs that differ: the only ones that tell.
    n: int
    method: str


def tango(candidate_only: int, baseline_only: int, n: int, *, level: float = 0.95) -> Estimate:
    """Tango's score interval of the paired difference of two proportions, from counts of n pairs.

    Also right where no pair differs (the interval is then +-z^2/(n + z^2), not a point) and where all do. Raises
    InputError for impossible counts, NotEnoughData for n = 0.
    """
    check_counts(candidate_only, n, "pairs only the candidate got right")
    check_counts(baseline_only, n, "pairs only the baseline got right")
    check_counts(candidate_only + baseline_only, n, "discordant pairs")
    check_level(level)
    low, high = tango_ends(candidate_only, baseline_only, n, float(ndtri(0.5 + level / 2)))
    value = (candidate_only - baseline_only) / n
    return Estimate(value=value, ci_low=float(low), ci_high=float(high), level=level, n=n, method="Tango score")


def paired_difference(
    candidate: ArrayLike, baseline: ArrayLike, groups: Groups | None = None, *, level: float = 0.95
) -> Estimate:
    """The paired difference of two proportions from 0/1 outcomes, shape (n,) each, with Tango's interval.

    The members of a group count as copies of one another (see `stats.clusters`): the discordant counts are divided by
    the design effect, and `n` is the number of groups. Raises InputError for unequal lengths and outcomes other than 0
    and 1, NotEnoughData where there are none.
    """
    right, wrong = outcomes(candidate, "candidate's outcomes"), outcomes(baseline, "baseline's outcomes")
    same_length(right, wrong, "the candidate's and the baseline's outcomes")
    check_level(level)
    change = right - wrong
    n, gained, lost = change.size, int(np.count_nonzero(change > 0)), int(np.count_nonzero(change < 0))
    codes = np.arange(n) if groups is None else group_codes(groups, n)
    effect = design_effect(codes)
    if effect == 1.0:
        return tango(gained, lost, n, level=level)
    low, high = tango_ends(gained / effect, lost / effect, n / effect, float(ndtri(0.5 + level / 2)))
    return Estimate(
        value=(gained - lost) / n,
        ci_low=float(low),
        ci_high=float(high),
        level=level,
        n=int(codes.max()) + 1,
        method="Tango score, groups as copies",
    )


def differences(candidate: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    """Candidate minus baseline, shape (n,), for `bootstrap_mean` where the scores are not 0 or 1.

    Raises InputError for NaN and unequal lengths, NotEnoughData where there is nothing.
    """
    first, second = scores(candidate, "candidate's scores"), scores(baseline, "baseline's scores")
    same_length(first, second, "the candidate's and the baseline's scores")
    return np.asarray(first - second)


def mcnemar_exact(candidate_only: int, baseline_only: int) -> PairedTest:
    """The exact test that candidate and baseline are right equally often; p = 1 where no pair differs."""
    if candidate_only < 0 or baseline_only < 0:
        raise InputError(f"the discordant counts are {candidate_only} and {baseline_only}; they can't be negative")
    n = candidate_only + baseline_only
    p_value = 1.0 if n == 0 else min(1.0, 2.0 * float(bdtr(min(candidate_only, baseline_only), n, 0.5)))
    return PairedTest(p_value=p_value, n=n, method="McNemar exact")


def constrained_baseline_only(
    candidate_only: ArrayLike, baseline_only: ArrayLike, n: ArrayLike, difference: ArrayLike
) -> NDArray[np.float64]:
    """The most likely share of pairs only the baseline got right, given the counts and a difference.

    Equations (25) and (26), written without the subtraction of nearly equal numbers. Broadcasts.
    """
    gained, lost, total, delta = (
        np.asarray(x, dtype=np.float64) for x in (candidate_only, baseline_only, n, difference)
    )
    linear = -gained - lost + (2 * total - gained + lost) * delta
    constant = -lost * delta * (1 - delta)
    root = np.sqrt(np.maximum(linear * linear - 8 * total * constant, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        # Both forms are the same number; each is the exact one on its side of zero.
        share = np.where(linear > 0, -2 * constant / (root + linear), (root - linear) / (4 * total))
    return np.maximum(share, np.maximum(-delta, 0.0))


def tango_excess(
    candidate_only: ArrayLike, baseline_only: ArrayLike, n: ArrayLike, difference: ArrayLike, critical: ArrayLike
) -> NDArray[np.float64]:
    """Positive exactly where the score test rejects the difference as too low: its statistic exceeds `critical`.

    Equation (24) multiplied out, so that it is defined where the variance is zero. Broadcasts.
    """
    gained, lost, total, delta = (
        np.asarray(x, dtype=np.float64) for x in (candidate_only, baseline_only, n, difference)
    )
    share = constrained_baseline_only(gained, lost, total, delta)
    variance = total * np.maximum(2 * share + delta * (1 - delta), 0.0)
    return np.asarray(gained - lost - total * delta - np.asarray(critical) * np.sqrt(variance))


def tango_ends(
    candidate_only: ArrayLike, baseline_only: ArrayLike, n: ArrayLike, critical: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of Tango's interval by bisection of the score test, for counts that need not be whole. Broadcasts.

    The lower end is where the test stops rejecting; the upper one is minus the lower end with the roles exchanged.
    """
    gained, lost, total = np.broadcast_arrays(
        np.asarray(candidate_only, dtype=np.float64), np.asarray(baseline_only, dtype=np.float64), np.asarray(n)
    )
    first, second = np.stack([gained, lost]), np.stack([lost, gained])
    low, high = np.full(first.shape, -1.0), (first - second) / total
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rejected = tango_excess(first, second, total, middle, critical) > 0
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return low[0], -low[1]
