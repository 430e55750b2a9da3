"""Threat 14: limits that many requests at once pass together, and connections held open to shut others out.

Between processes: tests/integration/gateway/tenancy. Every deadline alone: tests/integration/gateway/test_slow_clients.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.fakes import a_key
from tests.integration.gateway.conftest import KEY
from tests.integration.gateway.test_specialists import seen
from tests.integration.gateway.upstream import plain
from tests.threats.asking import BODIES, ask
from tierwright.core.caller import Limits
from tierwright.core.ids import CallerKeyId

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from tests.integration.gateway.conftest import Running

AT_ONCE = 100
_PLAIN = "tw_live_abcdefgh_secret"
_CHAT = {**BODIES["/v1/chat/completions"], "max_tokens": 10}


def _with_limits(gateway: Running, limits: Limits) -> None:
    sha256 = hashlib.sha256(_PLAIN.encode()).hexdigest()
    gateway.store.add_key(a_key(id=CallerKeyId("key-1"), sha256=sha256, expires_at=None, limits=limits))
    seen(gateway)


def _together() -> Callable[[web.Request], object]:
    """Answers when everything that was let in has come: nothing is settled while others ask."""

    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return await plain(request)

    return script


@pytest.mark.parametrize(
    ("limits", "admitted", "code"),
    [
        (Limits(requests_per_minute=1), 1, "rate_limit_exceeded"),
        (Limits(requests_per_minute=7), 7, "rate_limit_exceeded"),
        # 10 tokens of an answer and some 100 of the request are reserved, a micro-dollar each: there is room for one.
        (Limits(budget_usd=Decimal("0.00015")), 1, "insufficient_quota"),
    ],
)
def test_threat_14_quota_race_and_slow_loris(
    gateway: Running, limits: Limits, admitted: int, code: str, probes: Callable[[int], None]
) -> None:
    """Of 100 requests at once no more are let in than one after another would have been."""
    _with_limits(gateway, limits)
    gateway.upstream.script = _together()  # type: ignore[assignment]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: ask(gateway.url, "/v1/chat/completions", _CHAT, key=_PLAIN), range(AT_ONCE)))
    assert sum(answer.status == 200 for answer in answers) == admitted
    assert {answer.code for answer in answers if answer.status != 200} == {code}
    assert len(gateway.upstream.seen) == admitted
    probes(AT_ONCE)


def test_threat_14_quota_race_and_slow_loris_others_are_answered(
    start: Callable[..., Running], probes: Callable[[int], None]
) -> None:
    """Connections that send a byte now and then are cut, and while they are held others are answered."""
    gateway = start(server={"header_timeout_s": 1.0, "body_timeout_s": 1.0})
    parts = urlsplit(gateway.url)
    half = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\ncontent-length: 99\r\n"
    begun = [b"POST /v1/chat", half.encode(), half.encode() + b"\r\n{"]
    held = 20
    with ExitStack() as stack:
        slow = []
        for number in range(held * len(begun)):
            made = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=30))
            made.sendall(begun[number % len(begun)])
            slow.append(made)
        assert ask(gateway.url, "/v1/chat/completions", _CHAT).status == 200
        for made in slow:
            answer = b""
            while piece := made.recv(65_536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 408"), answer
    assert len(gateway.upstream.seen) == 1
    probes(len(slow))
