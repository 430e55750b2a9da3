"""Fits what decides on candidates: their probabilities, the threshold of the answer, and how sure an answer is.

Owns these three, on candidates found by chains that had not seen their texts. Refuses to know how the chains are
fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from tierwright.specialists.spans.answers import render
from tierwright.specialists.spans.candidates import SHARED, Gazetteer, describe
from tierwright.specialists.spans.tagger import Judge, answer_features, located, logistic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.specialists.spans.answers import Habits
    from tierwright.specialists.spans.candidates import Candidate
    from tierwright.training.spans.alignment import Aligned

#: C of the two logistic regressions, on features brought to a common spread.
_RANKER_STRENGTH, _SURETY_STRENGTH = 1.0, 0.3
#: Thresholds that are tried.
_THRESHOLDS = tuple(round(0.1 + 0.025 * step, 3) for step in range(27))
#: Share of the training texts that have less news than one that counts as unlike them.
_LIKE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One text as it was read by chains that had not seen it."""

    aligned: Aligned
    #: The answer it should get, canonical.
    output: str
    candidates: list[Candidate]
    #: The share of its words and pairs that those chains did not know.
    new: float
    #: What strings were answers of, without this text's fold.
    gazetteer: Gazetteer


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The fitted judge, and what it makes of the held-out texts."""

    judge: Judge
    #: The probability that the answer is right, before calibration, shape (n,).
    probability: NDArray[np.float64]
    #: Whether the whole answer is right, shape (n,).
    right: NDArray[np.bool_]
    #: F1 of the answer's (field, string) pairs, 1 where there are none and none should be, shape (n,).
    f1: NDArray[np.float64]


def fit_judge(
    held: Sequence[Held], draft: Judge, contract: OutputContract, habits: Sequence[Habits], gazetteer: Gazetteer
) -> Judged:
    """The judge, from held-out texts; `draft` says what needs no fitting, `gazetteer` is that of all texts."""
    fields = len(draft.many)
    described = [describe(one.aligned.tokens, one.candidates, one.gazetteer, fields) for one in held]
    keys = [one.aligned.keys() for one in held]
    hits = [
        np.array([(c.field, c.key) in own for c in one.candidates], bool) for one, own in zip(held, keys, strict=True)
    ]
    width = SHARED + 2 * fields
    ranker = _regress(np.concatenate([*described, np.zeros((0, width))]), np.concatenate(hits), _RANKER_STRENGTH)
    likely = [logistic(rows, ranker) for rows in described]
    drafted = replace(draft, ranker=ranker, gazetteer=gazetteer)
    threshold = max(
        _THRESHOLDS, key=lambda t: (_micro_f1(held, keys, likely, replace(drafted, threshold=t)), -abs(t - 0.5))
    )
    judge = replace(drafted, threshold=threshold)
    features, right, scores = [], [], []
    for one, own, probability in zip(held, keys, likely, strict=True):
        chosen = judge.answer(one.candidates, probability)
        features.append(answer_features(probability, chosen, one.new, len(one.aligned.tokens)))
        written = render(contract, habits, located(one.candidates, chosen, fields))
        right.append(contract.canonical(written) == contract.canonical(one.output))
        given = {(one.candidates[at].field, one.candidates[at].key) for at in chosen}
        scores.append(2 * len(given & own) / (len(given) + len(own)) if given or own else 1.0)
    rows, news = np.array(features), np.array([one.new for one in held])
    judge = replace(
        judge,
        surety=_regress(rows, np.array(right, dtype=np.bool_), _SURETY_STRENGTH),
        unlike=float(np.quantile(news, _LIKE)),
    )
    return Judged(
        judge=judge, probability=judge.sure(rows, news), right=np.array(right, dtype=np.bool_), f1=np.array(scores)
    )


def _micro_f1(
    held: Sequence[Held], keys: Sequence[set[tuple[int, str]]], likely: Sequence[NDArray[np.float64]], judge: Judge
) -> float:
    both = sizes = 0
    for one, own, probability in zip(held, keys, likely, strict=True):
        given = {(one.candidates[at].field, one.candidates[at].key) for at in judge.answer(one.candidates, probability)}
        both += len(given & own)
        sizes += len(given) + len(own)
    return 2 * both / sizes if sizes else 1.0


def _regress(rows: NDArray[np.float64], right: NDArray[np.bool_], strength: float) -> NDArray[np.float64]:
    """Weights of a logistic regression for features as they are, the intercept last."""
    count, width = rows.shape
    if count == 0 or right.all() or not right.any():
        odds = np.log((right.sum() + 0.5) / (count - right.sum() + 0.5))
        return np.append(np.zeros(width), odds)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=strength, max_iter=500)
    model.fit((rows - mean) / spread, right)
    weights = model.coef_[0] / spread
    return np.append(weights, model.intercept_[0] - float(weights @ mean))
