"""Trained by `tierwright model train TASK --recipe ngram`.

Linear votes over hashed word and character n-grams: any language, no base weights, seconds on a CPU.
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

    from tierwright.training.recipe import FittedSpecialist, TrainingSet

NAME = "ngram"


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramRecipe:
    """The recipe's settings."""

    ngrams: NgramConfig = field(default_factory=NgramConfig)
    votes: VoteConfig = field(default_factory=VoteConfig)

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """As `fit_specialist`."""
        return fit_specialist(
            training,
            recipe=NAME,
            encoder=None,
            artifacts=artifacts,
            seed=seed,
            ngrams=self.ngrams,
            votes=self.votes,
            progress=progress,
        )
