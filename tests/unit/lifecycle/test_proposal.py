"""What is proposed about drift, and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import NOON, an_estimate
from tierwright.core.estimate import Estimate
from tierwright.core.ids import InferenceId
from tierwright.lifecycle.drift import DriftCheck
from tierwright.lifecycle.intents import Intent
from tierwright.lifecycle.proposal import Action, NewData, propose


def checks(*alarms: str) -> list[DriftCheck]:
    """All four checks, some with an alarm."""
    names = ("inputs", "confidence", "escalation", "answers")
    return [
        DriftCheck(name=name, alarm=name in alarms, what="", early=100, late=100, p_value=0.5, adjusted_p=1.0)
        for name in names
    ]


def an_intent(**changes: Any) -> Intent:
    """A new kind of requests with a share of 3 %."""
    fields: dict[str, Any] = {
        "grown": True,
        "new": True,
        "size": 30,
        "share": 0.03,
        "growth": an_estimate(),
        "adjusted_p": 0.01,
        "familiar": 0.0,
        "stability": an_estimate(),
        "terms": ("voucher",),
        "examples": (InferenceId("i-1"),),
    }
    return Intent(**fields | changes)


def data(**changes: Any) -> NewData:
    """A thousand requests since, most answered by a frontier model."""
    fields: dict[str, Any] = {"since": NOON, "inferences": 1000, "frontier_answers": 600, "human_labels": 40}
    return NewData(**fields | changes)


def gap(low: float, high: float) -> Estimate:
    """Correctness less confidence."""
    return Estimate(value=(low + high) / 2, ci_low=low, ci_high=high, n=100, method="a test")


@pytest.mark.parametrize(
    ("alarms", "intents", "new", "wanted"),
    [
        ((), [], data(), Action.NONE),
        ((), [an_intent()], data(), Action.RETRAIN),
        ((), [an_intent(new=False)], data(), Action.RETRAIN),
        ((), [an_intent(grown=False, new=False)], data(), Action.NONE),
        ((), [an_intent(share=0.002)], data(), Action.NONE),
        ((), [], data(new_labels={"vouchers": 12}), Action.RETRAIN),
        ((), [], data(new_labels={"vouchers": 4}), Action.NONE),
        (("inputs",), [], data(), Action.RECALIBRATE),
        (("answers",), [], data(), Action.RECALIBRATE),
        (("confidence", "escalation"), [], data(), Action.RECALIBRATE),
        (("inputs", "confidence"), [], data(), Action.RETRAIN),
        ((), [], data(gap=gap(-0.12, -0.05)), Action.RECALIBRATE),
        ((), [], data(gap=gap(-0.12, 0.01)), Action.NONE),
    ],
)
def test_proposal_follows_from_what_was_found(
    alarms: tuple[str, ...], intents: list[Intent], new: NewData, wanted: Action
) -> None:
    """Something to learn means training; a promise shown on other traffic, calibrating; else nothing."""
    found = propose(checks(*alarms), intents, new)
    assert found.action is wanted
    assert found.reasons


def test_new_data_is_counted_in_the_reasons() -> None:
    """A proposal to train says how much there is to train on, and where that is too little."""
    assert "600 answered by a frontier model and 40 labelled" in propose(checks(), [an_intent()], data()).reasons[-1]
    few = propose(checks(), [an_intent()], data(frontier_answers=10, human_labels=0)).reasons[-1]
    assert "too few yet to learn from" in few
