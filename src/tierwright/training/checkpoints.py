"""What a long training leaves on the disk so that it can go on after a kill: safetensors and JSON, never pickle.

Owns one file that is replaced whole, and the check that it belongs to the very training that asks. Refuses to know what
the arrays mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from tierwright.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_STATE = "state"
S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoint of one training."""

    #: Folder it lies in; made when first needed.
    folder: Path
    #: What the training depends on, in any words: another key never resumes it.
    key: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f".unfinished-{hashlib.sha256(self.key.encode()).hexdigest()[:32]}.safetensors"

    def save(self, arrays: Mapping[str, NDArray[np.generic]], state: msgspec.Struct) -> None:
        """Replaces the checkpoint. Raises ServiceError where the disk is full or can't be written."""
        draft = self.path.with_suffix(".draft")
        header = {_STATE: msgspec.json.encode(state).decode()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = safetensors.numpy.save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, header)
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise ServiceError(
                f"the unfinished training can't be kept in {self.folder}: {error.strerror}; make room or name another "
                "folder in [store] artifacts, and train again"
            ) from error

    def load(self, kind: type[S]) -> tuple[dict[str, NDArray[np.generic]], S] | None:
        """What was saved last; None where there is nothing, or nothing that can be read: it begins anew then."""
        try:
            with safetensors.safe_open(self.path, framework="numpy") as file:
                state = msgspec.json.decode((file.metadata() or {}).get(_STATE, ""), type=kind)
                return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - it is no dict
        except (OSError, safetensors.SafetensorError, msgspec.DecodeError):
            return None

    def clear(self) -> None:
        """Removes the checkpoint: the training is over."""
        self.path.unlink(missing_ok=True)
