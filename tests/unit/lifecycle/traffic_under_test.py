"""Traffic of a task as drift sees it, with a daily cycle, the same every time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tests.fakes import NOON
from tierwright.core.ids import InferenceId
from tierwright.lifecycle.windows import Observed

if TYPE_CHECKING:
    from collections.abc import Callable

TOPICS = {
    "billing": ["invoice wrong amount", "charged twice again", "refund still missing", "direct debit failed"],
    "delivery": ["parcel never arrived", "courier left nothing", "tracking number unknown", "doorstep empty box"],
    "account": ["password not accepted", "login page broken", "locked out today", "profile picture gone"],
}
FILLER = [
    *("please", "help", "me", "with", "this", "thank", "you", "very", "much", "hello", "team", "have", "question"),
    *("about", "my", "order", "since", "monday"),
]
#: The late traffic of `traffic` begins here.
SINCE = NOON + timedelta(days=14)


def request(number: int, at: datetime, rng: np.random.Generator, *, night: float = 0.0) -> Observed:
    """A request on one of the topics; `night` is the share of requests about billing that come at night only."""
    topic = sorted(TOPICS)[int(rng.integers(len(TOPICS)))]
    if at.hour < 8 and rng.random() < night:
        topic = "billing"
    filler = [FILLER[place] for place in rng.integers(len(FILLER), size=6).tolist()]
    words = [*filler[:4], TOPICS[topic][int(rng.integers(4))], *filler[4:]]
    confidence = float(rng.beta(8, 2))
    return Observed(
        id=InferenceId(f"i-{number:06d}"),
        at=at,
        input=" ".join(words),
        answer=topic,
        confidence=confidence,
        local=confidence >= 0.7,
    )


def traffic(
    *,
    early_days: int = 14,
    late_days: int = 7,
    a_day: int = 24,
    seed: int = 0,
    night: float = 0.0,
    change: Callable[[Observed, np.random.Generator, float], Observed] | None = None,
) -> tuple[list[Observed], list[Observed]]:
    """Early and late requests; `change` is done to each late one, with its place in the late time, 0 to 1."""
    rng = np.random.default_rng(seed)
    early: list[Observed] = []
    late: list[Observed] = []
    for day in range(-early_days, late_days):
        for place in range(a_day):
            at = SINCE + timedelta(days=day, hours=24 * (place + float(rng.random())) / a_day)
            one = request(len(early) + len(late), at, rng, night=night)
            if day < 0:
                early.append(one)
            else:
                late.append(one if change is None else change(one, rng, (at - SINCE) / timedelta(days=late_days)))
    return early, late
