"""What becomes known about the answers of a specialist in service, and what happens when it breaks its promise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import DeploymentId, IncidentId, InferenceId, ModelVersionId, TaskId
    from tierwright.core.inference import RouteReason

#: Who says `author` so, or `audit:` and a name, says of answers that were picked at random, and not because of what
#: they are; whatever the answer was, right ones too.
RANDOM_AUTHOR = "audit"


class Signal(StrEnum):
    """Who has spoken on an answer, and how the answer was picked."""

    #: A person, on an answer picked at random: the share that is wrong is the error rate.
    LABEL = "label"
    #: The frontier model, asked the same in a random sample of requests: the share that differs is the disagreement.
    AUDIT = "audit"
    #: A person, on an answer they picked themselves, mostly because it was wrong: no rate follows from it.
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """An answer to a request of a deployment, with what somebody said on it later."""

    inference_id: InferenceId
    signal: Signal
    #: Why the answer came from where it came from.
    reason: RouteReason
    answered_at: datetime
    #: What the caller got; None: no text, or content is not kept.
    given: str | None
    #: What it should have been, or what the frontier model said; None: nothing, or content is not kept.
    wanted: str | None
    #: Whether both meant the same, where that was found out before; None: it was not.
    agrees: bool | None
    #: Probability with which the answer was picked; 1 where that is not known, or was the same for all.
    propensity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOutcome:
    """An answer whose loss is known, as the monitor entered it. Entered once, never changed: the test bets on it once.

    Holds no content, and stays when content expires.
    """

    #: The first decision of the service it belongs to (see `lifecycle.service`).
    service_id: DeploymentId
    #: Its place in the order of entry, counted from 0 without gaps.
    place: int
    inference_id: InferenceId
    signal: Signal
    reason: RouteReason
    answered_at: datetime
    #: 0: right, 1: wrong; None: it can't be told, since content was not kept or answers of its kind can't be compared.
    loss: float | None
    #: The smallest probability of being picked, divided by its own; in (0, 1].
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTotals:
    """Sums over the requests of a deployment that were drawn into one arm: to a specialist, or to the frontier."""

    #: Whether the specialist was to be asked.
    specialist: bool
    #: How many requests.
    requests: int
    #: Of which had an error status.
    failed: int
    #: Of which all calls have a price.
    priced: int
    #: US dollars of the priced ones, all calls included, and the sum of their squares.
    cost_usd: float
    cost_squares: float
    #: Of which the latency was measured.
    timed: int
    #: Milliseconds of the timed ones, and the sum of their squares.
    latency_ms: float
    latency_squares: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A promise that was broken: what was seen, and what was done."""

    id: IncidentId
    task_id: TaskId
    #: The decision that was in force.
    deployment_id: DeploymentId
    #: The first decision of its service.
    service_id: DeploymentId
    model_version_id: ModelVersionId
    created_at: datetime
    #: What was watched.
    signal: Signal
    #: The rate that was allowed.
    limit: float
    #: Where the limit comes from, in words.
    limit_from: str
    #: The greatest e-value; 1 / `delta` was needed.
    e_value: float
    #: Probability of a false alarm, at any time, while the limit holds.
    delta: float
    #: The rate of all answers that were looked at, in an interval that holds at all times.
    rate: Estimate
    #: When the first and the last of the answers looked at were given.
    first_at: datetime
    last_at: datetime
    #: The newest answers that were wrong, at most twenty.
    examples: tuple[InferenceId, ...]
    #: People's corrections of other answers in the same time.
    reports: int
    #: The decision that followed.
    followed_by: DeploymentId
    #: In words.
    summary: str
