"""Puts the gateway together from parts that `app` has made, and does so again for other settings.

Owns the order of composition and what outlives a change of settings; names no concrete store, loader or price list.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from tierwright.gateway.auth import LOOPBACK, Authenticator
from tierwright.gateway.capture import Capture
from tierwright.gateway.catalogue import Catalogue, implied_deployments
from tierwright.gateway.clearance import Clearance, PrivacyState
from tierwright.gateway.config import (
    CallerConfig,
    CaptureConfig,
    RoutingConfig,
    SecondConfig,
    ServerConfig,
)
from tierwright.gateway.exchange import Exchange
from tierwright.gateway.feedback import FeedbackDesk
from tierwright.gateway.frontier import Frontier
from tierwright.gateway.metrics import Metrics
from tierwright.gateway.observing import Observers
from tierwright.gateway.policy import CascadePolicy
from tierwright.gateway.second import SecondDesk
from tierwright.gateway.server import Fittings, GatewayApp
from tierwright.gateway.sources import EntropyPool
from tierwright.gateway.specialists import ServingStore, SpecialistRegistry
from tierwright.gateway.tenancy.bounds import Dearest
from tierwright.gateway.tenancy.quota import Quotas
from tierwright.gateway.upstreams.config import (
    BreakerConfig,
    ConcurrencyConfig,
    DeploymentConfig,
    ResilienceConfig,
    UpstreamsConfig,
)
from tierwright.gateway.upstreams.upstreams import Upstreams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import TaskId
    from tierwright.core.inference import Inference
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import FeedbackStore, Gate, InferenceStore, SpecialistLoader
    from tierwright.gateway.catalogue import ServedBackend
    from tierwright.gateway.local import SpecialistTerms
    from tierwright.gateway.observing import Observer
    from tierwright.gateway.sources import Sources
    from tierwright.gateway.specialists import Snapshot
    from tierwright.gateway.trail import Draft, Pricing
    from tierwright.privacy.policy import Policy


#: Seconds that feedback waits for an answer of another process to be stored: the store's own time, and at most.
_COMMIT_S, _LONGEST_WAIT_S = 0.2, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """Which model servers are asked, and what happens when one fails."""

    #: Besides those that the backends' lists of models imply.
    deployments: tuple[DeploymentConfig, ...] = ()
    resilience: ResilienceConfig = field(default_factory=ResilienceConfig)
    breaker: BreakerConfig = field(default_factory=BreakerConfig)
    #: By the backend's name.
    concurrency: Mapping[str, ConcurrencyConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """All the gateway is told."""

    routing: RoutingConfig
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    #: Empty: everyone on this machine may call, and nobody else can.
    callers: tuple[CallerConfig, ...] = ()
    upstreams: UpstreamSettings = field(default_factory=UpstreamSettings)
    second: SecondConfig = field(default_factory=SecondConfig)
    #: None: no gate is configured.
    privacy: Policy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingParts:
    """What specialists are served with."""

    store: ServingStore
    loader: SpecialistLoader
    #: Asked once for each deployment, in a thread; may raise any TierwrightError.
    terms: Callable[[Deployment, ModelVersion], SpecialistTerms]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a gateway is made of that can be replaced while it answers."""

    config: GatewayConfig
    #: Those that are the very objects of before keep their connections.
    backends: Sequence[ServedBackend]
    pricing: Pricing
    #: What the backends were made with.
    gate: Gate


class Prepared(NamedTuple):
    """An offer that was looked at and can be taken."""

    offer: Offer
    upstreams: UpstreamsConfig


class Composition:
    """A gateway and the parts of it that stay when its settings change.

    They are the capture, the limits' counters, the metrics and the specialists: what [capture], [routing] and [server]
    say of these is read once. Everything else in an offer holds from the next request on.
    """

    def __init__(
        self,
        offer: Offer,
        *,
        captured: InferenceStore,
        feedback: FeedbackStore,
        serving: ServingParts,
        sources: Sources,
        quota_file: Path | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        """`captured` is written to from one thread, which calls `observers`, and is read from others, like `serving`.

        The price is asked for on the event loop, so it must be quick, and in the capture's thread. `quota_file`: what
        several processes count limits in; None: there is one process. Raises SettingsError where the parts don't fit
        together, ServiceError where the file can't be used.
        """
        config, prepared = offer.config, self.prepare(offer)
        self._sources = sources
        self._upstreams = Upstreams(
            prepared.upstreams,
            timer=sources.timer,
            sleep=asyncio.sleep,
            random=Random(int.from_bytes(sources.entropy()[:8], "big")),  # noqa: S311 - jitter, and no secret
        )
        self._backends = [served.backend for served in offer.backends]
        self._authenticator = Authenticator(
            config.callers, host=config.server.host, keys=serving.store.keys(), clock=sources.clock
        )
        self._pricing = offer.pricing
        self._metrics = Metrics(self.models)
        self._observers = Observers(observers, task_name=self._task_name)
        self._observers.tell_apart(self.models)
        self._quotas = Quotas(quota_file)
        self._privacy = PrivacyState()
        self._metrics.watch_privacy(self._privacy)
        self._capture = Capture(
            captured,
            config.capture,
            restored=self._restored,
            seen=self._seen,
            disk=sources.disk,
        )
        self._specialists = SpecialistRegistry(
            serving.store,
            serving.loader,
            terms=serving.terms,
            config=config.routing,
            clock=sources.clock,
            renewed=self._renew_keys,
        )
        #: What answers after the answer.
        self.second = SecondDesk(serving.store, config.second, sources=sources)
        self._entropy = EntropyPool(sources.entropy)
        desk = FeedbackDesk(
            feedback,
            inferences=captured,
            flush=self._capture.flush,
            soon_s=min(_LONGEST_WAIT_S, _COMMIT_S + config.capture.max_delay_ms / 1000),
            clock=sources.clock,
        )
        self.app = GatewayApp(self._fittings(offer), feedback=desk, metrics=self._metrics)

    @property
    def models(self) -> list[str]:
        """The models that its deployments name."""
        return [model for model, _ in self._upstreams.models()]

    @staticmethod
    def prepare(offer: Offer) -> Prepared:
        """Looks whether an offer can be taken, and changes nothing; raises SettingsError where it can't."""
        config = offer.config
        # Raises where the callers don't fit together. That nobody needs a key is not known before the store is read.
        Authenticator(config.callers, host=LOOPBACK)
        implied = implied_deployments(offer.backends, default=config.routing.default_backend)
        named = {deployment.model for deployment in config.upstreams.deployments}
        upstreams = UpstreamsConfig(
            # What is said outright goes before what a backend's list implies.
            deployments=(*config.upstreams.deployments, *(found for found in implied if found.model not in named)),
            resilience=config.upstreams.resilience,
            breaker=config.upstreams.breaker,
            concurrency=config.upstreams.concurrency,
        )
        return Prepared(offer, upstreams)

    def adopt(self, prepared: Prepared) -> None:
        """Answers by other settings from the next request on; on the event loop. It can't fail."""
        offer = prepared.offer
        backends = [served.backend for served in offer.backends]
        left = [backend for backend in self._backends if backend not in backends]
        self._upstreams = self._upstreams.renewed(prepared.upstreams, replaced=[backend.name for backend in left])
        self._backends = backends
        self._authenticator = self._authenticator.renewed(offer.config.callers)
        self._pricing = offer.pricing
        self._metrics.tell_apart(self.models)
        self._observers.tell_apart(self.models)
        self.app.adopt(self._fittings(offer), left=left)

    def close(self) -> None:
        """Gives back what this process holds of the callers' limits; called when the application has ended."""
        self._quotas.close()

    def _fittings(self, offer: Offer) -> Fittings:
        config = offer.config
        catalogue = Catalogue(offer.backends, self._upstreams)
        clearance = Clearance(offer.gate, config.privacy, self._upstreams, state=self._privacy)
        frontier = Frontier(
            self._upstreams,
            catalogue.backends,
            clearance=clearance,
            sources=self._sources,
            request_timeout_s=config.upstreams.resilience.request_timeout_s,
            most_bytes=config.server.max_answer_bytes,
        )
        self.second.renew(config.second, frontier)
        return Fittings(
            exchange=Exchange(
                catalogue=catalogue,
                clearance=clearance,
                frontier=frontier,
                specialists=self._specialists,
                policy=CascadePolicy(holdout_share=config.routing.holdout_share),
                capture=self._capture,
                pricing=offer.pricing,
                dearest=Dearest(offer.pricing.price),
                quotas=self._quotas,
                second=self.second,
                sources=self._sources,
                entropy=self._entropy,
                accept_recorded_at=config.capture.accept_recorded_at,
                sticky_by_person=config.routing.sticky_by_person,
                keep_content=config.capture.keep_content,
                no_content_tasks=frozenset(config.capture.no_content_tasks),
            ),
            authenticator=self._authenticator,
            max_body_bytes=config.server.max_body_bytes,
        )

    def _restored(self, record: bytes) -> Draft:
        return self._pricing.restored(record)

    def _seen(self, inference: Inference, traceparent: str | None) -> None:
        self._metrics.observe(inference)
        self._observers.tell(inference, traceparent)

    def _task_name(self, task_id: TaskId) -> str | None:
        label = self._specialists.snapshot.labels.get(task_id)
        return None if label is None else unquote(label.decode("ascii"))

    def _renew_keys(self, snapshot: Snapshot) -> None:
        self._authenticator.renew(snapshot.keys)
        for key_id, (begun, usd) in snapshot.spent.items():
            self._quotas.load_spent(key_id, begun, usd)
