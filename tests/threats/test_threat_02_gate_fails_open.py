"""Threat 2: a gate that lets through what it could not look at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.threats.asking import BODIES, COUNTED_HERE, ask
from tests.threats.gates import CanaryGate
from tierwright.core.errors import PermitError
from tierwright.core.privacy import Outgoing
from tierwright.privacy.permits import Permits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.conftest import Running

_OTHER = {"name": "second", "models": ("gpt-4o",)}


def test_threat_02_gate_fails_open(start: Callable[..., Running], probes: Callable[[int], None]) -> None:
    """A gate that breaks before, at or after its decision sends nothing anywhere, and every caller is told."""
    tried = 0
    gateways = {broken: start(gate=CanaryGate("x", broken=broken), others=[_OTHER]) for broken in ("permit", "check")}
    for gateway in gateways.values():
        for path, body in BODIES.items():
            for stream in (False, True):
                answer = ask(gateway.url, path, {**body, "stream": stream} if stream else body)
                # Tokens are counted here for a server that counts none.
                assert answer.status >= 400 or path == COUNTED_HERE, (path, answer)
                assert b"died" not in answer.body
                tried += 1
        assert gateway.upstream.seen == []
    probes(tried)


def test_threat_02_gate_fails_open_permits_are_for_these_bytes_once(probes: Callable[[int], None]) -> None:
    """A permit for other bytes, another path, header or backend, or one that was spent, is none."""
    sound = Outgoing("/chat/completions", b'{"a": 1}', {"x-a": "1"})
    others = [
        (Outgoing("/chat/completions", b'{"a": 2}', {"x-a": "1"}), "frontier"),
        (Outgoing("/responses", b'{"a": 1}', {"x-a": "1"}), "frontier"),
        (Outgoing("/chat/completions", b'{"a": 1}', {"x-a": "2"}), "frontier"),
        (Outgoing("/chat/completions", b'{"a": 1}'), "frontier"),
        (sound, "second"),
    ]
    permits = Permits()
    for outgoing, backend in others:
        with pytest.raises(PermitError):
            permits.spend(permits.issue(sound, backend="frontier"), outgoing, backend=backend)
    good = permits.issue(sound, backend="frontier")
    permits.spend(good, sound, backend="frontier")
    with pytest.raises(PermitError):
        permits.spend(good, sound, backend="frontier")
    foreign = asyncio.run(_of_another_gate(sound))
    with pytest.raises(PermitError):
        permits.spend(foreign, sound, backend="frontier")
    probes(len(others) + 2)


async def _of_another_gate(outgoing: Outgoing) -> object:
    return Permits().issue(outgoing, backend="frontier")
