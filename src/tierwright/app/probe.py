"""The quick model by which an audit asks whether a task can be learned: the votes of the recipe `ngram`.

Owns how they are fitted, once for each fold and size, without calibration and without leaving out slips.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from tierwright.specialists.ngram import NgramConfig, NgramFeaturiser
from tierwright.training.votes import Features, VoteConfig, fit_votes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Characters of an input that are looked at: enough for what a label depends on, and a bound on the time.
_LOOKED_AT = 2000
#: Fewer n-grams than the recipe counts, for a third of its time; see LAB.md for what that costs in agreement.
_NGRAMS = NgramConfig(char_low=3, char_high=5, skip=0, min_texts=3)
#: Agreement is what counts here, so rare members don't count more than they occur.
_VOTES = VoteConfig(balance=0.0)


class NgramProbe:
    """The features of some texts; see `curation.probe.Learner`."""

    def __init__(self, texts: Sequence[str], *, seed: int) -> None:
        cut = [text[:_LOOKED_AT] for text in texts]
        # The vocabulary is that of all texts: no label is in it, and n-grams a part has not seen weigh nothing there.
        self._featuriser = NgramFeaturiser.fit(cut, _NGRAMS)
        self._features = Features(ngrams=self._featuriser.transform(cut), embeddings=None)
        self._seed = seed

    def predict(
        self,
        labels: NDArray[np.int64],
        names: Sequence[str],
        known: NDArray[np.int64],
        asked: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The labels of some texts, learned from those of others."""
        spoken = Features(ngrams=self._featuriser.transform(names), embeddings=None)
        with warnings.catch_warnings():
            # With few examples of many labels scikit-learn asks whether they are numbers.
            warnings.simplefilter("ignore", UserWarning)
            votes = fit_votes(
                self._features.rows(known), labels[known], np.ones(len(known)), spoken, config=_VOTES, seed=self._seed
            )
        predicted: NDArray[np.int64] = votes.scores(self._features.rows(asked)).ngrams.argmax(axis=1)
        return predicted
