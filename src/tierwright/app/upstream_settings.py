"""The tables of tierwright.toml that say which model servers are asked, and what happens when one fails.

Owns these tables' shape and defaults; `settings` reads the file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.app.privacy_settings import BackendPrivacySection
from tierwright.core.errors import SettingsError
from tierwright.gateway.compose import UpstreamSettings
from tierwright.gateway.upstreams.config import BreakerConfig, ConcurrencyConfig, DeploymentConfig, ResilienceConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class BackendSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[[backends]]`."""

    name: str
    base_url: str
    #: What make of server it is, such as "openai", "azure", "anthropic" or "vllm".
    kind: str = "openai"
    #: `env:NAME` or `file:PATH`, never the key itself; empty: the server wants none.
    api_key: str = ""
    #: Sent with every request; `env:NAME` and `file:PATH` take a value from elsewhere.
    headers: dict[str, str] = {}
    #: Appended to every address, such as "api-version=2024-10-21".
    query: str = ""
    models: tuple[str, ...] = ()
    timeout_s: float = 600.0
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 300.0
    #: Requests it is given at the same time.
    max_connections: int = 512
    #: Requests that may wait for one of them to end.
    queue_limit: int = 1024
    #: Seconds a request may wait for it.
    queue_timeout_s: float = 10.0
    #: What it may see, and what its provider promises; only with a table [privacy].
    privacy: BackendPrivacySection | None = None


class DeploymentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[[deployments]]`: one model at one backend; several of one model share its traffic."""

    name: str
    backend: str
    model: str
    #: The model, as the backend names it; empty: as callers do.
    upstream_model: str = ""
    weight: float = 1.0
    priority: int = 0
    #: Tokens the model writes at most in one answer; None: not known.
    max_output_tokens: int | None = None


class ResilienceSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[resilience]`."""

    request_timeout_s: float = 600.0
    max_attempts: int = 3
    retry_share: float = 0.2
    retry_minimum: int = 3
    backoff_first_s: float = 0.5
    backoff_limit_s: float = 8.0
    retry_after_limit_s: float = 5.0
    #: Whether what may have been accepted, and billed, may be sent again.
    retry_uncertain: bool = False
    #: By model: the models to ask, in order, where it can't be had.
    fallbacks: dict[str, tuple[str, ...]] = {}


class BreakerSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[breaker]`."""

    consecutive_failures: int = 5
    failure_rate: float = 0.5
    window_s: float = 30.0
    window_minimum: int = 20
    open_first_s: float = 2.0
    open_limit_s: float = 15.0
    probes: int = 2


def upstream_settings(
    path: Path,
    backends: Sequence[BackendSection],
    deployments: Sequence[DeploymentSection],
    resilience: ResilienceSection,
    breaker: BreakerSection,
) -> UpstreamSettings:
    """What these tables say together; raises SettingsError where they don't fit."""
    names = {backend.name for backend in backends}
    for deployment in deployments:
        if deployment.backend not in names:
            raise SettingsError(
                f"{path}: deployment {deployment.name!r} names the backend {deployment.backend!r}, "
                "but there is no such [[backends]] entry"
            )
    return UpstreamSettings(
        deployments=tuple(_deployment(section) for section in deployments),
        resilience=ResilienceConfig(**_values(resilience)),
        breaker=BreakerConfig(**_values(breaker)),
        concurrency={
            section.name: ConcurrencyConfig(
                limit=section.max_connections,
                queue_limit=section.queue_limit,
                queue_timeout_s=section.queue_timeout_s,
            )
            for section in backends
        },
    )


def shared_out(settings: UpstreamSettings, workers: int) -> UpstreamSettings:
    """The part of one of several workers: all together give a backend no more requests at a time than it may have.

    Raises SettingsError where a backend may have fewer than there are workers.
    """
    for name, config in settings.concurrency.items():
        if config.limit < workers:
            raise SettingsError(
                f"backend {name!r}: max_connections is {config.limit}, which can't be shared out among "
                f"{workers} workers; raise it, or lower server.workers"
            )
    return replace(
        settings,
        concurrency={
            name: replace(config, limit=config.limit // workers, queue_limit=-(-config.queue_limit // workers))
            for name, config in settings.concurrency.items()
        },
    )


def _deployment(section: DeploymentSection) -> DeploymentConfig:
    return DeploymentConfig(**{**_values(section), "upstream_model": section.upstream_model or None})


def _values(section: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(section)
