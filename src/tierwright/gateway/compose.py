"""Puts the gateway together from parts that `app` has made.

Owns the order of composition; names no concrete store, loader or price list.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tierwright.gateway.auth import Authenticator
from tierwright.gateway.capture import Capture
from tierwright.gateway.catalogue import Catalogue, implied_deployments
from tierwright.gateway.config import CallerConfig, CaptureConfig, RoutingConfig, ServerConfig
from tierwright.gateway.exchange import Exchange
from tierwright.gateway.feedback import FeedbackDesk
from tierwright.gateway.frontier import Frontier
from tierwright.gateway.metrics import Metrics
from tierwright.gateway.policy import CascadePolicy
from tierwright.gateway.server import GatewayApp
from tierwright.gateway.sources import EntropyPool
from tierwright.gateway.specialists import ServingStore, SpecialistRegistry
from tierwright.gateway.tenancy.quota import Quotas
from tierwright.gateway.trail import Pricing
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

    from tierwright.core.deployment import Deployment
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import FeedbackStore, InferenceStore, SpecialistLoader
    from tierwright.gateway.catalogue import ServedBackend
    from tierwright.gateway.local import SpecialistTerms
    from tierwright.gateway.sources import Sources
    from tierwright.gateway.specialists import Snapshot
    from tierwright.gateway.trail import Count, Price


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingParts:
    """What specialists are served with."""

    store: ServingStore
    loader: SpecialistLoader
    #: Asked once for each deployment, in a thread; may raise any TierwrightError.
    terms: Callable[[Deployment, ModelVersion], SpecialistTerms]


def build_gateway(
    *,
    config: GatewayConfig,
    backends: Sequence[ServedBackend],
    captured: InferenceStore,
    feedback: FeedbackStore,
    serving: ServingParts,
    price: Price,
    sources: Sources,
    count: Count | None = None,
) -> GatewayApp:
    """The gateway as an ASGI application that starts its parts with the server's lifespan.

    `captured` is called from one thread, `serving` from another. `price` is called on the event loop, so it must be
    quick, and in the capture's thread. Raises SettingsError where the parts don't fit together.
    """
    implied = implied_deployments(backends, default=config.routing.default_backend)
    named = {deployment.model for deployment in config.upstreams.deployments}
    upstreams = Upstreams(
        UpstreamsConfig(
            # What is said outright goes before what a backend's list implies.
            deployments=(*config.upstreams.deployments, *(found for found in implied if found.model not in named)),
            resilience=config.upstreams.resilience,
            breaker=config.upstreams.breaker,
            concurrency=config.upstreams.concurrency,
        ),
        timer=sources.timer,
        sleep=asyncio.sleep,
        random=Random(int.from_bytes(sources.entropy()[:8], "big")),  # noqa: S311 - jitter, and no secret
    )
    catalogue = Catalogue(backends, upstreams)
    keys = serving.store.keys()
    authenticator = Authenticator(config.callers, host=config.server.host, keys=keys, clock=sources.clock)
    quotas = Quotas(None)
    pricing = Pricing(price, count)

    def renewed(snapshot: Snapshot) -> None:
        authenticator.renew(snapshot.keys)
        for key_id, (begun, usd) in snapshot.spent.items():
            quotas.load_spent(key_id, begun, usd)

    metrics = Metrics([model for model, _ in upstreams.models()])
    return GatewayApp(
        Exchange(
            catalogue=catalogue,
            frontier=Frontier(
                upstreams,
                catalogue.backends,
                sources=sources,
                request_timeout_s=config.upstreams.resilience.request_timeout_s,
                most_bytes=config.server.max_answer_bytes,
            ),
            specialists=SpecialistRegistry(
                serving.store,
                serving.loader,
                terms=serving.terms,
                config=config.routing,
                clock=sources.clock,
                renewed=renewed,
            ),
            policy=CascadePolicy(holdout_share=config.routing.holdout_share),
            capture=Capture(captured, config.capture, restored=pricing.restored, seen=metrics.observe),
            pricing=pricing,
            quotas=quotas,
            sources=sources,
            entropy=EntropyPool(sources.entropy),
            accept_recorded_at=config.capture.accept_recorded_at,
            keep_content=config.capture.keep_content,
            no_content_tasks=frozenset(config.capture.no_content_tasks),
        ),
        authenticator,
        feedback=FeedbackDesk(feedback, sources.clock),
        max_body_bytes=config.server.max_body_bytes,
        metrics=metrics,
    )
