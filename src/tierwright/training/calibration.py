"""Turns scores into calibrated confidence, and chooses the confidence from which a specialist answers itself.

Owns both, on examples whose right answer is known and that the scoring model has not seen. Where people's labels are
the reference the incumbent is fallible too, and the specialist may answer wherever it is at least as good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.stats import binom

from tierwright.specialists.linear import Confidence, log_odds
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate

#: Share of right answers, in expectation, that may be given up against the best threshold to answer more requests
#: locally: half of the margin that the experiment allows by default.
TOLERANCE = 0.005
#: Share of requests below which a threshold is not worth having.
_MIN_SHARE = 0.01
#: Level of the exact sign test that a threshold must pass where the incumbent is seen to err.
_SIGN_LEVEL = 0.1
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

    The threshold is the lowest at which the cascade (specialist above, incumbent below) is expected to be right as
    often as at the best threshold, but for the tolerance. Expectations come from two curves over the confidence, so
    that a few hundred labels are enough. Equal confidences stand or fall together.

    Where the incumbent is seen to err, the specialist has to earn its place: there is a threshold only if it is
    expected to gain, at most half of what it gains is given up, and among the examples it would answer it was right
    where the incumbent was wrong more often than the other way round, by the exact sign test at 10 %. Where the
    incumbent is right throughout, because its own answers are the reference, nothing can be gained and the tolerance is
    what may be lost.
    """
    confidence = fit_confidence(probability, right)
    sure = confidence.calibrated(probability)
    incumbent = fit_confidence(probability, incumbent_right).calibrated(probability)
    order = np.argsort(-sure, kind="stable")
    expected = np.cumsum(sure[order] - incumbent[order]) / len(sure)
    # A threshold can only lie between different confidences.
    possible = np.flatnonzero(np.append(np.diff(sure[order]) < 0, [True]))
    possible = possible[possible + 1 >= max(1.0, _MIN_SHARE * len(sure))]
    best = float(expected[possible].max(initial=0.0))
    if incumbent_right.all():
        enough = possible[expected[possible] >= best - tolerance]
    else:
        wins = np.cumsum((right & ~incumbent_right)[order])[possible]
        losses = np.cumsum((~right & incumbent_right)[order])[possible]
        earned = (binom.sf(wins - 1, wins + losses, 0.5) <= _SIGN_LEVEL) & (expected[possible] > 0)
        enough = possible[earned & (expected[possible] >= best - min(tolerance, best / 2))]
    threshold = float(sure[order][enough[-1]]) if len(enough) else None
    return Calibration(confidence=confidence, threshold=threshold)


def fit_confidence(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> Confidence:
    """Platt's (1999) map with his smoothed targets, its slope drawn towards 1 and never negative."""
    odds = log_odds(probability)
    wins, losses = int(right.sum()), int((~right).sum())
    target = np.where(right, (wins + 1) / (wins + 2), 1 / (losses + 2))

    def loss(line: NDArray[np.float64]) -> float:
        score = line[0] * odds + line[1]
        entropy = np.logaddexp(0, score) - target * score
        return float(entropy.sum() + 0.5 * ((line[0] - 1) / _SLOPE_SPREAD) ** 2)

    found = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return Confidence(slope=float(found.x[0]), intercept=float(found.x[1]))
