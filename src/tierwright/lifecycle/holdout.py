"""What a specialist in service has saved and cost, measured against requests that were drawn away from it.

Owns the comparison of the two arms. Refuses to know how they were drawn, only that it was by chance: requests of the
holdout, and of a canary's rest, went to the frontier model whatever they were. Only the decision in force is looked at,
since with another share the arms would be mixed differently at different times.

Differences are the specialist's arm minus the frontier's; escalated requests belong to the specialist's arm, with all
they cost. They are estimates to read, at one moment, and take nothing off by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwright.core.errors import NotEnoughData
from tierwright.core.incident import Signal
from tierwright.core.inference import RouteReason
from tierwright.stats.two_samples import newcombe
from tierwright.stats.welch import Sums, difference_of_means, ratio_of_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.estimate import Estimate
    from tierwright.core.incident import ArmTotals, JudgedOutcome

#: Where the frontier model answered because of a draw.
_DRAWN_AWAY = (RouteReason.HOLDOUT, RouteReason.OUTSIDE_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One quantity in both arms."""

    #: Means of the arms; None: nothing was measured there.
    specialist: float | None
    frontier: float | None
    #: None: one arm has too little.
    difference: Estimate | None
    #: Requests of both arms of which the quantity is not known.
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What the arms came to."""

    #: Requests in the arms.
    specialist: int
    frontier: int
    #: Share of right answers, by people's labels of random answers.
    quality: Comparison
    #: US dollars a request.
    cost_usd: Comparison
    #: Milliseconds a request.
    latency_ms: Comparison
    #: Share of the frontier's cost that a request to the specialist saves; below 0: it costs more. None: one arm has
    #: too little.
    saved: Estimate | None


def realised(arms: Sequence[ArmTotals], outcomes: Sequence[JudgedOutcome], *, level: float = 0.95) -> Realised:
    """The comparison of the arms of a decision, with the outcomes of its service.

    Quality is compared over the service, the rest over the decision.
    """
    ours = next((arm for arm in arms if arm.specialist), None)
    theirs = next((arm for arm in arms if not arm.specialist), None)
    costs = _costs(ours), _costs(theirs)
    return Realised(
        specialist=ours.requests if ours else 0,
        frontier=theirs.requests if theirs else 0,
        quality=_quality(outcomes, level),
        cost_usd=_means(*costs, _requests(ours, theirs), level),
        saved=_saved(*costs, level),
        latency_ms=_means(_latencies(ours), _latencies(theirs), _requests(ours, theirs), level),
    )


def _quality(outcomes: Sequence[JudgedOutcome], level: float) -> Comparison:
    labels = [one for one in outcomes if one.signal is Signal.LABEL]
    known = [one for one in labels if one.loss is not None]
    theirs = [one.loss == 0.0 for one in known if one.reason in _DRAWN_AWAY]
    ours = [one.loss == 0.0 for one in known if one.reason not in _DRAWN_AWAY]
    return Comparison(
        specialist=sum(ours) / len(ours) if ours else None,
        frontier=sum(theirs) / len(theirs) if theirs else None,
        difference=newcombe(sum(ours), len(ours), sum(theirs), len(theirs), level=level) if ours and theirs else None,
        unknown=len(labels) - len(known),
    )


def _means(ours: Sums, theirs: Sums, requests: int, level: float) -> Comparison:
    try:
        difference = difference_of_means(ours, theirs, level=level)
    except NotEnoughData:
        difference = None
    return Comparison(
        specialist=ours.mean if ours.n else None,
        frontier=theirs.mean if theirs.n else None,
        difference=difference,
        unknown=requests - ours.n - theirs.n,
    )


def _saved(ours: Sums, theirs: Sums, level: float) -> Estimate | None:
    try:
        ratio = ratio_of_means(ours, theirs, level=level)
    except NotEnoughData:
        return None
    return replace(ratio, value=1.0 - ratio.value, ci_low=1.0 - ratio.ci_high, ci_high=1.0 - ratio.ci_low)


def _requests(ours: ArmTotals | None, theirs: ArmTotals | None) -> int:
    return sum(arm.requests for arm in (ours, theirs) if arm is not None)


def _costs(arm: ArmTotals | None) -> Sums:
    return (
        Sums(n=0, total=0.0, squares=0.0)
        if arm is None
        else Sums(n=arm.priced, total=arm.cost_usd, squares=arm.cost_squares)
    )


def _latencies(arm: ArmTotals | None) -> Sums:
    return (
        Sums(n=0, total=0.0, squares=0.0)
        if arm is None
        else Sums(n=arm.timed, total=arm.latency_ms, squares=arm.latency_squares)
    )
