"""What the probabilities of an answer's tokens are worth: one probability that the answer is right, before calibration.

Owns the features and their weighing; refuses to know models. Under a closed set the probability of the answer among all
allowed ones is all there is to know. Of copied or free text no single figure is enough: mean, least and sum of the
value tokens' log-probabilities are weighed by a logistic regression on held-out answers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from tierwright.core.contract import ContractKind
from tierwright.training.lm.artifact import Weighing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.training.lm.decoding import Answer

#: Judged answers of either outcome from which the weighing is learned; with fewer the mean alone counts.
_MIN_JUDGED = 25
_FOLDS = 5


def features(answer: Answer) -> list[float]:
    """Mean, least and sum of the value tokens' log-probabilities, and the logarithm of how many there are."""
    raw = answer.raw or (0.0,)
    return [sum(raw) / len(raw), min(raw), max(sum(raw), -50.0), math.log(len(raw))]


def weigh(
    contract: OutputContract, answers: Sequence[Answer], right: NDArray[np.bool_], groups: Sequence[str], seed: int
) -> tuple[NDArray[np.float64], Weighing | None]:
    """The probability of each judged answer, and the weighing for later ones; None: not needed, or not to be learned.

    Each probability comes from a weighing that was learned without the answer's group.
    """
    if contract.kind in {ContractKind.LABEL, ContractKind.FIELDS} or min(right.sum(), (~right).sum()) < _MIN_JUDGED:
        return probabilities(contract, answers, None), None
    table = np.array([features(answer) for answer in answers])
    names = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    fold = np.random.default_rng(seed).permutation(len(names))[[names[group] for group in groups]] % _FOLDS
    found = np.empty(len(answers))
    for number in range(_FOLDS):
        held = fold == number
        if not held.any():
            continue
        learned = _learned(table[~held], right[~held])
        found[held] = _applied(learned, table[held])
    return found, _learned(table, right)


def probabilities(
    contract: OutputContract, answers: Sequence[Answer], weighing: Weighing | None
) -> NDArray[np.float64]:
    """The probability that each answer is right, not yet calibrated, shape (n,); 0 where it did not end."""
    if weighing is not None:
        found = _applied(weighing, np.array([features(answer) for answer in answers]).reshape(-1, 4))
    elif contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}:
        found = np.exp(np.array([answer.constrained for answer in answers], dtype=np.float64))
    else:
        found = np.exp(np.array([features(answer)[0] for answer in answers], dtype=np.float64))
    return np.where([answer.ended for answer in answers], found, 0.0)


def _learned(table: NDArray[np.float64], right: NDArray[np.bool_]) -> Weighing:
    if right.all() or not right.any():
        share = (right.sum() + 1) / (len(right) + 2)
        return Weighing(weights=[0.0] * table.shape[1], intercept=float(np.log(share / (1 - share))))
    fitted = LogisticRegression(C=1.0).fit(table, right)
    return Weighing(weights=fitted.coef_[0].tolist(), intercept=float(fitted.intercept_[0]))


def _applied(weighing: Weighing, table: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = table @ np.array(weighing.weights) + weighing.intercept
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float64)
