"""`tierwright doctor`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show
from tierwright.app.privacy_doctor import privacy_findings
from tierwright.core.deployment import Stage
from tierwright.core.errors import ServiceError, SettingsError, TierwrightError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from tierwright.app.wiring import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """How one part is doing."""

    part: str
    ok: bool
    says: str


def doctor(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Ping every configured part and explain what is wrong."""
    with opened(config) as parts:
        findings = [
            _Finding(part="settings", ok=True, says=f"{config} is understood"),
            _ask("store", parts.store.ping),
            *asyncio.run(_backends(parts)),
            _encoder(parts),
            *_specialists(parts),
            *_telemetry(parts),
            *(
                _Finding(part=part, ok=ok, says=says)
                for part, ok, says in privacy_findings(parts.settings, parts.clock())
            ),
        ]

    def tell(console: Console) -> None:
        for finding in findings:
            console.print("ok  " if finding.ok else "bad ", style="green" if finding.ok else "red", end="")
            console.print(f"{finding.part}: {finding.says}")

    document = [{"part": finding.part, "ok": finding.ok, "says": finding.says} for finding in findings]
    show(document, as_json=as_json, text=tell)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(ServiceError.exit_code)


def _ask(part: str, ping: Callable[[], str]) -> _Finding:
    try:
        return _Finding(part=part, ok=True, says=ping())
    except TierwrightError as error:
        return _Finding(part=part, ok=False, says=str(error))


async def _backends(parts: Parts) -> list[_Finding]:
    from tierwright.gateway.backends.http import HttpBackend  # noqa: PLC0415 - `--help` must not wait
    from tierwright.privacy.ungated import Ungated  # noqa: PLC0415 - as above

    findings: list[_Finding] = []
    for config in parts.settings.backends:
        try:
            backend = HttpBackend(config, Ungated())
        except SettingsError as error:
            findings.append(_Finding(part=f"backend {config.name}", ok=False, says=str(error)))
            continue
        try:
            says = await backend.ping()
            findings.append(_Finding(part=f"backend {config.name}", ok=True, says=says))
        except TierwrightError as error:
            findings.append(_Finding(part=f"backend {config.name}", ok=False, says=f"{config.base_url}: {error}"))
        finally:
            await backend.aclose()
    if not findings:
        says = "none is configured; add a [[backends]] table with a name and a base_url"
        findings.append(_Finding(part="backends", ok=False, says=says))
    return findings


def _encoder(parts: Parts) -> _Finding:
    name = parts.settings.file.training.encoder
    if not name:
        return _Finding(part="encoder", ok=True, says="none is wanted: only the ngram recipe will train")

    def ping() -> str:
        if parts.encoder is None:
            return f"{name} is not pulled: encoder-head will be skipped; fetch it with `tierwright model pull {name}`"
        return f"{name} is loaded, {parts.encoder.dimension} dimensions"

    return _ask("encoder", ping)


def _specialists(parts: Parts) -> list[_Finding]:
    """Whether everything that is to serve can be loaded."""
    from tierwright.app.wiring import ArtifactLoader  # noqa: PLC0415 - as above

    loader = ArtifactLoader(parts)
    names = {task.id: task.name for task in parts.store.tasks()}
    findings: list[_Finding] = []
    for deployment in [*parts.store.deployments_in_force(), *parts.store.shadows_in_force()]:
        if deployment.stage is Stage.RETIRED:
            continue

        def ping(version_id: str = deployment.model_version_id) -> str:
            loader.load(parts.store.version(version_id))
            return f"version {version_id[:12]} is loaded"

        findings.append(_ask(f"specialist of {names.get(deployment.task_id, deployment.task_id)}", ping))
    return findings


def _telemetry(parts: Parts) -> list[_Finding]:
    """Whether the collector takes what it is sent; nothing where none is named."""
    from tierwright.app.wiring import telemetry_exporter  # noqa: PLC0415 - as above

    settings = parts.settings
    if settings.telemetry is None:
        return []

    def ping() -> str:
        exporter = telemetry_exporter(settings, lambda _: None)
        assert exporter is not None
        return exporter.ping()

    return [_ask("telemetry", ping)]
