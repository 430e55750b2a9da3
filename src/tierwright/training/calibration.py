"""Turns scores into calibrated confidence, and chooses the confidence from which a specialist answers itself.

Owns both, on examples whose right answer is known and that the scoring model has not seen. Where people's labels are
the reference the incumbent is fallible too, and the specialist may answer wherever it is at least as good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binom

from tierwright.specialists.linear import Confidence, log_odds
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate

#: Share of right answers, in expectation, that may be given up against the best threshold to answer more requests
#: locally: half of the margin that the experiment allows by default.
TOLERANCE = 0.005
#: Of what a specialist gains over an incumbent that errs, the share that may be given up at most.
_GIVEN_UP = 0.1
#: Share of requests below which a threshold is not worth having, and the same where the incumbent is seen to err: in
#: fewer examples a gain is found by luck alone.
_MIN_SHARE, _MIN_EARNED = 0.01, 0.05
#: Level of the exact sign test that a threshold must pass where the incumbent is seen to err. Chosen with the other
#: constants on validation rows of six sets beside simulated incumbents; see LAB.md.
_SIGN_LEVEL = 0.25
#: Width of the prior on the slope: one that is nearly 1 needs little evidence, another one much.
_SLOPE_SPREAD = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What calibration found out."""

    confidence: Confidence
    #: None: there is no confidence from which the specialist should answer.
    threshold: float | None

    def metrics(
        self, probability: NDArray[np.float64], right: NDArray[np.bool_], incumbent_right: NDArray[np.bool_]
    ) -> dict[str, Estimate]:
        """What `FittedSpecialist.metrics` holds, on the examples that calibrated."""
        sure = self.confidence.calibrated(probability)
        local = np.zeros(len(right), dtype=np.bool_) if self.threshold is None else sure >= self.threshold
        shares = {
            "accuracy": right,
            "incumbent_accuracy": incumbent_right,
            "cascade_accuracy": np.where(local, right, incumbent_right),
            "local_share": local,
        }
        return {name: wilson(int(hits.sum()), len(right)) for name, hits in shares.items()}


def calibrate(
    probability: NDArray[np.float64],
    right: NDArray[np.bool_],
    incumbent_right: NDArray[np.bool_],
    *,
    tolerance: float = TOLERANCE,
) -> Calibration:
    """The confidence map and the threshold, from examples with the probability of the specialist's answer.

    The threshold is the lowest at which the cascade (specialist above, incumbent below) is right as often as at the
    best threshold, but for the tolerance. How often that is, is the mean of two estimates: what was counted, which is
    noisy, and what two curves over the confidence expect, which are smooth but need not fit. Equal confidences stand or
    fall together.

    Where the incumbent is seen to err, the specialist has to earn its place: a threshold counts only if both estimates
    say that it gains, and among the examples it would answer it was right where the incumbent was wrong more often than
    the other way round, by the exact sign test at 25 %; and of the gain at most a tenth is given up. Where the
    incumbent is right throughout, because its own answers are the reference, nothing can be gained and the tolerance is
    what may be lost.
    """
    confidence = fit_confidence(probability, right)
    sure = confidence.calibrated(probability)
    incumbent = fit_confidence(probability, incumbent_right).calibrated(probability)
    order = np.argsort(-sure, kind="stable")
    expected = np.cumsum(sure[order] - incumbent[order]) / len(sure)
    wins = np.cumsum((right & ~incumbent_right)[order])
    losses = np.cumsum((~right & incumbent_right)[order])
    gain = (expected + (wins - losses) / len(sure)) / 2
    answered = np.arange(1, len(sure) + 1) / len(sure)
    # A threshold can only lie between different confidences.
    allowed = np.append(np.diff(sure[order]) < 0, [True]) & (answered >= _MIN_SHARE)
    if not incumbent_right.all():
        by_luck = binom.sf(wins - 1, wins + losses, 0.5)
        allowed &= (answered >= _MIN_EARNED) & (expected > 0) & (gain > 0) & (by_luck <= _SIGN_LEVEL)
    possible = np.flatnonzero(allowed)
    best = float(gain[possible].max(initial=0.0))
    give = tolerance if incumbent_right.all() else min(tolerance, _GIVEN_UP * best)
    enough = possible[gain[possible] >= best - give]
    threshold = float(sure[order][enough[-1]]) if len(enough) else None
    return Calibration(confidence=confidence, threshold=threshold)


def fit_confidence(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> Confidence:
    """Platt's (1999) map with his smoothed targets, its slope drawn towards 1 and never negative."""
    odds = log_odds(probability)
    wins, losses = int(right.sum()), int((~right).sum())
    target = np.where(right, (wins + 1) / (wins + 2), 1 / (losses + 2))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = line[0] * odds + line[1]
        entropy = np.logaddexp(0, score) - target * score
        excess = expit(score) - target
        drawn = (line[0] - 1) / _SLOPE_SPREAD
        slope = np.array([excess @ odds + drawn / _SLOPE_SPREAD, excess.sum()])
        return float(entropy.sum() + 0.5 * drawn**2), slope

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return Confidence(slope=float(found.x[0]), intercept=float(found.x[1]))
