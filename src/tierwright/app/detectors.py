"""The further detectors that the settings name: tables `[[privacy.detectors]]`, and the plug-ins they become.

Owns which kind of plug-in is made by which factory. Nothing of it runs here: each lives in a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from tierwright.app.section import Section
from tierwright.core.errors import SettingsError
from tierwright.privacy.plugins.host import PluginDetector
from tierwright.privacy.plugins.process import PluginSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PRESIDIO: Final = "tierwright.privacy.plugins.presidio:load"
_CALLABLE: Final = "tierwright.privacy.plugins.callables:load"
_SPECIALIST: Final = "tierwright.app.span_detector:load"
#: What of our environment a plug-in sees: how to find programs and modules, and the language; no secret.
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "VIRTUAL_ENV")
#: One thread for the arithmetic of each: they run beside the requests.
_THREADS: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_MIB: Final = 1024 * 1024


class DetectorSection(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table `[[privacy.detectors]]`."""

    kind: Literal["specialist", "presidio", "python"]
    #: In ledgers and reports; empty: the kind.
    name: str = ""
    #: Milliseconds for one answer; None: `privacy.detector_timeout_ms`.
    timeout_ms: float | None = None
    #: Mebibytes of data that its process may take.
    memory_mb: int = 2048
    #: specialist: a task, whose newest span-tagger it is, or the directory of an artifact.
    task: str = ""
    artifact: str = ""
    #: specialist: probability from which a string counts; None: the one that the model answers with.
    threshold: float | None = None
    #: specialist: types by field of its answers, where the usual names don't fit.
    fields: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it for each
    #: presidio: a spaCy model that is installed, or its folder; and its language.
    model: str = ""
    language: str = "en"
    #: python: "module:function", the types that it gives, and the folder the module is in, relative to the settings.
    call: str = ""
    types: tuple[str, ...] = ()
    folder: str = "."


def plugin_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a plug-in's process sees of this one's environment."""
    return {**{name: environment[name] for name in _ENVIRONMENT if name in environment}, **_THREADS}


def plugin_detectors(
    sections: tuple[DetectorSection, ...],
    *,
    settings_path: Path,
    environment: Mapping[str, str],
    timeout_ms: float,
    artifact_of: Callable[[str], tuple[Path, Path | None]],
) -> list[PluginDetector]:
    """The detectors, none of them started yet.

    `artifact_of` gives the directory of a task's newest span-tagger, and that of the sentence encoder it needs, if any;
    it is asked with an artifact's directory, too. Raises SettingsError, naming the table and what to do.
    """
    found: dict[str, PluginSpec] = {}
    for at, section in enumerate(sections, 1):
        where = f"{settings_path}: table {at} of [[privacy.detectors]]"
        name = section.name or section.kind
        if name in found:
            raise SettingsError(f"{where}: there is a detector {name!r} already; give it a name of its own")
        factory, options = _made_by(section, where, artifact_of)
        found[name] = PluginSpec(
            name=name,
            factory=factory,
            options=options,
            folders=(str((settings_path.parent / section.folder).resolve()),) if section.kind == "python" else (),
            deadline_s=(section.timeout_ms or timeout_ms) / 1000,
            memory_bytes=section.memory_mb * _MIB,
        )
    seen = plugin_environment(environment)
    return [PluginDetector(spec, environment=seen) for spec in found.values()]


def _made_by(
    section: DetectorSection, where: str, artifact_of: Callable[[str], tuple[Path, Path | None]]
) -> tuple[str, dict[str, object]]:
    """The factory of a kind, and what it is given."""
    if section.kind == "python":
        if ":" not in section.call or not section.types:
            raise SettingsError(f'{where}: a python detector needs call = "module:function" and types = ["..."]')
        return _CALLABLE, {"call": section.call, "types": list(section.types)}
    if section.kind == "presidio":
        if not section.model:
            raise SettingsError(
                f"{where}: a presidio detector needs model, the name of a spaCy model that is installed or its folder"
            )
        given: dict[str, object] = {"model": section.model, "language": section.language}
        return _PRESIDIO, given if section.threshold is None else {**given, "threshold": section.threshold}
    if bool(section.task) == bool(section.artifact):
        raise SettingsError(f"{where}: a specialist detector needs either task or artifact")
    artifact, encoder = artifact_of(section.task or section.artifact)
    return _SPECIALIST, {
        "artifact": str(artifact),
        "encoder": None if encoder is None else str(encoder),
        "types": section.fields,
        "threshold": section.threshold,
    }
