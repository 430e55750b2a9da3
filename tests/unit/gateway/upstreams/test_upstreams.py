"""The deployments in force, their state, and what a reload leaves of it; and all of it together under random load."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.upstreams.builders import (
    DOWN,
    FAILED,
    MISTAKE,
    MODEL,
    OVERLOADED,
    TIMED_OUT,
    UNKNOWN_MODEL,
    a_config,
    a_deployment,
    asked,
    assert_idle,
    attempts_of,
    break_down,
    leased,
    limited,
    refused,
    the_upstreams,
)
from tests.unit.gateway.upstreams.virtual import now, run, turns
from tierwright.gateway.upstreams.breaker import CircuitState
from tierwright.gateway.upstreams.config import BreakerConfig, ConcurrencyConfig, DeploymentConfig
from tierwright.gateway.upstreams.failures import Failure, FailureKind
from tierwright.gateway.upstreams.lease import Lease, RefusalReason

if TYPE_CHECKING:
    from tierwright.gateway.upstreams.upstreams import Upstreams

A, B = a_deployment("a"), a_deployment("b")
ANY = a_deployment("any", model=None, backend="local")
OTHER = a_deployment("other", model="claude")


def circuits(upstreams: Upstreams) -> list[CircuitState]:
    """The states of all deployments, in order."""
    return [one.circuit for one in upstreams.state().deployments]


def test_models_are_listed_once_with_their_owner() -> None:
    """In the order of the settings, with the backend named first; a deployment of any model lists none."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, ANY, OTHER, B))
        assert upstreams.models() == [(MODEL, "at-a"), ("claude", "at-other")]

    run(story())


def test_any_model_is_served_by_who_takes_any() -> None:
    """A model that a deployment names goes to it, any other to the one that takes any, and a task's name to nobody."""

    async def story() -> None:
        picky, open_to_all = the_upstreams(a_config(A)), the_upstreams(a_config(A, ANY))
        assert [picky.serves(model) for model in (MODEL, "llama", "task:x")] == [True, False, False]
        assert [open_to_all.serves(model) for model in (MODEL, "llama", "task:x")] == [True, True, False]
        assert picky.attempts("llama", deadline=now() + 1, sticky=None) is None
        assert open_to_all.attempts("task:x", deadline=now() + 1, sticky=None) is None
        with await leased(attempts_of(open_to_all, "llama")) as lease:
            assert (lease.deployment.name, lease.upstream_model) == ("any", "llama")
        with await leased(attempts_of(open_to_all)) as lease:
            assert lease.deployment.name == "a"

    run(story())


def test_requests_that_are_over_allow_no_retries_for_ever() -> None:
    """The share is taken of the requests of the last seconds and of those under way, not of all there ever were."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, retry_minimum=0, retry_share=0.5))
        for _ in range(20):
            (await leased(attempts_of(upstreams))).release()
        assert await asked(attempts_of(upstreams), FAILED, FAILED) == ["a", "b"]
        await asyncio.sleep(12.0)
        attempts = attempts_of(upstreams)
        assert await asked(attempts, FAILED) == ["a"]
        assert (await refused(attempts)).why is RefusalReason.BUDGET_EXHAUSTED

    run(story())


def test_traffic_follows_the_weights() -> None:
    """Of 10,000 requests a deployment of weight 3 beside one of weight 1 gets three quarters."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(a_deployment("a", weight=3.0), B))
        counts: Counter[str] = Counter()
        for _ in range(10_000):
            with await leased(attempts_of(upstreams, sticky=None)) as lease:
                counts[lease.deployment.name] += 1
        assert abs(counts["a"] - 7500) <= 5 * math.sqrt(10_000 * 0.75 * 0.25)

    run(story())


def test_conversations_stay_where_they_are() -> None:
    """The same draw goes to the same deployment, also by other upstreams of the same settings."""

    async def story() -> None:
        draws = [number / 100 for number in range(100)]
        found = []
        for seed in (1, 2):
            upstreams = the_upstreams(a_config(A, B), seed=seed)
            found.append([(await asked(attempts_of(upstreams, sticky=draw), MISTAKE))[0] for draw in draws])
        assert found[0] == found[1]
        assert set(found[0]) == {"a", "b"}

    run(story())


def test_state_tells_everything_metrics_need() -> None:
    """Circuits, cool-downs, places and counts, as they are at this moment."""

    async def story() -> None:
        config = a_config(A, B, OTHER, fallbacks={MODEL: ("claude",)}, places={"at-b": ConcurrencyConfig(limit=7)})
        upstreams = the_upstreams(config)
        await break_down(upstreams)
        assert await asked(attempts_of(upstreams), limited(9.0)) == ["b"]
        lease = await leased(attempts_of(upstreams))
        state = upstreams.state()
        a, b, other = state.deployments
        assert (a.name, a.backend, a.model, a.circuit) == ("a", "at-a", MODEL, CircuitState.OPEN)
        assert (a.attempts, a.failures, a.in_flight) == (5, {FailureKind.UNREACHABLE: 5}, 0)
        assert (b.circuit, b.cooling_s, b.failures) == (CircuitState.CLOSED, 9.0, {FailureKind.RATE_LIMITED: 1})
        assert (other.in_flight, other.attempts) == (1, 1)
        assert [(one.name, one.limit, one.in_use) for one in state.backends] == [
            ("at-a", 512, 0),
            ("at-b", 7, 0),
            ("at-other", 512, 1),
        ]
        assert (state.requests, state.retries, state.fallbacks, state.refusals) == (7, 0, 1, {})
        lease.release()

    run(story())


def test_reload_keeps_the_state_of_what_did_not_change() -> None:
    """Circuits, cool-downs and counts stay with a deployment whose weight or priority changes."""

    async def story() -> None:
        old = the_upstreams(a_config(A, B, OTHER))
        await break_down(old)
        await asked(attempts_of(old, "claude"), limited(9.0))
        changed = a_deployment("a", weight=5.0, priority=1)
        moved = a_deployment("b", upstream_model="gpt-4o-2025")
        new = old.renewed(a_config(OTHER, moved, changed))
        other, b, a = new.state().deployments
        assert (a.circuit, a.attempts) == (CircuitState.OPEN, 5)
        assert other.cooling_s == 9.0
        assert (b.circuit, b.attempts) == (CircuitState.CLOSED, 0)
        assert new.state().requests == 6

    run(story())


def test_reload_keeps_leases_and_places() -> None:
    """A lease of before is given back where it was taken, and who waited gets the place."""

    async def story() -> None:
        places = {"at-a": ConcurrencyConfig(limit=1)}
        old = the_upstreams(a_config(A, places=places))
        before = await leased(attempts_of(old))
        waiting = asyncio.create_task(attempts_of(old).next())
        await turns()
        new = old.renewed(a_config(A, B, places=places))
        assert [(one.in_use, one.waiting) for one in new.state().backends] == [(1, 1), (0, 0)]
        assert new.state().deployments[0].in_flight == 1
        before.failed(DOWN)
        before.release()
        after = await waiting
        assert isinstance(after, Lease)
        assert new.state().deployments[0].failures == {FailureKind.UNREACHABLE: 1}
        after.release()
        assert_idle(new)

    run(story())


def test_reload_brings_new_limits_at_once() -> None:
    """Places, thresholds and the retry budget are those of the new settings, for what was begun before, too."""

    async def story() -> None:
        old = the_upstreams(a_config(A, places={"at-a": ConcurrencyConfig(limit=1)}))
        first = await leased(attempts_of(old))
        waiting = asyncio.create_task(attempts_of(old).next())
        await turns()
        new = old.renewed(
            a_config(
                A,
                breaker=BreakerConfig(consecutive_failures=1),
                places={"at-a": ConcurrencyConfig(limit=2)},
                retry_minimum=0,
                retry_share=0.0,
            )
        )
        second = await waiting
        assert isinstance(second, Lease)
        first.failed(DOWN)
        assert circuits(new) == [CircuitState.OPEN]
        first.release()
        second.release()
        await asyncio.sleep(2.0)
        attempts = attempts_of(new)
        await asked(attempts, limited())
        assert (await refused(attempts)).why is RefusalReason.BUDGET_EXHAUSTED

    run(story())


def test_replaced_backend_begins_afresh() -> None:
    """What was learnt of another address is forgotten, and its leases do no harm to the new one."""

    async def story() -> None:
        old = the_upstreams(a_config(A, B))
        lease = await leased(attempts_of(old))
        await break_down(old)
        new = old.renewed(a_config(A, B), replaced={"at-a"})
        assert circuits(new) == [CircuitState.CLOSED, CircuitState.CLOSED]
        lease.failed(DOWN)
        lease.release()
        assert new.state().deployments[0].failures == {}
        assert_idle(new)

    run(story())


OUTCOMES = [
    None,
    DOWN,
    OVERLOADED,
    FAILED,
    UNKNOWN_MODEL,
    TIMED_OUT,
    MISTAKE,
    limited(),
    limited(1.0),
    limited(30.0),
    Failure(kind=FailureKind.CALLER, status=409, should_retry=True),
    Failure(kind=FailureKind.UNAUTHORIZED, status=401),
]


class Load:
    """Random requests against random deployments, checked at every attempt."""

    def __init__(self, seed: int, *, retry_uncertain: bool) -> None:
        self.random = Random(seed)
        self.retry_uncertain = retry_uncertain
        #: Attempts that began while the circuit was half open and that have said nothing yet, by deployment.
        self.probes: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        #: How bad each deployment is, in [0, 1].
        self.badness: dict[str, float] = {}

    def config(self) -> tuple[DeploymentConfig, ...]:
        """Six deployments of three models at three backends."""
        found = []
        for number in range(6):
            name = f"d{number}"
            self.badness[name] = self.random.choice([0.0, 0.2, 1.0])
            found.append(
                DeploymentConfig(
                    name=name,
                    backend=f"b{number % 3}",
                    model=[MODEL, MODEL, MODEL, MODEL, "claude", None][number],
                    weight=self.random.uniform(0.1, 5.0),
                    priority=self.random.randint(0, 1),
                )
            )
        return tuple(found)

    async def request(self, upstreams: Upstreams) -> None:
        """One request from its arrival to its end."""
        await asyncio.sleep(self.random.uniform(0.0, 60.0))
        begin = now()
        deadline = begin + self.random.uniform(0.0, 20.0)
        model = self.random.choice([MODEL, MODEL, "claude", "llama"])
        attempts = upstreams.attempts(model, deadline=deadline, sticky=None)
        assert attempts is not None
        failures: list[Failure] = []
        while True:
            lease = await attempts.next()
            if not isinstance(lease, Lease):
                assert lease.failure == (failures[-1] if failures else None)
                assert lease.retry_after_s is None or lease.retry_after_s >= 0
                self.ended[lease.why.value] += 1
                return
            assert lease.number == len(failures) + 1 <= 3
            assert now() < deadline
            assert now() < lease.attempt_deadline <= deadline
            if failures:
                last = failures[-1]
                allowed = last.elsewhere(retry_uncertain=self.retry_uncertain)
                assert allowed or last.again_here(retry_uncertain=self.retry_uncertain)
            with lease:
                failure = await self.attempt(upstreams, lease)
            if failure is None:
                self.ended["answered"] += 1
                return
            failures.append(failure)

    async def attempt(self, upstreams: Upstreams, lease: Lease) -> Failure | None:
        """One attempt: admitted rightly, and ending somehow."""
        name = lease.deployment.name
        state = {one.name: one for one in upstreams.state().deployments}[name]
        backend = {one.name: one for one in upstreams.state().backends}[lease.deployment.backend]
        assert state.circuit is not CircuitState.OPEN
        assert state.cooling_s == 0
        assert 1 <= backend.in_use <= backend.limit
        probing = state.circuit is CircuitState.HALF_OPEN
        if probing:
            self.probes[name] += 1
            assert self.probes[name] == 1
        bad = self.random.random() < self.badness[name]
        failure = self.random.choice(OUTCOMES) if bad else None
        try:
            await asyncio.sleep(self.random.choice([0.0, 0.1, 3.0, 12.0]))
        finally:
            if probing:
                self.probes[name] -= 1
        if failure is None:
            lease.succeeded()
        else:
            lease.failed(failure)
        return failure


@pytest.mark.parametrize("retry_uncertain", [False, True])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_promises_hold_under_random_load_and_cancellation(seed: int, *, retry_uncertain: bool) -> None:
    """No open circuit is asked, no second probe sent, no limit exceeded, nothing tried too often; then all is free."""

    async def story() -> None:
        load = Load(seed, retry_uncertain=retry_uncertain)
        config = a_config(
            *load.config(),
            breaker=BreakerConfig(consecutive_failures=3, window_minimum=5),
            places={
                f"b{number}": ConcurrencyConfig(limit=3, queue_limit=4, queue_timeout_s=2.0) for number in range(3)
            },
            fallbacks={MODEL: ("claude", "llama")},
            retry_uncertain=retry_uncertain,
        )
        upstreams = the_upstreams(config, seed=seed)
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(load.request(upstreams)) for _ in range(150)]
        for task in load.random.sample(tasks, 40):
            loop.call_later(load.random.uniform(0.0, 70.0), task.cancel)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        faults = [one for one in outcomes if one is not None and not isinstance(one, asyncio.CancelledError)]
        assert faults == []
        cancelled = sum(isinstance(one, asyncio.CancelledError) for one in outcomes)
        assert load.ended.total() + cancelled == 150
        assert_idle(upstreams)
        assert upstreams.state().requests <= 150

    run(story())
