"""Only those who may see a request are asked, and one who was denied it is as if it had never been chosen."""

from __future__ import annotations

from tests.unit.gateway.upstreams.builders import (
    DOWN,
    MODEL,
    OVERLOADED,
    a_config,
    a_deployment,
    assert_idle,
    leased,
    refused,
    the_upstreams,
)
from tests.unit.gateway.upstreams.virtual import now, run
from tierwright.gateway.upstreams.config import ConcurrencyConfig
from tierwright.gateway.upstreams.lease import AttemptRole, RefusalReason


def test_others_are_never_asked() -> None:
    """Of a model's deployments only those at permitted backends are tried, whatever fails."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(a_deployment("a"), a_deployment("b"), a_deployment("c", priority=1)))
        attempts = upstreams.attempts(MODEL, deadline=now() + 60, sticky=0.0, allowed=frozenset({"at-c"}))
        assert attempts is not None
        lease = await leased(attempts)
        assert (lease.deployment.name, lease.role_hint) == ("c", AttemptRole.PRIMARY)
        lease.failed(DOWN)
        lease.release()
        assert (await leased(attempts)).deployment.name == "c"

    run(story())


def test_a_fallback_alone_is_a_fallback() -> None:
    """Where only a fallback model's servers may be asked the first attempt is no primary one, and is counted so."""

    async def story() -> None:
        upstreams = the_upstreams(
            a_config(a_deployment("a"), a_deployment("b", model="other"), fallbacks={MODEL: ("other",)})
        )
        attempts = upstreams.attempts(MODEL, deadline=now() + 60, sticky=0.0, allowed=frozenset({"at-b"}))
        assert attempts is not None
        lease = await leased(attempts)
        assert (lease.model, lease.role_hint, lease.number) == ("other", AttemptRole.FALLBACK, 1)
        lease.succeeded()
        lease.release()
        assert upstreams.state().fallbacks == 1

    run(story())


def test_a_withdrawn_attempt_leaves_no_trace() -> None:
    """It counts as no attempt, no retry and no failure, holds no place, and the next one has its number."""

    async def story() -> None:
        places = {"at-a": ConcurrencyConfig(limit=1)}
        upstreams = the_upstreams(a_config(a_deployment("a"), a_deployment("b", priority=1), places=places))
        attempts = upstreams.attempts(MODEL, deadline=now() + 60, sticky=0.0)
        assert attempts is not None
        with await leased(attempts) as lease:
            assert lease.deployment.name == "a"
            attempts.withdraw()
        attempts.narrow(frozenset({"at-b"}))
        assert_idle(upstreams)
        second = await leased(attempts)
        assert (second.deployment.name, second.number, second.role_hint) == ("b", 1, AttemptRole.PRIMARY)
        second.succeeded()
        second.release()
        state = upstreams.state()
        assert {one.name: (one.attempts, dict(one.failures)) for one in state.deployments} == {
            "a": (0, {}),
            "b": (1, {}),
        }
        assert state.retries == 0
        assert_idle(upstreams)

    run(story())


def test_a_retry_that_is_withdrawn_gives_its_budget_back() -> None:
    """After a failure and a denied second attempt a third one is still a retry within the same budget and number."""

    async def story() -> None:
        config = a_config(
            a_deployment("a"), a_deployment("b", priority=1), a_deployment("c", priority=2), retry_minimum=1
        )
        upstreams = the_upstreams(config)
        attempts = upstreams.attempts(MODEL, deadline=now() + 60, sticky=0.0)
        assert attempts is not None
        first = await leased(attempts)
        first.failed(OVERLOADED)
        first.release()
        assert (await leased(attempts)).deployment.name == "b"
        attempts.withdraw()
        attempts.narrow(frozenset({"at-a", "at-c"}))
        third = await leased(attempts)
        assert (third.deployment.name, third.number, third.role_hint) == ("c", 2, AttemptRole.RETRY)
        third.failed(OVERLOADED)
        third.release()
        assert upstreams.state().retries == 1
        assert (await refused(attempts)).why is RefusalReason.BUDGET_EXHAUSTED
        assert_idle(upstreams)

    run(story())
