"""Threat 2: a gate that lets through what it could not look at, or could not write down."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.canaries.run import run
from tests.integration.gateway.conftest import Sure, eventually
from tests.integration.gateway.test_specialists import MESSAGES, deploy
from tests.threats.asking import BODIES, COUNTED_HERE, ask
from tests.unit.privacy.ledger.ledgers import Failing
from tierwright.app.detectors import plugin_environment
from tierwright.app.judge_calls import Judge, ask_all
from tierwright.core.errors import PermitError
from tierwright.core.inference import CallRole
from tierwright.core.privacy import Outgoing
from tierwright.evals.judge import Pair, questions
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.config import BackendConfig, SecondConfig
from tierwright.gateway.lanes import Outcome
from tierwright.gateway.upstreams.config import ResilienceConfig
from tierwright.privacy import detector
from tierwright.privacy.permits import Permits
from tierwright.privacy.plugins.host import PluginDetector
from tierwright.privacy.plugins.process import PluginSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.threats.asking import Answer
    from tests.threats.gates import Gated

#: Servers that fail are asked again, and another model stands in.
_STUBBORN = ResilienceConfig(
    fallbacks={"gpt-4o": ("gpt-4o-mini",)}, backoff_first_s=0.001, backoff_limit_s=0.002, retry_minimum=1000
)
#: Of detectors that can't tell; and of ledgers that can't be written: codes, and the types of the one API without.
_BLOCKED = {"privacy_blocked", "permission_error"}
_UNAVAILABLE = {"privacy_unavailable", "overloaded_error"}


def _nobody_is_asked(gate: Gated) -> list[Answer]:
    """What every endpoint says, plain and streamed; none has sent a byte, and none repeats what went wrong."""
    answers = []
    for path, body in BODIES.items():
        for stream in (False, True):
            answer = ask(gate.url, path, {**body, "stream": stream} if stream else body)
            # Tokens are counted here where the server may not see what is to be counted.
            assert answer.status >= 400 or path == COUNTED_HERE, (path, answer)
            assert b"died" not in answer.body
            if answer.status >= 400:
                answers.append(answer)
    assert gate.upstream.seen == []
    return answers


@pytest.mark.parametrize("step", ["assess", "permitted", "permit", "check"])
def test_threat_02_gate_fails_open(gated: Callable[..., Gated], step: str, probes: Callable[[int], None]) -> None:
    """A gate that breaks before, at or after its decision sends nothing anywhere, and every caller is told."""
    gate = gated(resilience=_STUBBORN)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the gate died")

    setattr(gate.gate, step, broken)
    probes(len(_nobody_is_asked(gate)))


def test_threat_02_gate_fails_open_settings_that_know_none(
    gated: Callable[..., Gated], probes: Callable[[int], None]
) -> None:
    """A gate that says no where the gateway's settings know of none is obeyed, and asked no second time."""
    gate = gated(known=False)
    card = {"model": "gpt-4o", "messages": [{"role": "user", "content": "card 4539000000000015"}]}
    answer = ask(gate.url, "/v1/chat/completions", card)
    assert (answer.status, answer.code) == (503, "privacy_unavailable")
    assert gate.upstream.seen == []
    assert len(gate.facts("deny")) == 1
    probes(1)


def test_threat_02_gate_fails_open_rules_that_raise(
    gated: Callable[..., Gated], monkeypatch: pytest.MonkeyPatch, probes: Callable[[int], None]
) -> None:
    """Where the rules themselves raise, everything is restricted: short texts and those looked at in threads."""

    def broken(text: str) -> None:
        raise RuntimeError(f"the rules died of {text}")

    monkeypatch.setattr(detector, "scan", broken)
    gate = gated(resilience=_STUBBORN)
    answers = _nobody_is_asked(gate)
    long = {"model": "gpt-4o", "messages": [{"role": "user", "content": "a word " * 5000}]}
    answers.append(ask(gate.url, "/v1/chat/completions", long))
    assert {answer.code for answer in answers} == _BLOCKED
    assert {answer.status for answer in answers} == {403}
    assert all(refused["failed"] == ["rules"] for refused in gate.facts("refused"))
    assert gate.upstream.seen == []
    probes(len(answers))


def _plugin(function: str, *, pause_s: float) -> PluginDetector:
    """A detector in a process of its own, which stays away for a while once it has ended."""
    spec = PluginSpec(
        name="plugin",
        factory="tierwright.privacy.plugins.callables:load",
        options={"call": f"tests.canaries.faulty:{function}", "types": ["person"]},
        folders=(str(Path(__file__).parents[2]),),
        deadline_s=0.2,
        first_pause_s=pause_s,
        longest_pause_s=pause_s,
    )
    return PluginDetector(spec, environment=plugin_environment(os.environ))


@pytest.mark.parametrize("function", ["nothing", "raising", "hanging"])
def test_threat_02_gate_fails_open_detectors(
    gated: Callable[..., Gated], function: str, probes: Callable[[int], None]
) -> None:
    """A detector whose process was killed and is not back, raises or hangs: 403, whatever the others would say."""
    one = _plugin(function, pause_s=600.0)
    gate = gated(detectors=[one], resilience=_STUBBORN)
    # The first request starts it; what it makes of the request is the matter of other tests.
    ask(gate.url, "/v1/embeddings", {"model": "gpt-4o", "input": "good day"})
    eventually(lambda: one.starts == 1 and (one.refusal is None or function != "nothing"))
    process = one._process
    if process is not None:
        with suppress(ProcessLookupError):
            os.kill(process._process.pid, signal.SIGKILL)
    if function == "nothing":
        eventually(lambda: one.refusal is not None)
    gate.upstream.seen.clear()
    answers = _nobody_is_asked(gate)
    assert {answer.code for answer in answers} == _BLOCKED
    assert {answer.status for answer in answers} == {403}
    probes(len(answers))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", ["write_error", "sync_error"])
def test_threat_02_gate_fails_open_the_ledgers_disk(
    gated: Callable[..., Gated], step: str, code: int, probes: Callable[[int], None]
) -> None:
    """A full or broken disk under the ledger: 503 to everybody, and no audit and no judge is asked, either."""
    failing = Failing()
    gate = gated(ledger_disk=failing.disk, resilience=_STUBBORN, second=SecondConfig(audit_share=1.0))
    deploy(gate.running, Sure())
    setattr(failing, step, code)
    answers = _nobody_is_asked(gate)
    assert {answer.code for answer in answers} == _UNAVAILABLE
    assert {answer.status for answer in answers} == {503}
    # A specialist of ours answers without a byte leaving; what would be asked after it is not.
    task = {"model": "gpt-4o", "messages": MESSAGES}
    assert ask(gate.url, "/v1/chat/completions", task).status == 200
    state = gate.running.second.state
    eventually(lambda: state().lanes[CallRole.AUDIT].outcomes == {Outcome.FAILED: 1})
    assert gate.upstream.seen == []
    probes(len(answers) + 1)


def test_threat_02_gate_fails_open_judges(
    gated: Callable[..., Gated], tmp_path: Path, probes: Callable[[int], None]
) -> None:
    """A judge is not asked what nobody could write down."""
    gate = gated()
    gate.ledger.close()
    backend = HttpBackend(BackendConfig(name="frontier", base_url=gate.upstream.url), gate.gate)
    judge = Judge(backend=backend, gate=gate.gate, kind="openai", model="gpt-4o")
    pairs = [Pair(id=f"p{number}", input="Where is it?", candidate="a", baseline="b") for number in range(5)]

    async def no_pause(_: float) -> None:
        return

    async def asked() -> Any:
        try:
            return await ask_all(
                judge, questions(pairs), tmp_path / "said.jsonl", concurrency=2, price=lambda *_: None, pause=no_pause
            )
        finally:
            await backend.aclose()

    found = asyncio.run(asked())
    assert found.failed > 0
    assert not found.said
    assert gate.upstream.seen == []
    probes(found.failed)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["killed", "hanging", "raising"])
def test_threat_02_gate_fails_open_everything_at_once(mode: str, tmp_path: Path, probes: Callable[[int], None]) -> None:
    """Canaries everywhere, servers and detectors that fail, retries, fallbacks, trials, audits, judges: none leaks."""
    found = run(100, seed=2, mode=mode, route=False, folder=tmp_path)
    assert found.leaks == []
    assert found.unanswered == []
    assert found.second.total() > 0
    assert mode == "killed" or found.third_party == 0
    probes(found.sent)


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
    foreign = Permits().issue(sound, backend="frontier")
    with pytest.raises(PermitError):
        permits.spend(foreign, sound, backend="frontier")
    probes(len(others) + 2)
