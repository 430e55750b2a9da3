"""What the gateway is told when it is built: frozen values, already validated and with secrets resolved.

Owns the limits and their defaults; refuses to know the settings file and the environment (`app` fills these).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

from tierwright.core.errors import SettingsError
from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.lanes import Allowance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tierwright.core.privacy import DataClass

_MIB = 1024 * 1024
#: What may stand in a response header and in a ledger line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Headers that belong to the connection and can't be set.
_OWN_HEADERS = frozenset({"host", "content-length", "content-type", "connection", "transfer-encoding"})
_PORTS = {"http": 80, "https": 443}
#: What `ModelCall.backend` says for our own models; no backend may be called so.
SPECIALIST = "specialist"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A resolved secret that no log line, exception or repr shows."""

    _value: str
    _missing: str = ""

    @classmethod
    def missing(cls, why: str) -> Self:
        """One that can't be had, which matters to nobody but who needs it."""
        return cls("", why)

    def reveal(self) -> str:
        """The secret itself, for the one place that must send it; raises SettingsError where it can't be had."""
        if self._missing:
            raise SettingsError(self._missing)
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """One model server."""

    #: Its name in ledgers and headers.
    name: str
    #: As an OpenAI client is given it, for example https://api.openai.com/v1; paths are appended to it.
    base_url: str
    #: What make of server it is: a key of `backends.kinds.KINDS`.
    kind: str = "openai"
    #: Sent as that kind of server wants it; None: the server wants none.
    api_key: Secret | None = None
    #: Sent with every request, besides what the kind says.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Appended to every address, such as "api-version=2024-10-21"; empty: nothing.
    query: str = ""
    #: The models it serves, as callers name them; empty: any model.
    models: tuple[str, ...] = ()
    #: Seconds from the request's first byte to the answer's last.
    timeout_s: float = 600.0
    #: Seconds to open a connection.
    connect_timeout_s: float = 5.0
    #: Seconds without a byte, before the answer's first or between two of them.
    idle_timeout_s: float = 300.0
    #: Connections held at the same time; further requests wait for one, within `timeout_s`.
    max_connections: int = 512

    def __post_init__(self) -> None:
        where = f"backend '{self.name}'"
        if _NAME.fullmatch(self.name) is None or self.name == SPECIALIST:
            raise SettingsError(
                f"{where}: the name must be letters, digits, '.', '_' or '-', at most 64, and not '{SPECIALIST}'"
            )
        parts = http_address(self.base_url)
        if parts is None or parts.query or parts.fragment:
            raise SettingsError(f"{where}: base_url must look like https://host/v1, without a query")
        if parts.username is not None or parts.password is not None:
            raise SettingsError(f"{where}: base_url must hold no password; give it as api_key")
        if self.kind not in KINDS:
            raise SettingsError(f"{where}: kind {self.kind!r} is not known; there is {', '.join(KINDS)}")
        if any(name.lower() in _OWN_HEADERS for name in self.headers):
            raise SettingsError(f"{where}: headers must not set {', '.join(sorted(_OWN_HEADERS))}")
        positive(where, timeout_s=self.timeout_s, connect_timeout_s=self.connect_timeout_s)
        positive(where, idle_timeout_s=self.idle_timeout_s)
        positive(where, max_connections=self.max_connections)

    @property
    def port(self) -> int:
        """The server's, said or implied by the scheme."""
        parts = urlsplit(self.base_url)
        return parts.port or _PORTS[parts.scheme]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerConfig:
    """One application that may use the gateway."""

    #: Its name in captures and ledgers.
    client_id: str
    #: Lower-case hex SHA-256 of its key; the key itself is kept nowhere.
    key_sha256: str
    #: The class of all its requests, unless they say a higher one; None: not declared.
    data_class: DataClass | None = None

    def __post_init__(self) -> None:
        if not self.client_id:
            raise SettingsError("a caller has an empty client_id; name the application")
        if _SHA256.fullmatch(self.key_sha256) is None:
            raise SettingsError(f"caller '{self.client_id}': key_sha256 must be 64 lower-case hex digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """Who answers."""

    #: Name of the backend asked where no backend lists the model.
    default_backend: str
    #: Share of a deployed task's traffic that stays on the frontier model for ever, in [0, 1].
    holdout_share: float = 0.01
    #: Whether all requests of a person, as they name one, are one conversation where they name none.
    sticky_by_person: bool = False
    #: Seconds between two looks at the deployments.
    poll_interval_s: float = 0.5
    #: Seconds a specialist may take before the frontier model is asked instead.
    specialist_timeout_s: float = 2.0
    #: Threads that predict.
    predict_threads: int = 2
    #: Requests that are predicted together at most.
    predict_batch_limit: int = 64

    def __post_init__(self) -> None:
        where = "routing"
        if not 0 <= self.holdout_share <= 1:
            raise SettingsError(f"{where}: holdout_share must lie between 0 and 1")
        positive(where, poll_interval_s=self.poll_interval_s, specialist_timeout_s=self.specialist_timeout_s)
        positive(where, predict_threads=self.predict_threads, predict_batch_limit=self.predict_batch_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondConfig:
    """What is answered a second time, after the caller has the answer, and what that may use in a day."""

    #: Share of a specialist's answers that the frontier model is asked for, too, in [0, 1]; it costs what these cost.
    audit_share: float = 0.0
    #: Of all shadows together. The share of each is its deployment's.
    shadow: Allowance = field(default_factory=lambda: Allowance(requests=10_000, seconds=3600.0))
    #: Of all audits together.
    audit: Allowance = field(default_factory=lambda: Allowance(requests=1_000, usd=Decimal("1.00")))
    #: Requests that may wait for each of both; what comes beyond is dropped and counted.
    queue_limit: int = 256
    #: Bytes of their requests and answers that may wait for each of both.
    queue_limit_bytes: int = 16 * _MIB
    #: Seconds that what waits may take after the gateway was asked to stop.
    close_timeout_s: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.audit_share <= 1:
            raise SettingsError("routing: audit_share must lie between 0 and 1")
        for where, allowance in (("shadow", self.shadow), ("audit", self.audit)):
            for name, most in (
                ("requests_per_day", allowance.requests),
                ("seconds_per_day", allowance.seconds),
                ("usd_per_day", allowance.usd),
            ):
                if most is not None and not most >= 0:
                    raise SettingsError(f"{where}: {name} must not be negative; 0 allows none")
        positive("shadow", queue_limit=self.queue_limit, queue_limit_bytes=self.queue_limit_bytes)
        positive("shadow", close_timeout_s=self.close_timeout_s)


class Acknowledge(StrEnum):
    """What must have happened to the record of a request before the last byte of its answer is sent."""

    #: It is in the journal, if there is one: it survives the process, but not a power cut.
    JOURNAL = "journal"
    #: It is in the journal, and the journal on the disk.
    COMMIT = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """How what was asked and answered reaches the store."""

    #: Inferences that may wait for the store; what comes beyond is dropped and counted.
    queue_limit: int = 20_000
    #: Bytes of requests and answers that may wait for the store; what comes beyond is dropped and counted.
    queue_limit_bytes: int = 256 * _MIB
    #: Inferences in one transaction at most.
    batch_limit: int = 500
    #: Milliseconds an inference waits for others to be stored with.
    max_delay_ms: float = 50.0
    #: Seconds the shutdown waits for a store that does not take what is left.
    close_timeout_s: float = 10.0
    #: Whether the header x-tierwright-recorded-at sets an inference's time: for replays of a log.
    accept_recorded_at: bool = False
    #: Folder of the journals, in which what is not stored yet survives this process; None: it does not.
    spool: Path | None = None
    #: What an answer waits for.
    acknowledge: Acknowledge = Acknowledge.JOURNAL
    #: Whether requests and answers are kept at all; the ledger always is.
    keep_content: bool = True
    #: Names of tasks whose requests and answers are not kept.
    no_content_tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = "capture"
        positive(where, queue_limit=self.queue_limit, queue_limit_bytes=self.queue_limit_bytes)
        positive(where, batch_limit=self.batch_limit, close_timeout_s=self.close_timeout_s)
        if self.max_delay_ms < 0:
            raise SettingsError(f"{where}: max_delay_ms must not be negative")
        if self.acknowledge is Acknowledge.COMMIT and self.spool is None:
            raise SettingsError(
                f'{where}: acknowledge = "commit" needs a journal, and spool is empty; '
                'name a folder on a disk there, or set acknowledge to "journal"'
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the gateway listens."""

    #: Address or host name to bind.
    host: str = "127.0.0.1"
    #: 0: any free port.
    port: int = 8400
    #: Largest request body taken.
    max_body_bytes: int = 4 * _MIB
    #: Longest answer of a model server, in one piece or streamed.
    max_answer_bytes: int = 64 * _MIB
    #: Seconds that answers under way may take after the gateway was asked to stop.
    drain_s: int = 30
    #: Seconds an idle connection is kept.
    keep_alive_s: int = 75
    #: Seconds within which the head of a request must have come.
    header_timeout_s: float = 10.0
    #: Seconds within which its body must have come, after the head.
    body_timeout_s: float = 60.0
    #: Seconds a caller may leave what was written to it untaken.
    write_timeout_s: float = 60.0
    #: Largest head of a request taken: its address and headers.
    max_header_bytes: int = 16 * 1024
    #: Connections at the same time; one more is told to come back later.
    max_connections: int = 4096
    #: Connections the kernel may hold before they are accepted.
    backlog: int = 2048

    def __post_init__(self) -> None:
        where = "server"
        if not self.host:
            raise SettingsError(f"{where}: host must not be empty; 127.0.0.1 serves this machine only")
        if not 0 <= self.port <= 65_535:
            raise SettingsError(f"{where}: port must lie between 0 and 65535")
        positive(
            where, max_body_bytes=self.max_body_bytes, max_answer_bytes=self.max_answer_bytes, drain_s=self.drain_s
        )
        positive(where, keep_alive_s=self.keep_alive_s, backlog=self.backlog)
        positive(where, header_timeout_s=self.header_timeout_s, body_timeout_s=self.body_timeout_s)
        positive(where, write_timeout_s=self.write_timeout_s, max_header_bytes=self.max_header_bytes)
        positive(where, max_connections=self.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminConfig:
    """Where operators and their monitoring ask."""

    #: Address or host name to bind. Nobody is asked for a key there, so it should be reached by operators only.
    host: str = "127.0.0.1"
    #: 0: there is no admin listener.
    port: int = 0

    def __post_init__(self) -> None:
        if not self.host or not 0 <= self.port <= 65_535:
            raise SettingsError("admin: host must not be empty, and port must lie between 0 and 65535")


def http_address(url: str) -> SplitResult | None:
    """The parts of an address that HTTP can be spoken to; None: it is none."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        return None
    return parts if sound else None


def positive(where: str, **numbers: float) -> None:
    """Raises SettingsError, which names it, where one of the numbers is not above 0."""
    for name, number in numbers.items():
        if not number > 0:
            raise SettingsError(f"{where}: {name} must be above 0")
