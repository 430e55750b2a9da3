"""Circuit breaker: a deployment that fails is left alone for a while, then tried with one request at a time.

Owns the states and what opens and closes a circuit (M. Nygard, "Release It!", 2007; the thresholds follow Envoy's
outlier detection). Refuses to know what a failure is: `failures` says what is held against a deployment.

    CLOSED ──too many failures──> OPEN ──its time is over──> HALF_OPEN ──enough good probes──> CLOSED
                                   ^───────────a probe fails───────────┘
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING

from tierwright.gateway.upstreams.window import RollingCount

if TYPE_CHECKING:
    from random import Random

    from tierwright.gateway.upstreams.config import BreakerConfig

#: Seconds after which to look again while a probe is under way: nobody knows when it ends.
_PROBE_WAIT_S = 1.0
#: Doublings after which any first time has met any limit; the power itself must not overflow.
_DOUBLINGS = 60


class CircuitState(IntEnum):
    """As metrics show it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """The circuit of one deployment. `now` is always seconds of a timer that never goes back.

    Every attempt gets a token from `begin` and hands it back with what became of it. A token whose period is over
    counts for nothing: an answer from before the circuit opened does not close it, nor a failure open it a second time.
    """

    __slots__ = (
        "_attempts",
        "_closed_at",
        "_config",
        "_failures",
        "_good_probes",
        "_in_a_row",
        "_open_until",
        "_openings",
        "_period",
        "_probing",
        "_random",
        "_state",
    )

    def __init__(self, config: BreakerConfig, *, random: Random) -> None:
        self._config = config
        self._random = random
        self._state = CircuitState.CLOSED
        self._period = 0
        self._attempts = RollingCount(config.window_s)
        self._failures = RollingCount(config.window_s)
        self._in_a_row = 0
        #: Openings without a healthy window between them.
        self._openings = 0
        self._open_until = 0.0
        self._closed_at = -math.inf
        self._probing = False
        self._good_probes = 0

    def state(self, now: float) -> CircuitState:
        """Where it stands."""
        if self._state is CircuitState.OPEN and now >= self._open_until:
            return CircuitState.HALF_OPEN
        return self._state

    def admits(self, now: float) -> bool:
        """Whether an attempt may begin."""
        if self._state is CircuitState.CLOSED:
            return True
        if self._state is CircuitState.OPEN:
            return now >= self._open_until
        return not self._probing

    def ready_in_s(self, now: float) -> float:
        """Seconds until an attempt may begin; 0: now. While a probe is under way it is a guess."""
        if self._state is CircuitState.OPEN:
            return max(0.0, self._open_until - now)
        return _PROBE_WAIT_S if self._probing else 0.0

    def begin(self, now: float) -> int:
        """The token of an attempt that begins; only where `admits` says so."""
        assert self.admits(now)
        if self._state is not CircuitState.CLOSED:
            if self._state is CircuitState.OPEN:
                self._state = CircuitState.HALF_OPEN
                self._good_probes = 0
            self._probing = True
            self._period += 1
        return self._period

    def probes(self, token: int) -> bool:
        """Whether the attempt is the probe that is under way."""
        return self._probing and token == self._period

    def succeeded(self, token: int, now: float) -> None:
        """The attempt was answered."""
        if token != self._period:
            return
        if self._state is CircuitState.CLOSED:
            self._in_a_row = 0
            self._attempts.add(now)
        elif self._probing:
            self._probing = False
            self._good_probes += 1
            if self._good_probes >= self._config.probes:
                self._close(now)

    def failed(self, token: int, now: float) -> None:
        """The attempt failed, and the deployment is to blame."""
        if token != self._period:
            return
        if self._state is CircuitState.HALF_OPEN:
            self._open(now)
        elif self._state is CircuitState.CLOSED:
            self._in_a_row += 1
            self._attempts.add(now)
            self._failures.add(now)
            attempts = self._attempts.total(now)
            if self._in_a_row >= self._config.consecutive_failures or (
                attempts >= self._config.window_minimum
                and self._failures.total(now) >= self._config.failure_rate * attempts
            ):
                if now - self._closed_at > self._config.window_s:
                    self._openings = 0
                self._open(now)

    def dropped(self, token: int) -> None:
        """The attempt ended and says nothing of the deployment; after a verdict this changes nothing."""
        if self._probing and token == self._period:
            self._probing = False

    def retune(self, config: BreakerConfig) -> None:
        """Goes by other thresholds from now on; a circuit that is open stays open for as long as it was to."""
        if config.window_s != self._config.window_s:
            self._attempts, self._failures = RollingCount(config.window_s), RollingCount(config.window_s)
        self._config = config

    def _open(self, now: float) -> None:
        self._openings += 1
        longest = min(self._config.open_limit_s, self._config.open_first_s * 2.0 ** min(self._openings - 1, _DOUBLINGS))
        # At least half of it: a draw near nothing would be no pause.
        self._open_until = now + longest * self._random.uniform(0.5, 1.0)
        self._state = CircuitState.OPEN
        self._probing = False
        self._period += 1

    def _close(self, now: float) -> None:
        self._state = CircuitState.CLOSED
        self._period += 1
        self._closed_at = now
        self._in_a_row = 0
        self._attempts.clear()
        self._failures.clear()
