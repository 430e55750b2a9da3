"""The attempts of one request: who is asked next, after which wait, and when it is over.

Owns the order: the deployments of the model by priority, those that may be asked again, then the fallback models one
after the other. Refuses to know how an attempt is made; it is told how each one ended.

Where all places of a backend are taken the model's next deployment is asked, also one of the next priority; where none
has a place, one is waited for, before another model is asked.

A deployment is asked again only where no other of its model is left, after a wait, and only while enough attempts are
left for the fallback models that can be asked: a model that is down must not use up what another would have answered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tierwright.gateway.upstreams.balancing import among
from tierwright.gateway.upstreams.breaker import CircuitState
from tierwright.gateway.upstreams.lease import AttemptRole, Course, Lease, RefusalReason, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.gateway.upstreams.balancing import ModelRoute, Upstream
    from tierwright.gateway.upstreams.budget import Entry
    from tierwright.gateway.upstreams.failures import Failure
    from tierwright.gateway.upstreams.lease import Rules
    from tierwright.gateway.upstreams.limiter import ConcurrencyLimiter


#: Seconds after which to look again for a place: nobody knows when one gets free.
_BUSY_WAIT_S = 1.0


class _Choice(NamedTuple):
    """What to do next."""

    upstream: Upstream
    model: str
    #: Seconds to wait before it is asked.
    wait_s: float = 0.0


class _Turn:
    """What one call of `next` has been through."""

    __slots__ = ("busy", "full", "late", "queue_until", "rested")

    def __init__(self) -> None:
        #: Whether it has waited for a deployment that had failed.
        self.rested = False
        #: Backends whose queue was full, or in whose queue it has waited in vain.
        self.full: set[ConcurrencyLimiter] = set()
        #: Second of the timer until which it may wait for places, over all backends.
        self.queue_until = math.inf
        #: Whether somebody could be asked if there was a place.
        self.busy = False
        #: Whether somebody could be asked if there was time.
        self.late = False


class Attempts:
    """The attempts of one request, used by one task."""

    __slots__ = ("_before", "_course", "_draw", "_lease", "_model", "_routes", "_tried")

    def __init__(
        self, rules: Rules, routes: tuple[ModelRoute, ...], *, model: str, deadline: float, draw: float
    ) -> None:
        """The routes: of the model asked for, where anybody who serves it may be asked, then of its fallbacks."""
        self._course = Course(rules, deadline)
        self._routes = routes
        self._model = model
        self._draw = draw
        self._lease: Lease | None = None
        #: The attempt before the last one.
        self._before: Lease | None = None
        #: Those asked for a model, with their last failure.
        self._tried: dict[tuple[str, Upstream], Failure] = {}

    async def next(self) -> Lease | Refused:
        """The next attempt, or why there is none.

        The first one does not give way to other tasks unless it must wait for a place. Each further one is asked for
        after the one before has failed; that one is then released, if it was not yet. Where this is cancelled, nothing
        is held.
        """
        course = self._course
        now = course.rules.timer()
        route = self._routes[0]
        if course.number == 0 and now < course.deadline and route.model == self._model:
            upstream = route.first(self._draw)
            if upstream.health.ready(now) and upstream.limiter.take():
                lease = self._lease = Lease(
                    course, upstream, route.model, AttemptRole.PRIMARY, now, course.rules.budget.request(now)
                )
                return lease
        return await self._search()

    def withdraw(self) -> None:
        """The last attempt was not made after all, and is as if it had never been begun."""
        lease, self._lease = self._lease, self._before
        assert lease is not None
        lease.withdraw()
        tallies = self._course.rules.tallies
        if lease.role_hint is AttemptRole.FALLBACK:
            tallies.fallbacks -= 1
        elif lease.role_hint is AttemptRole.RETRY:
            tallies.retries -= 1

    def narrow(self, allowed: frozenset[str]) -> None:
        """From here on only these backends may be asked, at least one of which serves the model or a fallback."""
        self._routes = among(self._routes, allowed)

    async def _search(self) -> Lease | Refused:
        """The whole way: after a failure, or where the first choice can't be asked at once."""
        course, rules = self._course, self._course.rules
        if self._lease is not None and (over := self._settle(self._lease)) is not None:
            return self._refuse(over)
        turn = _Turn()
        entry: Entry | None = None
        try:
            while True:
                now = rules.timer()
                choice = self._choose(now, turn)
                if isinstance(choice, Refused):
                    return choice
                if course.number > 0 and entry is None:
                    # Before any wait, so that those who wait are counted, and bounded in number.
                    entry = rules.budget.retry(now)
                    if entry is None:
                        return self._refuse(RefusalReason.BUDGET_EXHAUSTED)
                if choice.wait_s > 0:
                    await rules.sleep(choice.wait_s)
                    turn.rested = True
                elif await self._place(choice.upstream, turn):
                    self._before, self._lease = self._lease, self._begin(choice, entry)
                    entry = None
                    return self._lease
        finally:
            if entry is not None:
                entry.undo()

    def _settle(self, lease: Lease) -> RefusalReason | None:
        """Closes the account of the last attempt; why there can be no further one."""
        lease.release()
        failure = lease.failure
        if failure is None:
            return RefusalReason.NOT_RETRYABLE
        self._tried[lease.model, lease.upstream] = failure
        if not self._elsewhere(failure) and not self._again_here(failure):
            return RefusalReason.NOT_RETRYABLE
        if self._course.number >= self._course.rules.resilience.max_attempts:
            return RefusalReason.ATTEMPTS_EXHAUSTED
        return None

    def _choose(self, now: float, turn: _Turn) -> _Choice | Refused:
        """What to do next, as things stand at this second of the timer."""
        if now >= self._course.deadline:
            return self._refuse(RefusalReason.DEADLINE)
        turn.busy = turn.late = False
        for position, route in enumerate(self._routes):
            choice = self._untried(route, now, turn)
            if choice is None and self._spare(position, now):
                choice = self._tried_before(route, now, turn)
            if choice is not None:
                return choice
        return self._nobody(now, turn)

    def _untried(self, route: ModelRoute, now: float, turn: _Turn) -> _Choice | None:
        """The first who was not asked yet and has a place, else the first in whose queue one may wait."""
        queue: _Choice | None = None
        for upstream in self._fresh(route, now):
            if upstream.limiter.free:
                return _Choice(upstream, route.model)
            turn.busy = True
            if queue is None and _may_queue(upstream, now, turn):
                queue = _Choice(upstream, route.model)
        return queue

    def _fresh(self, route: ModelRoute, now: float) -> Iterator[Upstream]:
        """Those not asked yet that may be, in order."""
        failure = self._failure
        if failure is not None and not self._elsewhere(failure):
            return
        for peers in route.classes:
            order = peers.order(self._draw)
            if failure is not None:
                # Whoever has failed once should not be the probe of a half-open circuit, if there is a choice.
                order.sort(key=lambda upstream: upstream.health.breaker.state(now) is not CircuitState.CLOSED)
            for upstream in order:
                if (route.model, upstream) not in self._tried and upstream.health.ready(now):
                    yield upstream

    def _spare(self, position: int, now: float) -> bool:
        """Whether there are attempts left beyond one for each later model that could be asked."""
        later = sum(any(True for _ in self._fresh(route, now)) for route in self._routes[position + 1 :])
        return self._course.rules.resilience.max_attempts - self._course.number > later

    def _tried_before(self, route: ModelRoute, now: float, turn: _Turn) -> _Choice | None:
        """Who may be asked again the soonest; after a wait, unless this turn has had its wait."""
        course = self._course
        best: _Choice | None = None
        for upstream in route.members():
            failure = self._tried.get((route.model, upstream))
            health = upstream.health
            if failure is None or not self._again_here(failure) or not health.breaker.admits(now):
                continue
            wait_s: float | None = 0.0
            if turn.rested:
                wait_s = 0.0 if health.ready(now) else None
            else:
                wait_s = course.rules.backoff.wait_s(course.number, health.cooling_s(now))
            if wait_s is None:
                continue
            if now + wait_s >= course.deadline:
                turn.late = True
            elif not upstream.limiter.free and not _may_queue(upstream, now, turn):
                turn.busy = True
            elif best is None or wait_s < best.wait_s:
                best = _Choice(upstream, route.model, wait_s)
        return best

    def _nobody(self, now: float, turn: _Turn) -> Refused:
        """Why nobody can be asked."""
        if turn.busy:
            return self._refuse(RefusalReason.TOO_BUSY, retry_after_s=_BUSY_WAIT_S)
        if turn.late:
            return self._refuse(RefusalReason.DEADLINE)
        elsewhere = self._failure is None or self._elsewhere(self._failure)
        soonest: Upstream | None = None
        for route in self._routes:
            for upstream in route.members():
                failure = self._tried.get((route.model, upstream))
                if (elsewhere if failure is None else self._again_here(failure)) and (
                    soonest is None or upstream.health.ready_in_s(now) < soonest.health.ready_in_s(now)
                ):
                    soonest = upstream
        if soonest is None:
            return self._refuse(RefusalReason.NOT_RETRYABLE)
        open_circuit = not soonest.health.breaker.admits(now)
        return self._refuse(
            RefusalReason.CIRCUITS_OPEN if open_circuit else RefusalReason.COOLING_DOWN,
            retry_after_s=soonest.health.ready_in_s(now),
        )

    async def _place(self, upstream: Upstream, turn: _Turn) -> bool:
        """Takes a place, waiting for it where there is none; whether there is one and its deployment is still fine."""
        limiter, timer = upstream.limiter, self._course.rules.timer
        if limiter.take():
            return True
        now = timer()
        turn.queue_until = min(turn.queue_until, now + limiter.queue_timeout_s)
        if not await limiter.wait(min(turn.queue_until, self._course.deadline) - now):
            turn.full.add(limiter)
            return False
        now = timer()
        if now < self._course.deadline and upstream.health.ready(now):
            return True
        limiter.give_back()
        return False

    def _begin(self, choice: _Choice, entry: Entry | None) -> Lease:
        course = self._course
        tallies = course.rules.tallies
        now = course.rules.timer()
        if choice.model != self._model:
            role = AttemptRole.FALLBACK
            tallies.fallbacks += 1
        elif course.number > 0:
            role = AttemptRole.RETRY
            tallies.retries += 1
        else:
            role = AttemptRole.PRIMARY
        return Lease(course, choice.upstream, choice.model, role, now, entry or course.rules.budget.request(now))

    def _refuse(self, why: RefusalReason, *, retry_after_s: float | None = None) -> Refused:
        self._course.rules.tallies.refusals[why] += 1
        failure = self._failure
        if retry_after_s is None and failure is not None:
            retry_after_s = failure.retry_after_s
        return Refused(why=why, retry_after_s=retry_after_s, failure=failure)

    @property
    def _failure(self) -> Failure | None:
        return None if self._lease is None else self._lease.failure

    def _elsewhere(self, failure: Failure) -> bool:
        return failure.elsewhere(retry_uncertain=self._course.rules.resilience.retry_uncertain)

    def _again_here(self, failure: Failure) -> bool:
        return failure.again_here(retry_uncertain=self._course.rules.resilience.retry_uncertain)


def _may_queue(upstream: Upstream, now: float, turn: _Turn) -> bool:
    return upstream.limiter not in turn.full and now < turn.queue_until
