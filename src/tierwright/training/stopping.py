"""When to stop climbing: a rung is good enough, or no better than a cheaper one.

Owns the two rules. Both look at validation examples only, each scored by a model that had not seen it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.stats.intervals import bootstrap_mean, wilson_by_group
from tierwright.stats.paired import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.dataset import Example
    from tierwright.core.ids import InferenceId
    from tierwright.training.recipe import FittedSpecialist

#: Of the resampling where scores are not 0 or 1; the same examples always give the same decision.
_SEED = 20261128


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """When a rung is good enough, so that no dearer one is tried."""

    #: By how much the specialist alone may be worse than the incumbent, as a share of the answers.
    margin: float
    #: The mean score that is enough where the lower end of its interval reaches it; None: none was given.
    target: float | None = None


def why_stop(
    recipe: str, fitted: FittedSpecialist, best: FittedSpecialist | None, examples: Sequence[Example], gate: Gate
) -> str:
    """Why no further rung is needed after this one; empty: one is.

    `best` is the best of the rungs before it, `examples` the validation examples among others.
    """
    judged = [example for example in examples if example.id in fitted.validated]
    if not judged:
        return ""
    scored = fitted.validated
    if gate.target is not None and _least([scored[e.id] for e in judged], judged) >= gate.target:
        return f"{recipe} is good enough: better than {gate.target:.1%} on validation examples; --all climbs on"
    known = [example for example in judged if example.incumbent_output is not None]
    if known:
        less = [scored[e.id] - float(e.incumbent_output == e.output) for e in known]
        if _least_gain(less, known) >= -gate.margin:
            return f"{recipe} alone is no worse than the incumbent by more than {gate.margin:.1%}; --all climbs on"
    both = [example for example in judged if best is not None and example.id in best.validated]
    if best is not None and both and _least_gain([scored[e.id] - best.validated[e.id] for e in both], both) <= 0:
        return f"{recipe} was not better than a cheaper rung by more than noise; --all climbs on"
    return ""


def mean(validated: Mapping[InferenceId, float]) -> float:
    """The mean score; 0 where nothing was judged."""
    return sum(validated.values()) / len(validated) if validated else 0.0


def _least(scores: Sequence[float], examples: Sequence[Example]) -> float:
    """The lower end of the 95 % interval of a mean score; groups of near-duplicates count as one."""
    groups = [example.group for example in examples]
    if np.isin(scores, (0.0, 1.0)).all():
        return wilson_by_group(scores, groups).ci_low
    return _resampled(scores, groups)


def _least_gain(differences: Sequence[float], examples: Sequence[Example]) -> float:
    """The lower end of the 95 % interval of a mean of paired differences; groups of near-duplicates count as one."""
    found = np.asarray(differences)
    groups = [example.group for example in examples]
    if np.isin(found, (-1.0, 0.0, 1.0)).all():
        return paired_difference(found > 0, found < 0, groups).ci_low
    return _resampled(differences, groups)


def _resampled(values: Sequence[float], groups: Sequence[str]) -> float:
    try:
        return bootstrap_mean(values, np.random.default_rng(_SEED), groups=groups).ci_low
    except NotEnoughData:  # all values are equal
        return float(np.mean(values))
