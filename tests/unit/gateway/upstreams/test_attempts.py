"""Who is asked next, after which wait, and when it is over."""

from __future__ import annotations

import asyncio

import pytest

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
from tests.unit.gateway.upstreams.virtual import BEGIN, now, run, turns
from tierwright.gateway.upstreams.breaker import CircuitState
from tierwright.gateway.upstreams.config import BreakerConfig, ConcurrencyConfig, DeploymentConfig
from tierwright.gateway.upstreams.failures import Failure, FailureKind
from tierwright.gateway.upstreams.lease import AttemptRole, Lease, RefusalReason

A, B, C = a_deployment("a"), a_deployment("b"), a_deployment("c")
OTHER = a_deployment("other", model="claude", upstream_model="claude-x")


def test_first_attempt_gives_way_to_nobody() -> None:
    """Where all is well the first attempt is there without a turn of the loop."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A)))
        with pytest.raises(StopIteration) as over:
            attempts.next().send(None)
        lease = over.value.value
        assert isinstance(lease, Lease)
        assert (lease.deployment, lease.number, lease.role_hint) == (A, 1, AttemptRole.PRIMARY)
        assert (lease.model, lease.upstream_model) == (MODEL, MODEL)
        lease.release()

    run(story())


def test_attempt_ends_with_its_own_time_or_the_request() -> None:
    """The deadline of an attempt is the earlier of the two."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, attempt_timeout_s=30.0))
        with await leased(attempts_of(upstreams, within_s=60.0)) as long:
            assert long.attempt_deadline == BEGIN + 30.0
        with await leased(attempts_of(upstreams, within_s=10.0)) as short:
            assert short.attempt_deadline == BEGIN + 10.0

    run(story())


def test_another_deployment_is_asked_at_once() -> None:
    """After a failure the others follow without a wait, each once, and the role says it is a retry."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, C))
        attempts = attempts_of(upstreams)
        assert await asked(attempts, FAILED) == ["a"]
        second = await leased(attempts)
        assert (second.deployment.name, second.number, second.role_hint) == ("b", 2, AttemptRole.RETRY)
        second.failed(OVERLOADED)
        assert await asked(attempts, FAILED) == ["c"]
        assert now() == BEGIN
        assert (await refused(attempts)).why is RefusalReason.ATTEMPTS_EXHAUSTED
        assert upstreams.state().retries == 2
        assert_idle(upstreams)

    run(story())


def test_lower_priority_numbers_come_first() -> None:
    """A deployment of a higher number is asked only after all of the lower ones, whatever the weights."""

    async def story() -> None:
        spare = a_deployment("spare", priority=1, weight=1000.0)
        attempts = attempts_of(the_upstreams(a_config(spare, A, B)), sticky=0.9)
        assert await asked(attempts, FAILED, FAILED, FAILED) == ["b", "a", "spare"]

    run(story())


def test_only_deployment_is_asked_again_after_a_wait() -> None:
    """Where nothing was accepted the same one is tried again, after at most half a second, then at most one."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A))
        attempts = attempts_of(upstreams)
        assert await asked(attempts, OVERLOADED, OVERLOADED) == ["a", "a"]
        assert BEGIN < now() <= BEGIN + 0.5
        before = now()
        assert await asked(attempts, OVERLOADED) == ["a"]
        assert before < now() <= before + 1.0
        refusal = await refused(attempts)
        assert (refusal.why, refusal.failure) == (RefusalReason.ATTEMPTS_EXHAUSTED, OVERLOADED)

    run(story())


@pytest.mark.parametrize("failure", [FAILED, UNKNOWN_MODEL, Failure(kind=FailureKind.UNAUTHORIZED, status=401)])
def test_what_failed_for_good_is_tried_elsewhere_only(failure: Failure) -> None:
    """The same deployment would say the same; another one may not."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A, B)))
        assert await asked(attempts, failure, failure) == ["a", "b"]
        refusal = await refused(attempts)
        assert (refusal.why, refusal.failure) == (RefusalReason.NOT_RETRYABLE, failure)

    run(story())


@pytest.mark.parametrize(
    "failure",
    [TIMED_OUT, Failure(kind=FailureKind.LOST), Failure(kind=FailureKind.GATEWAY, status=502)],
)
def test_what_may_be_billed_is_not_tried_again_without_leave(failure: Failure) -> None:
    """An attempt that the provider may have accepted is the last one, unless the settings say otherwise."""

    async def story() -> None:
        cautious = attempts_of(the_upstreams(a_config(A, B)))
        assert await asked(cautious, failure) == ["a"]
        refusal = await refused(cautious)
        assert (refusal.why, refusal.failure) == (RefusalReason.NOT_RETRYABLE, failure)
        bold = attempts_of(the_upstreams(a_config(A, B, retry_uncertain=True)))
        assert await asked(bold, failure, failure, failure) == ["a", "b", "a"]

    run(story())


def test_mistake_of_the_caller_goes_nowhere_else() -> None:
    """It is passed on after one attempt, and no number of mistakes opens a circuit."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, OTHER, fallbacks={MODEL: ("claude",)}))
        for _ in range(50):
            attempts = attempts_of(upstreams)
            assert await asked(attempts, MISTAKE) == ["a"]
            assert (await refused(attempts)).why is RefusalReason.NOT_RETRYABLE
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED

    run(story())


def test_server_decides_about_its_own_second_attempt() -> None:
    """With x-should-retry even a conflict is tried again there, and an overload that says no only elsewhere."""

    async def story() -> None:
        conflict = Failure(kind=FailureKind.CALLER, status=409, should_retry=True)
        attempts = attempts_of(the_upstreams(a_config(A, B)))
        assert await asked(attempts, conflict, conflict) == ["a", "a"]
        final = Failure(kind=FailureKind.RATE_LIMITED, status=429, should_retry=False)
        attempts = attempts_of(the_upstreams(a_config(A, B)))
        assert await asked(attempts, final, final) == ["a", "b"]
        assert (await refused(attempts)).why is RefusalReason.NOT_RETRYABLE

    run(story())


def test_attempt_that_did_not_fail_is_the_last() -> None:
    """Without a failure there is nothing to try again."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A, B)))
        lease = await leased(attempts)
        lease.succeeded()
        refusal = await refused(attempts)
        assert (refusal.why, refusal.failure) == (RefusalReason.NOT_RETRYABLE, None)

    run(story())


def test_fallback_models_follow_in_order() -> None:
    """They come after all of the model's own, with their own names upstream, and the role says so."""

    async def story() -> None:
        third = a_deployment("third", model="mistral")
        config = a_config(third, OTHER, A, fallbacks={MODEL: ("claude", "mistral")})
        upstreams = the_upstreams(config)
        attempts = attempts_of(upstreams)
        assert await asked(attempts, FAILED) == ["a"]
        second = await leased(attempts)
        assert (second.role_hint, second.model, second.upstream_model) == (AttemptRole.FALLBACK, "claude", "claude-x")
        second.failed(FAILED)
        assert await asked(attempts, FAILED) == ["third"]
        assert (upstreams.state().retries, upstreams.state().fallbacks) == (0, 2)
        other_way = attempts_of(upstreams, "claude")
        assert await asked(other_way, FAILED) == ["other"]
        assert (await refused(other_way)).why is RefusalReason.NOT_RETRYABLE

    run(story())


@pytest.mark.parametrize(
    ("own", "attempts_allowed", "expected"),
    [
        ([A], 2, ["a", "other"]),
        ([A], 3, ["a", "a", "other"]),
        ([A], 4, ["a", "a", "a", "other"]),
        ([A, B], 3, ["a", "b", "other"]),
    ],
)
def test_second_tries_leave_an_attempt_for_the_fallback(
    own: list[DeploymentConfig], attempts_allowed: int, expected: list[str]
) -> None:
    """A model that is down is tried again only with attempts that no fallback needs."""

    async def story() -> None:
        config = a_config(*own, OTHER, fallbacks={MODEL: ("claude",)}, max_attempts=attempts_allowed)
        attempts = attempts_of(the_upstreams(config))
        assert await asked(attempts, *[DOWN] * attempts_allowed) == expected
        assert (await refused(attempts)).why is RefusalReason.ATTEMPTS_EXHAUSTED

    run(story())


def test_fallback_that_can_not_be_asked_needs_no_attempt() -> None:
    """With its circuit open the fallback keeps no attempt from the model itself."""

    async def story() -> None:
        breaker = BreakerConfig(open_first_s=10.0)
        upstreams = the_upstreams(a_config(A, OTHER, breaker=breaker, fallbacks={MODEL: ("claude",)}))
        await break_down(upstreams, model="claude")
        assert await asked(attempts_of(upstreams), OVERLOADED, OVERLOADED, OVERLOADED) == ["a", "a", "a"]

    run(story())


def test_one_deployment_may_serve_model_and_fallback() -> None:
    """A deployment of any model that fails for one model is asked for the fallback all the same."""

    async def story() -> None:
        anything = a_deployment("any", model=None)
        attempts = attempts_of(the_upstreams(a_config(anything, fallbacks={MODEL: ("gpt-4o-mini",)})))
        assert await asked(attempts, UNKNOWN_MODEL) == ["any"]
        second = await leased(attempts)
        assert (second.upstream_model, second.role_hint) == ("gpt-4o-mini", AttemptRole.FALLBACK)
        second.release()

    run(story())


@pytest.mark.parametrize(("first", "second", "again"), [(4.0, None, "b"), (None, 4.0, "a"), (4.0, 2.0, "b")])
def test_who_can_be_asked_again_the_soonest_is(first: float | None, second: float | None, again: str) -> None:
    """Of two that are to be tried again the one whose Retry-After is over first."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A, B)))
        assert await asked(attempts, limited(first), limited(second), FAILED) == ["a", "b", again]

    run(story())


def test_short_retry_after_is_waited_out() -> None:
    """The same deployment is asked again when its time is over, not before."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A)))
        assert await asked(attempts, limited(3.0), limited(3.0)) == ["a", "a"]
        assert BEGIN + 3.0 <= now() <= BEGIN + 3.5

    run(story())


def test_long_retry_after_is_for_the_caller_to_wait() -> None:
    """Beyond the limit nobody waits: the caller is told how long, or a fallback is asked."""

    async def story() -> None:
        alone = the_upstreams(a_config(A))
        attempts = attempts_of(alone)
        assert await asked(attempts, limited(20.0)) == ["a"]
        refusal = await refused(attempts)
        assert (refusal.why, refusal.retry_after_s) == (RefusalReason.COOLING_DOWN, 20.0)
        await asyncio.sleep(5.0)
        newcomer = await refused(attempts_of(alone))
        assert (newcomer.why, newcomer.retry_after_s, newcomer.failure) == (RefusalReason.COOLING_DOWN, 15.0, None)
        helped = attempts_of(the_upstreams(a_config(A, OTHER, fallbacks={MODEL: ("claude",)})))
        assert await asked(helped, limited(20.0), FAILED) == ["a", "other"]
        assert now() == BEGIN + 5.0

    run(story())


def test_wait_beyond_the_deadline_is_not_begun() -> None:
    """A second attempt that could only begin too late is refused at once."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A)), within_s=2.0)
        assert await asked(attempts, limited(3.0)) == ["a"]
        refusal = await refused(attempts)
        assert (refusal.why, refusal.retry_after_s) == (RefusalReason.DEADLINE, 3.0)
        assert now() == BEGIN

    run(story())


def test_nothing_is_begun_after_the_deadline() -> None:
    """Neither a first attempt nor a further one."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B))
        assert (await refused(attempts_of(upstreams, within_s=0.0))).why is RefusalReason.DEADLINE
        attempts = attempts_of(upstreams, within_s=5.0)
        lease = await leased(attempts)
        await asyncio.sleep(5.0)
        lease.failed(DOWN)
        assert (await refused(attempts)).why is RefusalReason.DEADLINE

    run(story())


def test_open_circuits_are_passed_over() -> None:
    """The next priority, then the fallback is asked at once, as a first attempt that costs no budget."""

    async def story() -> None:
        spare = a_deployment("spare", priority=1)
        upstreams = the_upstreams(a_config(A, spare, OTHER, fallbacks={MODEL: ("claude",)}, retry_minimum=0))
        await break_down(upstreams)
        with await leased(attempts_of(upstreams)) as second_class:
            assert (second_class.deployment.name, second_class.role_hint) == ("spare", AttemptRole.PRIMARY)
        await break_down(upstreams)
        with await leased(attempts_of(upstreams)) as fallback:
            assert (fallback.deployment.name, fallback.role_hint) == ("other", AttemptRole.FALLBACK)
            assert fallback.number == 1

    run(story())


def test_all_circuits_open_says_when_to_come_back() -> None:
    """The soonest of all that could be asked, fallbacks included, and no attempt is made."""

    async def story() -> None:
        breaker = BreakerConfig(open_first_s=10.0)
        upstreams = the_upstreams(a_config(A, B, OTHER, breaker=breaker, fallbacks={MODEL: ("claude",)}))
        await break_down(upstreams)
        await asyncio.sleep(2.0)
        await break_down(upstreams)
        await asyncio.sleep(2.0)
        await break_down(upstreams, model="claude")
        before = [one.attempts for one in upstreams.state().deployments]
        refusal = await refused(attempts_of(upstreams))
        assert refusal.why is RefusalReason.CIRCUITS_OPEN
        # The first to open, four seconds ago, for between five and ten seconds.
        assert refusal.retry_after_s is not None
        assert 1.0 <= refusal.retry_after_s <= 6.0
        assert [one.attempts for one in upstreams.state().deployments] == before
        await asyncio.sleep(refusal.retry_after_s)
        (await leased(attempts_of(upstreams))).release()

    run(story())


def test_failing_deployment_gets_no_traffic_until_its_probe() -> None:
    """Once its circuit is open all goes elsewhere; then a single request at a time, until two were answered."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, breaker=BreakerConfig(open_first_s=10.0)))
        await break_down(upstreams)
        opened = now()
        while upstreams.state().deployments[0].circuit is CircuitState.OPEN:
            with await leased(attempts_of(upstreams)) as lease:
                assert lease.deployment.name == "b"
                lease.succeeded()
            await asyncio.sleep(0.1)
        assert 5.0 <= now() - opened <= 10.1
        for _ in range(2):
            probe = await leased(attempts_of(upstreams))
            others = [await leased(attempts_of(upstreams)) for _ in range(5)]
            assert [probe.deployment.name, *{one.deployment.name for one in others}] == ["a", "b"]
            for one in (probe, *others):
                one.succeeded()
                one.release()
        (last,) = [await leased(attempts_of(upstreams))]
        assert last.deployment.name == "a"
        assert upstreams.state().deployments[0].circuit is CircuitState.CLOSED
        last.release()

    run(story())


def test_request_that_has_failed_is_no_probe_if_there_is_a_choice() -> None:
    """A second attempt goes to a closed circuit before a half-open one."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, C))
        await break_down(upstreams)
        await asyncio.sleep(2.0)
        assert upstreams.state().deployments[0].circuit is CircuitState.HALF_OPEN
        # This draw asks b first and would ask a next.
        attempts = attempts_of(upstreams, sticky=0.34)
        assert await asked(attempts, FAILED, FAILED, FAILED) == ["b", "c", "a"]

    run(story())


def test_circuit_that_opens_during_the_wait_is_respected() -> None:
    """Who waited for a deployment does not ask it if others have found it dead meanwhile."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A))
        attempts = attempts_of(upstreams)
        assert await asked(attempts, limited(3.0)) == ["a"]
        second = asyncio.create_task(attempts.next())
        await asyncio.sleep(3.0)
        await break_down(upstreams)
        refusal = await second
        assert not isinstance(refusal, Lease)
        assert refusal.why is RefusalReason.CIRCUITS_OPEN
        assert_idle(upstreams)

    run(story())


def test_circuit_that_the_request_itself_has_opened_is_not_waited_for() -> None:
    """Where the failure was the last straw the caller is answered at once."""

    async def story() -> None:
        attempts = attempts_of(the_upstreams(a_config(A, breaker=BreakerConfig(consecutive_failures=1))))
        assert await asked(attempts, DOWN) == ["a"]
        refusal = await refused(attempts)
        assert (refusal.why, refusal.failure) == (RefusalReason.CIRCUITS_OPEN, DOWN)
        assert now() == BEGIN

    run(story())


def test_retries_are_bounded_by_the_budget() -> None:
    """Of many requests that fail together only three are tried again; the refusals are counted."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, breaker=BreakerConfig(consecutive_failures=1000, window_minimum=1000)))
        outcomes = []
        for _ in range(10):
            attempts = attempts_of(upstreams)
            await asked(attempts, FAILED)
            outcome = await attempts.next()
            outcomes.append(outcome.deployment.name if isinstance(outcome, Lease) else outcome.why.value)
            if isinstance(outcome, Lease):
                outcome.release()
        assert outcomes == ["b"] * 3 + ["budget_exhausted"] * 7
        assert upstreams.state().refusals == {RefusalReason.BUDGET_EXHAUSTED: 7}

    run(story())


def test_full_backend_overflows_into_the_next_priority() -> None:
    """Where a deployment has no place another one of the model is asked, without a wait."""

    async def story() -> None:
        spare = a_deployment("spare", priority=1)
        upstreams = the_upstreams(a_config(A, spare, places={"at-a": ConcurrencyConfig(limit=1)}))
        first = await leased(attempts_of(upstreams))
        second = await leased(attempts_of(upstreams))
        assert [first.deployment.name, second.deployment.name] == ["a", "spare"]
        assert second.role_hint is AttemptRole.PRIMARY
        assert now() == BEGIN
        first.release()
        second.release()

    run(story())


def test_place_is_waited_for_before_another_model_is_asked() -> None:
    """A request waits in the queue of its model; only when that was in vain the fallback is asked."""

    async def story() -> None:
        places = {"at-a": ConcurrencyConfig(limit=1, queue_timeout_s=4.0)}
        upstreams = the_upstreams(a_config(A, OTHER, places=places, fallbacks={MODEL: ("claude",)}))
        first = await leased(attempts_of(upstreams))
        lucky = asyncio.create_task(attempts_of(upstreams).next())
        late = asyncio.create_task(attempts_of(upstreams).next())
        await asyncio.sleep(1.0)
        assert upstreams.state().backends[0].waiting == 2
        first.release()
        got = await lucky
        assert isinstance(got, Lease)
        assert (got.deployment.name, got.number, got.attempt_deadline) == ("a", 1, BEGIN + 60.0)
        fallback = await late
        assert isinstance(fallback, Lease)
        assert (fallback.deployment.name, fallback.role_hint) == ("other", AttemptRole.FALLBACK)
        assert now() == BEGIN + 4.0
        got.release()
        fallback.release()
        assert_idle(upstreams)

    run(story())


def test_too_many_who_wait_are_refused() -> None:
    """Beyond the queue a request is told at once to come back, after its wait all the same, and holds nothing."""

    async def story() -> None:
        places = {"at-a": ConcurrencyConfig(limit=1, queue_limit=1, queue_timeout_s=4.0)}
        upstreams = the_upstreams(a_config(A, places=places))
        holder = await leased(attempts_of(upstreams))
        waiter = asyncio.create_task(refused(attempts_of(upstreams)))
        await turns()
        refusal = await refused(attempts_of(upstreams))
        assert (refusal.why, refusal.retry_after_s) == (RefusalReason.TOO_BUSY, 1.0)
        assert now() == BEGIN
        assert (await waiter).why is RefusalReason.TOO_BUSY
        assert now() == BEGIN + 4.0
        holder.release()
        assert_idle(upstreams)

    run(story())


def test_wait_for_a_place_ends_with_the_deadline() -> None:
    """A request whose time is over leaves the queue."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, places={"at-a": ConcurrencyConfig(limit=1)}))
        holder = await leased(attempts_of(upstreams))
        assert (await refused(attempts_of(upstreams, within_s=2.0))).why is RefusalReason.DEADLINE
        assert now() == BEGIN + 2.0
        holder.release()
        assert_idle(upstreams)

    run(story())


def test_place_is_not_used_where_the_deployment_is_out_by_then() -> None:
    """Who gets a place at a deployment whose circuit has opened meanwhile gives it back."""

    async def story() -> None:
        places = {"at-a": ConcurrencyConfig(limit=1)}
        upstreams = the_upstreams(a_config(A, places=places, breaker=BreakerConfig(consecutive_failures=1)))
        holder = await leased(attempts_of(upstreams))
        waiter = asyncio.create_task(refused(attempts_of(upstreams)))
        await asyncio.sleep(1.0)
        holder.failed(DOWN)
        holder.release()
        assert (await waiter).why is RefusalReason.CIRCUITS_OPEN
        assert_idle(upstreams)

    run(story())


def test_cancelled_wait_for_a_place_holds_nothing() -> None:
    """The caller has gone while its request was waiting: the next one moves up."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, places={"at-a": ConcurrencyConfig(limit=1)}))
        holder = await leased(attempts_of(upstreams))
        gone, stays = (asyncio.create_task(attempts_of(upstreams).next()) for _ in range(2))
        await turns()
        holder.release()
        gone.cancel()
        lease = await stays
        assert isinstance(lease, Lease)
        assert gone.cancelled()
        lease.release()
        assert_idle(upstreams)

    run(story())


def test_cancelled_wait_gives_back_its_budget() -> None:
    """A retry that never took place can be made by another request."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, retry_minimum=1, retry_share=0.0))
        attempts = attempts_of(upstreams)
        assert await asked(attempts, limited(3.0)) == ["a"]
        waiting = asyncio.create_task(attempts.next())
        await asyncio.sleep(1.0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(3.0)
        assert await asked(attempts_of(upstreams), OVERLOADED, OVERLOADED) == ["a", "a"]
        assert_idle(upstreams)

    run(story())
