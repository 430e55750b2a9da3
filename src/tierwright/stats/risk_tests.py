"""Tests that a risk lies above a limit, whose p-values hold for every sample size.

Owns one p-value for each kind of loss: the exact binomial test of an error rate, the exact unconditional test of a
paired difference, and the betting test of bounded losses. Refuses to know which threshold the losses belong to and how
many hypotheses are tested (`stats.risk_control`). A p-value of at most delta rejects "the risk is `limit` or more", and
does so wrongly with probability delta at most, whatever the unknown rates are.

References:
    Geifman and El-Yaniv (2017), Selective classification for deep neural networks, arXiv 1705.08500: the binomial test.
    Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
        design, Statistics in Medicine 17:891-908: the statistic of the paired test.
    Hsueh, Liu and Chen (2001), Unconditional exact tests for equivalence or noninferiority for paired binary endpoints,
        Biometrics 57:478-483: its exact p-value, the largest over the nuisance parameter.
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86:1-27
        (arXiv 2010.09686): the betting test with predictable plug-in bets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, gammaln, xlog1py, xlogy

from tierwright.core.errors import InputError
from tierwright.stats.inputs import check_counts, scores
from tierwright.stats.paired import constrained_baseline_only

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Width of the classes that statistics are rounded down to: each then shares one p-value, a little too large.
_CLASS = 0.02
#: Statistics below which a p-value decides nothing and is called 1, and above which it is that of this one.
_LOWEST, _HIGHEST = 0.5, 5.0
#: Values of the unknown share that are tried: at least so many, so many times the root of n, and at most so many. What
#: lies between two of them exceeds both by less than a tenth of a per cent (a test proves it); twice that is added.
_FEWEST_VALUES, _PER_ROOT, _MOST_VALUES = 150, 6, 600
_BETWEEN = 1.002
#: Standard deviations of the gains that are summed over; what is beyond is added as probability lost.
_REACH, _BEYOND = 7.0, 1e-10
#: Share of the largest safe bet that is staked at most, as Waudby-Smith and Ramdas advise.
_MOST_STAKED = 0.9


def check_limit(limit: float) -> None:
    """Raises InputError unless a limit of a risk lies strictly between 0 and 1."""
    if not 0.0 < limit < 1.0:
        raise InputError(f"the risk level is {limit}; give a number between 0 and 1, for example 0.05")


def error_p_value(errors: ArrayLike, n: ArrayLike, limit: float) -> NDArray[np.float64]:
    """The exact binomial p-value of "the error rate is `limit` or more", from counts; 1 where n is 0. Broadcasts.

    At most delta exactly where the one-sided Clopper-Pearson bound at level 1 - delta is at most `limit`. Raises
    InputError for a limit outside (0, 1).
    """
    check_limit(limit)
    wrong, total = np.broadcast_arrays(np.asarray(errors, dtype=np.float64), np.asarray(n, dtype=np.int64))
    return np.where(total > 0, bdtr(wrong, np.maximum(total, 1), limit), 1.0)


def regret_p_value(losses: int, gains: int, n: int, limit: float) -> float:
    """The exact p-value of "losses are `limit` or more ahead of gains, as shares of all examples", from counts.

    `losses` of n independent examples are those that only the baseline gets right, `gains` those that only the
    candidate does. Ordered by Tango's statistic; the largest over all shares of gains, so that no share need be known.
    Raises InputError for impossible counts and a limit outside (0, 1).
    """
    check_counts(losses, n, "losses")
    check_counts(gains, n, "gains")
    check_counts(losses + gains, n, "losses and gains")
    check_limit(limit)
    statistic = float(_statistic(np.float64(losses), np.float64(gains), n, limit))
    if statistic < _LOWEST:
        return 1.0
    return _largest_tail(n, limit, math.floor(min(statistic, _HIGHEST) / _CLASS))


def betting_p_value(losses: ArrayLike, limit: float, *, low: float, delta: float) -> float:
    """The p-value of "the mean loss is `limit` or more" for losses in [low, 1], in the order given.

    One over the largest wealth that bets against the hypothesis reach. The order must not depend on the losses: shuffle
    them with a recorded seed. `delta` tunes the bets and does not touch validity. Raises InputError for losses out of
    range, NotEnoughData for none.
    """
    found = scores(losses, "losses")
    check_limit(limit)
    if found.min() < low or found.max() > 1.0:
        raise InputError(f"the losses must lie in [{low:g}, 1]; the extremes are {found.min()} and {found.max()}")
    return min(1.0, 1.0 / float(wealth(found[None, :], limit, low=low, delta=delta).max()))


def wealth(losses: NDArray[np.float64], limit: float, *, low: float, delta: float) -> NDArray[np.float64]:
    """The wealth after each bet, of each row of losses in [low, 1]; shape as `losses`, (rows, n)."""
    n = losses.shape[1]
    width = 1.0 - low
    scaled, mean = (losses - low) / width, (limit - low) / width
    seen = np.arange(1, n + 1)
    running = (0.5 + np.cumsum(scaled, axis=1)) / (seen + 1)
    spread = (0.25 + np.cumsum((scaled - running) ** 2, axis=1)) / (seen + 1)
    before = np.concatenate([np.full((losses.shape[0], 1), 0.25), spread[:, :-1]], axis=1)
    bets = np.minimum(np.sqrt(2 * math.log(1 / delta) / (n * before)), _MOST_STAKED / (1 - mean))
    return np.asarray(np.exp(np.cumsum(np.log1p(-bets * (scaled - mean)), axis=1)))


def fewest_without_loss(limit: float, delta: float) -> int:
    """The fewest examples without any loss or gain that reject a regret of `limit` at delta."""
    return math.ceil(math.log(delta) / math.log1p(-limit) - 1e-12)


def _statistic(losses: ArrayLike, gains: ArrayLike, n: int, limit: float) -> NDArray[np.float64]:
    """Tango's statistic of a difference of minus `limit`: large where the candidate is better than that."""
    lost, gained = np.asarray(losses, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    share = constrained_baseline_only(gained, lost, n, -limit)
    variance = n * (2 * share - limit * (1 + limit))
    return np.asarray((gained - lost + n * limit) / np.sqrt(variance))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unknown:
    """The shares of gains that are tried, with the numbers of gains that are likely under each, one after the other."""

    #: Where the numbers of each share begin.
    begins: NDArray[np.int64]
    gains: NDArray[np.int64]
    #: Probability of each number.
    weights: NDArray[np.float64]
    #: Rate of losses among the examples that are no gain.
    rates: NDArray[np.float64]


@lru_cache(maxsize=16)
def _unknown(n: int, limit: float) -> _Unknown:
    count = min(_MOST_VALUES, max(_FEWEST_VALUES, math.ceil(_PER_ROOT * math.sqrt(n))))
    # Denser towards both ends, where a share's standard deviation is small.
    shares = (1 - limit) / 2 * np.sin(np.linspace(0.0, math.pi / 2, count + 1)) ** 2
    reach = _REACH * np.sqrt(n * shares * (1 - shares))
    first = np.maximum(0, np.floor(n * shares - reach) - 1).astype(np.int64)
    last = np.minimum(n, np.ceil(n * shares + reach) + 8).astype(np.int64)
    sizes = last - first + 1
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    gains = np.arange(sizes.sum()) - np.repeat(begins - first, sizes)
    share = np.repeat(shares, sizes)
    ways = gammaln(n + 1) - gammaln(gains + 1) - gammaln(n - gains + 1)
    weights = np.exp(ways + xlogy(gains, share) + xlog1py(n - gains, -share))
    rates = np.minimum(1.0, (share + limit) / (1 - share))
    return _Unknown(begins=begins, gains=gains, weights=weights, rates=rates)


@lru_cache(maxsize=1 << 16)
def _largest_tail(n: int, limit: float, place: int) -> float:
    """The largest probability, over all shares of gains, of a statistic in this class or a higher one."""
    unknown = _unknown(n, limit)
    most = _most_losses(np.arange(n + 1), n, limit, place * _CLASS)[unknown.gains]
    tail = np.where(most >= 0, bdtr(np.maximum(most, 0), n - unknown.gains, unknown.rates), 0.0)
    return min(1.0, _BETWEEN * float(np.add.reduceat(unknown.weights * tail, unknown.begins).max()) + _BEYOND)


def _most_losses(gains: NDArray[np.int64], n: int, limit: float, statistic: float) -> NDArray[np.float64]:
    """For each number of gains the most losses with at least this statistic, which falls with losses; -1: none."""
    low, high = np.full(gains.shape, -1.0), (n - gains + 1).astype(np.float64)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = (middle < 0) | (_statistic(np.clip(middle, 0, n - gains), gains, n, limit) >= statistic)
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    return low
