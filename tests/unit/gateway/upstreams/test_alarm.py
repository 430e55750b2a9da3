"""A backend that refuses our key is told of once, until it takes the key again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.gateway.upstreams.builders import (
    FAILED,
    a_config,
    a_deployment,
    attempts_of,
    break_down,
    leased,
    the_upstreams,
)
from tests.unit.gateway.upstreams.virtual import run
from tierwright.gateway.upstreams.alarm import KeyAlarm
from tierwright.gateway.upstreams.failures import Failure, FailureKind

if TYPE_CHECKING:
    import pytest

    from tierwright.gateway.upstreams.upstreams import Upstreams

UNKNOWN_KEY = Failure(kind=FailureKind.UNAUTHORIZED, status=401)
FORBIDDEN = Failure(kind=FailureKind.MISCONFIGURED, status=403)
#: Two models of one backend, whose circuits stay closed.
A, B = a_deployment("a", backend="both"), a_deployment("b", backend="both", model="other")


def refusing(upstreams: Upstreams) -> list[int | None]:
    """What each backend says of our key."""
    return [one.key_refused for one in upstreams.state().backends]


async def succeed(upstreams: Upstreams, model: str) -> None:
    """A request that is answered."""
    with await leased(attempts_of(upstreams, model)) as lease:
        lease.succeeded()


def test_a_refusal_is_logged_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """However many requests meet it and however many deployments; another one's success does not end it."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A, B, retry_minimum=0))
        await break_down(upstreams, FORBIDDEN, times=4)
        await break_down(upstreams, UNKNOWN_KEY, times=4, model="other")
        assert refusing(upstreams) == [403]
        await succeed(upstreams, "gpt-4o")
        assert refusing(upstreams) == [401]
        assert len(caplog.records) == 1
        await succeed(upstreams, "other")
        assert refusing(upstreams) == [None]

    run(story())
    refused, taken = caplog.messages
    assert "'both' refuses our key" in refused
    assert "HTTP 403" in refused
    assert "takes our key again" in taken


def test_what_is_no_refusal_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A server that fails for another reason has said nothing of the key."""

    async def story() -> None:
        upstreams = the_upstreams(a_config(A))
        await break_down(upstreams, FAILED, times=2)
        assert refusing(upstreams) == [None]

    run(story())
    assert caplog.messages == []


def test_coming_and_going_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A server that refuses every other request is told of once a minute, and what is in force is told in the end."""
    alarm = KeyAlarm("fickle")
    for second in range(59):
        alarm.refused("a", 403, float(second))
        assert alarm.status == 403
        alarm.taken("a")
        assert alarm.status is None
    assert len(caplog.messages) == 2
    alarm.refused("a", 403, 59.0)
    alarm.refused("a", 403, 61.0)
    alarm.refused("a", 403, 200.0)
    assert len(caplog.messages) == 3


def test_reload_forgets_with_the_key_and_with_the_deployment() -> None:
    """Another key is another story; so is a deployment that is gone. What did not change goes on."""

    async def story() -> None:
        old = the_upstreams(a_config(A, B))
        await break_down(old, UNKNOWN_KEY, times=1)
        kept = old.renewed(a_config(A, B))
        assert refusing(kept) == [401]
        assert refusing(kept.renewed(a_config(A, B), replaced={"both"})) == [None]
        assert refusing(kept.renewed(a_config(B))) == [None]

    run(story())
