"""Threat 9: a model file that runs code, takes all memory, or is another one than was evaluated."""

from __future__ import annotations

import ast
import hashlib
import json
import struct
from typing import TYPE_CHECKING

import pytest

from tests.threats.sources import calls, imported, modules
from tests.unit.specialists.test_artifact import edit, write
from tierwright.core.errors import ArtifactError
from tierwright.specialists.artifact import Recalibration, read_artifact, recalibrate_artifact
from tierwright.specialists.specialist import Config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


#: Modules that make objects, and so run code, out of bytes.
NEVER_IMPORTED = {"pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "yaml", "jsonpickle"}
NEVER_CALLED = {"eval", "exec", "compile", "__import__", "torch.load", "torch.hub.load", "numpy.load", "np.load"}
#: Arguments that must be False, in so many words.
_RISKS = {"trust_remote_code", "allow_pickle"}
_BOMB = 2**40


def unsafe(tree: ast.Module) -> list[str]:
    """What a module does that could make objects of a file's bytes, or run what came with a model."""
    found = sorted({name.partition(".")[0] for name in imported(tree)} & NEVER_IMPORTED)
    for name, call in calls(tree):
        if name in NEVER_CALLED:
            found.append(f"{call.lineno} {name}")
        for keyword in call.keywords:
            said = keyword.value
            if keyword.arg in _RISKS and not (isinstance(said, ast.Constant) and said.value is False):
                found.append(f"{call.lineno} {keyword.arg}")
    return found


def test_threat_09_model_deserialisation(probes: Callable[[int], None]) -> None:
    """Nothing in the program can make objects of a file's bytes, or lets a library run what came with a model."""
    looked = 0
    for path, tree in modules():
        looked += 1
        assert not unsafe(tree), path
    probes(looked)


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "torch.load(path)",
        "np.load(path)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=trusted)",
        "numpy.lib.format.read_array(file, allow_pickle=True)",
        "exec(text)",
        "import yaml",
    ],
)
def test_threat_09_model_deserialisation_would_be_seen(planted: str, probes: Callable[[int], None]) -> None:
    """A module that did any of it would be found."""
    assert unsafe(ast.parse(planted))
    probes(1)


def _resummed(path: Path, name: str, payload: bytes) -> None:
    """Another file under a sound sum: what whoever can write the manifest, too, could do."""
    (path / name).write_bytes(payload)

    def change(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, dict)
        files[name] = {"sha256": hashlib.sha256(payload).hexdigest(), "size_bytes": len(payload)}

    edit(path / "manifest.json", change)


def _safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def _tensor(shape: list[int], end: int, dtype: str = "F32") -> dict[str, object]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


BOMBS = {
    "empty": b"",
    "header longer than the file": _safetensors({}, length=_BOMB),
    "header of 2**64 - 1": _safetensors({}, length=2**64 - 1),
    "array larger than the file": _safetensors(_tensor([2**38], _BOMB)),
    "shape that overflows": _safetensors(_tensor([2**40, 2**40], 4), b"\0" * 4),
    "offsets that overlap": _safetensors(
        {n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}, b"\0" * 4
    ),
    "offsets backwards": _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"\0" * 4),
    "a hole": _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"\0" * 8),
    "unknown type": _safetensors(_tensor([1], 4, "OBJECT"), b"\0" * 4),
    "no JSON": _safetensors(b"{" * 64),
    "nested": _safetensors(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "zip, as torch writes it": b"PK\x03\x04" + b"\0" * 60,
}


@pytest.mark.parametrize("name", BOMBS)
def test_threat_09_model_deserialisation_bombs(tmp_path: Path, name: str, probes: Callable[[int], None]) -> None:
    """Weights that claim what they don't hold are refused with one kind of error, even under a sound sum."""
    _, path = write(tmp_path)
    _resummed(path, "weights.safetensors", BOMBS[name])
    with pytest.raises(ArtifactError, match="train the model again"):
        read_artifact(path, Config)
    probes(1)


def test_threat_09_model_deserialisation_every_flip_is_found(tmp_path: Path, probes: Callable[[int], None]) -> None:
    """One flipped bit anywhere in a file of a model, or in what its manifest says of it, and it is not loaded."""
    tried = 0
    for name in ("weights.safetensors", "config.json"):
        _, path = write(tmp_path)
        sound = (path / name).read_bytes()
        for place in range(0, len(sound), max(1, len(sound) // 50)):
            (path / name).write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
            with pytest.raises(ArtifactError):
                read_artifact(path, Config)
            tried += 1
        (path / name).write_bytes(sound)
        read_artifact(path, Config)
    probes(tried)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "..", ""])
def test_threat_09_model_deserialisation_stays_in_its_folder(
    tmp_path: Path, name: str, probes: Callable[[int], None]
) -> None:
    """A manifest that names a file elsewhere is refused before anything is read or written there."""
    _, path = write(tmp_path / "models")
    outside = tmp_path / "models" / "outside"
    outside.write_bytes(b"x")

    def change(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, dict)
        files[name] = {"sha256": hashlib.sha256(b"x").hexdigest(), "size_bytes": 1}

    edit(path / "manifest.json", change)
    with pytest.raises(ArtifactError, match="outside its directory"):
        recalibrate_artifact(tmp_path / "new", path, line=(1.0, 0.0), recalibration=_recalibration())
    assert not (tmp_path / "new").exists()
    probes(1)


def _recalibration() -> Recalibration:
    return Recalibration(
        parent="p", origin="o", number=2, dataset_id="d", level=0.1, delta=0.05, spent=0.01, threshold=None
    )
