"""A gateway on a real port, its model server, its store and its specialists."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.integration.gateway.upstream import Upstream
from tierwright.core.errors import ArtifactError
from tierwright.core.model import ModelVersion, Prediction
from tierwright.economics.count import TokenCounter
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.catalogue import ServedBackend
from tierwright.gateway.compose import Composition, GatewayConfig, Offer, ServingParts, UpstreamSettings
from tierwright.gateway.config import (
    BackendConfig,
    CallerConfig,
    CaptureConfig,
    RoutingConfig,
    SecondConfig,
    Secret,
    ServerConfig,
)
from tierwright.gateway.journal import DISK
from tierwright.gateway.local import SpecialistTerms
from tierwright.gateway.serving import Beside, Listener
from tierwright.gateway.sources import Sources
from tierwright.gateway.trail import Pricing
from tierwright.privacy.ungated import Ungated
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tierwright.core.chat import Usage
    from tierwright.core.inference import Inference
    from tierwright.core.protocols import Gate, InferenceStore, Predictor
    from tierwright.gateway.journal import Disk
    from tierwright.gateway.pseudonymising.desk import PseudonymDesk
    from tierwright.gateway.second import SecondDesk
    from tierwright.gateway.server import GatewayApp
    from tierwright.privacy.policy import Policy
    from tierwright.store.sql import SqlStore

KEY = "tw-test-key"
UPSTREAM_KEY = "sk-upstream-secret"


def price(model: str, usage: Usage, _: datetime) -> Decimal | None:
    """A micro-dollar a token for gpt-4o; nothing else has a price."""
    return Decimal(usage.prompt_tokens + usage.completion_tokens) / 1_000_000 if model == "gpt-4o" else None


@dataclass
class Sure:
    """A specialist that gives one answer with one confidence, after a while, or fails."""

    output: str = "card_lost"
    confidence: float = 0.99
    delay_s: float = 0.0
    error: Exception | None = None
    #: Sizes of the batches predicted.
    batches: list[int] = field(default_factory=list)

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction for each input."""
        self.batches.append(len(inputs))
        # The first prediction is the gateway's own, when it loads.
        if len(self.batches) > 1:
            time.sleep(self.delay_s)
            if self.error is not None:
                raise self.error
        return [Prediction(output=self.output, confidence=self.confidence) for _ in inputs]


@dataclass
class Shelf:
    """A loader: predictors by version id; an id that is not there is damaged."""

    predictors: dict[str, Predictor] = field(default_factory=dict)

    def load(self, version: ModelVersion) -> Predictor:
        """The predictor of a version."""
        if version.id not in self.predictors:
            raise ArtifactError(f"the artifact of {version.id} is damaged; train it again")
        return self.predictors[version.id]


class Changes:
    """Changes a running gateway's settings, as a reload does: on its event loop."""

    def __init__(self, composition: Composition, offer: Offer) -> None:
        self._composition = composition
        #: What it was started with.
        self.offer = offer
        self._loop: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> None:
        """Runs beside the gateway until it ends."""
        self._loop = asyncio.get_running_loop()
        await asyncio.Event().wait()

    def make(self, offer: Offer) -> None:
        """Takes other settings; returns when they hold. Raises SettingsError where they can't be taken."""
        self.make_soon(offer).result(10)

    def make_soon(self, offer: Offer) -> Future[None]:
        """As `make`, without waiting."""
        prepared = self._composition.prepare(offer)

        async def adopt() -> None:
            self._composition.adopt(prepared)

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(adopt(), self._loop)


@dataclass
class Running:
    """A running gateway and all around it."""

    upstream: Upstream
    store: SqlStore
    shelf: Shelf
    listener: Listener
    app: GatewayApp
    changes: Changes
    thread: threading.Thread
    second: SecondDesk
    clients: list[openai.OpenAI] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What an OpenAI client is given."""
        return self.listener.address + "/v1"

    def client(self, **changes: Any) -> openai.OpenAI:
        """A real client that tries everything once; closed with the gateway."""
        self.clients.append(openai.OpenAI(base_url=self.url, api_key=KEY, max_retries=0, **changes))
        return self.clients[-1]

    def readiness(self) -> dict[str, Any]:
        """What readiness says."""
        with urllib.request.urlopen(self.listener.address + "/health/readiness", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def stop(self) -> None:
        """Stops gracefully and waits for the end."""
        for client in self.clients:
            client.close()
        self.listener.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def captured(self, count: int = 1) -> list[Inference]:
        """The inferences in the store, as soon as there are that many."""
        eventually(lambda: self.store.count() >= count)
        return list(self.store.scan())


def eventually(holds: Callable[[], bool], *, within_s: float = 15.0) -> None:
    """Waits until something holds; fails where it does not."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def terms(*_: object) -> SpecialistTerms:
    """A quarter of a token a character, four tokens an answer, a micro-dollar a call."""
    return SpecialistTerms(
        tokens_per_character=0.25, mean_completion_tokens=4.2, cost_usd=lambda seconds: Decimal("0.000001")
    )


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A model server that can be scripted."""
    with Upstream() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A real store, empty."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def start(upstream: Upstream, store: SqlStore) -> Iterator[Callable[..., Running]]:
    """Starts gateways, any part of their settings changed by name; stops them at the end."""
    with ExitStack() as stack:

        def starting(
            *,
            backend: dict[str, Any] | None = None,
            routing: dict[str, Any] | None = None,
            capture: dict[str, Any] | None = None,
            captured: InferenceStore | None = None,
            max_body_bytes: int = 1_000_000,
            max_answer_bytes: int = 10_000_000,
            drain_s: int = 10,
            others: Sequence[dict[str, Any]] = (),
            server: dict[str, Any] | None = None,
            disk: Disk = DISK,
            second: SecondConfig | None = None,
            gate: Gate | None = None,
            privacy: Policy | None = None,
            pseudonyms: PseudonymDesk | None = None,
            **more: Any,
        ) -> Running:
            shelf = Shelf()
            settings: dict[str, Any] = {
                "name": "frontier",
                "base_url": upstream.url,
                "api_key": Secret(UPSTREAM_KEY),
                "models": ("gpt-4o", "gpt-4o-mini"),
                "timeout_s": 10.0,
            }
            limits = {"max_body_bytes": max_body_bytes, "max_answer_bytes": max_answer_bytes, "drain_s": drain_s}
            bounds = ServerConfig(**{"port": 0, **limits, **(server or {})})
            config = GatewayConfig(
                routing=RoutingConfig(
                    **{"default_backend": "frontier", "holdout_share": 0.0, "poll_interval_s": 0.02, **(routing or {})}
                ),
                capture=CaptureConfig(**{"max_delay_ms": 5.0, **(capture or {})}),
                server=bounds,
                callers=(CallerConfig(client_id="desk", key_sha256=hashlib.sha256(KEY.encode()).hexdigest()),),
                upstreams=UpstreamSettings(**more),
                second=second or SecondConfig(),
                privacy=privacy,
            )
            chosen = [BackendConfig(**{**settings, **(backend or {})})]
            chosen += [BackendConfig(**{**settings, **other}) for other in others]
            gate = gate or Ungated()
            offer = Offer(
                config=config,
                backends=[
                    ServedBackend(backend=HttpBackend(one, gate), kind=KINDS[one.kind], models=one.models)
                    for one in chosen
                ],
                pricing=Pricing(price, TokenCounter().estimate),
                gate=gate,
                pseudonyms=pseudonyms,
            )
            composition = Composition(
                offer,
                captured=store if captured is None else captured,
                serving=ServingParts(store=store, loader=shelf, terms=terms),
                feedback=store,
                sources=Sources(clock=lambda: datetime.now(UTC), entropy=lambda: os.urandom(10), disk=disk),
            )
            changes = Changes(composition, offer)
            listener = Listener(composition.app, bounds, beside=Beside(task=changes.wait))
            ready = threading.Event()
            thread = threading.Thread(target=listener.run, args=(lambda _: ready.set(),), daemon=True)
            thread.start()
            running = Running(
                upstream=upstream,
                store=store,
                shelf=shelf,
                listener=listener,
                app=composition.app,
                changes=changes,
                thread=thread,
                second=composition.second,
            )
            stack.callback(running.stop)
            assert ready.wait(10)
            return running

        yield starting


@pytest.fixture
def gateway(start: Callable[..., Running]) -> Running:
    """A gateway with nothing deployed."""
    return start()
