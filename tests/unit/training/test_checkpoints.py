from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from tierwright.core.errors import ServiceError
from tierwright.training.checkpoints import Checkpoints

if TYPE_CHECKING:
    from pathlib import Path


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a training might note."""

    step: int


class Other(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What another program might note."""

    place: str


def test_load_what_was_saved(tmp_path: Path) -> None:
    """The last checkpoint comes back as it was; nothing else is left in the folder."""
    checkpoints = Checkpoints(folder=tmp_path / "deep", key="one")
    checkpoints.save({"a": np.arange(3)}, State(step=1))
    checkpoints.save({"a": np.arange(4).T, "b": np.ones((2, 2), np.float32).T}, State(step=2))
    found = checkpoints.load(State)
    assert found is not None
    assert found[1] == State(step=2)
    assert found[0]["a"].tolist() == [0, 1, 2, 3]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [checkpoints.path.name]


def test_another_training(tmp_path: Path) -> None:
    """A training with another key does not go on with it."""
    Checkpoints(folder=tmp_path, key="one").save({"a": np.arange(3)}, State(step=1))
    assert Checkpoints(folder=tmp_path, key="two").load(State) is None


def test_begin_anew_where_it_cannot_be_read(tmp_path: Path) -> None:
    """A damaged checkpoint, or one of another kind, counts as none."""
    checkpoints = Checkpoints(folder=tmp_path, key="one")
    checkpoints.save({"a": np.arange(3)}, State(step=1))
    assert checkpoints.load(Other) is None
    checkpoints.path.write_bytes(checkpoints.path.read_bytes()[:20])
    assert checkpoints.load(State) is None


def test_clear(tmp_path: Path) -> None:
    """Once over, nothing is left; clearing twice does no harm."""
    checkpoints = Checkpoints(folder=tmp_path, key="one")
    checkpoints.save({"a": np.arange(3)}, State(step=1))
    checkpoints.clear()
    checkpoints.clear()
    assert list(tmp_path.iterdir()) == []


def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said in words, keeps the checkpoint before and leaves no draft."""
    checkpoints = Checkpoints(folder=tmp_path, key="one")
    checkpoints.save({"a": np.arange(3)}, State(step=1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tierwright.training.checkpoints.os.fsync", full)
    with pytest.raises(ServiceError, match="No space left"):
        checkpoints.save({"a": np.arange(9)}, State(step=2))
    assert [path.name for path in tmp_path.iterdir()] == [checkpoints.path.name]
    found = checkpoints.load(State)
    assert found is not None
    assert found[1] == State(step=1)
