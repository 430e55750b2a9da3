"""Puts the gateway together from parts that `app` has made.

Owns the order of composition; names no concrete store, loader or price list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.gateway.auth import Authenticator
from tierwright.gateway.capture import Capture
from tierwright.gateway.catalogue import Catalogue
from tierwright.gateway.config import CallerConfig, CaptureConfig, RoutingConfig, ServerConfig
from tierwright.gateway.exchange import EntropyPool, Exchange
from tierwright.gateway.policy import CascadePolicy
from tierwright.gateway.server import GatewayApp
from tierwright.gateway.specialists import ServingStore, SpecialistRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.deployment import Deployment
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import InferenceStore, SpecialistLoader
    from tierwright.gateway.catalogue import ServedBackend
    from tierwright.gateway.exchange import Sources
    from tierwright.gateway.local import SpecialistTerms
    from tierwright.gateway.trail import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """All the gateway is told."""

    routing: RoutingConfig
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    #: Empty: everyone on this machine may call, and nobody else can.
    callers: tuple[CallerConfig, ...] = ()


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
    serving: ServingParts,
    price: Price,
    sources: Sources,
) -> GatewayApp:
    """The gateway as an ASGI application that starts its parts with the server's lifespan.

    `captured` is called from one thread, `serving` from another. `price` is called on the event loop, so it must be
    quick, and in the capture's thread. Raises SettingsError where the parts don't fit together.
    """
    return GatewayApp(
        Exchange(
            catalogue=Catalogue(backends, default=config.routing.default_backend),
            specialists=SpecialistRegistry(serving.store, serving.loader, terms=serving.terms, config=config.routing),
            policy=CascadePolicy(holdout_share=config.routing.holdout_share),
            capture=Capture(captured, config.capture),
            price=price,
            sources=sources,
            entropy=EntropyPool(sources.entropy),
            accept_recorded_at=config.capture.accept_recorded_at,
        ),
        Authenticator(config.callers, host=config.server.host),
        max_body_bytes=config.server.max_body_bytes,
    )
