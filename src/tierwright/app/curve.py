"""The learning curve of a task, and the score it is held against.

Owns what the measurement is given; measuring is `training`'s, foretelling `stats`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource, Split
from tierwright.stats.intervals import wilson_by_group
from tierwright.training.learning_curve import measure_learning_curve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.estimate import Estimate
    from tierwright.stats.learning_curve import LearningCurve

#: People's labels from which the incumbent has a score.
_MIN_HUMAN = 50


def learning_curve(
    parts: Parts,
    dataset: Dataset,
    examples: Sequence[Example],
    *,
    with_encoder: bool = False,
    progress: Callable[[str], None],
) -> LearningCurve:
    """The curve of a dataset's training and calibration examples; raises as `measure_learning_curve`."""
    threads = parts.settings.file.training.threads or parts.cores
    return measure_learning_curve(
        [example for example in examples if example.split is not Split.TEST],
        dataset.contract,
        seed=parts.settings.file.training.seed,
        encoder=parts.load_encoder(threads=threads) if with_encoder else None,
        progress=progress,
    )


def incumbent_score(examples: Sequence[Example]) -> Estimate | None:
    """How often the incumbent is right by people's labels outside of the test; None: fewer than 50 are known."""
    both = [
        example
        for example in examples
        if example.split is not Split.TEST
        and example.source is LabelSource.HUMAN
        and example.incumbent_output is not None
    ]
    if len(both) < _MIN_HUMAN:
        return None
    right = [float(example.incumbent_output == example.output) for example in both]
    return wilson_by_group(right, [example.group for example in both])
