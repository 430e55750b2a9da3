"""What the sender of telemetry is told: where to, as whom, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.core.errors import SettingsError
from tierwright.gateway.config import http_address, positive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.config import Secret

#: Headers that belong to the message and can't be set.
_OWN_HEADERS = frozenset({"host", "content-length", "content-type", "content-encoding", "connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """One collector."""

    #: Base address of OTLP over HTTP; the signals' paths, such as /v1/traces, are appended.
    endpoint: str
    #: Sent with every message.
    headers: Mapping[str, Secret] = field(default_factory=dict)
    #: The resource attribute service.name.
    service_name: str = "tierwright"
    traces: bool = True
    metrics: bool = True
    #: Share of the traces that are sent, of those that begin here; the caller decides on its own.
    sample_ratio: float = 1.0
    #: Seconds between two messages of a kind; traces are sent earlier where there are many.
    interval_s: float = 10.0
    #: Seconds a message may take, further attempts included.
    timeout_s: float = 10.0
    #: Requests whose spans may wait; what comes beyond is dropped and counted.
    queue_limit: int = 10_000
    #: Seconds the end waits for what is left to be sent.
    close_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        where = "telemetry"
        parts = http_address(self.endpoint)
        if parts is None or parts.query or parts.fragment:
            raise SettingsError(f"{where}: otlp_endpoint must look like http://collector:4318, without a query")
        if parts.username is not None or parts.password is not None:
            raise SettingsError(f"{where}: otlp_endpoint must hold no password; give it as a header")
        if any(name.lower() in _OWN_HEADERS for name in self.headers):
            raise SettingsError(f"{where}: headers must not set {', '.join(sorted(_OWN_HEADERS))}")
        if not self.service_name:
            raise SettingsError(f"{where}: service_name must not be empty")
        if not 0 <= self.sample_ratio <= 1:
            raise SettingsError(f"{where}: sample_ratio must lie between 0 and 1")
        positive(where, interval_s=self.interval_s, timeout_s=self.timeout_s, queue_limit=self.queue_limit)
