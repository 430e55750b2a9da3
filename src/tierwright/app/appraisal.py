"""What each rung of a ladder is worth: quality on the test split, latency, size and cost, side by side.

Owns the measuring; refuses to decide anything by it: the choice among rungs looks at validation examples only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.app.wiring import ArtifactLoader
from tierwright.core.dataset import Split
from tierwright.evals.quality import Quality, quality

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.model import Prediction
    from tierwright.core.protocols import Predictor
    from tierwright.training.ladder import Rung

#: Single requests that are timed, after some that are not.
_TIMED, _WARM = 200, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of single requests answered one after another in this process, in milliseconds."""

    p50_ms: float
    p99_ms: float
    mean_ms: float
    #: Requests timed.
    n: int
    #: Each of them.
    each_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """One rung and what was measured of it; nothing, where it was not trained or there are no test examples."""

    rung: Rung
    quality: Quality | None = None
    latency: Latency | None = None
    #: US dollars of 1,000 answers on the settings' machine, idle time included.
    cost_usd_per_1k: Decimal | None = None
    #: Answers to the test examples, in their order.
    predictions: Sequence[Prediction] = ()


def appraise(parts: Parts, dataset: Dataset, examples: Sequence[Example], rungs: Sequence[Rung]) -> list[Appraisal]:
    """Each rung's figures on the dataset's test examples, in order; other examples are ignored."""
    tested = [example for example in examples if example.split is Split.TEST]
    return [_appraise(parts, dataset, tested, rung) for rung in rungs]


def _appraise(parts: Parts, dataset: Dataset, tested: Sequence[Example], rung: Rung) -> Appraisal:
    if rung.version is None or not tested:
        return Appraisal(rung=rung)
    rules = parts.settings.file.evaluation
    specialist = ArtifactLoader(parts).load(rung.version)
    inputs = [example.input for example in tested]
    predictions = specialist.predict(inputs)
    latency = measure_latency(specialist, inputs)
    return Appraisal(
        rung=rung,
        quality=quality(
            dataset.contract,
            tested,
            predictions,
            level=rules.level,
            min_gold=rules.min_gold,
            seed=dataset.seed,
        ),
        latency=latency,
        cost_usd_per_1k=parts.machine.cost(latency.mean_ms / parts.cores),
        predictions=predictions,
    )


def measure_latency(specialist: Predictor, inputs: Sequence[str]) -> Latency:
    """Of single requests: at most 200 of the inputs, spread over all of them, after ten that are not counted."""
    for text in inputs[:_WARM]:
        specialist.predict([text])
    spread = np.unique(np.linspace(0, len(inputs) - 1, min(_TIMED, len(inputs))).astype(int)).tolist()
    seconds: list[float] = []
    for at in spread:
        begun = time.perf_counter()
        specialist.predict([inputs[at]])
        seconds.append(time.perf_counter() - begun)
    return Latency(
        p50_ms=1e3 * float(np.quantile(seconds, 0.5)),
        p99_ms=1e3 * float(np.quantile(seconds, 0.99)),
        mean_ms=1e3 * float(np.mean(seconds)),
        n=len(seconds),
        each_ms=tuple(1e3 * one for one in seconds),
    )
