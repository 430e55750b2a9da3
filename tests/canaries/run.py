"""One run: a gateway with a real gate, two third parties' servers that fail now and then, and one of one's own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import web

from tests.canaries.requests import Planted, requests
from tests.canaries.values import FORMS, leaks, phrase
from tests.fakes import a_dataset, a_deployment, a_task, a_version, an_example
from tests.integration.gateway.conftest import KEY, Shelf, Sure, price, terms
from tests.integration.gateway.upstream import Upstream, completion, events
from tierwright.app.detectors import plugin_environment
from tierwright.app.judge_calls import Judge, ask_all
from tierwright.core.deployment import Stage
from tierwright.core.ids import DeploymentId, ModelVersionId
from tierwright.core.inference import CallRole
from tierwright.core.privacy import DataClass, PrivacyMode
from tierwright.economics.count import TokenCounter
from tierwright.evals.judge import Pair, questions
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.catalogue import ServedBackend
from tierwright.gateway.compose import Composition, GatewayConfig, Offer, ServingParts, UpstreamSettings
from tierwright.gateway.config import (
    BackendConfig,
    CallerConfig,
    CaptureConfig,
    RoutingConfig,
    SecondConfig,
    ServerConfig,
)
from tierwright.gateway.lanes import Allowance, Outcome
from tierwright.gateway.pseudonymising.desk import PseudonymDesk
from tierwright.gateway.serving import Beside, Listener
from tierwright.gateway.sources import Sources
from tierwright.gateway.trail import Pricing
from tierwright.gateway.upstreams.config import BreakerConfig, ResilienceConfig
from tierwright.privacy.gate import ConfiguredGate
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Ledger
from tierwright.privacy.looking import Looker
from tierwright.privacy.plugins.host import PluginDetector
from tierwright.privacy.plugins.process import PluginSpec
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import Promise, Promises
from tierwright.privacy.ungated import Ungated
from tierwright.privacy.vault import Vault
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.privacy import Found as FoundOne
    from tierwright.core.protocols import Gate
    from tierwright.store.sql import SqlStore

#: What is wrong with the detector beside the rules.
#: Third parties get tokens in the place of what is found.
TOKENS: Final = "tokens"
MODES: Final = ("on", "killed", "hanging", "raising", TOKENS)
#: Neither gate nor detector: what shows that a leak would be seen.
UNGATED: Final = "no gate"
_ROOT: Final = Path(__file__).resolve().parents[2]
_AT_ONCE: Final = 16
#: One question of so many requests is a judge's.
_JUDGED: Final = 20
_KILL_EVERY_S: Final = 0.2
_NO_BOUND: Final = Allowance()
_ENDINGS: Final = (b"data: [DONE]", b"message_stop", b"response.completed", b"response.incomplete", b'"error"')


@dataclass(slots=True)
class Found:
    """What came of a run."""

    #: Requests by the status of their answers.
    statuses: Counter[int] = field(default_factory=Counter)
    #: Judges' questions by whether they were asked.
    judged: Counter[str] = field(default_factory=Counter)
    #: Requests that were not answered, or with an error that has no code, in words without content.
    unanswered: list[str] = field(default_factory=list)
    #: What third parties were sent.
    third_party: int = 0
    house: int = 0
    #: Places of canaries that reached a third party; unknown ones by their type.
    leaks: list[str] = field(default_factory=list)
    #: Entries of the ledger by kind, and by the role of permits.
    ledger: Counter[str] = field(default_factory=Counter)
    #: Calls after answers by their role and what became of them.
    second: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        """Requests and judges' questions."""
        return self.statuses.total() + len(self.unanswered) + self.judged.total()


def run(count: int, *, seed: int, mode: str, route: bool, folder: Path) -> Found:
    """Sends so many requests; `route`: a model of one's own stands in where a third party may not see one."""
    random, found = Random(seed), Found()
    with ExitStack() as stack:
        third, spare, house = (stack.enter_context(Upstream()) for _ in range(3))
        third.script = spare.script = _failing(Random(seed + 1))
        house.script = _answering
        store = open_store(f"sqlite:///{folder / 'store.db'}")
        stack.callback(store.close)
        (folder / "ledger").mkdir(mode=0o700)
        ledger = Ledger(folder / "ledger", key=SigningKey.of_folder(folder / "ledger"))
        ledger.start()
        stack.callback(ledger.close)
        policy = Policy(
            backends={"third": Promises(), "spare": Promises(), "house": Promises(self_hosted=Promise(value=True))},
            route_model="gpt-house" if route else None,
            modes=dict.fromkeys(DataClass, PrivacyMode.PSEUDONYMISE) if mode == TOKENS else {},
        )
        detector = _Plugin(mode)
        gate: Gate = Ungated(policy.backends)
        judging, desk = gate, None
        if mode != UNGATED:
            gate = configured = _gate(policy, ledger, detector)
            judging = _gate(policy, ledger, _Plugin(mode))
            desk = _desk(configured.looker) if mode == TOKENS else None
        shelf = _deployed(store)
        urls = {"third": third.url, "spare": spare.url, "house": house.url}
        composition = _composed(gate, None if mode == UNGATED else policy, store, shelf, urls, desk)
        listener = Listener(composition.app, ServerConfig(port=0), beside=Beside(task=detector.last))
        ready = threading.Event()
        thread = threading.Thread(target=listener.run, args=(lambda _: ready.set(),), daemon=True)
        thread.start()
        assert ready.wait(20)
        over = threading.Event()
        if mode == "killed":
            threading.Thread(target=_kill, args=(detector, over), daemon=True).start()
        planted = list(requests(count, random))
        asyncio.run(_send_all(listener.address, planted, found))
        asyncio.run(_judge_all(count // _JUDGED, judging, urls["third"], folder, found))
        over.set()
        listener.stop()
        thread.join(60)
        assert not thread.is_alive()
        _look(found, composition, third, spare, house)
    found.ledger.update(f"{entry.kind} {entry.facts.get('role', '')}".strip() for entry in entries(folder / "ledger"))
    return found


def _gate(policy: Policy, ledger: Ledger, detector: _Plugin) -> ConfiguredGate:
    looker = Looker([detector], timeout_s=detector.deadline_s, secret=os.urandom(16))
    return ConfiguredGate(policy, looker, ledger, clock=lambda: datetime.now(UTC), digest_key=os.urandom(32))


class _Plugin(PluginDetector):
    """A detector of a function, in its own process."""

    def __init__(self, mode: str) -> None:
        function = mode if mode in {"hanging", "raising"} else "nothing"
        self.deadline_s = deadline_s = 0.05 if mode == "hanging" else 2.0
        spec = PluginSpec(
            name="plugin",
            factory="tierwright.privacy.plugins.callables:load",
            options={"call": f"tests.canaries.faulty:{function}", "types": ["person"]},
            folders=(str(_ROOT),),
            deadline_s=deadline_s,
            first_pause_s=0.05,
            longest_pause_s=0.1,
        )
        super().__init__(spec, environment=plugin_environment(os.environ))

    async def last(self) -> None:
        """Lasts as long as the gateway, and ends its process with it."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.aclose()

    def kill(self) -> None:
        """Ends its process, as the kernel does where memory is short."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process._process.pid, signal.SIGKILL)


def _kill(detector: _Plugin, over: threading.Event) -> None:
    while not over.wait(_KILL_EVERY_S):
        detector.kill()


def _deployed(store: SqlStore) -> Shelf:
    """A specialist that serves half of its task's requests, never sure of them, and one on trial."""
    shelf = Shelf()
    store.put_task(a_task())
    store.add_dataset(a_dataset(), [an_example()])
    for number, (stage, specialist) in enumerate([(Stage.LIVE, _HalfSure()), (Stage.SHADOW, Sure())], 1):
        version = a_version(id=ModelVersionId(f"version{number:010d}"))
        shelf.predictors[version.id] = specialist
        store.add_version(version)
        store.add_deployment(
            a_deployment(
                id=DeploymentId(f"deployment-{number}"),
                model_version_id=version.id,
                stage=stage,
                share=1.0,
                evaluation_id=None,
            )
        )
    return shelf


class _HalfSure(Sure):
    """Sure of every second input."""

    def predict(self, inputs: Any) -> Any:
        """As `Sure.predict`, with another confidence each time."""
        self.confidence = 0.99 if len(self.batches) % 2 else 0.1
        return super().predict(inputs)


def _desk(looker: Looker) -> PseudonymDesk:
    async def look(texts: Sequence[str]) -> Sequence[Sequence[FoundOne]]:
        return (await looker.look(texts)).findings

    return PseudonymDesk(Vault(clock=lambda: datetime.now(UTC), draw=os.urandom), look)


def _composed(
    gate: Gate,
    policy: Policy | None,
    store: SqlStore,
    shelf: Shelf,
    urls: dict[str, str],
    desk: PseudonymDesk | None,
) -> Composition:
    models = {"third": ("gpt-4o",), "spare": ("gpt-4o-mini",), "house": ("gpt-house",)}
    configs = [
        BackendConfig(name=name, base_url=url, models=models[name], timeout_s=10.0) for name, url in urls.items()
    ]
    config = GatewayConfig(
        routing=RoutingConfig(default_backend="third", holdout_share=0.1),
        capture=CaptureConfig(max_delay_ms=5.0),
        callers=(CallerConfig(client_id="desk", key_sha256=hashlib.sha256(KEY.encode()).hexdigest()),),
        upstreams=UpstreamSettings(
            resilience=ResilienceConfig(
                fallbacks={"gpt-4o": ("gpt-4o-mini",)},
                backoff_first_s=0.001,
                backoff_limit_s=0.002,
                retry_share=1.0,
                retry_minimum=1000,
                retry_uncertain=True,
            ),
            # Servers that fail all the time go on being asked: what is sent to them is the matter here.
            breaker=BreakerConfig(consecutive_failures=1_000_000, failure_rate=1.0, window_minimum=1_000_000),
        ),
        second=SecondConfig(audit_share=1.0, shadow=_NO_BOUND, audit=_NO_BOUND, queue_limit=100_000),
        privacy=policy,
    )
    return Composition(
        Offer(
            config=config,
            backends=[ServedBackend(backend=HttpBackend(one, gate), models=one.models) for one in configs],
            pricing=Pricing(price, TokenCounter().estimate),
            gate=gate,
            pseudonyms=desk,
        ),
        captured=store,
        feedback=store,
        serving=ServingParts(store=store, loader=shelf, terms=terms),
        sources=Sources(clock=lambda: datetime.now(UTC), entropy=lambda: os.urandom(1000)),
    )


async def _send_all(address: str, planted: list[Planted], found: Found) -> None:
    turn = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:

        async def send(one: Planted) -> None:
            async with turn:
                headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **one.headers}
                try:
                    async with session.post(address + one.path, data=one.body, headers=headers) as answer:
                        body = await answer.read()
                except (aiohttp.ClientError, TimeoutError) as error:
                    found.unanswered.append(f"{one.place}: {error.__class__.__name__}")
                    return
                if answer.status == 500 and b"internal_error" in body:
                    found.unanswered.append(f"{one.place}: internal_error")
                elif answer.content_type == "text/event-stream" and not any(end in body for end in _ENDINGS):
                    found.unanswered.append(f"{one.place}: a stream without an end")
                else:
                    found.statuses[answer.status] += 1

        await asyncio.gather(*map(send, planted))


async def _judge_all(count: int, gate: Gate, url: str, folder: Path, found: Found) -> None:
    """So many questions to a judge at the third party, every second with a canary."""
    backend = HttpBackend(BackendConfig(name="third", base_url=url), gate)
    judge = Judge(backend=backend, gate=gate, kind="openai", model="gpt-4o")
    pairs = [
        Pair(
            id=f"p{number}",
            input=phrase(FORMS[number // 2 % len(FORMS)], number) if number % 2 else f"Where is parcel {number % 89}?",
            candidate="a",
            baseline="b",
        )
        for number in range(count)
    ]

    async def no_pause(_: float) -> None:
        return

    try:
        asked = await ask_all(
            judge, questions(pairs), folder / "verdicts.jsonl", concurrency=4, price=lambda *_: None, pause=no_pause
        )
    finally:
        await backend.aclose()
        if isinstance(gate, ConfiguredGate):
            await gate.looker.aclose()
    found.judged.update(asked=len(asked.said), stayed=asked.failed)


def _look(found: Found, composition: Composition, third: Upstream, spare: Upstream, house: Upstream) -> None:
    """What reached whom."""
    found.third_party, found.house = len(third.seen) + len(spare.seen), len(house.seen)
    for headers, body in (*third.seen, *spare.seen):
        sent = body + b"\n" + "\n".join(f"{name}: {value}" for name, value in headers.items()).encode()
        found.leaks += [leak[:4].decode("ascii", "replace") for leak in leaks(sent)]
    lanes = composition.second.state().lanes
    for role in (CallRole.SHADOW, CallRole.AUDIT):
        for outcome in Outcome:
            if lanes[role].outcomes[outcome]:
                found.second[f"{role.value} {outcome.value}"] = lanes[role].outcomes[outcome]


def _failing(random: Random) -> Any:
    async def script(request: web.Request) -> web.StreamResponse:
        match random.randrange(10):
            case 0:
                return web.json_response({"error": {"message": "busy"}}, status=503)
            case 1:
                return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "0"})
            case 2:
                return web.json_response({"error": {"message": "broken"}}, status=500)
            case 3:
                assert request.transport is not None
                request.transport.abort()
        return await _answering(request)

    return script


async def _answering(request: web.Request) -> web.StreamResponse:
    """What such a server says, in one piece or streamed."""
    body = await request.json()
    if request.path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        return web.json_response({"object": "list", "model": "e", "data": data, "usage": usage})
    if request.path.endswith("/moderations"):
        return web.json_response({"id": "modr-1", "model": "m", "results": [{"flagged": False}]})
    if request.path.endswith("/responses"):
        text = [{"type": "output_text", "text": "sent", "annotations": []}]
        said = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": text}
        answer = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4o", "output": [said]}
        if not body.get("stream"):
            return web.json_response(answer)
        return await _stream(request, [_event({"type": "response.completed", "response": answer})])
    if body.get("stream"):
        return await _stream(request, events("sent"))
    return web.json_response(completion('{"verdict": "1"}'))


def _event(payload: dict[str, Any]) -> bytes:
    return f"event: {payload['type']}\ndata: {json.dumps(payload)}\n\n".encode()


async def _stream(request: web.Request, pieces: list[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    return response
