from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_dataset
from tests.tiny_bert import write_tiny_weights
from tests.unit.training.problems import FIELDS, fields_examples
from tierwright.app.base_weights import LOCK_FILE, known_weights, list_weights, pull_weights
from tierwright.app.bundles import write_bundle
from tierwright.app.settings import Settings, load_settings
from tierwright.core.dataset import Split
from tierwright.core.errors import SettingsError, UsageError
from tierwright.training.lm_weights import Consent

if TYPE_CHECKING:
    from pathlib import Path

TINY = 'name = "tiny"\npath = "hub"\nlicence = "MIT"'


def settings_with(root: Path, table: str = TINY) -> Settings:
    """Settings with one table of base weights, in a folder with a repository's files."""
    (root / "hub").mkdir(exist_ok=True)
    for name, content in (("config.json", "{}"), ("tokenizer.json", "{}"), ("model.safetensors", "x")):
        (root / "hub" / name).write_text(content, encoding="utf-8")
    (root / "tierwright.toml").write_text(f"version = 1\n[[training.base_weights]]\n{table}\n", encoding="utf-8")
    return load_settings(root / "tierwright.toml", {})


def test_an_entry_of_the_settings_is_pulled_from_its_path(tmp_path: Path) -> None:
    """It is trusted once, pinned beside the settings, and reported with licence and sums."""
    settings = settings_with(tmp_path)
    with pytest.raises(UsageError, match="--trust"):
        pull_weights(settings, "tiny", source=None, consent=Consent(), progress=str)
    document = pull_weights(settings, "tiny", source=None, consent=Consent(trust=True), progress=str)
    assert (document["name"], document["kind"], document["licence"]) == ("tiny", "causal-lm", "MIT")
    assert set(document["files"]) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert json.loads((tmp_path / LOCK_FILE).read_text(encoding="utf-8")).keys() == {"tiny"}
    (row,) = [row for row in list_weights(settings) if row["name"] == "tiny"]
    assert (row["state"], row["sums"]) == ("pulled", "pinned")
    (tmp_path / "weights" / "tiny" / "config.json").write_text("[]", encoding="utf-8")
    (row,) = [row for row in list_weights(settings) if row["name"] == "tiny"]
    assert row["state"] == "damaged"


def test_the_list_has_the_registry(tmp_path: Path) -> None:
    """Encoders and language models, what restricts them, and that none is here yet."""
    rows = {row["name"]: row for row in list_weights(settings_with(tmp_path))}
    assert rows["all-MiniLM-L6-v2"]["kind"] == "encoder"
    assert rows["all-MiniLM-L6-v2"]["sums"] == "registered"
    assert rows["Qwen3-0.6B"]["sums"] == "none"
    assert "non-commercial" in rows["Qwen2.5-3B-Instruct"]["licence_note"]
    assert {row["state"] for row in rows.values()} == {"not pulled"}


def test_an_encoder_of_the_settings(tmp_path: Path) -> None:
    """With its sums it is built like one of the registry."""
    weights = write_tiny_weights(tmp_path / "encoder")
    sums = ", ".join(f'"{name}" = "{wanted.sha256}"' for name, wanted in weights.files.items())
    table = f'name = "own"\nkind = "encoder"\npath = "encoder"\nlicence = "MIT"\nsha256 = {{ {sums} }}'
    settings = settings_with(tmp_path, table)
    document = pull_weights(settings, "own", source=None, consent=Consent(), progress=str)
    assert (document["directory"] / "encoder.onnx").is_file()


def test_an_unknown_name(tmp_path: Path) -> None:
    """It is answered with all that are known."""
    with pytest.raises(UsageError, match=r"'nothing'; known are: .*all-MiniLM-L6-v2.*tiny"):
        pull_weights(settings_with(tmp_path), "nothing", source=None, consent=Consent(), progress=str)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('name = "../x"\npath = "hub"\nlicence = "MIT"', "a name has letters"),
        ('name = "x"\nlicence = "MIT"', "name the repository"),
        ('name = "x"\nrepository = "a/b"\nrevision = "main"\nlicence = "MIT"', "branches and tags move"),
        ('name = "x"\npath = "hub"\nlicence = "MIT"\nsha256 = { "a" = "12" }', "64 hexadecimal digits"),
        ('name = "x"\nkind = "encoder"\npath = "hub"\nlicence = "MIT"', "an encoder needs the sha256"),
    ],
)
def test_entries_that_can_not_be_used(tmp_path: Path, table: str, says: str) -> None:
    """Each is named, with what to do."""
    with pytest.raises(SettingsError, match=says):
        known_weights(settings_with(tmp_path, table))


def test_a_bundle_is_written_whole_into_a_new_directory(tmp_path: Path) -> None:
    """Something that lies there is not touched; an unknown trainer and missing weights are said."""
    settings = settings_with(tmp_path)
    dataset = a_dataset(contract=FIELDS)
    examples = [replace(example, split=Split.TRAIN) for example in fields_examples(50)]
    place = tmp_path / "out" / "bundle"
    files = write_bundle(place, dataset, examples, trainer="axolotl", base="Qwen3-0.6B", settings=settings)
    assert files == sorted(path.name for path in place.iterdir())
    assert 'base_model: "Qwen/Qwen3-0.6B"' in (place / "config.yaml").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        write_bundle(place, dataset, examples, trainer="axolotl", base="x", settings=settings)
    with pytest.raises(UsageError, match="there is no format 'keras'; there are jsonl, axolotl"):
        write_bundle(tmp_path / "new", dataset, examples, trainer="keras", base="x", settings=settings)
    with pytest.raises(UsageError, match="--base"):
        write_bundle(tmp_path / "new", dataset, examples, trainer="trl", base="", settings=settings)
