"""What a tuning of an encoder is given and gives back, without torch: for those that plan one and those that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tierwright.training.softmax import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningPlan:
    """Hyper-parameters; where no source is named, those usual for encoders of this size. What was compared: LAB.md."""

    #: At most; fewer where there are so many examples that this many have been read before. At least one.
    epochs: int = 6
    examples: int = 120_000
    #: Examples a step, and padded tokens a step at most.
    batch: int = 32
    batch_tokens: int = 2048
    #: Peak learning rate of the top layer, and of the heads.
    rate: float = 1e-4
    head_rate: float = 2e-2
    #: The rate of each layer is this share of the one above it (Howard and Ruder 2018, ULMFiT).
    layer_decay: float = 0.9
    #: Share of the steps in which the rate climbs; it falls to zero in the others, as a cosine.
    warm_up: float = 0.06
    decay: float = 0.01
    dropout: float = 0.1
    smoothing: float = 0.1
    #: Share of the steps over which the average of the weights reaches back.
    average: float = 0.05
    #: Epochs without a better held-out figure after which it stops.
    patience: int = 3

    def epochs_for(self, count: int) -> int:
        """Epochs over so many examples."""
        return max(1, min(self.epochs, self.examples // max(1, count)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningTexts:
    """What is learned from, as arrays."""

    #: Token ids of each text, cut already.
    tokens: Sequence[Sequence[int]]
    #: The member of each head that each example has, shape (n, heads).
    labels: NDArray[np.int64]
    #: Rows that are learned from, and rows that judge.
    learned: NDArray[np.int64]
    held: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedWeights:
    """What tuning gives back."""

    #: The encoder's, named as the base weights'.
    tensors: dict[str, NDArray[np.float32]]
    #: Weights and intercepts of each head on the unit embedding, shapes (dimension, k) and (k,).
    heads: list[Head]
    #: Embeddings of the held-out examples, shape (held, dimension): what an exported encoder must agree with.
    held: NDArray[np.float32]
    #: Share of held-out examples answered right as a whole after each epoch, the frozen encoder first.
    history: list[float]
