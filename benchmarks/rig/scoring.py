"""What benchmarks of closed answers share: training sets of labelled rows, and how specialists are scored and timed.

Refuses to know which recipe is measured and where the rows come from.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.rig.classified import OUTSIDE
from scipy.stats import mannwhitneyu
from threadpoolctl import threadpool_limits

from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.stats.intervals import wilson
from tierwright.training.recipe import TrainingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rig.classified import Rows
    from numpy.typing import NDArray

    from tierwright.core.model import Prediction
    from tierwright.core.protocols import Predictor


def training_set(name: str, rows: Rows) -> TrainingSet:
    """The rows as a person's labels; equal texts share a group. No incumbent is involved."""
    labels = tuple(label for label, _ in Counter(label for _, label in rows).most_common())
    examples = [
        Example(
            id=InferenceId(f"row-{number}"),
            input=text,
            output=label,
            source=LabelSource.HUMAN,
            incumbent_output=label,
            split=Split.TRAIN,
            group=text.casefold(),
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        for number, (text, label) in enumerate(rows)
    ]
    contract = OutputContract(kind=ContractKind.LABEL, labels=labels)
    return TrainingSet(dataset_id=DatasetId(f"benchmark-{name}"), contract=contract, examples=examples)


def outside(inside: Sequence[Prediction], beyond: Sequence[Prediction]) -> dict[str, Any]:
    """How well confidence tells texts that belong to no answer; empty where there are none."""
    if not beyond:
        return {}
    kept, left = (
        np.array([p.confidence if p.output != OUTSIDE else -p.confidence for p in which]) for which in (inside, beyond)
    )
    area = mannwhitneyu(kept, left).statistic / (len(kept) * len(left))
    below = wilson(int((left < np.quantile(kept, 0.05)).sum()), len(left))
    return {
        "outside_auroc": float(area),
        "outside_recall": below.value,
        "outside_recall_ci_low": below.ci_low,
        "outside_recall_ci_high": below.ci_high,
        "outside_n": below.n,
    }


def calibration_error(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance of confidence from the share of right answers, over 15 bins of equal size."""
    bins = np.array_split(np.argsort(sure, kind="stable"), 15)
    return float(sum(len(b) * abs(sure[b].mean() - right[b].mean()) for b in bins if len(b)) / len(sure))


def latency(specialist: Predictor, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds for one text at a time."""
    taken = []
    with threadpool_limits(limits=1):
        for text in texts:
            begun = time.perf_counter()
            specialist.predict([text])
            taken.append(1000 * (time.perf_counter() - begun))
    return {"p50": float(np.quantile(taken, 0.5)), "p99": float(np.quantile(taken, 0.99))}
