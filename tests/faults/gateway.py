"""The gateway under test: real parts on a real port, with limits scaled down so that a fault is over in seconds."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.faults.client import KEY
from tests.faults.upstream import TOKEN_USD
from tierwright.core.chat import Usage
from tierwright.core.errors import ArtifactError
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.catalogue import ServedBackend
from tierwright.gateway.compose import Composition, GatewayConfig, Offer, ServingParts, UpstreamSettings
from tierwright.gateway.config import (
    Acknowledge,
    BackendConfig,
    CallerConfig,
    CaptureConfig,
    RoutingConfig,
    Secret,
    ServerConfig,
)
from tierwright.gateway.journal import DISK
from tierwright.gateway.local import SpecialistTerms
from tierwright.gateway.serving import Listener
from tierwright.gateway.sources import Sources
from tierwright.gateway.trail import Pricing
from tierwright.gateway.upstreams.config import ResilienceConfig
from tierwright.privacy.ungated import Ungated
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.faults.disk import Breakable, Remembering
    from tierwright.core.chat import ChatRequest
    from tierwright.core.inference import Inference
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import Gate, InferenceStore, Predictor
    from tierwright.gateway.asgi import Receive, Scope, Send
    from tierwright.gateway.server import GatewayApp
    from tierwright.store.sql import SqlStore

#: The model whose server is faulty, and one whose server never is.
MODEL, SOUND_MODEL = "gpt-4o", "gpt-4o-mini"
MAX_BODY_BYTES = 1024 * 1024
#: An answer is held about six times over while it is journalled, joined and stored; two of this length together stay
#: within the 64 MiB that the invariants allow.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
#: Seconds without a byte after which a model server is given up, and seconds for all of its answer.
IDLE_S, TOTAL_S = 1.0, 2.5
#: Seconds within which a gateway whose upstream is well again must answer: its longest cool-down, and its probes.
RECOVERY_S = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a fault changes of the gateway."""

    #: Where the faulty model server is said to be; None: where it is.
    base_url: str | None = None
    #: Whether the sound model stands in for the other.
    fallback: bool = False
    #: Requests the faulty model server is given at the same time, and requests that may wait for it.
    places: int = 64
    queue: int = 64
    #: Milliseconds that a record may wait in memory for others.
    capture_delay_ms: float = 2.0
    #: Seconds that the gateway has to end when it is stopped.
    drain_s: int = 10
    #: What captures are made durable on before they are acknowledged; None: that they are in the journal is enough.
    disk: Breakable | Remembering | None = None
    #: Longest answer of a model server.
    max_answer_bytes: int = MAX_ANSWER_BYTES
    #: Seconds that a caller may take to send a request's head or its body, and to take any of an answer.
    send_s: float = 10.0
    take_s: float = 60.0
    #: Seconds that a model server has to be connected, without a byte, and for an attempt. Short, since most faults are
    #: waited for; of those that no server is to blame for, a machine that is busy must not make any.
    connect_s: float = 0.5
    idle_s: float = IDLE_S
    total_s: float = TOTAL_S


@dataclass(slots=True)
class Clock:
    """The time of day, which may jump."""

    offset: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        """Now."""
        return datetime.now(UTC) + self.offset


class Unreliable:
    """A store of inferences that fails when it is told to, before or after it has kept what it was given."""

    def __init__(self, store: InferenceStore) -> None:
        self._store = store
        #: Raised by every append while it is set.
        self.error: Exception | None = None
        #: Whether what is given is kept before the error, as where a commit's answer is lost.
        self.keeps = False

    def append(self, inferences: Sequence[Inference]) -> int:
        """As `InferenceStore.append`."""
        error = self.error
        kept = self._store.append(inferences) if error is None or self.keeps else 0
        if error is not None:
            raise error
        return kept

    def __getattr__(self, name: str) -> Any:
        """Everything else is the store's."""
        return getattr(self._store, name)


class Nothing:
    """A loader that is never asked: nothing is deployed."""

    def load(self, version: ModelVersion) -> Predictor:
        """Nothing is there."""
        raise ArtifactError(f"nothing is deployed here, {version.id} least of all")


@dataclass(slots=True)
class Tap:
    """The application, with a hand on its event loop."""

    composition: Composition
    loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application."""
        self.loop = asyncio.get_running_loop()
        await self.composition.app(scope, receive, send)


@dataclass
class Gateway:
    """A gateway that can be started, hurt and stopped."""

    folder: Path
    upstream_url: str
    plan: Plan
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.store_path = self.folder / "store.db"
        self.store = open_store(f"sqlite:///{self.store_path}")
        self.captured = Unreliable(self.store)
        self.start()

    def start(self) -> None:
        """Builds one on the store, and waits until it takes requests."""
        server = server_config(self.plan)
        self._offered = offer(folder=self.folder, upstream_url=self.upstream_url, plan=self.plan, server=server)
        self._tap = Tap(compose(self._offered, stores=(self.store, self.captured), clock=self.clock, plan=self.plan))
        self._listener = Listener(self._tap, server)
        self.port = int(self._listener.address.rpartition(":")[2])
        ready = threading.Event()
        self._thread = threading.Thread(target=self._listener.run, args=(lambda _: ready.set(),), daemon=True)
        self._thread.start()
        if not ready.wait(20):
            raise RuntimeError("the gateway did not start within 20 s")

    async def stop(self) -> bool:
        """Stops it and waits; False: it did not end in time."""
        self._listener.stop()
        await asyncio.to_thread(self._thread.join, 20)
        return not self._thread.is_alive()

    def stall(self, seconds: float) -> None:
        """Keeps its event loop from doing anything else for so long."""
        assert self._tap.loop is not None
        self._tap.loop.call_soon_threadsafe(time.sleep, seconds)

    def change(self, *, key: str, sound: bool = True) -> None:
        """Has it take other settings, with another key for its model servers; not `sound`: with one that fits nowhere.

        Raises SettingsError where it refuses them.
        """
        tap = self._tap
        assert tap.loop is not None
        config = self._offered.config
        callers = config.callers if sound else config.callers * 2
        changed = Offer(
            config=replace(config, callers=callers),
            backends=served(self.plan, self.upstream_url, key, self._offered.gate),
            pricing=self._offered.pricing,
            gate=self._offered.gate,
        )
        tap.loop.call_soon_threadsafe(tap.composition.adopt, tap.composition.prepare(changed))

    def readiness(self) -> dict[str, Any]:
        """How it says it is doing."""
        return self._tap.composition.app.readiness()

    def inferences(self) -> list[Inference]:
        """All that is stored."""
        return list(self.store.scan())

    def close(self) -> None:
        """Closes the store."""
        self.store.close()


def build(
    *,
    folder: Path,
    upstream_url: str,
    plan: Plan,
    server: ServerConfig,
    stores: tuple[SqlStore, InferenceStore],
    clock: Clock,
) -> GatewayApp:
    """The application; `stores`: of what is served, and of what is captured."""
    offered = offer(folder=folder, upstream_url=upstream_url, plan=plan, server=server)
    return compose(offered, stores=stores, clock=clock, plan=plan).app


def offer(*, folder: Path, upstream_url: str, plan: Plan, server: ServerConfig) -> Offer:
    """What the gateway is made of that can be replaced."""
    gate = Ungated()
    return Offer(
        config=GatewayConfig(
            routing=RoutingConfig(default_backend="frontier", poll_interval_s=0.5),
            capture=CaptureConfig(
                max_delay_ms=plan.capture_delay_ms,
                spool=folder / "spool",
                acknowledge=Acknowledge.JOURNAL if plan.disk is None else Acknowledge.COMMIT,
            ),
            server=server,
            callers=(CallerConfig(client_id="faults", key_sha256=hashlib.sha256(KEY.encode()).hexdigest()),),
            upstreams=UpstreamSettings(
                resilience=ResilienceConfig(
                    attempt_timeout_s=plan.total_s,
                    request_timeout_s=2 * plan.total_s,
                    backoff_first_s=0.02,
                    backoff_limit_s=0.1,
                    retry_after_limit_s=1.5,
                    fallbacks={MODEL: (SOUND_MODEL,)} if plan.fallback else {},
                ),
            ),
        ),
        backends=served(plan, upstream_url, "sk-upstream", gate),
        pricing=Pricing(_price, _count),
        gate=gate,
    )


def compose(offered: Offer, *, stores: tuple[SqlStore, InferenceStore], clock: Clock, plan: Plan) -> Composition:
    """The gateway; `stores`: of what is served, and of what is captured."""
    disk = DISK if plan.disk is None else plan.disk.disk
    return Composition(
        offered,
        captured=stores[1],
        feedback=stores[0],
        serving=ServingParts(store=stores[0], loader=Nothing(), terms=_no_terms),
        sources=Sources(clock=clock, entropy=lambda: os.urandom(1000), disk=disk),
    )


def served(plan: Plan, upstream_url: str, key: str, gate: Gate) -> list[ServedBackend]:
    """The two model servers, the faulty one first, asked with this key."""
    backends = [
        _backend("frontier", plan.base_url or upstream_url, MODEL, key, plan),
        _backend("spare", upstream_url, SOUND_MODEL, key, plan),
    ]
    return [ServedBackend(backend=HttpBackend(one, gate), kind=KINDS[one.kind], models=one.models) for one in backends]


def server_config(plan: Plan) -> ServerConfig:
    """Where it listens, and its limits."""
    return ServerConfig(
        port=0,
        max_body_bytes=MAX_BODY_BYTES,
        max_answer_bytes=plan.max_answer_bytes,
        drain_s=plan.drain_s,
        header_timeout_s=plan.send_s,
        body_timeout_s=plan.send_s,
        write_timeout_s=plan.take_s,
    )


def _backend(name: str, base_url: str, model: str, key: str, plan: Plan) -> BackendConfig:
    return BackendConfig(
        name=name,
        base_url=base_url,
        api_key=Secret(key),
        models=(model,),
        timeout_s=plan.total_s,
        connect_timeout_s=plan.connect_s,
        idle_timeout_s=plan.idle_s,
    )


def _price(_: str, usage: Usage, __: datetime) -> Decimal | None:
    return (usage.prompt_tokens + usage.completion_tokens) * TOKEN_USD


def _count(request: ChatRequest, text: str | None, _: str) -> Usage:
    """As the scripted upstream counts: a word is a token."""
    prompt = sum(len(message.text.split()) for message in request.messages)
    return Usage(prompt_tokens=prompt, completion_tokens=len((text or "").split()), estimated=True)


def _no_terms(*_: object) -> SpecialistTerms:
    return SpecialistTerms(tokens_per_character=0.25, mean_completion_tokens=4, cost_usd=lambda _: Decimal(0))
