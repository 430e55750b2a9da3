"""Deployments and upstreams for stories in virtual time."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from tests.unit.gateway.upstreams.virtual import now
from tierwright.gateway.upstreams.config import (
    BreakerConfig,
    ConcurrencyConfig,
    DeploymentConfig,
    ResilienceConfig,
    UpstreamsConfig,
)
from tierwright.gateway.upstreams.failures import Failure, FailureKind
from tierwright.gateway.upstreams.lease import Lease, Refused
from tierwright.gateway.upstreams.upstreams import Upstreams

if TYPE_CHECKING:
    from tierwright.gateway.upstreams.attempts import Attempts

MODEL = "gpt-4o"

DOWN = Failure(kind=FailureKind.UNREACHABLE)
OVERLOADED = Failure(kind=FailureKind.OVERLOADED, status=503)
FAILED = Failure(kind=FailureKind.FAILED, status=500)
UNKNOWN_MODEL = Failure(kind=FailureKind.MISCONFIGURED, status=404)
TIMED_OUT = Failure(kind=FailureKind.TIMED_OUT)
MISTAKE = Failure(kind=FailureKind.CALLER, status=400)


def limited(retry_after_s: float | None = None) -> Failure:
    """A 429."""
    return Failure(kind=FailureKind.RATE_LIMITED, status=429, retry_after_s=retry_after_s)


def a_deployment(name: str, **members: Any) -> DeploymentConfig:
    """A deployment of the model at a backend of its own, unless told otherwise."""
    return DeploymentConfig(**{"name": name, "backend": f"at-{name}", "model": MODEL, **members})


def a_config(
    *deployments: DeploymentConfig,
    breaker: BreakerConfig | None = None,
    places: dict[str, ConcurrencyConfig] | None = None,
    **resilience: Any,
) -> UpstreamsConfig:
    """Settings for these deployments."""
    return UpstreamsConfig(
        deployments=deployments,
        resilience=ResilienceConfig(**resilience),
        breaker=breaker or BreakerConfig(),
        concurrency=places or {},
    )


def the_upstreams(config: UpstreamsConfig, *, seed: int = 1) -> Upstreams:
    """Upstreams in virtual time; inside a story."""
    return Upstreams(config, timer=asyncio.get_running_loop().time, sleep=asyncio.sleep, random=Random(seed))


def attempts_of(
    upstreams: Upstreams, model: str = MODEL, *, sticky: float | None = 0.0, within_s: float = 60.0
) -> Attempts:
    """The attempts of a request that has so many seconds; the deployment named first is drawn first."""
    attempts = upstreams.attempts(model, deadline=now() + within_s, sticky=sticky)
    assert attempts is not None
    return attempts


async def leased(attempts: Attempts) -> Lease:
    """The next attempt, which there must be."""
    lease = await attempts.next()
    assert isinstance(lease, Lease), lease
    return lease


async def refused(attempts: Attempts) -> Refused:
    """Why there is no further attempt, which there must not be."""
    answer = await attempts.next()
    assert isinstance(answer, Refused), answer.deployment.name
    return answer


async def asked(attempts: Attempts, *failures: Failure) -> list[str]:
    """Who is asked, while the attempts fail one after the other."""
    found = []
    for failure in failures:
        lease = await leased(attempts)
        found.append(lease.deployment.name)
        lease.failed(failure)
        lease.release()
    return found


async def break_down(upstreams: Upstreams, failure: Failure = DOWN, *, times: int = 5, model: str = MODEL) -> None:
    """So many requests whose first attempt fails, and which are not tried again."""
    for _ in range(times):
        lease = await leased(attempts_of(upstreams, model))
        lease.failed(failure)
        lease.release()


def assert_idle(upstreams: Upstreams) -> None:
    """Nothing is held by anybody."""
    state = upstreams.state()
    assert [one.in_flight for one in state.deployments] == [0] * len(state.deployments)
    assert [(one.in_use, one.waiting) for one in state.backends] == [(0, 0)] * len(state.backends)
