"""Threat 13: what one client asked or got that another client can see, or tell from its own answers."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aiohttp import web

from tests.fakes import a_key
from tests.integration.gateway.test_specialists import seen
from tests.integration.gateway.upstream import completion
from tests.threats.asking import BODIES, ask
from tierwright.core.ids import CallerKeyId

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.conftest import Running
    from tests.threats.asking import Answer

CANARY = "tenant-canary-41d2"
#: Headers that differ with the time and the request, and not with who else has asked.
_CHANGING = {"date", "x-tierwright-inference-id", "x-tierwright-overhead-ms"}


async def _echoing(request: web.Request) -> web.StreamResponse:
    return web.json_response(completion((await request.read()).decode()))


def _comparable(answer: Answer) -> tuple[object, ...]:
    """What must be the same whoever else has asked."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = answer.body.decode()
    if isinstance(body, dict):
        body.pop("id", None)
    return answer.status, {name: value for name, value in answer.headers.items() if name not in _CHANGING}, body


def test_threat_13_cross_tenant_leak(gateway: Running, probes: Callable[[int], None]) -> None:
    """One client's answers are the same before and after another's traffic, and hold nothing of it."""
    gateway.upstream.script = _echoing
    ours, theirs = "tw_live_ours_secret", "tw_live_theirs_secret"
    for name, plain in (("ours", ours), ("theirs", theirs)):
        sha256 = hashlib.sha256(plain.encode()).hexdigest()
        gateway.store.add_key(a_key(id=CallerKeyId(name), client_id=name, sha256=sha256, expires_at=None))
    seen(gateway)

    def asked() -> list[Answer]:
        found = [ask(gateway.url, path, body, key=ours) for path, body in BODIES.items()]
        found.append(ask(gateway.url, "/v1/models", key=ours))
        found.append(ask(gateway.url, "/v1/models/task:nothing", key=ours))
        return found

    before = asked()
    secret = {"model": "gpt-4o", "messages": [{"role": "user", "content": CANARY}], "user": CANARY}
    theirs_ids = []
    for _ in range(20):
        # The same conversation, key of repetition and person as the other client will name.
        headers = {"idempotency-key": "k1", "x-tierwright-conversation": "c1"}
        answer = ask(gateway.url, "/v1/chat/completions", secret, key=theirs, headers=headers)
        assert CANARY.encode() in answer.body
        theirs_ids.append(json.loads(answer.body)["id"])
    after = asked()
    assert [_comparable(one) for one in before] == [_comparable(one) for one in after]
    same = ask(
        gateway.url,
        "/v1/chat/completions",
        BODIES["/v1/chat/completions"],
        key=ours,
        headers={"idempotency-key": "k1", "x-tierwright-conversation": "c1"},
    )
    assert CANARY.encode() not in b"".join(one.body for one in (*after, same))
    # Nor may one speak of another's answers: they are as if they never were.
    gateway.captured(len(BODIES) + 20)
    unknown = ask(gateway.url, "/v1/feedback", {"id": "i-never", "output": "x"}, key=ours)
    for inference_id in theirs_ids[:3]:
        foreign = ask(gateway.url, "/v1/feedback", {"id": inference_id, "output": "x"}, key=ours)
        assert _comparable(foreign) == _comparable(unknown)
        assert foreign.status == 404
    probes(len(before) + 20 + 1 + 3)
