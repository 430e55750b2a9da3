"""Reads tierwright.toml, strictly: an unknown key is an error, not a guess.

Owns the file's shape, its defaults and the secrets outside it (`env:NAME`, `file:PATH`); refuses to build anything
(wiring does).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.app.advice_settings import AdviceSection, assumptions
from tierwright.app.economics_settings import EconomicsSection, stated_assumptions
from tierwright.app.evidence_settings import EvaluationSection, JudgeSection, MonitorSection
from tierwright.app.logs import LogSection, check_log
from tierwright.app.privacy_settings import PrivacySection, PrivacySettings, privacy_settings
from tierwright.app.references import REFERENCES, header_value, referred, store_url
from tierwright.app.road_settings import AuditSection, PromotionSection, ShadowSection, road_rules, second_config
from tierwright.app.section import Section
from tierwright.app.telemetry_settings import TelemetrySection, telemetry_config
from tierwright.app.training_settings import TrainingSection
from tierwright.app.upstream_settings import (
    BackendSection,
    BreakerSection,
    DeploymentSection,
    ResilienceSection,
    upstream_settings,
)
from tierwright.core.errors import SettingsError
from tierwright.core.privacy import DataClass
from tierwright.gateway.config import (
    Acknowledge,
    AdminConfig,
    BackendConfig,
    CallerConfig,
    CaptureConfig,
    RoutingConfig,
    SecondConfig,
    Secret,
    ServerConfig,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tierwright.economics.action_savings import Assumptions
    from tierwright.gateway.compose import UpstreamSettings
    from tierwright.gateway.telemetry.config import TelemetryConfig
    from tierwright.lifecycle.road import RoadRules

#: Where the command line looks unless told otherwise.
FILE_NAME = "tierwright.toml"
#: The one version of the file there is.
VERSION = 1
#: The largest seed that every random generator used takes.
MAX_SEED = 2**32 - 1
#: The most workers: each has its place in the file of what callers used.
MAX_WORKERS = 32


class StoreSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[store]`."""

    #: SQLAlchemy URL; a relative SQLite path is relative to the settings file.
    url: str = "sqlite:///tierwright.db"
    #: Folder of the trained models, relative to the settings file.
    artifacts: str = "artifacts"


class ServerSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[server]`."""

    host: str = "127.0.0.1"
    port: int = 8400
    max_body_bytes: int = 4 * 1024 * 1024
    drain_s: int = 30
    keep_alive_s: int = 75
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    max_header_bytes: int = 16 * 1024
    max_connections: int = 4096
    max_answer_bytes: int = 64 * 1024 * 1024
    #: Processes that answer.
    workers: int = 1


class AdminSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[admin]`: metrics and health on a socket of their own."""

    host: str = "127.0.0.1"
    #: 0: none.
    port: int = 0


class CallerSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[[callers]]`."""

    client_id: str
    #: SHA-256 of the caller's key, in hex.
    key_sha256: str
    #: The class of all its requests, unless they say a higher one; empty: not declared.
    data_class: str = ""


class RoutingSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[routing]`."""

    #: Backend asked where none lists the model; empty: the first one.
    default_backend: str = ""
    holdout_share: float = 0.01
    #: Whether all requests of a person (`user`, `safety_identifier`, `metadata.user_id`) are one conversation.
    sticky_by_person: bool = False
    poll_interval_s: float = 0.5
    specialist_timeout_s: float = 2.0
    #: Share of a specialist's answers that the frontier model is asked for, too, after they were given; it costs money.
    audit_share: float = 0.0


class CaptureSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[capture]`."""

    queue_limit: int = 20_000
    batch_limit: int = 500
    max_delay_ms: float = 50.0
    queue_limit_bytes: int = 256 * 1024 * 1024
    #: Folder of what is not stored yet, relative to the settings file; empty: none, and it is lost with the process.
    spool: str = "spool"
    #: What an answer waits for: its record in the journal, or on the disk.
    acknowledge: Acknowledge = Acknowledge.JOURNAL
    #: Whether requests and answers are kept at all; the ledger always is.
    keep_content: bool = True
    #: Names of tasks whose requests and answers are not kept.
    no_content_tasks: tuple[str, ...] = ()
    #: For replays of a log only: the header x-tierwright-recorded-at sets the time of an inference.
    accept_recorded_at: bool = False


class RetentionSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[retention]`: what `traffic prune` removes. 0: nothing."""

    #: Days that requests and answers are kept.
    content_days: int = 30
    #: Days that the ledger is kept.
    ledger_days: int = 396


class SettingsFile(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    version: int = VERSION
    store: StoreSection = StoreSection()
    server: ServerSection = ServerSection()
    admin: AdminSection = AdminSection()
    backends: tuple[BackendSection, ...] = ()
    deployments: tuple[DeploymentSection, ...] = ()
    resilience: ResilienceSection = ResilienceSection()
    breaker: BreakerSection = BreakerSection()
    callers: tuple[CallerSection, ...] = ()
    routing: RoutingSection = RoutingSection()
    capture: CaptureSection = CaptureSection()
    retention: RetentionSection = RetentionSection()
    economics: EconomicsSection = EconomicsSection()
    advice: AdviceSection = AdviceSection()
    training: TrainingSection = TrainingSection()
    evaluation: EvaluationSection = EvaluationSection()
    judge: JudgeSection = JudgeSection()
    promotion: PromotionSection = PromotionSection()
    shadow: ShadowSection = ShadowSection()
    audit: AuditSection = AuditSection()
    monitor: MonitorSection = MonitorSection()
    log: LogSection = LogSection()
    telemetry: TelemetrySection = TelemetrySection()
    #: None: there is no gate.
    privacy: PrivacySection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the file says, with secrets and paths resolved."""

    #: The file itself, and what it says.
    path: Path
    text: bytes
    store_url: str
    artifacts: Path
    weights: Path
    server: ServerConfig
    #: Processes that answer.
    workers: int
    admin: AdminConfig
    backends: tuple[BackendConfig, ...]
    upstreams: UpstreamSettings
    callers: tuple[CallerConfig, ...]
    routing: RoutingConfig | None
    capture: CaptureConfig
    second: SecondConfig
    promotion: RoadRules
    #: What the advice of an audit takes for granted.
    advice: Assumptions
    #: None: no collector is told anything.
    telemetry: TelemetryConfig | None
    #: None: there is no gate, and everything is permitted.
    privacy: PrivacySettings | None
    file: SettingsFile

    def require_keys(self) -> None:
        """Raises SettingsError where a model server's key is missing, before anything is built that would ask it."""
        for backend in self.backends:
            if backend.api_key is not None:
                backend.api_key.reveal()


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings in a file.

    Raises SettingsError, naming the key and what to do, where the file is missing, is no TOML, has an unknown key or a
    value that is not allowed, or names an environment variable that is not set. Only a model server's key that is not
    there is missed later, by whoever needs it: `Settings.require_keys`.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(
            f"there is no settings file {path}; write one with `tierwright init`, or name another with --config"
        ) from error
    except OSError as error:
        raise SettingsError(f"the settings file {path} can't be read: {error}") from error
    return parse_settings(text, path, environment)


def parse_settings(text: bytes, path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings that a file's text says; the path is what its relative paths begin at. As `load_settings`."""
    try:
        found = msgspec.convert(tomllib.loads(text.decode("utf-8")), SettingsFile)
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {path} can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {_in_words(error)}") from error
    if found.version != VERSION:
        raise SettingsError(f"{path}: version {found.version} is not known; this program reads version {VERSION}")
    return _resolved(text, path, found, environment)


def money(text: str, where: str) -> Decimal:
    """An amount in US dollars written as text; raises SettingsError where it is none."""
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise SettingsError(f'{where} must be an amount in US dollars in quotes, such as "0.10"') from error
    if not amount.is_finite() or amount < 0:
        raise SettingsError(f"{where} must not be negative or infinite")
    return amount


def _resolved(text: bytes, path: Path, found: SettingsFile, environment: Mapping[str, str]) -> Settings:
    folder = path.resolve().parent
    backends = tuple(_backend(section, path, environment) for section in found.backends)
    names = [backend.name for backend in backends]
    if len(set(names)) < len(names):
        raise SettingsError(f"{path}: two [[backends]] have the same name; each needs its own")
    default = found.routing.default_backend or (names[0] if names else "")
    if found.routing.default_backend and default not in names:
        raise SettingsError(f"{path}: routing.default_backend is {default!r}, but there is no such [[backends]] entry")
    _check_numbers(found, path)
    _check_workers(found, path)
    check_log(found.log, path)
    server, routing = _values(found.server), _values(found.routing)
    audit_share = routing.pop("audit_share")
    workers = server.pop("workers")
    return Settings(
        path=path,
        text=text,
        store_url=store_url(found.store.url, folder),
        artifacts=folder / found.store.artifacts,
        weights=folder / found.training.weights,
        server=ServerConfig(**server),
        workers=workers,
        admin=AdminConfig(**_values(found.admin)),
        backends=backends,
        upstreams=upstream_settings(path, found.backends, found.deployments, found.resilience, found.breaker),
        callers=tuple(_caller(section, path) for section in found.callers),
        routing=RoutingConfig(**{**routing, "default_backend": default}) if names else None,
        capture=CaptureConfig(
            **{**_values(found.capture), "spool": folder / found.capture.spool if found.capture.spool else None}
        ),
        second=second_config(found.shadow, found.audit, audit_share=audit_share, money=money, path=path),
        promotion=road_rules(found.promotion, path),
        advice=assumptions(
            found.advice,
            holdout_share=found.routing.holdout_share,
            audit_share=audit_share,
            margin=found.evaluation.margin,
            money=money,
            path=path,
        ),
        telemetry=telemetry_config(
            found.telemetry, lambda text, name: header_value(text, f"{path}: [telemetry]", name, path, environment)
        ),
        privacy=privacy_settings(found.privacy, found.backends, path, environment),
        file=found,
    )


def _backend(section: BackendSection, path: Path, environment: Mapping[str, str]) -> BackendConfig:
    values = _values(section)
    del values["queue_limit"], values["queue_timeout_s"], values["privacy"]
    where = f"{path}: backend {section.name!r}"
    values["api_key"] = None
    if section.api_key:
        if not section.api_key.startswith(REFERENCES):
            raise SettingsError(
                f"{path}: the api_key of backend {section.name!r} must be written as env:NAME or file:PATH; "
                "keys themselves don't belong into the file"
            )
        try:
            values["api_key"] = Secret(referred(section.api_key, where, "its key", path, environment))
        except SettingsError as error:  # most commands never ask that server
            values["api_key"] = Secret.missing(str(error))
    values["headers"] = {
        name: header_value(value, where, name, path, environment) for name, value in section.headers.items()
    }
    return BackendConfig(**values)


def _caller(section: CallerSection, path: Path) -> CallerConfig:
    try:
        data_class = DataClass.of(section.data_class) if section.data_class else None
    except ValueError as error:
        raise SettingsError(f"{path}: the data_class of caller {section.client_id!r}: {error}") from error
    return CallerConfig(client_id=section.client_id, key_sha256=section.key_sha256, data_class=data_class)


def _check_numbers(found: SettingsFile, path: Path) -> None:
    """What a type can't say."""
    money(found.economics.machine_usd_per_hour, f"{path}: economics.machine_usd_per_hour")
    money(found.economics.training_usd_per_hour or "0", f"{path}: economics.training_usd_per_hour")
    for price in found.economics.prices:
        if price.currency != "USD":
            raise SettingsError(
                f"{path}: the price of {price.model!r} is in {price.currency!r}; all sums are in US dollars: convert it"
            )
    stated_assumptions(found.economics, path)
    for name, value in (
        ("economics.utilisation", found.economics.utilisation),
        ("evaluation.margin", found.evaluation.margin),
        ("evaluation.level", found.evaluation.level),
    ):
        if not 0 < value <= 1:
            raise SettingsError(f"{path}: {name} must lie above 0 and at most at 1")
    _check_monitor(found.monitor, path)
    if not 0 <= found.training.seed <= MAX_SEED:
        raise SettingsError(f"{path}: training.seed must lie between 0 and {MAX_SEED}")
    if found.retention.content_days < 0 or found.retention.ledger_days < 0:
        raise SettingsError(f"{path}: retention.content_days and ledger_days must not be negative; 0 keeps for ever")
    if not 0 <= found.training.caller_corrections_share <= 1 or found.training.caller_corrections_most < 0:
        raise SettingsError(
            f"{path}: training.caller_corrections_share must lie between 0 and 1, and caller_corrections_most must not "
            "be negative"
        )
    if found.training.threads < 0:
        raise SettingsError(f"{path}: training.threads must not be negative; 0 takes all cores")


def _check_monitor(found: MonitorSection, path: Path) -> None:
    for name, value in (("delta", found.delta), ("level", found.level)):
        if not 0 < value < 1:
            raise SettingsError(f"{path}: monitor.{name} must lie between 0 and 1")
    if not 0 <= found.limit < 1:
        raise SettingsError(f"{path}: monitor.limit must lie from 0 to below 1; 0 takes the evaluation's")
    if not found.period_s > 0 or found.patience < 1:
        raise SettingsError(f"{path}: monitor.period_s must be above 0, and monitor.patience at least 1")


def _check_workers(found: SettingsFile, path: Path) -> None:
    if not 1 <= found.server.workers <= MAX_WORKERS:
        raise SettingsError(f"{path}: server.workers must lie between 1 and {MAX_WORKERS}")
    if found.server.workers > 1 and not found.capture.spool:
        raise SettingsError(
            f"{path}: several workers count the callers' limits in a file of capture.spool, which is empty; "
            "name a folder there, or set server.workers to 1"
        )


def _values(section: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(section)


def _in_words(error: msgspec.ValidationError) -> str:
    """The validator's message with the path to the key as the file writes it."""
    text, _, place = str(error).partition(" - at ")
    return f"{text} (at {place.strip('`').removeprefix('$.')})" if place else text
