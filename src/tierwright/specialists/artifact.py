"""The directory a trained specialist is kept in: a manifest with SHA-256 sums, JSON and safetensors. Never pickle.

    manifest.json        what it is, where it came from, the sum and size of every other file
    config.json          all that is no array; what is in it depends on the kind of specialist
    weights.safetensors  all arrays
    ...                  further files of the kind, for example encoder.onnx and tokenizer.json

Owns reading and writing it; refuses to know what the kinds of specialists keep in it. A directory appears whole or not
at all, and loads only if every sum is right. The id of an artifact is the SHA-256 of its manifest, so the same dataset,
seed and machine give the same id.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from tierwright.core.errors import ArtifactError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from tierwright.specialists.encoder import Encoder

FORMAT = 1
C = TypeVar("C", bound=msgspec.Struct)
_MANIFEST, _CONFIG, _WEIGHTS = "manifest.json", "config.json", "weights.safetensors"


class FileSum(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the directory."""

    sha256: str
    size_bytes: int


class Recalibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That an artifact is another one with its confidence fitted anew, and what its threshold was shown by."""

    #: The artifact it was made from, and the first one of the series, which was trained.
    parent: str
    origin: str
    #: Which certificate of the series this is; that of the origin is 1.
    number: int
    #: The dataset of fresh labels.
    dataset_id: str
    #: The error rate of local answers that the threshold keeps below, with probability 1 - `spent`.
    level: float
    #: What all certificates of the series may be wrong by together, and the part of it that this one spent.
    delta: float
    spent: float
    #: None: nothing could be certified.
    threshold: float | None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the artifact is and where it came from; nothing in it depends on the time or the machine's paths."""

    format: int
    recipe: str
    dataset_id: str
    seed: int
    #: Version of Tierwright, and of the libraries whose arithmetic is in the weights.
    versions: dict[str, str]
    #: Fingerprint of the sentence encoder it needs; None: none.
    encoder: str | None
    files: dict[str, FileSum]
    #: Unset: as it was trained.
    recalibration: Recalibration | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(Generic[C]):
    """A read artifact, its sums checked."""

    id: str
    manifest: Manifest
    config: C
    arrays: dict[str, NDArray[np.generic]]
    #: Contents of the further files, by name.
    files: dict[str, bytes]


def write_artifact(
    parent: Path,
    *,
    manifest: Manifest,
    config: msgspec.Struct,
    arrays: Mapping[str, NDArray[np.generic]],
    files: Mapping[str, bytes] | None = None,
) -> tuple[str, Path]:
    """Writes an artifact into a directory of `parent` named by its id; `manifest.files` is filled in here.

    `files` are the further files of the kind, by their plain names.

    Returns id and directory. One that is there already is the same, and is left as it is. Raises ServiceError, leaving
    nothing behind, where the disk is full or can't be written.
    """
    payloads = {
        **(files or {}),
        _CONFIG: msgspec.json.format(msgspec.json.encode(config), indent=1),
        # safetensors writes memory as it lies; a transposed view would come back scrambled.
        _WEIGHTS: save_arrays({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}),
    }
    return _write(parent, manifest, payloads)


def recalibrate_artifact(
    parent: Path, directory: Path, *, line: tuple[float, float], recalibration: Recalibration
) -> tuple[str, Path]:
    """Writes an artifact with another map of confidence: slope and intercept, in log-odds, of the one it has.

    Every other byte that answers depend on stays; the manifest says what it was made from. Raises ArtifactError where
    the artifact is damaged or has no such map, ServiceError as `write_artifact`.
    """
    manifest, _ = _read_manifest(directory)
    payloads = {name: _checked(directory / name, wanted) for name, wanted in manifest.files.items()}
    config = msgspec.json.decode(payloads[_CONFIG])
    slope, intercept = config.get("confidence_slope"), config.get("confidence_intercept")
    if not isinstance(slope, float) or not isinstance(intercept, float):
        raise ArtifactError(f"{directory} has no map of confidence that could be fitted anew; train the model again")
    config["confidence_slope"] = line[0] * slope
    config["confidence_intercept"] = line[0] * intercept + line[1]
    payloads[_CONFIG] = msgspec.json.format(msgspec.json.encode(config), indent=1)
    return _write(parent, msgspec.structs.replace(manifest, recalibration=recalibration), payloads)


def _write(parent: Path, manifest: Manifest, payloads: Mapping[str, bytes]) -> tuple[str, Path]:
    """Writes the files and a manifest that lists them into a directory named after it."""
    sums = {
        name: FileSum(sha256=hashlib.sha256(payload).hexdigest(), size_bytes=len(payload))
        for name, payload in payloads.items()
    }
    head = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(manifest, files=sums)), indent=1)
    identity = hashlib.sha256(head).hexdigest()
    directory = parent / identity
    if directory.exists():
        return identity, directory
    draft: Path | None = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=parent))
        for name, payload in {**payloads, _MANIFEST: head}.items():
            _write_through(draft / name, payload)
        draft.rename(directory)
    except OSError as error:
        raise ServiceError(
            f"the model can't be written to {parent}: {error.strerror}; make room or name another folder in [store] "
            "artifacts, and train again: nothing half-written was left"
        ) from error
    finally:
        if draft is not None and draft.exists():
            shutil.rmtree(draft, ignore_errors=True)
    return identity, directory


def read_manifest(directory: Path) -> Manifest:
    """What an artifact is; raises ArtifactError where it is missing, damaged or of another format."""
    return _read_manifest(directory)[0]


def artifact_id(directory: Path) -> str:
    """The id of an artifact, wherever its directory lies; raises ArtifactError as `read_manifest`."""
    return hashlib.sha256(_read_manifest(directory)[1]).hexdigest()


def read_artifact(directory: Path, config: type[C], *, files: Collection[str] = ()) -> Artifact[C]:
    """An artifact whose `config.json` is of a type and which has these further files, no more and no fewer.

    Raises ArtifactError where it is missing, damaged, changed or of another format or kind.
    """
    manifest, head = _read_manifest(directory)
    if set(manifest.files) != {_CONFIG, _WEIGHTS, *files}:
        raise ArtifactError(f"{directory / _MANIFEST} lists other files than a specialist has; train the model again")
    payloads = {name: _checked(directory / name, wanted) for name, wanted in manifest.files.items()}
    try:
        decoded = msgspec.json.decode(payloads.pop(_CONFIG), type=config)
        arrays = load_arrays(payloads.pop(_WEIGHTS))
    except (msgspec.DecodeError, SafetensorError) as error:
        raise ArtifactError(f"{directory} can't be read ({error.__class__.__name__}); train the model again") from error
    return Artifact(
        id=hashlib.sha256(head).hexdigest(), manifest=manifest, config=decoded, arrays=arrays, files=payloads
    )


def encoder_of(artifact: Artifact[C], encoder: Encoder | None) -> Encoder | None:
    """The frozen sentence encoder that an artifact stands on; None: it needs none, whatever is given.

    Raises ArtifactError where it needs another one than is given.
    """
    wanted = artifact.manifest.encoder
    if wanted is None:
        return None
    if encoder is None or encoder.fingerprint != wanted:
        found = "there is none" if encoder is None else f"this one is {encoder.fingerprint[:12]}"
        raise ArtifactError(
            f"model {artifact.id[:12]} was trained with sentence encoder {wanted[:12]}, and {found}; "
            "pull the same weights, or train the model again"
        )
    return encoder


def _read_manifest(directory: Path) -> tuple[Manifest, bytes]:
    head = _read(directory / _MANIFEST)
    try:
        manifest = msgspec.json.decode(head, type=Manifest)
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{directory / _MANIFEST} is no manifest ({error}); train the model again") from error
    if any(Path(name).name != name or name in ("", "..") for name in manifest.files):
        raise ArtifactError(f"{directory / _MANIFEST} names files outside its directory; train the model again")
    if manifest.format != FORMAT:
        raise ArtifactError(
            f"{directory} has format {manifest.format}, this program reads {FORMAT}; train the model again"
        )
    return manifest, head


def _checked(path: Path, wanted: FileSum) -> bytes:
    payload = _read(path)
    if len(payload) != wanted.size_bytes or hashlib.sha256(payload).hexdigest() != wanted.sha256:
        raise ArtifactError(f"{path} is not the file the manifest names: its SHA-256 differs; train the model again")
    return payload


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error.strerror}; restore it, or train the model again") from error


def _write_through(path: Path, payload: bytes) -> None:
    """Writes a file so that it is on the disk when this returns."""
    with path.open("wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
