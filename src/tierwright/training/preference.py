"""Learns which of several templates a writer would have preferred, and how sure one can be of that.

Owns two fits on examples whose templates were composed without them: weights of the score, such that the templates
chosen are as like the right answers as can be (by BLEU of all of them together, as in Och 2003, Minimum error rate
training, by search along one weight after another), and a logistic regression of whether a text is right.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from tierwright.specialists.composing import Preference
from tierwright.specialists.words import folded_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.composing import Candidate

#: Where the search begins: equal shares of all lengths of runs, half as much weight on fluency.
START = Preference(fluency=0.5, shared=(0.5, 0.5, 0.5, 0.5), length=-0.1, prior=20.0)
#: Steps tried for each weight in each round, and rounds.
_STEPS, _ROUNDS = (-0.4, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4), 6
#: Gain in BLEU below which a step is not worth leaving the start for.
_GAIN = 1e-4
#: Strength of the prior that the signals of confidence say nothing.
_RIDGE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One example: the templates to choose from, written out, and the right answers."""

    candidates: tuple[Candidate, ...]
    texts: tuple[str, ...]
    rights: tuple[str, ...]


def learn_preference(choices: Sequence[Choice], start: Preference = START) -> Preference:
    """The weights with which the templates chosen are most like the right answers; `start` where nothing is better."""
    usable = [choice for choice in choices if len(choice.candidates) > 1]
    if not usable:
        return start
    features = [_features(choice) for choice in usable]
    counts = [_counts(choice) for choice in usable]
    # The fluency's weight stays: only the ratios of the weights matter.
    weights = np.array([start.fluency, *start.shared, start.length])
    best = _bleu(features, counts, weights)
    for _ in range(_ROUNDS):
        before = best
        for place in range(1, len(weights)):
            for step in _STEPS:
                tried = weights.copy()
                tried[place] += step
                if 1 <= place <= 4 and tried[place] < 0:
                    continue
                found = _bleu(features, counts, tried)
                if found > best + _GAIN:
                    best, weights = found, tried
        if best <= before:
            break
    return Preference(
        fluency=float(weights[0]),
        shared=(float(weights[1]), float(weights[2]), float(weights[3]), float(weights[4])),
        length=float(weights[5]),
        prior=start.prior,
    )


def learn_signals(rows: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the signals and, last, the intercept: a logistic regression with a ridge, on signals of equal spread.

    `rows` has shape (n, signals).
    """
    middle, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    scaled = (rows - middle) / spread
    sign = np.where(right, 1.0, -1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sign * (scaled @ weights[:-1] + weights[-1])
        slopes = -sign / (1 + np.exp(np.clip(margins, -30, 30)))
        value = np.logaddexp(0, -margins).sum() + 0.5 * _RIDGE * (weights[:-1] ** 2).sum()
        gradient = np.append(scaled.T @ slopes + _RIDGE * weights[:-1], slopes.sum())
        return float(value), gradient

    found = minimize(
        loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=[(-8, 8)] * (rows.shape[1] + 1)
    )
    slopes: NDArray[np.float64] = found.x[:-1] / spread
    return np.append(slopes, found.x[-1] - slopes @ middle)


def _features(choice: Choice) -> NDArray[np.float64]:
    """What the weights are of, shape (candidates, 6)."""
    return np.array([(c.fluency, *c.shared, len(c.tokens)) for c in choice.candidates])


def _counts(choice: Choice) -> NDArray[np.float64]:
    """What BLEU adds up, shape (candidates, 10): runs shared and runs at all, of 1 to 4 words; lengths of both."""
    rights = [folded_words(right) for right in choice.rights]
    most = [Counter[tuple[str, ...]]() for _ in range(4)]
    for right in rights:
        for size in range(4):
            most[size] |= _runs(right, size + 1)
    rows: list[list[float]] = []
    for text in choice.texts:
        words = folded_words(text)
        runs = [_runs(words, size) for size in range(1, 5)]
        shared = [(ours & theirs).total() for ours, theirs in zip(runs, most, strict=True)]
        nearest = min((abs(len(right) - len(words)), len(right)) for right in rights)[1]
        rows.append([*shared, *(run.total() for run in runs), len(words), nearest])
    return np.array(rows)


def _runs(words: tuple[str, ...], size: int) -> Counter[tuple[str, ...]]:
    return Counter(words[at : at + size] for at in range(len(words) - size + 1))


def _bleu(
    features: Sequence[NDArray[np.float64]], counts: Sequence[NDArray[np.float64]], weights: NDArray[np.float64]
) -> float:
    """BLEU (Papineni et al. 2002) of the candidates that these weights choose, in [0, 1]."""
    total = np.sum(
        [count[(feature @ weights).argmax()] for feature, count in zip(features, counts, strict=True)], axis=0
    )
    shared, at_all, ours, theirs = total[:4], total[4:8], total[8], total[9]
    if not shared.all():
        return 0.0
    brevity = min(0.0, 1 - theirs / ours)
    return float(np.exp(np.log(shared / at_all).mean() + brevity))
