"""Leaves out training labels that are probably the incumbent's slips.

Owns the judgement, example by example. It is a Bayesian reading of confident learning (Northcutt et al. 2021): a model
that has not seen an example says what the right answer may be; how often the incumbent is wrong is known from people's
labels; its slips go to answers that look plausible. An example is left out where its label is more likely wrong than
right. People's labels are never left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Error rate of an incumbent of whom nothing is known, and how many labels that guess is worth.
_PRIOR_RATE, _PRIOR_LABELS = 0.05, 20.0


def incumbent_error_rate(wrong: int, labels: int) -> float:
    """How often the incumbent is wrong, from people's labels, drawn towards 5 % while there are few."""
    return (wrong + _PRIOR_RATE * _PRIOR_LABELS) / (labels + _PRIOR_LABELS)


def label_weights(
    log_probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    human: NDArray[np.bool_],
    *,
    error_rate: float,
) -> NDArray[np.float64]:
    """1 for labels to learn from and 0 for probable slips, shape (n,).

    With p the out-of-fold probabilities and y the incumbent's label, the label is right with weight p_y (1 - e), and
    the right answer is another g with weight p_g e p_y / (1 - p_g): the slip went to y as often as y looks plausible
    among the wrong answers.
    """
    probability = np.clip(np.exp(log_probabilities), 1e-6, 1 - 1e-6)
    rows = np.arange(len(labels))
    stated = probability[rows, labels]
    slips = probability * error_rate * stated[:, None] / (1 - probability)
    slips[rows, labels] = 0.0
    right = stated * (1 - error_rate)
    return np.where(human | (right >= slips.sum(axis=1)), 1.0, 0.0)
