from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.fakes import a_contract
from tierwright.core.errors import ArtifactError, ServiceError
from tierwright.specialists.artifact import (
    FORMAT,
    FileSum,
    Manifest,
    Recalibration,
    read_artifact,
    read_manifest,
    recalibrate_artifact,
    write_artifact,
)
from tierwright.specialists.linear import Confidence
from tierwright.specialists.ngram import NgramConfig
from tierwright.specialists.specialist import Config, HeadConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def write(parent: Path, **changes: Any) -> tuple[str, Path]:
    """An artifact of one head."""
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "recipe": "ngram",
        "dataset_id": "dataset-1",
        "seed": 7,
        "versions": {"numpy": "2"},
        "encoder": None,
        "files": {},
    }
    head = HeadConfig(name="label", values=["card_arrival", "card_lost"], ngram_scale=2.0, embedding_scale=1.0)
    config = Config(
        contract=a_contract(), ngrams=NgramConfig(), heads=[head], confidence_slope=1.0, confidence_intercept=0.0
    )
    arrays: dict[str, NDArray[np.generic]] = {"b": np.arange(3), "a": np.ones((2, 2), dtype=np.float32)}
    return write_artifact(parent, manifest=Manifest(**manifest | changes), config=config, arrays=arrays)


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_read_what_was_written(tmp_path: Path) -> None:
    """An artifact comes back as it was, under the id that its directory is named by."""
    identity, path = write(tmp_path)
    found = read_artifact(path, Config)
    assert found.id == identity == path.name
    assert found.config.heads[0].values == ["card_arrival", "card_lost"]
    assert found.arrays["b"].tolist() == [0, 1, 2]


def test_write_twice(tmp_path: Path) -> None:
    """The same content has the same bytes and id, wherever it is written; writing it again changes nothing."""
    identity, path = write(tmp_path / "one")
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    assert write(tmp_path / "one")[0] == identity
    assert {file.name: file.stat().st_mtime_ns for file in path.iterdir()} == before
    other = write(tmp_path / "two")[1]
    assert {f.name: f.read_bytes() for f in path.iterdir()} == {f.name: f.read_bytes() for f in other.iterdir()}


@pytest.mark.parametrize("changes", [{"seed": 8}, {"dataset_id": "dataset-2"}, {"recipe": "encoder-head"}])
def test_write_other_origin(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Another seed, dataset or recipe is another artifact, equal weights or not."""
    assert write(tmp_path)[0] != write(tmp_path, **changes)[0]


@pytest.mark.parametrize("name", ["manifest.json", "config.json", "weights.safetensors"])
def test_read_missing_file(tmp_path: Path, name: str) -> None:
    """A directory that lacks a file is refused, and the file is named."""
    _, path = write(tmp_path)
    (path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_artifact(path, Config)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_read_flipped_bit(tmp_path: Path, name: str) -> None:
    """One changed bit is enough to be refused."""
    _, path = write(tmp_path)
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256"):
        read_artifact(path, Config)


def test_read_truncated_weights(tmp_path: Path) -> None:
    """Weights cut short by a full disk are refused."""
    _, path = write(tmp_path)
    weights = path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(ArtifactError, match="SHA-256"):
        read_artifact(path, Config)


def test_read_manifest_out_of_the_directory(tmp_path: Path) -> None:
    """A manifest can't make the reader open a file elsewhere, not even one whose sum is right."""
    _, path = write(tmp_path)

    def escape(manifest: dict[str, Any]) -> None:
        manifest["files"]["../outside"] = manifest["files"].pop("config.json")

    (tmp_path / "outside").write_bytes((path / "config.json").read_bytes())
    edit(path / "manifest.json", escape)
    with pytest.raises(ArtifactError, match="outside its directory"):
        read_artifact(path, Config)


def test_read_unknown_format(tmp_path: Path) -> None:
    """A format of the future is refused with what to do, not guessed at."""
    _, path = write(tmp_path)
    edit(path / "manifest.json", lambda manifest: manifest.update(format=FORMAT + 1))
    with pytest.raises(ArtifactError, match="train the model again"):
        read_artifact(path, Config)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}'])
def test_read_no_manifest(tmp_path: Path, content: bytes) -> None:
    """What is no manifest is refused as such."""
    _, path = write(tmp_path)
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="no manifest"):
        read_artifact(path, Config)


def test_write_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while writing is a clear error, and leaves no directory, half-written or hidden."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ServiceError, match="No space left"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_write_where_a_file_is(tmp_path: Path) -> None:
    """A file in the place of the folder is a clear error."""
    (tmp_path / "models").write_text("")
    with pytest.raises(ServiceError, match="can't be written"):
        write(tmp_path / "models")


def test_transposed_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    """An array that does not lie in memory row by row, such as a transposed one, is stored by its values."""
    manifest = Manifest(format=FORMAT, recipe="ngram", dataset_id="d", seed=1, versions={}, encoder=None, files={})
    config = Config(
        contract=a_contract(), ngrams=NgramConfig(), heads=[], confidence_slope=1.0, confidence_intercept=0.0
    )
    weights = np.arange(6, dtype=np.float32).reshape(2, 3).T
    _, path = write_artifact(tmp_path, manifest=manifest, config=config, arrays={"w": weights})
    assert np.array_equal(read_artifact(path, Config).arrays["w"], weights)


def a_recalibration(parent: str) -> Recalibration:
    """The second certificate of a series."""
    return Recalibration(
        parent=parent,
        origin=parent,
        number=2,
        dataset_id="dataset-2",
        level=0.05,
        delta=0.05,
        spent=0.0076,
        threshold=0.8,
    )


def test_recalibrated_artifact_has_another_id_and_only_another_map(tmp_path: Path) -> None:
    """Arrays and heads are as they were, the map is the new one after the old one, the manifest names the parent."""
    identity, path = write(tmp_path)
    made, there = recalibrate_artifact(tmp_path, path, line=(0.5, -1.0), recalibration=a_recalibration(identity))
    assert made != identity
    old, new = read_artifact(path, Config), read_artifact(there, Config)
    assert new.id == made
    assert new.config.heads == old.config.heads
    assert new.arrays["b"].tolist() == old.arrays["b"].tolist()
    again = np.array([0.2, 0.9])
    first = Confidence(slope=old.config.confidence_slope, intercept=old.config.confidence_intercept).calibrated(again)
    both = Confidence(slope=0.5, intercept=-1.0).calibrated(first)
    at_once = Confidence(slope=new.config.confidence_slope, intercept=new.config.confidence_intercept)
    assert at_once.calibrated(again) == pytest.approx(both)
    assert read_manifest(there).recalibration == a_recalibration(identity)


def test_trained_artifact_says_nothing_of_recalibration(tmp_path: Path) -> None:
    """What was never recalibrated has the manifest it always had."""
    _, path = write(tmp_path)
    assert "recalibration" not in json.loads((path / "manifest.json").read_text())


def test_damaged_or_mapless_artifact_is_not_recalibrated(tmp_path: Path) -> None:
    """A changed file, or a config without a map of confidence, is an ArtifactError, and nothing is written."""
    identity, path = write(tmp_path)
    edit(path / "config.json", lambda config: config.update(confidence_slope=9.0))
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        recalibrate_artifact(tmp_path, path, line=(1.0, 0.0), recalibration=a_recalibration(identity))
    manifest = Manifest(
        format=FORMAT, recipe="other", dataset_id="dataset-1", seed=1, versions={}, encoder=None, files={}
    )
    _, bare = write_artifact(tmp_path, manifest=manifest, config=FileSum(sha256="", size_bytes=0), arrays={})
    with pytest.raises(ArtifactError, match="no map of confidence"):
        recalibrate_artifact(tmp_path, bare, line=(1.0, 0.0), recalibration=a_recalibration(identity))
    assert len(list(tmp_path.iterdir())) == 2
