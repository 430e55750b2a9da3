"""The gateway of one process as the settings describe it, and how it takes a settings file that has changed.

Owns what of the settings can change while it answers; refuses to know who asks for the change.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tierwright.app.privacy_gate import keeper_of
from tierwright.app.road_settings import second_shared_out
from tierwright.app.upstream_settings import shared_out
from tierwright.app.wiring import ArtifactLoader, price_list, specialist_terms, telemetry_exporter
from tierwright.core.errors import SettingsError
from tierwright.economics.count import TokenCounter
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.catalogue import ServedBackend
from tierwright.gateway.compose import Composition, GatewayConfig, Offer, Prepared, ServingParts
from tierwright.gateway.request_log import RequestLog
from tierwright.gateway.sources import Sources
from tierwright.gateway.trail import Pricing
from tierwright.privacy.ungated import Ungated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tierwright.app.settings import Settings
    from tierwright.app.wiring import Parts
    from tierwright.core.deployment import Deployment
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import Backend, Gate
    from tierwright.gateway.config import BackendConfig
    from tierwright.gateway.local import SpecialistTerms
    from tierwright.gateway.observing import Observer
    from tierwright.gateway.server import GatewayApp

#: What is read once, when the gateway starts: tables, and keys of tables, of the settings file.
READ_ONCE = (
    "store",
    "admin",
    "server.host",
    "server.port",
    "server.workers",
    "server.drain_s",
    "server.keep_alive_s",
    "server.header_timeout_s",
    "server.body_timeout_s",
    "server.write_timeout_s",
    "server.max_header_bytes",
    "server.max_connections",
    "routing.poll_interval_s",
    "routing.specialist_timeout_s",
    "capture.queue_limit",
    "capture.queue_limit_bytes",
    "capture.batch_limit",
    "capture.max_delay_ms",
    "capture.spool",
    "capture.acknowledge",
    "shadow.queue_limit",
    "shadow.queue_limit_bytes",
    "training.encoder",
    "training.weights",
    "log",
    "monitor",
    "telemetry",
    "privacy.ledger",
    "privacy.checkpoints",
    "privacy.signing_key",
    "privacy.content_key",
    "privacy.detectors",
    "privacy.detector_timeout_ms",
)


class Change(NamedTuple):
    """A change of the settings that was looked at and can be made."""

    parts: Parts
    prepared: Prepared


class Service:
    """The gateway of one process."""

    def __init__(self, parts: Parts, *, quota_file: Path | None = None) -> None:
        """`quota_file`: what the workers count callers' limits in; None: there is one process.

        Raises SettingsError where the settings name no backend or don't fit together.
        """
        self._parts = parts
        self._workers = parts.settings.workers
        self._counter = TokenCounter()
        self._backends: dict[str, tuple[BackendConfig, Gate, Backend]] = {}
        self._ungated = Ungated()
        self._keeper = keeper_of(parts)
        offer = self._offer(parts)
        self._remember(parts, offer)
        self._telemetry = telemetry_exporter(parts.settings, self._config_of)
        self._composition = Composition(
            offer,
            captured=parts.store,
            feedback=parts.store,
            serving=ServingParts(store=parts.store, loader=ArtifactLoader(parts), terms=self._terms),
            # Many bytes a call: the gateway keeps what is left over, and asking is dear.
            sources=Sources(clock=parts.clock, entropy=lambda: secrets.token_bytes(4000)),
            quota_file=quota_file,
            observers=self._observers(parts.settings),
        )
        if self._telemetry is not None:
            self._telemetry.start()
            self.app.metrics.watch_telemetry(self._telemetry.state)
        if self._keeper is not None:
            self.app.gated_by(self._keeper)
        self._preload(parts, self._composition.models)

    @property
    def app(self) -> GatewayApp:
        """The application to serve."""
        return self._composition.app

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._parts.settings

    def prepare(self, settings: Settings) -> Change:
        """Looks whether other settings can be taken, and changes nothing; raises SettingsError where they can't."""
        parts = replace(self._parts, settings=settings, prices=price_list(settings))
        prepared = self._composition.prepare(self._offer(parts))
        self._preload(parts, [found.model for found in prepared.upstreams.deployments if found.model])
        return Change(parts, prepared)

    def adopt(self, change: Change) -> None:
        """Answers by other settings from the next request on; on the event loop. It can't fail."""
        self._parts = change.parts
        self._remember(change.parts, change.prepared.offer)
        self._composition.adopt(change.prepared)

    async def change(self, settings: Settings) -> None:
        """As `Reloadable.change`."""
        self.adopt(await asyncio.to_thread(self.prepare, settings))

    def changed(self, error: str | None) -> None:
        """As `Reloadable.changed`."""
        self.app.settings_error = error
        self.app.metrics.settings_changed(taken=error is None)

    def close(self) -> None:
        """Gives back what this process holds; called when the application has ended."""
        self._composition.close()
        if self._telemetry is not None:
            self._telemetry.close()
        if self._keeper is not None:
            self._keeper.close()

    def _observers(self, settings: Settings) -> list[Observer]:
        telemetry = self._telemetry
        found: list[Observer] = [] if telemetry is None else [telemetry]
        if settings.file.log.requests:
            found.append(RequestLog(traced=settings.telemetry is not None and settings.telemetry.traces))
        return found

    def _preload(self, parts: Parts, models: Sequence[str]) -> None:
        """Loads what the first request would wait for: the price list half a second, on the event loop."""
        # A server that lists no models is asked for any: the list and the commonest vocabulary are loaded all the same.
        parts.prices.unpriced(models or [""])
        self._counter.preload(models or [""])

    def _offer(self, parts: Parts) -> Offer:
        settings, workers = parts.settings, self._workers
        if settings.routing is None:
            raise SettingsError(
                f"{settings.path} names no model server; add a [[backends]] table with its name and base_url"
            )
        gate = self._gate(settings)
        return Offer(
            config=GatewayConfig(
                routing=settings.routing,
                capture=settings.capture,
                server=settings.server,
                callers=settings.callers,
                upstreams=shared_out(settings.upstreams, workers),
                second=second_shared_out(settings.second, workers),
                privacy=None if settings.privacy is None else settings.privacy.policy,
            ),
            backends=[
                ServedBackend(backend=self._backend(config, gate), kind=KINDS[config.kind], models=config.models)
                for config in settings.backends
            ],
            pricing=Pricing(parts.price, self._counter.estimate),
            gate=gate,
        )

    def _gate(self, settings: Settings) -> Gate:
        """The gate by these settings; requests under way end by the one they began with."""
        if (settings.privacy is None) != (self._keeper is None):
            raise SettingsError(
                f"{settings.path}: the table [privacy] comes and goes with a start only; start the gateway again, or "
                "take the change back"
            )
        if self._keeper is None or settings.privacy is None:
            return self._ungated
        return self._keeper.gate(settings.privacy)

    def _backend(self, config: BackendConfig, gate: Gate) -> Backend:
        """The backend in use, with its connections, where nothing of it and its gate has changed; else a new one."""
        known = self._backends.get(config.name)
        if known is not None and known[0] == config and known[1] is gate:
            return known[2]
        return HttpBackend(config, gate)

    def _config_of(self, name: str) -> BackendConfig | None:
        """A backend of the settings in force; asked in the capture's thread, and in that of telemetry."""
        found = self._backends.get(name)
        return None if found is None else found[0]

    def _remember(self, parts: Parts, offer: Offer) -> None:
        served = (served.backend for served in offer.backends)
        self._backends = {
            config.name: (config, offer.gate, backend)
            for config, backend in zip(parts.settings.backends, served, strict=True)
        }

    def _terms(self, deployment: Deployment, version: ModelVersion) -> SpecialistTerms:
        return specialist_terms(self._parts, deployment, version)


def waits_for_restart(before: Settings, after: Settings) -> list[str]:
    """What has changed in a file and is read only when the gateway starts."""
    found = []
    for name in READ_ONCE:
        table, _, key = name.partition(".")
        old, new = getattr(before.file, table), getattr(after.file, table)
        if key:
            # A table that may be missing, [privacy], does not come and go while the gateway answers.
            old, new = getattr(old, key, None), getattr(new, key, None)
        if old != new:
            found.append(name)
    return found
