"""From what came out on each example to figures, intervals and a verdict.

Owns the whole calculation, so that it can be repeated by anyone who has the registered terms and the outcomes. Refuses
to know texts, models and where outcomes are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.core.experiment import SliceFinding
from tierwright.evals.metrics import SHARES, compared, score, slot_figures
from tierwright.stats.intervals import wilson_by_group
from tierwright.stats.multiplicity import simultaneous_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.estimate import Estimate
    from tierwright.core.experiment import Outcome, Registration
    from tierwright.stats.resampling import PairedFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was fixed beforehand and the calculation needs."""

    metric: str
    #: What may be given up.
    margin: float
    #: Slot errors per given attribute that may be added; None: slots are not looked at.
    slot_margin: float | None = None
    #: Of the interval of the difference, and of each other interval.
    level: float = 0.95
    #: Dimensions of slices.
    slices: tuple[str, ...] = ()
    #: Examples below which nothing is said of a slice.
    min_slice: int = 30
    #: Of the bootstrap.
    seed: int = 0

    @classmethod
    def of(cls, registration: Registration) -> Terms:
        """Those of a registration."""
        return cls(
            metric=registration.metric,
            margin=registration.margin,
            slot_margin=registration.slot_margin,
            level=registration.level,
            slices=registration.slices,
            min_slice=registration.min_slice,
            seed=registration.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the outcomes come to."""

    figures: PairedFigures
    local_share: Estimate
    #: None: the candidate answers nothing itself, or too little for an interval.
    local_score: Estimate | None
    #: None: slots were not looked at.
    slot_difference: Estimate | None
    slices: tuple[SliceFinding, ...]
    verdict: Verdict


def judged(terms: Terms, outcomes: Sequence[Outcome]) -> Judgement:
    """Figures, slices and the verdict. Raises NotEnoughData and InputError as `compared` does."""
    candidate, baseline, groups = _rows(outcomes)
    figures = compared(terms.metric, candidate, baseline, groups, level=terms.level, seed=terms.seed)
    slots = None
    if terms.slot_margin is not None and all(one.candidate_slots for one in outcomes):
        first, second = ([getattr(one, side) for one in outcomes] for side in ("candidate_slots", "baseline_slots"))
        slots = slot_figures(first, second, groups, level=terms.level, seed=terms.seed)
    return Judgement(
        figures=figures,
        local_share=wilson_by_group([float(one.local) for one in outcomes], groups, level=terms.level),
        local_score=_local_score(terms, [one for one in outcomes if one.local]),
        slot_difference=None if slots is None else slots.difference,
        slices=_slices(terms, outcomes),
        verdict=_with_slots(verdict_of(figures.difference, terms.margin), slots, terms.slot_margin),
    )


def verdict_of(difference: Estimate, margin: float) -> Verdict:
    """What the interval of a difference, candidate minus baseline, says about a margin; an end on a limit fails it."""
    if difference.ci_low > 0:
        return Verdict.SUPERIOR
    if difference.ci_low > -margin:
        return Verdict.NON_INFERIOR
    if difference.ci_high < -margin:
        return Verdict.INFERIOR
    return Verdict.UNDECIDED


def _with_slots(verdict: Verdict, slots: PairedFigures | None, slot_margin: float | None) -> Verdict:
    """The verdict where slot errors must not grow besides: both conditions must hold, so neither needs a higher level.

    Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24:295-300.
    """
    if slots is None or slot_margin is None or slots.difference.ci_high < slot_margin:
        return verdict
    if slots.difference.ci_low > slot_margin:
        return Verdict.INFERIOR
    return Verdict.UNDECIDED if verdict.allows_promotion else verdict


def _rows(outcomes: Sequence[Outcome]) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]], list[str]]:
    return [one.candidate for one in outcomes], [one.baseline for one in outcomes], [one.group for one in outcomes]


def _local_score(terms: Terms, local: Sequence[Outcome]) -> Estimate | None:
    if not local:
        return None
    candidate, baseline, groups = _rows(local)
    if terms.metric in SHARES:
        return score(terms.metric, candidate, groups, level=terms.level)
    try:
        return compared(terms.metric, candidate, baseline, groups, level=terms.level, seed=terms.seed).candidate
    except NotEnoughData:
        return None


def _slices(terms: Terms, outcomes: Sequence[Outcome]) -> tuple[SliceFinding, ...]:
    """All slices of enough examples; their differences have intervals that hold together."""
    counted = Counter(
        (dimension, one.slices[dimension]) for one in outcomes for dimension in terms.slices if dimension in one.slices
    )
    large = [(place, count) for place, count in counted.most_common() if count >= terms.min_slice]
    if not large:
        return ()
    level = simultaneous_level(terms.level, len(large))
    found: list[SliceFinding] = []
    for (dimension, value), _ in large:
        inside = [one for one in outcomes if one.slices.get(dimension) == value]
        try:
            figures = compared(terms.metric, *_rows(inside), level=level, seed=terms.seed)
        except NotEnoughData:
            continue  # a figure that is no share has no interval where both sides are alike
        found.append(
            SliceFinding(
                dimension=dimension,
                value=value,
                candidate_score=figures.candidate,
                baseline_score=figures.baseline,
                difference=figures.difference,
            )
        )
    return tuple(found)


def shared_verdict(terms: Terms, outcomes: Sequence[Outcome], looks: int) -> Verdict:
    """The verdict if so many looks at the same examples shared the error, each with an interval that much wider.

    Bonferroni: of all these looks together no more than 1 - level are wrong, however they were chosen.
    """
    return judged(replace(terms, level=simultaneous_level(terms.level, looks), slices=()), outcomes).verdict


def spread_of(terms: Terms, outcomes: Sequence[Outcome]) -> float:
    """The standard error of the difference, from the width of its interval."""
    candidate, baseline, groups = _rows(outcomes)
    found = compared(terms.metric, candidate, baseline, groups, level=0.6827, seed=terms.seed).difference
    return float(np.ptp([found.ci_low, found.ci_high]) / 2)
