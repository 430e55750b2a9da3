"""Trained by `tierwright model train TASK --recipe encoder-head`.

The n-gram votes together with those of a softmax regression on frozen sentence embeddings: the embeddings know words
the training set never had, the n-grams know the team's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.specialists.ngram import NgramConfig
from tierwright.training.fitting import fit_specialist
from tierwright.training.votes import VoteConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierwright.specialists.encoder import Encoder
    from tierwright.training.recipe import FittedSpecialist, TrainingSet

NAME = "encoder-head"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderHeadRecipe:
    """The recipe's settings."""

    encoder: Encoder
    ngrams: NgramConfig = field(default_factory=NgramConfig)
    votes: VoteConfig = field(default_factory=VoteConfig)

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """As `fit_specialist`."""
        return fit_specialist(
            training,
            recipe=NAME,
            encoder=self.encoder,
            artifacts=artifacts,
            seed=seed,
            ngrams=self.ngrams,
            votes=self.votes,
            progress=progress,
        )
