"""The table of tierwright.toml that names an OpenTelemetry collector.

Owns the table's shape and defaults; `settings` reads the file, `wiring` makes what sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.gateway.config import Secret
from tierwright.gateway.telemetry.config import TelemetryConfig

if TYPE_CHECKING:
    from collections.abc import Callable


class TelemetrySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[telemetry]`."""

    #: Base address of a collector's OTLP over HTTP, such as "http://collector:4318"; empty: nothing is sent.
    otlp_endpoint: str = ""
    #: Sent with every message; `env:NAME` and `file:PATH` take a value from elsewhere.
    headers: dict[str, str] = {}
    service_name: str = "tierwright"
    traces: bool = True
    metrics: bool = True
    #: Share of the traces sent, of those that no caller has begun.
    sample_ratio: float = 1.0
    #: Seconds between two messages of a kind.
    interval_s: float = 10.0
    #: Seconds a message may take.
    timeout_s: float = 10.0
    #: Requests whose spans may wait.
    queue_limit: int = 10_000


def telemetry_config(section: TelemetrySection, resolved: Callable[[str, str], str]) -> TelemetryConfig | None:
    """What the table says; None: nothing is sent. Raises SettingsError where a value is not allowed.

    `resolved` gives what a header's text stands for, told the text and the header's name.
    """
    if not section.otlp_endpoint or not (section.traces or section.metrics):
        return None
    values: dict[str, Any] = msgspec.structs.asdict(section)
    values["endpoint"] = values.pop("otlp_endpoint")
    values["headers"] = {name: Secret(resolved(text, name)) for name, text in section.headers.items()}
    return TelemetryConfig(**values)
