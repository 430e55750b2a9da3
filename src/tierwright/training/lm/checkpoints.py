"""How far a training run has come, kept on disk, so that one that was killed goes on where it was.

Owns the directories and their sums; refuses to know what the tensors mean. Safetensors and JSON, nothing else: a
checkpoint can't run code. One that is damaged or half written counts as none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from tierwright.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_STATE, _PREFIX = "state.json", "step-"


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is no tensor."""

    #: Steps done.
    step: int = 0
    #: Of the best evaluation so far; -1: there was none.
    best_score: float = -1.0
    best_loss: float = 1e9
    best_step: int = 0
    least_loss: float = 1e9
    #: What the next evaluation must exceed to count as better by more than noise.
    bar: float = -1.0
    #: Evaluations in a row that did not.
    patience_used: int = 0
    stopped: bool = False
    #: Time spent before.
    seconds: float = 0.0
    tokens: int = 0
    #: SHA-256 of each file beside it.
    files: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints of one run; the directory is named by all that makes runs equal."""

    directory: Path

    def newest(self) -> tuple[State, dict[str, dict[str, Tensor]]] | None:
        """The newest whole checkpoint: its state, and its tensors by file; None: there is none."""
        found = self.directory.glob(f"{_PREFIX}*") if self.directory.is_dir() else ()
        for place in sorted(found, reverse=True):
            read = _read(place)
            if read is not None:
                return read
        return None

    def save(self, state: State, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Keeps a checkpoint and removes the earlier ones; raises ServiceError where the disk is full or forbids it."""
        payloads = {f"{name}.safetensors": save_tensors(dict(part)) for name, part in tensors.items()}
        sums = {name: hashlib.sha256(payload).hexdigest() for name, payload in payloads.items()}
        payloads[_STATE] = msgspec.json.encode(msgspec.structs.replace(state, files=sums))
        draft: str | None = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            draft = tempfile.mkdtemp(prefix=".draft-", dir=self.directory)
            for name, payload in payloads.items():
                with open(os.path.join(draft, name), "wb") as file:  # noqa: PTH118, PTH123 - mkdtemp gives a string
                    file.write(payload)
                    file.flush()
                    os.fsync(file.fileno())
            place = self.directory / f"{_PREFIX}{state.step:08d}"
            shutil.rmtree(place, ignore_errors=True)
            os.rename(draft, place)  # noqa: PTH104 - as above
        except OSError as error:
            if draft is not None:
                shutil.rmtree(draft, ignore_errors=True)
            raise ServiceError(
                f"the checkpoint can't be written to {self.directory}: {error.strerror}; make room and train again: "
                "it goes on from the checkpoint before"
            ) from error
        for other in self.directory.iterdir():
            if other != place:
                shutil.rmtree(other, ignore_errors=True)

    def remove(self) -> None:
        """Removes all of them: the run is done."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _read(place: Path) -> tuple[State, dict[str, dict[str, Tensor]]] | None:
    try:
        state = msgspec.json.decode((place / _STATE).read_bytes(), type=State)
        tensors = {}
        for name, wanted in state.files.items():
            payload = (place / name).read_bytes()
            if hashlib.sha256(payload).hexdigest() != wanted:
                return None
            tensors[name.removesuffix(".safetensors")] = load_tensors(payload)
    except (OSError, msgspec.DecodeError, SafetensorError):
        return None
    return state, tensors
