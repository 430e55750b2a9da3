"""How like its training data an input is, and what that does to the confidence in an answer.

Owns the evidence that an answer rests on (how probable it is, how far on its member's side the n-grams are, how much of
the text was ever seen, how near its embedding is to training examples with that answer) and the monotone map that turns
it into one probability. More of any evidence never makes an answer less probable. Refuses to know how the map and the
prototypes were fitted: that is `training.novelty`'s.

Sources: Hendrycks and Gimpel (2017), A baseline for detecting misclassified and out-of-distribution examples, for the
probability; Snell et al. (2017), Prototypical networks, for the nearest prototype.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright.specialists.linear import log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Logarithm of the odds that an answer loses where one kind of evidence falls as far below what nearly all unseen
#: training examples have as that lies below their median.
_GUARD = 4.0


class NoveltyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The map from evidence to probability; the lists have one entry for each kind of evidence, in its order."""

    #: At least 0 each.
    slopes: list[float]
    intercept: float
    #: What 99 % of unseen training examples have at least.
    lows: list[float]
    #: From there to their median; more than 0.
    spreads: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototypes:
    """Typical embeddings of the members of a head: one or several for each member that has examples."""

    #: Shape (p, dimension), each of length 1.
    vectors: NDArray[np.float32]
    #: The member each belongs to, shape (p,).
    members: NDArray[np.int64]

    def similarity(self, embeddings: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosine of each embedding to the nearest prototype of the chosen member, shape (n,); -1: it has none."""
        cosine = embeddings @ self.vectors.T
        cosine[self.members[None, :] != chosen[:, None]] = -1.0
        nearest: NDArray[np.float64] = cosine.max(axis=1, initial=-1.0).astype(np.float64)
        return nearest


def known_share(known: NDArray[np.int64], total: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of a text's n-grams that training has seen, shape (n,): the mean of the shares of words and characters.

    Both counts have shape (n, 2): of characters, and of words. A text without any has the share 0.
    """
    share: NDArray[np.float64] = (known / np.maximum(total, 1)).mean(axis=1)
    return share


def mean_margin(margins: Sequence[NDArray[np.float64]], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far the n-grams are on the side of the chosen members, shape (n,): the mean over the heads.

    One array of shape (n, k) for each head; `chosen` has shape (n, heads).
    """
    rows = np.arange(len(chosen))
    result: NDArray[np.float64] = np.mean([of[rows, chosen[:, place]] for place, of in enumerate(margins)], axis=0)
    return result


def mean_similarity(
    prototypes: Sequence[Prototypes], embeddings: NDArray[np.float32], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cosine to the nearest prototypes of the chosen members, shape (n,): the mean over the heads."""
    found = [of.similarity(embeddings, chosen[:, place]) for place, of in enumerate(prototypes)]
    result: NDArray[np.float64] = np.mean(found, axis=0)
    return result


def gather(
    probability: NDArray[np.float64],
    margin: NDArray[np.float64],
    known: NDArray[np.float64],
    similarity: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """All evidence, shape (n, 3), or (n, 4) with an encoder: log-odds, margin, share known, similarity."""
    columns = [log_odds(probability), margin, known]
    return np.stack(columns if similarity is None else [*columns, similarity], axis=1)


def weigh(evidence: NDArray[np.float64], config: NoveltyConfig) -> NDArray[np.float64]:
    """The probability that evidence gives an answer, shape (n,), before it is calibrated; increasing in each kind.

    A line in the log-odds. Where a kind of evidence other than the log-odds is below nearly all that training has seen,
    the odds fall fast, so that what is wholly unlike the training data is escalated also where the line was fitted on
    examples that could not show it.
    """
    score = evidence @ np.asarray(config.slopes) + config.intercept
    short = (np.asarray(config.lows) - evidence) / np.asarray(config.spreads)
    score -= _GUARD * np.maximum(short[:, 1:], 0.0).sum(axis=1)
    result: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(score, -700, 700)))
    return result
