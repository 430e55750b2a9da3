"""How one deployment is doing: its circuit, its cool-down, what it has under way, what became of the rest.

Owns what is remembered of a deployment, across reloads of the settings too. Refuses to know who else could be asked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tierwright.gateway.upstreams.breaker import CircuitBreaker
from tierwright.gateway.upstreams.failures import FailureClass, FailureKind

if TYPE_CHECKING:
    from random import Random

    from tierwright.gateway.upstreams.backoff import Backoff
    from tierwright.gateway.upstreams.config import BreakerConfig
    from tierwright.gateway.upstreams.failures import Failure


class Health:
    """The state of one deployment. `now` is always seconds of a timer that never goes back.

    A 429 opens no circuit. It sets a cool-down until its Retry-After; without one, a second 429 in a row sets a short
    one, which grows: a single one may be due to a single large request, and must not stop all others.
    """

    __slots__ = ("_cooled_at", "_limited", "attempts", "breaker", "cooling_until", "failures", "in_flight")

    def __init__(self, config: BreakerConfig, *, random: Random) -> None:
        self.breaker = CircuitBreaker(config, random=random)
        #: Second of the timer until which the provider wants no request.
        self.cooling_until = -math.inf
        #: When a cool-down was last set for want of a Retry-After.
        self._cooled_at = -math.inf
        #: 429s without a Retry-After in a row.
        self._limited = 0
        #: Attempts under way.
        self.in_flight = 0
        #: Attempts ever begun.
        self.attempts = 0
        #: Attempts that failed, by kind.
        self.failures: dict[FailureKind, int] = {}

    def ready(self, now: float) -> bool:
        """Whether it may be asked."""
        return now >= self.cooling_until and self.breaker.admits(now)

    def cooling_s(self, now: float) -> float:
        """Seconds left of its cool-down; 0: none."""
        return max(0.0, self.cooling_until - now)

    def ready_in_s(self, now: float) -> float:
        """Seconds until it may be asked; 0: now."""
        return max(self.cooling_s(now), self.breaker.ready_in_s(now))

    def begin(self, now: float) -> int:
        """An attempt begins; the token of its circuit."""
        self.in_flight += 1
        self.attempts += 1
        return self.breaker.begin(now)

    def succeeded(self, token: int, now: float) -> None:
        """The attempt was answered."""
        self._limited = 0
        self.breaker.succeeded(token, now)

    def failed(self, failure: Failure, *, began: float, now: float, backoff: Backoff) -> None:
        """The attempt begun at `began` failed; whether its circuit is told is for the caller to decide."""
        self.failures[failure.kind] = self.failures.get(failure.kind, 0) + 1
        if failure.failure_class is not FailureClass.SAFE:
            return
        if failure.retry_after_s is not None:
            self.cooling_until = max(self.cooling_until, now + failure.retry_after_s)
        elif failure.kind is FailureKind.RATE_LIMITED and began >= self._cooled_at:
            # What was under way when the cool-down was set tells nothing new.
            self._limited += 1
            if self._limited > 1:
                self._cooled_at = now
                self.cooling_until = max(self.cooling_until, now + backoff.ceiling_s(self._limited - 1))

    def withdrawn(self, token: int) -> None:
        """The attempt was not made after all."""
        self.attempts -= 1
        self.ended(token)

    def ended(self, token: int) -> None:
        """The attempt is over, with a verdict or without."""
        self.in_flight -= 1
        self.breaker.dropped(token)
