"""The lowest threshold on a score whose risk is certified to lie below a limit, or why there is none.

Owns the two risks, the testing of a plan of thresholds, and what can be said where nothing is certified. Refuses to
know what the scores and answers are and what is done with the threshold.

*Error (R1)*: among the examples accepted, the share that is wrong is below the limit. *Regret (R2)*: over all examples,
the accuracy that is given up against the baseline by accepting is below the limit. Either holds with probability
1 - delta over the drawing of the calibrating examples, for every population and every sample size: the examples must
be independent draws from the population that the threshold is used on, and neither the scores nor the plan may depend
on their labels.

Each threshold is a hypothesis, "the risk is at the limit or above" (Learn then Test, Angelopoulos and others 2025); the
plan of `stats.thresholds` says at which part of delta each is tested, `stats.risk_tests` how.

References: those of the two modules named, and "When can conformal risk control certify" (arXiv 2606.29054) for the
bound on coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, bdtrik, ndtri

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.stats.inputs import same_length, scores
from tierwright.stats.intervals import bootstrap_mean, clopper_pearson, wilson
from tierwright.stats.paired import tango
from tierwright.stats.risk_tests import (
    betting_p_value,
    error_p_value,
    fewest_without_loss,
    regret_p_value,
)
from tierwright.stats.thresholds import fewest_for_errors, passed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tierwright.stats.thresholds import Plan

#: The chance of success for which labels are counted.
_POWER = 0.8
#: Labels beyond which nobody is told to label more.
_MOST_LABELS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Calibrating examples: scores and qualities, shape (n,) each. Raises InputError for unequal lengths and NaN."""

    scores: NDArray[np.float64]
    #: Quality of the candidate's answers in [0, 1].
    candidate: NDArray[np.float64]
    #: Quality of the baseline's; None: the risk is that of errors.
    baseline: NDArray[np.float64] | None

    @classmethod
    def of(cls, score: ArrayLike, candidate: ArrayLike, baseline: ArrayLike | None = None) -> Outcomes:
        """Checked."""
        found = scores(score, "scores")
        quality = _quality(candidate, found, "candidate's qualities")
        return cls(
            scores=found,
            candidate=quality,
            baseline=None if baseline is None else _quality(baseline, found, "baseline's qualities"),
        )

    @property
    def losses(self) -> NDArray[np.float64]:
        """What accepting each example costs."""
        return np.asarray((1.0 if self.baseline is None else self.baseline) - self.candidate)

    @property
    def are_whole(self) -> bool:
        """Whether every quality is 0 or 1, so that the exact tests apply."""
        return bool(np.isin(self.losses, (-1.0, 0.0, 1.0)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What came of testing a plan."""

    #: A score at or above is accepted; None: nothing can be certified.
    threshold: float | None
    #: Share of the calibrating examples accepted; None as above.
    coverage: Estimate | None
    #: The risk seen on the calibrating examples; its interval does not know that the threshold was chosen on them.
    realised_risk: Estimate | None
    #: Labels that would do, see `labels_that_would_do`; None: no number would.
    labels_needed: int | None
    #: In words.
    reason: str
    #: The part of delta at which the threshold passed; 0 where none did.
    tested_at: float


def certify(
    outcomes: Outcomes, plan: Plan, *, limit: float, delta: float, generator: np.random.Generator, level: float = 0.95
) -> Certified:
    """Tests a plan. The generator shuffles the bets on qualities that are not 0 or 1, and nothing else.

    `level` is that of the intervals shown, not of the guarantee. Raises InputError for a limit or delta outside (0, 1).
    """
    if not 0.0 < delta < 1.0:
        raise InputError(f"delta is {delta}; give the accepted chance of a wrong certificate, for example 0.05")
    p_values = p_values_of(outcomes, plan, limit=limit, delta=delta, generator=generator)
    levels = passed(p_values, plan.weights, delta)
    won = np.flatnonzero(levels)
    if not won.size:
        return Certified(
            threshold=None,
            coverage=None,
            realised_risk=None,
            labels_needed=labels_that_would_do(outcomes, plan, limit=limit, delta=delta),
            reason=_why_not(outcomes, plan, limit, delta),
            tested_at=0.0,
        )
    threshold = float(plan.grid.thresholds[won[-1]])
    accepted = outcomes.scores >= threshold
    n = outcomes.scores.size
    return Certified(
        threshold=threshold,
        coverage=wilson(int(accepted.sum()), n, level=level),
        realised_risk=_realised(outcomes, accepted, generator, level),
        labels_needed=_floor(outcomes, limit, delta),
        reason=_why(outcomes, accepted, limit, delta),
        tested_at=float(levels[won[-1]]),
    )


def p_values_of(
    outcomes: Outcomes, plan: Plan, *, limit: float, delta: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """The p-value of each threshold of a plan, shape (k,)."""
    losses, n = outcomes.losses, outcomes.scores.size
    order = np.argsort(-outcomes.scores, kind="stable")
    counts = np.searchsorted(-outcomes.scores[order], -plan.grid.thresholds, side="right")
    if outcomes.are_whole:
        lost = np.concatenate([[0], np.cumsum(losses[order] > 0)])[counts]
        if outcomes.baseline is None:
            return error_p_value(lost, counts, limit)
        gained = np.concatenate([[0], np.cumsum(losses[order] < 0)])[counts]
        return np.array([regret_p_value(int(a), int(b), n, limit) for a, b in zip(lost, gained, strict=True)])
    shuffled = generator.permutation(n)
    found = np.ones(counts.size)
    for place, threshold in enumerate(plan.grid.thresholds):
        accepted = (outcomes.scores >= threshold)[shuffled]
        if outcomes.baseline is not None:
            found[place] = betting_p_value(np.where(accepted, losses[shuffled], 0.0), limit, low=-1.0, delta=delta)
        elif accepted.any():
            found[place] = betting_p_value(losses[shuffled][accepted], limit, low=0.0, delta=delta)
    return found


def labels_that_would_do(outcomes: Outcomes, plan: Plan, *, limit: float, delta: float) -> int | None:
    """Labels with which a like sample is certified at some threshold with a chance of 80 %, if risks are as seen.

    An estimate, by the exact binomial for errors and by the normal approximation for regret, at all of delta and of the
    best threshold. At least what no sample can do with less. None: at no threshold is the risk seen below the limit,
    or more than a million would be needed.
    """
    n, losses = outcomes.scores.size, outcomes.losses
    needed = math.inf
    for threshold in plan.grid.thresholds:
        accepted = outcomes.scores >= threshold
        count = int(accepted.sum())
        if not count:
            continue
        if outcomes.baseline is None:
            # Laplace's estimate: no error among few is not no risk.
            risk = float((losses[accepted].sum() + 1) / (count + 2))
            needed = min(needed, _labels_for_errors(risk, count / n, limit, delta))
        else:
            loss = np.where(accepted, losses, 0.0)
            gap = limit - float(loss.mean())
            if gap > 0:
                spread = math.sqrt(max(float(loss.var()), limit * (1 - limit)))
                needed = min(needed, math.ceil(((_z(delta) + float(ndtri(_POWER))) * spread / gap) ** 2))
    if needed > _MOST_LABELS:
        return None
    return max(int(needed), _floor(outcomes, limit, delta))


def coverage_bound(error_rate: float, limit: float) -> float:
    """The largest share that any score can accept with an error rate of `limit`: 1 - (mu - alpha) / (1 - alpha)."""
    return min(1.0, max(0.0, 1 - (error_rate - limit) / (1 - limit)))


def spent_delta(k: int, *, delta: float = 0.05) -> float:
    """The delta of the k-th certificate of one series, from 1: 6 delta / (pi k)^2.

    All certificates of the series together, however many there will be, are wrong anywhere with probability at most
    delta. A certificate on fresh labels needs no other correction. Raises InputError for k below 1.
    """
    if k < 1:
        raise InputError(f"the certificate's number is {k}; the first one is 1")
    return 6 * delta / (math.pi * k) ** 2


def _quality(values: ArrayLike, like: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    found = scores(values, name)
    same_length(like, found, f"scores and {name}")
    if found.min() < 0 or found.max() > 1:
        raise InputError(f"the {name} must lie in [0, 1]; the extremes are {found.min()} and {found.max()}")
    return found


def _z(delta: float) -> float:
    return -float(ndtri(delta))


def _floor(outcomes: Outcomes, limit: float, delta: float) -> int:
    """The fewest labels that can certify anything without a single loss or gain."""
    return fewest_for_errors(limit, delta) if outcomes.baseline is None else fewest_without_loss(limit, delta)


def _labels_for_errors(risk: float, share: float, limit: float, delta: float) -> float:
    if risk >= limit:
        return math.inf
    low, high = 0, 1
    while not _succeeds(high, risk, limit, delta):
        low, high = high, 2 * high
        if high > _MOST_LABELS:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _succeeds(middle, risk, limit, delta) else (middle, high)
    return math.ceil(high / share)


def _succeeds(accepted: int, risk: float, limit: float, delta: float) -> bool:
    """Whether so many accepted examples pass with a chance of 80 % or more."""
    if accepted * math.log1p(-limit) > math.log(delta):
        return False
    most = math.floor(float(bdtrik(delta, accepted, limit)))
    return float(bdtr(most, accepted, risk)) >= _POWER


def _realised(
    outcomes: Outcomes, accepted: NDArray[np.bool_], generator: np.random.Generator, level: float
) -> Estimate:
    losses, n = outcomes.losses, outcomes.scores.size
    if not outcomes.are_whole:
        shown = losses[accepted] if outcomes.baseline is None else np.where(accepted, losses, 0.0)
        try:
            return bootstrap_mean(shown, generator, level=level)
        except NotEnoughData:  # all equal: there is no width to be had, and the guarantee does not need it
            value = float(shown.mean())
            low = 0.0 if outcomes.baseline is None else -1.0
            return Estimate(value=value, ci_low=low, ci_high=1.0, level=level, n=shown.size, method="range")
    if outcomes.baseline is None:
        return clopper_pearson(int((losses[accepted] > 0).sum()), int(accepted.sum()), level=level)
    lost, gained = int((losses[accepted] > 0).sum()), int((losses[accepted] < 0).sum())
    found = tango(lost, gained, n, level=level)
    return Estimate(
        value=found.value, ci_low=found.ci_low, ci_high=found.ci_high, level=level, n=n, method=found.method
    )


def _why(outcomes: Outcomes, accepted: NDArray[np.bool_], limit: float, delta: float) -> str:
    n, count = outcomes.scores.size, int(accepted.sum())
    losses = outcomes.losses[accepted]
    sure = f"with probability {round(100 * (1 - delta), 4):g} %"
    if outcomes.baseline is None:
        seen = f"{losses.sum():g} wrong" if outcomes.are_whole else f"a mean loss of {losses.mean():.3f}"
        text = f"{count:,} of {n:,} examples are accepted, {seen}: {sure} the error rate is below {limit:.2%}"
    else:
        lost, gained = losses[losses > 0].sum(), -losses[losses < 0].sum()
        text = (
            f"{count:,} of {n:,} examples are accepted; {lost:g} only the baseline answers right, {gained:g} only the "
            f"candidate: {sure} less than {100 * limit:g} points of accuracy are given up"
        )
    if not (outcomes.candidate < 1).any():
        text += ". Every answer is right: make sure that the gold answers are not the candidate's own"
    return text


def _why_not(outcomes: Outcomes, plan: Plan, limit: float, delta: float) -> str:
    """The first bound that forbids it, in words."""
    n, losses = outcomes.scores.size, outcomes.losses
    floor = _floor(outcomes, limit, delta)
    if n < floor and (outcomes.baseline is None or not (losses < 0).any()):
        return (
            f"cannot certify: {n:,} labelled examples are too few; without a single loss {floor:,} are needed for a "
            f"risk of {limit:g} at delta {delta:g}"
        )
    if not plan.weights.any():
        return f"cannot certify: no threshold accepts the {floor:,} examples that a risk of {limit:g} needs"
    block = int((outcomes.scores == outcomes.scores.max()).sum())
    if outcomes.baseline is None:
        rate = float(losses.mean())
        if (outcomes.candidate == 0).all():
            return "cannot certify: every answer of the candidate is wrong"
        ties = _ties(block, n)
        return (
            f"cannot certify: {rate:.1%} of all answers are wrong, so no score could accept more than "
            f"{coverage_bound(rate, limit):.0%} at {limit:g}, and at no threshold are errors rare enough among enough "
            f"examples{ties}"
        )
    return (
        f"cannot certify: at no threshold is the accuracy given up provably below {100 * limit:g} points with {n:,} "
        f"examples; of all answers {100 * float(losses.mean()):+.1f} points would be lost{_ties(block, n)}"
    )


def _ties(block: int, n: int) -> str:
    if block < max(2.0, 0.1 * n):
        return ""
    return (
        f". {block:,} examples have the highest score, a block that is accepted whole: break ties with a second signal"
    )
