"""Tests and intervals that may be looked at after every observation.

Owns the e-process against "the mean loss is at most the limit", the confidence sequence of a mean loss, and what a
series of tests spends. Refuses to know where losses come from and what follows from an alarm.

*The test.* Each observation is a bet against the limit alpha: capital on the bet lam becomes
capital * (1 + lam w (l - alpha)) with the loss l in [0, 1], 0 <= lam < 1 / alpha and the weight w in (0, 1]. While the
mean of w (l - alpha), given the past, is at most 0, no bet is expected to gain, so that the total capital, 1 at first,
reaches 1 / delta with probability at most delta, however often it is looked at (Ville's inequality). Two mixtures
decide how much is bet, and both are fixed beforehand:

- over the size of the bet (20 sizes, from the small to the nearly ruinous), so that none has to be guessed;
- over the time at which betting begins: 1 / (b (b + 1)) of the capital is first bet on the first observation of the
  b-th ten. A model that was good for a year and then fails is found almost as fast as one that fails at once: what was
  lost on the old bets costs the new ones nothing, and having waited for b tens costs about 2 ln b of evidence.

A mixture is one predictable bet: the mean of its sizes, weighted by the capital that each has made so far.

*The interval.* Every possible mean m is tested so, by bets in both directions: as the limit's test, but with all sizes
(p - m) / (m (1 - m)) for p drawn from the arcsine law, Jeffreys' prior. Those not refuted form an interval, since each
bet's capital is log-convex in m. For losses of 0 and 1 this is Robbins' beta-binomial mixture.

*Weights.* An observation that was drawn with probability q, where q depends on the observation, has the weight q0 / q;
q0 is the smallest q there can be. Where all q are equal the weights are 1.

References:
    Ville (1939), Etude critique de la notion de collectif.
    Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41:1397-1409.
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86:1-27
        (arXiv 2010.09686): the bets, and mixtures of them.
    Shin, Ramdas and Rinaldo (2024), E-detectors, New England J. Stat. Data Sci. 2:229-260 (arXiv 2203.03532): mixtures
        over the time of the change.
    Foster and Stine (2008), Alpha-investing, JRSS B 70:429-444: spending over a series of tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import check_level, same_length, scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

#: Sizes of bets as shares of the largest, 1 / limit.
_SIZES = np.geomspace(0.01, 0.98, 20)
#: Observations between two beginnings of bets.
_BETWEEN = 10
#: Alternatives that the interval bets on: the middle quantiles of the arcsine law.
_ALTERNATIVES = np.sin(np.pi * (np.arange(400) + 0.5) / 800) ** 2
#: Halvings of an interval's end: to 2 to the power of -34.
_HALVINGS = 34
#: Capital is not counted beyond: it has said all it can long before.
_MOST = 1e150


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExcessRisk:
    """The evidence, after some observations, that the mean loss is above a limit; begins as `ExcessRisk(limit=...)`.

    Raises InputError unless the limit lies strictly between 0 and 1.
    """

    #: The mean loss that is allowed.
    limit: float
    #: Observations so far.
    n: int = 0
    #: The greatest e-value so far.
    highest: float = 1.0
    #: After how many observations that was.
    highest_at: int = 0
    #: What the bets under way have made, by size.
    capital: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_SIZES.size))

    def __post_init__(self) -> None:
        if not 0.0 < self.limit < 1.0:
            raise InputError(f"the limit of the mean loss is {self.limit}; give a number between 0 and 1, such as 0.05")

    @property
    def e_value(self) -> float:
        """The capital of now: the larger, the less can the limit hold. At 1 nothing has been learned."""
        return float(self.capital.sum() + 1.0 / (_begun(self.n) + 1))

    def alarms(self, delta: float) -> bool:
        """Whether the limit is refuted: of tests of means at or below it, at most the share delta ever are."""
        check_level(1.0 - delta)
        return self.highest >= 1.0 / delta

    def after(self, losses: ArrayLike, weights: ArrayLike | None = None) -> ExcessRisk:
        """The evidence after further losses, in their order. Raises InputError for a loss or weight that is none."""
        found, weighed = _checked(losses, weights)
        path, capital = _bets(found[None, :], weighed[None, :], self.limit, self.capital[None, :], self.n)
        best = int(path[0].argmax())
        rises = path[0, best] > self.highest
        return ExcessRisk(
            limit=self.limit,
            n=self.n + found.size,
            highest=float(path[0, best]) if rises else self.highest,
            highest_at=self.n + best + 1 if rises else self.highest_at,
            capital=capital[0],
        )


def e_values(
    losses: NDArray[np.float64], limit: float, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The e-values of several streams after each observation; losses, weights and outcome of shape (streams, n).

    For simulations: nothing but the limit is checked.
    """
    begun = ExcessRisk(limit=limit)
    weighed = np.ones_like(losses) if weights is None else weights
    return _bets(losses, weighed, limit, np.tile(begun.capital, (losses.shape[0], 1)), 0)[0]


def mean_loss(losses: ArrayLike, weights: ArrayLike | None = None, *, level: float = 0.95) -> Estimate:
    """The mean loss, with an interval that covers it after all observations at once with probability `level`.

    It may be looked at after every observation. The mean must be the same throughout: after a change the interval
    describes neither the old mean nor the new one. Raises InputError for a loss outside [0, 1] or a weight outside
    (0, 1], NotEnoughData where there is none.
    """
    check_level(level)
    found, weighed = _checked(losses, weights)
    pairs, times = np.unique(np.stack([found, weighed]), axis=1, return_counts=True)
    counts = times.astype(np.float64)
    value = float((weighed * found).sum() / weighed.sum())

    def refuted(mean: float) -> bool:
        return _log_wealth(mean, pairs[0], pairs[1], counts) >= -math.log1p(-level)

    return Estimate(
        value=value,
        ci_low=_end(value, 0.0, refuted),
        ci_high=_end(value, 1.0, refuted),
        level=level,
        n=found.size,
        method="betting confidence sequence, arcsine mixture",
    )


def spent(delta: float, place: int) -> float:
    """What the test at a place of a series, counted from 1, may spend: delta / (place (place + 1)), delta in all.

    Raises InputError for a place below 1 or a delta outside (0, 1).
    """
    check_level(1.0 - delta)
    if place < 1:
        raise InputError(f"the place in the series is {place}; count from 1")
    return delta / (place * (place + 1))


def _checked(losses: ArrayLike, weights: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = scores(losses, "losses")
    bad = np.flatnonzero((found < 0.0) | (found > 1.0))
    if bad.size:
        raise InputError(f"the loss at position {bad[0]} is {found[bad[0]]}; losses lie between 0 and 1")
    if weights is None:
        return found, np.ones_like(found)
    weighed = scores(weights, "weights")
    same_length(found, weighed, "losses and weights")
    bad = np.flatnonzero((weighed <= 0.0) | (weighed > 1.0))
    if bad.size:
        raise InputError(
            f"the weight at position {bad[0]} is {weighed[bad[0]]}; weights lie above 0 and at most at 1: the smallest "
            "probability of being drawn, divided by the observation's own"
        )
    return found, weighed


def _bets(
    losses: NDArray[np.float64], weights: NDArray[np.float64], limit: float, capital: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Total capital after each observation, shape (streams, n), and what the bets under way hold at the end."""
    sizes = _SIZES / limit
    path = np.empty_like(losses)
    for place in range(losses.shape[1]):
        begun = _begun(n + place + 1)
        if begun > _begun(n + place):
            capital = capital + 1.0 / (begun * (begun + 1) * sizes.size)
        gain = weights[:, place] * (losses[:, place] - limit)
        capital = np.minimum(capital * (1.0 + gain[:, None] * sizes), _MOST)
        path[:, place] = capital.sum(axis=1) + 1.0 / (begun + 1)
    return path, capital


def _begun(n: int) -> int:
    """How often betting has begun after so many observations."""
    return -(-n // _BETWEEN)


def _log_wealth(
    mean: float, losses: NDArray[np.float64], weights: NDArray[np.float64], counts: NDArray[np.float64]
) -> float:
    """Log of what betting against a mean has made."""
    sizes = (_ALTERNATIVES - mean) / (mean * (1.0 - mean))
    with np.errstate(divide="ignore"):  # the largest bets may lose all: log 0
        made = np.log(np.maximum(1.0 + sizes[:, None] * (weights * (losses - mean)), 0.0)) @ counts
    # Written out: scipy's logsumexp takes ten times as long for so few.
    most = float(made.max())
    return most + math.log(float(np.exp(made - most).mean()))


def _end(inside: float, outside: float, refuted: Callable[[float], bool]) -> float:
    """The end of an interval between a mean that is not refuted and an end of [0, 1]; on the outer side."""
    edge = abs(outside - 2.0**-_HALVINGS)
    if not 0.0 < edge < 1.0 or inside == outside or not refuted(edge):
        return outside
    kept, lost = inside, edge
    for _ in range(_HALVINGS):
        middle = (kept + lost) / 2
        if refuted(middle):
            lost = middle
        else:
            kept = middle
    return lost
