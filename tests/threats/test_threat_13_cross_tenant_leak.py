"""Threat 13: what one client asked or got that another client can see, or tell from its own answers."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.canaries.values import FORMS, leaks, phrase
from tests.fakes import a_key, a_task, an_inference
from tests.integration.gateway.test_specialists import seen
from tests.integration.gateway.upstream import completion
from tests.integration.privacy.echoing import echo
from tests.threats.asking import BODIES, ask
from tierwright.core.erasure import Subject
from tierwright.core.ids import CallerKeyId, InferenceId
from tierwright.core.privacy import DataClass, PrivacyMode
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.gateway.conftest import Running
    from tests.threats.asking import Answer
    from tests.threats.gates import Gated

CANARY = "tenant-canary-41d2"
#: Forms of canaries that are replaced where they stand, and how tokens spell their types.
_REPLACED = ("card", "iban", "email", "us_ssn", "secret")
_WORDS = ("CARD", "IBAN", "EMAIL", "US_SSN", "NATIONAL_ID", "SECRET", "PHONE", "ACCOUNT")
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


def _keys(gateway: Running) -> tuple[str, str]:
    """Two clients' keys, which the gateway knows."""
    ours, theirs = "tw_live_ours_secret", "tw_live_theirs_secret"
    for name, plain in (("ours", ours), ("theirs", theirs)):
        sha256 = hashlib.sha256(plain.encode()).hexdigest()
        gateway.store.add_key(a_key(id=CallerKeyId(name), client_id=name, sha256=sha256, expires_at=None))
    seen(gateway)
    return ours, theirs


def test_threat_13_cross_tenant_leak(gateway: Running, probes: Callable[[int], None]) -> None:
    """One client's answers are the same before and after another's traffic, and hold nothing of it."""
    gateway.upstream.script = _echoing
    ours, theirs = _keys(gateway)

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


def test_threat_13_cross_tenant_leak_what_was_looked_at(
    gated: Callable[..., Gated], probes: Callable[[int], None]
) -> None:
    """That the gate has looked at a text before, for whomever, shows in no status, header or body."""
    gate = gated()
    ours, theirs = _keys(gate.running)
    texts = [*(phrase(form, number) for number, form in enumerate(FORMS)), "an ordinary text", "another one"]

    def asked(key: str) -> list[Answer]:
        return [
            ask(gate.url, "/v1/chat/completions", {**BODIES["/v1/chat/completions"], "messages": _said(text)}, key=key)
            for text in texts
        ]

    # Of theirs nobody has asked before; ours come after theirs, and after our own.
    first = [_comparable(answer) for answer in asked(theirs)]
    assert [_comparable(answer) for answer in asked(ours)] == first
    assert [_comparable(answer) for answer in asked(ours)] == first
    assert not leaks(gate.sent)
    probes(3 * len(texts))


def test_threat_13_cross_tenant_leak_tokens(gated: Callable[..., Gated], probes: Callable[[int], None]) -> None:
    """A token of another client's conversation stands for nothing, under whatever name of a conversation it is sent."""
    gate = gated(rules={"modes": dict.fromkeys(DataClass, PrivacyMode.PSEUDONYMISE)}, disguises=True)
    gate.upstream.script = echo
    ours, theirs = _keys(gate.running)
    conversation = {"user": "u1", "metadata": {"conversation_id": "c1"}}
    tokens = " ".join(f"[{word}_{letter}]" for word in _WORDS for letter in "ABCDE")

    def said(text: str, key: str, **more: object) -> str:
        body = {"model": "gpt-4o", "messages": _said(text), **conversation, **more}
        headers = {"x-conversation-id": "c1"}
        answer = ask(gate.url, "/v1/chat/completions", body, key=key, headers=headers)
        assert answer.status == 200, answer
        return answer.body.decode()

    for number, form in enumerate(_REPLACED):
        assert phrase(form, number) in said(phrase(form, number), theirs)
    # They are in use: their owner gets its values under the same tokens again, where it says the values again.
    assert b"[EMAIL_A]" in gate.sent
    for stream in (False, True):
        assert not leaks(said(tokens, ours, stream=stream).encode())
        assert not leaks(said(f"{tokens} and mail to ours@shop.example", ours, stream=stream).encode())
    assert not leaks(gate.sent)
    probes(4 * len(_WORDS) * 5)


@pytest.mark.parametrize("sealed", [True, False])
def test_threat_13_cross_tenant_leak_seals(tmp_path: Path, probes: Callable[[int], None], *, sealed: bool) -> None:
    """A person whom two clients know by one name is two people: erasing the one leaves the other's content."""
    register, key = f"sqlite:///{tmp_path / 'keys.db'}", b"k" * 32 if sealed else None
    with closing(open_store(f"sqlite:///{tmp_path / 'store.db'}", register_url=register, content_key=key)) as store:
        store.put_task(a_task())
        for client in ("ours", "theirs"):
            request = json.dumps({"messages": _said(f"{CANARY} of {client}"), "user": "ada"}).encode()
            store.append([an_inference(id=InferenceId(f"i-{client}"), client_id=client, request=request)])
        done = store.erase([Subject(client_id="theirs", name="ada")], [], at=datetime.now(UTC))
        assert list(done.inferences) == ["i-theirs"]
        assert store.get(InferenceId("i-theirs")).request is None
        ours = store.get(InferenceId("i-ours")).request
        assert ours is not None
        assert f"{CANARY} of ours".encode() in ours
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    assert f"{CANARY} of theirs".encode() not in kept
    assert (f"{CANARY} of ours".encode() in kept) != sealed
    probes(2)


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
