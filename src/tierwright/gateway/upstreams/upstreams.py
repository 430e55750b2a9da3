"""The deployments in force: which models they serve, how they are doing, and what a reload leaves of their state.

Owns the table of models and the sharing of state; `attempts` owns the order. Used on one event loop; does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.gateway.upstreams.alarm import KeyAlarm
from tierwright.gateway.upstreams.attempts import Attempts
from tierwright.gateway.upstreams.backoff import Backoff
from tierwright.gateway.upstreams.balancing import ModelRoute, Upstream, among, by_priority
from tierwright.gateway.upstreams.budget import RetryBudget
from tierwright.gateway.upstreams.config import ConcurrencyConfig
from tierwright.gateway.upstreams.health import Health
from tierwright.gateway.upstreams.lease import Rules, Tallies
from tierwright.gateway.upstreams.limiter import ConcurrencyLimiter
from tierwright.gateway.wire import TASK_PREFIX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from random import Random

    from tierwright.gateway.upstreams.balancing import Peers
    from tierwright.gateway.upstreams.breaker import CircuitState
    from tierwright.gateway.upstreams.config import DeploymentConfig, UpstreamsConfig
    from tierwright.gateway.upstreams.failures import FailureKind
    from tierwright.gateway.upstreams.lease import RefusalReason

_DEFAULT_CONCURRENCY = ConcurrencyConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """How a deployment is doing."""

    name: str
    backend: str
    #: As callers name it; None: any that no other deployment names.
    model: str | None
    circuit: CircuitState
    #: Seconds left of a cool-down; 0: none.
    cooling_s: float
    #: Attempts under way.
    in_flight: int
    #: Attempts ever begun.
    attempts: int
    #: Attempts ever failed, by kind; kinds that never occurred are left out.
    failures: Mapping[FailureKind, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendState:
    """How busy a backend is."""

    name: str
    #: Places there are.
    limit: int
    #: Places taken.
    in_use: int
    #: Requests waiting for one.
    waiting: int
    #: HTTP status with which it refuses our key; None: it does not, as far as is known.
    key_refused: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamsState:
    """Everything metrics show of the upstreams, at one instant; the sums below go on across reloads."""

    #: In the order of the settings.
    deployments: tuple[DeploymentState, ...]
    #: By name.
    backends: tuple[BackendState, ...]
    #: Requests of models that are served.
    requests: int
    #: Further attempts for the model that was asked for.
    retries: int
    #: Attempts for another model.
    fallbacks: int
    #: Requests that ended without a further attempt, by reason; reasons that never occurred are left out.
    refusals: Mapping[RefusalReason, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The state a reload carries over."""

    #: By what must not change for it to be the same deployment.
    healths: dict[tuple[str, str, str | None, str | None], Health]
    #: By the backend's name.
    limiters: dict[str, ConcurrencyLimiter]
    #: By the backend's name.
    alarms: dict[str, KeyAlarm]
    budget: RetryBudget
    tallies: Tallies


class Upstreams:
    """Who is asked for a model."""

    def __init__(
        self,
        config: UpstreamsConfig,
        *,
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        random: Random,
        held: Held | None = None,
    ) -> None:
        """`timer`: seconds of a clock that never goes back; `sleep` waits by the same clock.

        `held` is what `renewed` carries over; None: everything begins afresh.
        """
        resilience = config.resilience
        if held is None:
            budget = RetryBudget(share=resilience.retry_share, minimum=resilience.retry_minimum)
            held = Held(healths={}, limiters={}, alarms={}, budget=budget, tallies=Tallies())
        self._random = random
        self._held = held
        self._rules = Rules(
            resilience=resilience,
            budget=held.budget,
            backoff=Backoff(
                first_s=resilience.backoff_first_s,
                limit_s=resilience.backoff_limit_s,
                retry_after_limit_s=resilience.retry_after_limit_s,
                random=random,
            ),
            tallies=held.tallies,
            timer=timer,
            sleep=sleep,
        )
        for deployment in config.deployments:
            if deployment.backend not in held.limiters:
                places = config.concurrency.get(deployment.backend, _DEFAULT_CONCURRENCY)
                held.limiters[deployment.backend] = ConcurrencyLimiter(places, sleep=sleep)
            if deployment.backend not in held.alarms:
                held.alarms[deployment.backend] = KeyAlarm(deployment.backend)
            if _identity(deployment) not in held.healths:
                held.healths[_identity(deployment)] = Health(config.breaker, random=random)
        self._upstreams = tuple(
            Upstream(
                config=deployment,
                health=held.healths[_identity(deployment)],
                limiter=held.limiters[deployment.backend],
                alarm=held.alarms[deployment.backend],
            )
            for deployment in config.deployments
        )
        by_model: dict[str | None, list[Upstream]] = {}
        for upstream in self._upstreams:
            by_model.setdefault(upstream.config.model, []).append(upstream)
        #: Who serves any model; None: nobody does.
        anything = by_model.pop(None, None)
        self._of_any: tuple[Peers, ...] | None = None if anything is None else by_priority(anything)
        classes = {model: by_priority(members) for model, members in by_model.items() if model is not None}
        fallbacks = resilience.fallbacks
        #: By the model asked for: its own route, then those of its fallbacks.
        self._routes = {
            model: tuple(
                ModelRoute(name, classes.get(name) or self._of_any or ()) for name in (model, *fallbacks.get(model, ()))
            )
            for model in {**classes, **fallbacks}
        }

    def serves(self, model: str) -> bool:
        """Whether a model can be asked for. A task's name is none."""
        return model in self._routes or (self._of_any is not None and not model.startswith(TASK_PREFIX))

    def owner(self, model: str) -> str | None:
        """The backend of the model's first deployment; None: nobody serves it."""
        routes = self._routes.get(model)
        peers = routes[0].classes if routes is not None else self._of_any if self.serves(model) else None
        return peers[0].members[0].config.backend if peers else None

    def models(self) -> list[tuple[str, str]]:
        """The models that deployments name, each once, with the backend of the first that does."""
        owners: dict[str, str] = {}
        for upstream in self._upstreams:
            if upstream.config.model is not None:
                owners.setdefault(upstream.config.model, upstream.config.backend)
        return list(owners.items())

    def deployments(self, model: str) -> list[tuple[str, DeploymentConfig]]:
        """Whoever may answer a request for a model, its fallbacks included: each with the model it is asked as."""
        return [(route.model, member.config) for route in self._ways(model) or () for member in route.members()]

    def attempts(
        self, model: str, *, deadline: float, sticky: float | None, allowed: frozenset[str] | None = None
    ) -> Attempts | None:
        """The attempts of one request, up to a second of the timer; None: nobody serves the model.

        `allowed`: the backends that may be asked, at least one of which serves the model or a fallback; None: all.
        `sticky`, in [0, 1), decides among deployments of equal priority, the same way for the same value as long as
        they are well; None: a draw for this request alone.
        """
        routes = self._ways(model)
        if routes is None:
            return None
        self._rules.tallies.requests += 1
        draw = self._random.random() if sticky is None else sticky
        if allowed is not None:
            routes = among(routes, allowed)
        return Attempts(self._rules, routes, model=model, deadline=deadline, draw=draw)

    def _ways(self, model: str) -> tuple[ModelRoute, ...] | None:
        routes = self._routes.get(model)
        if routes is None and self._of_any is not None and not model.startswith(TASK_PREFIX):
            return (ModelRoute(model, self._of_any),)
        return routes

    def state(self) -> UpstreamsState:
        """How all are doing now."""
        now = self._rules.timer()
        tallies = self._rules.tallies
        return UpstreamsState(
            deployments=tuple(
                DeploymentState(
                    name=upstream.config.name,
                    backend=upstream.config.backend,
                    model=upstream.config.model,
                    circuit=upstream.health.breaker.state(now),
                    cooling_s=upstream.health.cooling_s(now),
                    in_flight=upstream.health.in_flight,
                    attempts=upstream.health.attempts,
                    failures=dict(upstream.health.failures),
                )
                for upstream in self._upstreams
            ),
            backends=tuple(
                BackendState(
                    name=name,
                    limit=limiter.limit,
                    in_use=limiter.in_use,
                    waiting=limiter.waiting,
                    key_refused=self._held.alarms[name].status,
                )
                for name, limiter in sorted(self._held.limiters.items())
            ),
            requests=tallies.requests,
            retries=tallies.retries,
            fallbacks=tallies.fallbacks,
            refusals=dict(tallies.refusals),
        )

    def renewed(self, config: UpstreamsConfig, *, replaced: Collection[str] = ()) -> Upstreams:
        """The same by other settings; to be called when everything else of them has been accepted.

        A deployment whose name, backend and models are the same keeps its circuit, cool-down and counts, and a backend
        its places, those who wait for them included; the new limits hold at once for both. `replaced` names the
        backends whose address or key has changed: they and their deployments begin afresh, counts included. What was
        begun before goes on by the deadlines and retries it began with, and its leases stay valid.
        """
        old = self._held
        rules, resilience = self._rules, config.resilience
        old.budget.retune(share=resilience.retry_share, minimum=resilience.retry_minimum)
        healths: dict[tuple[str, str, str | None, str | None], Health] = {}
        limiters: dict[str, ConcurrencyLimiter] = {}
        for deployment in config.deployments:
            if deployment.backend in replaced:
                continue
            health = old.healths.get(_identity(deployment))
            if health is not None:
                health.breaker.retune(config.breaker)
                healths[_identity(deployment)] = health
            limiter = old.limiters.get(deployment.backend)
            if limiter is not None and deployment.backend not in limiters:
                limiter.retune(config.concurrency.get(deployment.backend, _DEFAULT_CONCURRENCY))
                limiters[deployment.backend] = limiter
        alarms = {name: old.alarms[name] for name in limiters}
        for alarm in alarms.values():
            alarm.keep({name for name, *_ in healths})
        held = Held(healths=healths, limiters=limiters, alarms=alarms, budget=old.budget, tallies=old.tallies)
        return Upstreams(config, timer=rules.timer, sleep=rules.sleep, random=self._random, held=held)


def _identity(deployment: DeploymentConfig) -> tuple[str, str, str | None, str | None]:
    return deployment.name, deployment.backend, deployment.model, deployment.upstream_model
