"""Which thresholds are tried, from scores whose labels nobody looked at.

Owns the grid of thresholds, the combining of a score with a second signal, and the plan by which delta is split among
the thresholds. Refuses to know labels: whatever is decided here may depend on scores only, so that the tests that
follow (`stats.risk_control`) stay valid.

Equal scores form one block, accepted or rejected whole: a threshold is always the smallest score that it accepts.

References:
    Wiens (2003), A fixed sequence Bonferroni procedure for testing multiple endpoints, Pharmaceutical Statistics
        2:211-215; Bretz, Maurer, Brannath and Posch (2009), A graphical approach to sequentially rejective multiple
        test procedures, Statistics in Medicine 28:586-604: what a rejected hypothesis was tested at is passed on.
    Angelopoulos, Bates, Candes, Jordan and Lei (2025), Learn then Test, Annals of Applied Statistics 19:1641-1662.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import InputError
from tierwright.stats.inputs import same_length, scores
from tierwright.stats.risk_tests import check_limit, error_p_value

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Share of the scores that each threshold accepts more than the one before.
STEP = 0.025
#: Shares at which a sequence for errors may begin: what fewer examples can't prove, more can.
ERROR_STARTS = (0.1, 0.2, 0.35, 0.5)
#: Part of delta that these share; the rest begins where the confidences say that most is to be had.
_HEDGE = 0.5
#: Where the sequence for regret begins, and which part of delta goes there; the rest begins with all examples, for the
#: specialist that is simply the better one.
REGRET_START, _REGRET_MAIN = 0.05, 0.9
#: Samples of labels drawn from the confidences to find that place.
_DRAWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Thresholds from the strictest to the one that accepts everything."""

    #: Falling, shape (k,); a score at or above is accepted.
    thresholds: NDArray[np.float64]
    #: Share of the scores it was made of that each accepts, rising to 1, shape (k,).
    shares: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How delta is split, written down before a label is seen."""

    grid: Grid
    #: Part of delta that each threshold begins with, shape (k,); they sum to 1, or to 0 where nothing can be certified.
    weights: NDArray[np.float64]


def grid_of(unlabelled: ArrayLike, *, step: float = STEP) -> Grid:
    """A grid in equal steps of the share accepted. Raises InputError for NaN, NotEnoughData for no score."""
    found = -np.sort(-scores(unlabelled, "scores"))
    if not 0.0 < step <= 1.0:
        raise InputError(f"the step of the grid is {step}; give a share above 0 and at most 1, for example 0.025")
    count = max(1, round(1 / step))
    places = np.ceil(np.arange(1, count + 1) / count * found.size - 1e-9).astype(np.int64) - 1
    thresholds = -np.unique(-found[np.maximum(places, 0)])
    shares = np.searchsorted(-found, -thresholds, side="right") / found.size
    return Grid(thresholds=thresholds, shares=shares.astype(np.float64))


def own_grid(calibrating: ArrayLike, *, step: float = STEP) -> Grid:
    """A grid from the scores of the calibrating examples themselves, where there are no others.

    Each threshold lies just above a score: what is above an order statistic is, given that one, a sample of what lies
    above it in the population, so that a test that counts the boundary itself would be a little too optimistic.
    """
    shares = grid_of(calibrating, step=step).shares
    falling = -np.sort(-scores(calibrating, "scores"))
    boundaries = falling[np.round(shares[shares < 1] * falling.size).astype(np.int64)]
    # The last threshold accepts everything, whatever comes: it needs no boundary.
    everything = 0.0 if falling[-1] >= 0 else -np.inf
    thresholds = np.append(np.nextafter(-np.unique(-boundaries), np.inf), everything)
    accepted = np.searchsorted(-falling, -thresholds, side="right")
    return Grid(thresholds=thresholds, shares=accepted / falling.size)


def broken_ties(score: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """One score that orders by the first and, where that is equal, by the second: the place among both, in (0, 1].

    For saturated confidences. What the second signal is must be settled without the calibrating labels. Raises as
    `scores` does, and InputError for unequal lengths.
    """
    first, other = scores(score, "scores"), scores(second, "second signals")
    same_length(first, other, "scores and second signals")
    _, ranks = np.unique(np.column_stack([first, other]), axis=0, return_inverse=True)
    ranks = ranks.ravel()
    return np.asarray((ranks + 1) / (ranks.max() + 1), dtype=np.float64)


def regret_plan(grid: Grid) -> Plan:
    """Nine tenths of delta at the most confident twentieth, one tenth at all examples."""
    weights = np.zeros(grid.shares.size)
    weights[_place(grid, REGRET_START)] += _REGRET_MAIN
    weights[-1] += 1 - _REGRET_MAIN
    return Plan(grid=grid, weights=weights)


def error_plan(
    grid: Grid,
    n: int,
    limit: float,
    delta: float,
    *,
    confidences: ArrayLike | None = None,
    generator: np.random.Generator | None = None,
) -> Plan:
    """Equal parts of delta at the starts that n examples can certify, and a part where the confidences expect most.

    `confidences` are probabilities that the answers with the grid's scores are right, of unlabelled examples; they may
    be wrong, which costs power and never validity. Without them, or without a generator, the starts share all of delta.
    Weights are all 0 where no start can certify the limit.
    """
    check_limit(limit)
    guided = confidences is not None and generator is not None
    part = _HEDGE if guided else 1.0
    starts = _feasible(grid, n, limit, delta * part)
    weights = np.zeros(grid.shares.size)
    for place in starts:
        weights[place] += 1 / len(starts)
    if not starts or confidences is None or generator is None:
        alone = [place for place in range(grid.shares.size) if _can_certify(grid, place, n, limit, delta)]
        if not starts and alone:
            weights[alone[0]] = 1.0
        return Plan(grid=grid, weights=weights)
    best = _expected_best(grid, weights, (n, limit, delta), scores(confidences, "confidences"), generator)
    mixed = weights * _HEDGE
    mixed[best] += 1 - _HEDGE
    return Plan(grid=grid, weights=mixed)


def fewest_for_errors(limit: float, delta: float) -> int:
    """Accepted examples without an error that certify an error rate of at most `limit`: ln(delta) / ln(1 - limit)."""
    return math.ceil(math.log(delta) / math.log1p(-limit) - 1e-12)


def passed(p_values: NDArray[np.float64], weights: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """The level at which each hypothesis is rejected, 0 where it is not; the last axis runs along the sequence.

    The fallback procedure: each hypothesis is tested at its own part of delta and at what the one before it was
    rejected at. The probability of any wrong rejection is at most delta times the sum of the weights, whatever the
    p-values' dependence.
    """
    levels = np.zeros(p_values.shape)
    carried = np.zeros(p_values.shape[:-1])
    for place in range(p_values.shape[-1]):
        level = carried + weights[place] * delta
        carried = np.where((p_values[..., place] <= level) & (level > 0), level, 0.0)
        levels[..., place] = carried
    return levels


def _place(grid: Grid, share: float) -> int:
    """The first threshold that accepts at least a share."""
    return min(int(np.searchsorted(grid.shares, share - 1e-9)), grid.shares.size - 1)


def _can_certify(grid: Grid, place: int, n: int, limit: float, delta: float) -> bool:
    # By the expected number: which starts there are must not depend on the sample that is tested.
    return bool(n * grid.shares[place] >= fewest_for_errors(limit, delta))


def _feasible(grid: Grid, n: int, limit: float, delta: float) -> list[int]:
    """The starts that remain when those that can certify nothing are dropped before delta is split among them."""
    places = sorted({_place(grid, share) for share in ERROR_STARTS})
    while places and not _can_certify(grid, places[0], n, limit, delta / len(places)):
        places.pop(0)
    return places


def _expected_best(
    grid: Grid,
    hedge: NDArray[np.float64],
    test: tuple[int, float, float],
    confidences: NDArray[np.float64],
    generator: np.random.Generator,
) -> int:
    """The start that accepts most on average over samples whose labels are drawn from the confidences."""
    n, limit, delta = test
    # Confidences and scores need not be the same numbers, only have the same order.
    falling = -np.sort(-confidences)
    drawn = np.sort(generator.integers(0, falling.size, size=(_DRAWS, n)), axis=1)
    wrong = np.cumsum(generator.random((_DRAWS, n)) >= falling[drawn], axis=1)
    cuts = np.round(grid.shares * falling.size).astype(np.int64)
    accepted = np.stack([(drawn < cut).sum(axis=1) for cut in cuts], axis=1)
    errors = np.take_along_axis(wrong, np.maximum(accepted - 1, 0), axis=1)
    p_values = error_p_value(errors, accepted, limit)
    worth = np.zeros(grid.shares.size)
    for place in range(grid.shares.size):
        weights = hedge * _HEDGE
        weights[place] += 1 - _HEDGE
        won = passed(p_values, weights, delta) > 0
        worth[place] = (won * grid.shares).max(axis=1).mean()
    return int(worth.argmax())
