"""Trained by `tierwright model train TASK --recipe span-tagger`.

Strings copied from the input: a chain over hashed features of its tokens, with the frozen encoder's vectors of them
where it is at hand, and a second look at every string the chain finds likely. Without an encoder it needs no weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.training.spans.fitting import SpanConfig, fit_span_tagger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierwright.specialists.encoder import Encoder
    from tierwright.training.recipe import FittedSpecialist, TrainingSet


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTaggerRecipe:
    """The recipe's settings."""

    #: None: from scratch.
    encoder: Encoder | None
    config: SpanConfig = field(default_factory=SpanConfig)

    def fit(
        self, training: TrainingSet, *, artifacts: Path, seed: int, progress: Callable[[str], None]
    ) -> FittedSpecialist:
        """As `fit_span_tagger`."""
        return fit_span_tagger(
            training, encoder=self.encoder, artifacts=artifacts, seed=seed, config=self.config, progress=progress
        )
