"""The tables `[privacy]` and `[backends.privacy]`: classes, rules, what backends promise, where decisions are kept.

Owns their shape, their defaults and what is said of a mistake in them; refuses to build the gate (`privacy_gate` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from tierwright.app.detectors import DetectorSection
from tierwright.app.references import REFERENCES, referred
from tierwright.core.errors import SettingsError
from tierwright.core.privacy import DataClass, PrivacyMode
from tierwright.gateway.config import Secret
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import NEEDS, REGION, Promise, Promises

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tierwright.app.upstream_settings import BackendSection

_Value = TypeVar("_Value", bool, str)


class PromiseSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A promise such as `baa = { value = true, expires = 2027-06-30, evidence = "contract 12" }`."""

    value: bool
    #: A TOML date (it has expired when that day begins, UTC) or date-time with its offset.
    expires: Any = None
    evidence: str = ""


class RegionSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same for a region: `region = { value = "eu", expires = 2027-06-30 }`."""

    value: str
    expires: Any = None
    evidence: str = ""


class BackendPrivacySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[backends.privacy]`."""

    #: None: all if `self_hosted` holds, else public and internal.
    allowed_classes: tuple[str, ...] | None = None
    # What one knows of one's own machines needs neither an end nor evidence.
    self_hosted: bool | PromiseSection | None = None
    region: str | RegionSection | None = None
    # What a provider promises needs both; missing or expired, it counts against it.
    baa: bool | PromiseSection | None = None
    zero_retention: bool | PromiseSection | None = None
    trains_on_data: bool | PromiseSection | None = None
    #: By class, over `[privacy.modes]`.
    modes: dict[str, str] = {}


class PrivacySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[privacy]`; without it there is no gate."""

    #: The class of what nobody declares.
    default_class: str = "internal"
    #: Folder of the ledger, relative to the settings file.
    ledger: str = "ledger"
    #: Second folder for signed checkpoints; empty: they are only beside the ledger.
    checkpoints: str = ""
    #: `env:NAME` or `file:PATH` of an Ed25519 private key; empty: one is made in the ledger's folder.
    signing_key: str = ""
    #: `env:NAME` or `file:PATH` of base64 of 32 bytes, by which content at rest is encrypted; empty: it is not.
    content_key: str = ""
    #: Milliseconds that each further detector has for a request.
    detector_timeout_ms: float = 250.0
    #: Asked where no backend of the model asked for may see a request; empty: nobody is.
    route_model: str = ""
    #: Highest class of a dataset or a log that an export writes.
    export_up_to: str = "internal"
    #: By class: block, route or pseudonymise.
    modes: dict[str, str] = {}
    #: By type of finding: its class.
    types: dict[str, str] = {}
    #: By the name of a task: its class.
    tasks: dict[str, str] = {}
    #: By class: what a third party must have promised.
    requires: dict[str, tuple[str, ...]] = {}
    #: By class: days that content is kept.
    retention_days: dict[str, int] = {}
    #: Those beside the rules; they only add.
    detectors: tuple[DetectorSection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacySettings:
    """What the tables say, with secrets and paths resolved."""

    policy: Policy
    ledger: Path
    #: None: checkpoints are kept beside the ledger only.
    checkpoints: Path | None
    #: None: it is kept in the ledger's folder.
    signing_key: Secret | None
    #: None: content lies in the store as it is.
    content_key: Secret | None
    #: What each further detector has for a request, unless it says otherwise.
    detector_timeout_s: float
    detectors: tuple[DetectorSection, ...]
    export_up_to: DataClass
    #: Classes that are not here are kept as long as [retention] says.
    retention_days: Mapping[DataClass, int]


def privacy_settings(
    section: PrivacySection | None, backends: Sequence[BackendSection], path: Path, environment: Mapping[str, str]
) -> PrivacySettings | None:
    """What the tables say together; None: there is no table `[privacy]`, and no gate.

    Raises SettingsError, which says what is wrong, where, and what to write, where something is not allowed.
    """
    if section is None:
        for backend in backends:
            if backend.privacy is not None:
                raise SettingsError(
                    f"{path}: backend {backend.name!r} has a table [backends.privacy], and without a table [privacy] "
                    'nothing is kept from it; add [privacy] with default_class = "internal"'
                )
        return None
    where = f"{path}: privacy"
    folder = path.resolve().parent
    if not section.ledger:
        raise SettingsError(f"{where}.ledger must name a folder: nothing may leave that is not written down")
    if not section.detector_timeout_ms > 0:
        raise SettingsError(f"{where}.detector_timeout_ms must be above 0")
    for label, days in section.retention_days.items():
        if days < 1:
            raise SettingsError(f"{where}.retention_days.{label} must be at least 1")
    policy = Policy(
        backends={one.name: _promises(one, path) for one in backends},
        default_class=_class(section.default_class, f"{where}.default_class"),
        modes=_modes(section.modes, f"{where}.modes"),
        types={kind: _class(label, f"{where}.types.{kind}") for kind, label in section.types.items()},
        tasks={task: _class(label, f"{where}.tasks.{task}") for task, label in section.tasks.items()},
        requires={
            _class(label, f"{where}.requires"): _needs(needs, f"{where}.requires.{label}")
            for label, needs in section.requires.items()
        },
        route_model=section.route_model or None,
    )
    return PrivacySettings(
        policy=policy,
        ledger=folder / section.ledger,
        checkpoints=folder / section.checkpoints if section.checkpoints else None,
        signing_key=_secret(section.signing_key, where, "signing_key", path, environment),
        content_key=_secret(section.content_key, where, "content_key", path, environment),
        detector_timeout_s=section.detector_timeout_ms / 1000,
        detectors=section.detectors,
        export_up_to=_class(section.export_up_to, f"{where}.export_up_to"),
        retention_days={
            _class(label, f"{where}.retention_days"): days for label, days in section.retention_days.items()
        },
    )


def _promises(backend: BackendSection, path: Path) -> Promises:
    section = backend.privacy
    if section is None:
        return Promises()
    where = f"{path}: backend {backend.name!r}: privacy"
    allowed = section.allowed_classes
    return Promises(
        self_hosted=_fact(section.self_hosted, f"{where}.self_hosted"),
        region=_fact(section.region, f"{where}.region"),
        baa=_promise(section.baa, f"{where}.baa"),
        zero_retention=_promise(section.zero_retention, f"{where}.zero_retention"),
        trains_on_data=_promise(section.trains_on_data, f"{where}.trains_on_data"),
        allowed=None if allowed is None else frozenset(_class(one, f"{where}.allowed_classes") for one in allowed),
        modes=_modes(section.modes, f"{where}.modes"),
    )


def _fact(said: _Value | PromiseSection | RegionSection | None, where: str) -> Promise[Any] | None:
    """What one knows of a backend of one's own; it may be said outright."""
    if said is None:
        return None
    if isinstance(said, PromiseSection | RegionSection):
        expires_at = None if said.expires is None else _instant(said.expires, f"{where}.expires")
        return Promise(value=said.value, expires_at=expires_at, evidence=said.evidence)
    return Promise(value=said)


def _promise(said: bool | PromiseSection | None, where: str) -> Promise[bool] | None:  # noqa: FBT001 - as it is written
    """What a provider promises: it has an end, and evidence for whoever audits it."""
    if said is None:
        return None
    name = where.rpartition(".")[2]
    if isinstance(said, bool):
        raise SettingsError(
            f"{where} is a promise of its provider, which ends one day and stands somewhere; write "
            f'{name} = {{ value = {str(said).lower()}, expires = 2027-06-30, evidence = "contract 12" }}'
        )
    if said.expires is None or not said.evidence:
        missing = "expires, the day from which it no longer counts" if said.expires is None else "evidence"
        raise SettingsError(
            f"{where} lacks {missing}; write "
            f'{name} = {{ value = {str(said.value).lower()}, expires = 2027-06-30, evidence = "contract 12" }}'
        )
    return Promise(value=said.value, expires_at=_instant(said.expires, f"{where}.expires"), evidence=said.evidence)


def _instant(written: object, where: str) -> datetime:
    """When something ends: a day does when it begins, UTC."""
    if isinstance(written, datetime) and written.tzinfo is not None:
        return written.astimezone(UTC)
    if isinstance(written, date) and not isinstance(written, datetime):
        return datetime.combine(written, time(), UTC)
    raise SettingsError(f"{where} must be a date such as 2027-06-30, or a time with its offset: 2027-06-30T12:00:00Z")


def _class(label: str, where: str) -> DataClass:
    try:
        return DataClass.of(label)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def _modes(said: Mapping[str, str], where: str) -> dict[DataClass, PrivacyMode]:
    modes = {}
    for label, mode in said.items():
        try:
            modes[_class(label, where)] = PrivacyMode(mode)
        except ValueError:
            _refuse(where, label, mode, "mode", [one.value for one in PrivacyMode])
    return modes


def _needs(said: Sequence[str], where: str) -> tuple[str, ...]:
    for need in said:
        if need not in NEEDS and not (need.startswith(REGION) and need != REGION):
            _refuse(where, "", need, "promise", [*NEEDS, f"{REGION}NAME"])
    return tuple(said)


def _refuse(where: str, label: str, said: str, what: str, known: Sequence[str]) -> NoReturn:
    place = f"{where}.{label}" if label else where
    raise SettingsError(f"{place}: there is no {what} {said[:40]!r}; there is {', '.join(known)}")


def _secret(said: str, where: str, name: str, path: Path, environment: Mapping[str, str]) -> Secret | None:
    if not said:
        return None
    if not said.startswith(REFERENCES):
        raise SettingsError(
            f"{where}.{name} must be written as env:NAME or file:PATH; keys themselves don't belong into the file"
        )
    return Secret(referred(said, f"{where}.{name}", "its key", path, environment))
