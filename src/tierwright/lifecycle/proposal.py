"""What to do about drift: train again, calibrate again, or nothing.

Owns the rule and its reasons. Refuses to do any of it: a person, or a job that a person set up, does.

    retrain       there is something to learn: a kind of request that is new or handed on more often, answers outside
                  of the contract, or inputs that changed together with the specialist's confidence in them
    recalibrate   the specialist may be as good as it was, but what its threshold promises was shown on other traffic
    none          nothing changed by enough to matter
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tierwright.core.estimate import Estimate
    from tierwright.lifecycle.drift import DriftCheck
    from tierwright.lifecycle.intents import Intent

#: Share of requests from which a new kind, or answers outside of the contract, are worth training for.
_WORTH = 0.01
#: Points between confidence and correctness, in people's labels, from which confidence is wrong.
_GAP = 0.02
#: Different examples without which a dataset is not built.
_FEWEST = 50


class Action(StrEnum):
    """What is proposed."""

    RETRAIN = "retrain"
    RECALIBRATE = "recalibrate"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewData:
    """What has come since the dataset of the specialist was made."""

    #: The last request of that dataset.
    since: datetime
    #: Requests of the task since.
    inferences: int
    #: Those a frontier model answered within the contract: what a new dataset can learn from.
    frontier_answers: int
    #: Those with a person's answer.
    human_labels: int
    #: Frontier answers outside of the contract, or a person's, by the answer; the most frequent first.
    new_labels: Mapping[str, int] = field(default_factory=dict)
    #: Correctness less confidence of local answers with a person's label, in [-1, 1]; None: too few labels.
    gap: Estimate | None = None
    #: What the learning curve foretells of training on this as well; None: it was not measured, or says nothing.
    expected_gain: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftProposal:
    """What to do, and why."""

    action: Action
    #: Each in a sentence; never empty.
    reasons: tuple[str, ...]


def propose(checks: Sequence[DriftCheck], intents: Sequence[Intent], data: NewData) -> DriftProposal:
    """The proposal that follows from what was found."""
    alarms = {check.name for check in checks if check.alarm}
    learn = _to_learn(alarms, intents, data)
    if learn:
        return DriftProposal(action=Action.RETRAIN, reasons=(*learn, _supply(data)))
    calibrate = _to_calibrate(alarms, data)
    if calibrate:
        return DriftProposal(action=Action.RECALIBRATE, reasons=tuple(calibrate))
    made = sum(check.p_value is not None for check in checks)
    return DriftProposal(
        action=Action.NONE,
        reasons=(f"{made} of {len(checks)} checks were made, and none found a change that matters",),
    )


def _to_learn(alarms: set[str], intents: Sequence[Intent], data: NewData) -> list[str]:
    found = []
    grown = [intent for intent in intents if intent.grown]
    if grown and sum(intent.share for intent in grown) >= _WORTH:
        found.append(
            f"{len(grown)} kind{'s' if len(grown) > 1 else ''} of requests that the specialist hands on became more "
            f"frequent, together {sum(intent.share for intent in grown):.1%} of the late traffic, "
            f"{sum(intent.new for intent in grown)} of them new"
        )
    outside = sum(data.new_labels.values())
    if outside >= max(5, _WORTH * data.inferences):
        found.append(f"{outside} answers outside of the contract, {len(data.new_labels)} different ones")
    if alarms & {"inputs", "meaning"} and alarms & {"confidence", "escalation"}:
        found.append("inputs changed, and with them how sure the specialist is: it meets what it has not learned")
    return found


def _to_calibrate(alarms: set[str], data: NewData) -> list[str]:
    found = []
    if alarms:
        found.append(
            f"{', '.join(sorted(alarms))} changed: what the threshold promises was shown on other traffic, and fresh "
            "labels say whether it still holds"
        )
    if data.gap is not None and (data.gap.ci_high < -_GAP or data.gap.ci_low > _GAP):
        found.append(
            f"people's labels put correctness {100 * data.gap.value:+.1f} points "
            f"[{100 * data.gap.ci_low:+.1f}, {100 * data.gap.ci_high:+.1f}] from confidence"
        )
    return found


def _supply(data: NewData) -> str:
    usable = data.frontier_answers + data.human_labels
    text = (
        f"{data.inferences:,} requests have come since the dataset's last one, {data.frontier_answers:,} answered by a "
        f"frontier model and {data.human_labels:,} labelled by people"
    )
    return text if usable >= _FEWEST else f"{text}: too few yet to learn from, {_FEWEST} are needed"
