"""One attempt that may be made, or why none may.

Owns the account of an attempt: its place, its circuit's token, its entry in the retry budget, given back once. Refuses
to know who is asked next.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from tierwright.gateway.upstreams.failures import Blame, FailureKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from tierwright.gateway.upstreams.backoff import Backoff
    from tierwright.gateway.upstreams.balancing import Upstream
    from tierwright.gateway.upstreams.budget import Entry, RetryBudget
    from tierwright.gateway.upstreams.config import DeploymentConfig, ResilienceConfig
    from tierwright.gateway.upstreams.failures import Failure

#: Seconds by which a timer may fire before its time.
_EARLY_S = 0.01


class RefusalReason(StrEnum):
    """Why there is no attempt, or no further one."""

    #: Every circuit that could be asked is open, or half open with its probe under way.
    CIRCUITS_OPEN = "circuits_open"
    #: A provider wants no requests for a while, and nobody else can be asked.
    COOLING_DOWN = "cooling_down"
    #: All places of the backends are taken, and too many wait or the wait was too long.
    TOO_BUSY = "too_busy"
    #: There are too many second attempts already.
    BUDGET_EXHAUSTED = "budget_exhausted"
    #: The request has had all its attempts.
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    #: The request's time is over, or would be before the next attempt could begin.
    DEADLINE = "deadline"
    #: The last attempt is not to be repeated: it did not fail, or for good, or may have been billed.
    NOT_RETRYABLE = "not_retryable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No attempt."""

    why: RefusalReason
    #: Seconds after which it may be worth asking again; None: nothing is known of it.
    retry_after_s: float | None = None
    #: How the last attempt failed; None: there was none.
    failure: Failure | None = None


class AttemptRole(StrEnum):
    """What an attempt is in the course of its request."""

    PRIMARY = "primary"
    #: The same model again, at the same deployment or at another.
    RETRY = "retry"
    #: Another model than the one asked for.
    FALLBACK = "fallback"


@dataclass(slots=True, kw_only=True)
class Tallies:
    """What metrics count; grows only."""

    #: Requests of models that are served.
    requests: int = 0
    #: Further attempts for the model that was asked for.
    retries: int = 0
    #: Attempts for another model.
    fallbacks: int = 0
    #: Requests that ended without a further attempt, by reason.
    refusals: Counter[RefusalReason] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What all attempts go by."""

    resilience: ResilienceConfig
    budget: RetryBudget
    backoff: Backoff
    tallies: Tallies
    #: Seconds of a clock that never goes back.
    timer: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class Course:
    """What the attempts of one request share."""

    __slots__ = ("deadline", "number", "rules", "suspects")

    def __init__(self, rules: Rules, deadline: float) -> None:
        self.rules = rules
        #: Second of the timer at which the request's time is over.
        self.deadline = deadline
        #: Attempts made, the one under way included.
        self.number = 0
        #: Attempts whose failure may be the caller's fault, until another deployment answers the same request.
        self.suspects: list[tuple[Upstream, int]] = []


class Lease:
    """An attempt that may be made now; a context that gives back what it holds.

    `succeeded` may be said as soon as the answer is known to be one, and `failed` still after it, where the answer then
    breaks off. With neither, nothing is concluded: the caller has gone. `release` must follow in every case, also where
    the task is cancelled; saying it again changes nothing.
    """

    __slots__ = (
        "_began",
        "_course",
        "_entry",
        "_released",
        "_succeeded",
        "_token",
        "attempt_deadline",
        "failure",
        "model",
        "number",
        "role_hint",
        "upstream",
    )

    def __init__(
        self, course: Course, upstream: Upstream, model: str, role_hint: AttemptRole, now: float, entry: Entry
    ) -> None:
        """A place must have been taken, and the circuit must admit; from here on both are this lease's to give back."""
        self._course = course
        #: Who is asked, with its state.
        self.upstream = upstream
        self._token = upstream.health.begin(now)
        self._began = now
        self._entry = entry
        self._succeeded = False
        self._released = False
        #: How it failed; None: not, or not yet.
        self.failure: Failure | None = None
        #: The model, as callers name it: the one asked for, or a fallback.
        self.model = model
        #: 1 for the first attempt of its request.
        self.number = course.number = course.number + 1
        self.role_hint = role_hint
        latest = now + course.rules.resilience.attempt_timeout_s
        #: Second of the timer at which the attempt is to be given up.
        self.attempt_deadline = min(course.deadline, latest)

    @property
    def deployment(self) -> DeploymentConfig:
        """Who is asked."""
        return self.upstream.config

    @property
    def upstream_model(self) -> str:
        """The model, as the backend names it."""
        return self.upstream.config.upstream_model or self.model

    def succeeded(self) -> None:
        """The deployment has answered."""
        if self._succeeded or self.failure is not None or self._released:
            return
        self._succeeded = True
        now = self._course.rules.timer()
        self.upstream.health.succeeded(self._token, now)
        self.upstream.alarm.taken(self.upstream.config.name)
        if self._course.suspects:
            for upstream, token in self._course.suspects:
                upstream.health.breaker.failed(token, now)
            self._course.suspects.clear()

    def failed(self, failure: Failure) -> None:
        """The attempt failed; the first failure counts."""
        if self.failure is not None or self._released:
            return
        self.failure = failure
        now = self._course.rules.timer()
        health, blame = self.upstream.health, failure.blame
        health.failed(failure, began=self._began, now=now, backoff=self._course.rules.backoff)
        if failure.alarming and failure.status is not None:
            self.upstream.alarm.refused(self.upstream.config.name, failure.status, now)
        if blame is Blame.NEVER or self._cut_short(failure, now):
            return
        if blame is Blame.AT_ONCE or health.breaker.probes(self._token):
            health.breaker.failed(self._token, now)
        else:
            self._course.suspects.append((self.upstream, self._token))

    def release(self) -> None:
        """Gives back the place and all else; nothing that is said after it counts."""
        if self._released:
            return
        self._released = True
        self.upstream.health.ended(self._token)
        self.upstream.limiter.give_back()
        self._entry.end()

    def withdraw(self) -> None:
        """Gives everything back as if it had never been taken: nobody was asked."""
        if self._released:
            return
        self._released = True
        self._course.number -= 1
        self.upstream.health.withdrawn(self._token)
        self.upstream.limiter.give_back()
        self._entry.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _cut_short(self, failure: Failure, now: float) -> bool:
        """Whether the request's own deadline left the attempt less time than the settings give one."""
        return (
            failure.kind is FailureKind.TIMED_OUT
            and self.attempt_deadline < self._began + self._course.rules.resilience.attempt_timeout_s
            and now >= self.attempt_deadline - _EARLY_S
        )
