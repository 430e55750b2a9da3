from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import replace

import pytest

from tests.fakes import a_dataset
from tests.unit.training.problems import FIELDS, fields_examples
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Split
from tierwright.core.errors import NotEnoughData
from tierwright.training.bundles import TRAINERS, Base, make_bundle

BASE = Base(name="someone/tiny-qwen3", revision="0" * 40, billions=0.6)
SPLITS = (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.CALIBRATION, Split.TEST)
EXAMPLES = [replace(e, split=SPLITS[number % 5]) for number, e in enumerate(fields_examples(100))]
DATASET = a_dataset(contract=FIELDS)


def yaml_values(content: bytes) -> dict[str, object]:
    """The settings of a configuration whose values are JSON, one a line."""
    pairs = (line.split(": ", 1) for line in content.decode().splitlines())
    return {name: json.loads(value) for name, value in pairs}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_bundle_has_its_rows_and_says_what_it_is(trainer: str) -> None:
    """Train and calibration rows, no test row; every file's sum and row count is right in the manifest."""
    files = make_bundle(DATASET, EXAMPLES, trainer=trainer, base=BASE)
    manifest = json.loads(files["MANIFEST.json"])
    assert manifest["rows"] == {"train.jsonl": 60, "val.jsonl": 20}
    assert manifest["base"] == {"name": BASE.name, "revision": BASE.revision}
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "MANIFEST.json"
    }
    written = files["train.jsonl"].decode() + files["val.jsonl"].decode()
    assert len(written.splitlines()) == 80
    for example in EXAMPLES:
        assert (json.dumps(example.input) + "}" in written) is (example.split is not Split.TEST)
    assert files == make_bundle(DATASET, EXAMPLES, trainer=trainer, base=BASE)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_rows_end_with_the_answer(trainer: str) -> None:
    """The last message is the assistant's and is exactly the example's output."""
    rows = [
        json.loads(line)
        for line in make_bundle(DATASET, EXAMPLES, trainer=trainer, base=BASE)["train.jsonl"].splitlines()
    ]
    learned = [example for example in EXAMPLES if example.split is Split.TRAIN]
    for row, example in zip(rows, learned, strict=True):
        messages = row["prompt"] + row["completion"] if trainer == "trl" else row["messages"]
        assert [message["role"] for message in messages] == ["system", "user", "assistant"]
        assert messages[1]["content"] == example.input
        assert messages[2]["content"] == example.output


def test_axolotl() -> None:
    """The loss is on the assistant's turn and its end only, both sets of rows are named, nothing is packed."""
    config = yaml_values(make_bundle(DATASET, EXAMPLES, trainer="axolotl", base=BASE)["config.yaml"])
    assert config["base_model"] == BASE.name
    (rows,) = config["datasets"]  # type: ignore[misc]
    assert (rows["path"], rows["roles_to_train"], rows["train_on_eos"]) == ("train.jsonl", ["assistant"], "turn")
    assert config["test_datasets"] == [{"path": "val.jsonl", "type": "chat_template", "split": "train"}]
    assert (config["lora_r"], config["lora_alpha"], config["lora_dropout"]) == (16, 32, 0.0)
    assert not config["sample_packing"]
    assert int(config["micro_batch_size"]) * int(config["gradient_accumulation_steps"]) == 16  # type: ignore[call-overload]


def test_llama_factory() -> None:
    """The data sets that the configuration names are described, and the template is the family's without thinking."""
    files = make_bundle(DATASET, EXAMPLES, trainer="llama-factory", base=BASE)
    config, described = yaml_values(files["config.yaml"]), json.loads(files["dataset_info.json"])
    assert {config["dataset"], config["eval_dataset"]} == described.keys()
    assert {entry["file_name"] for entry in described.values()} <= files.keys()
    assert (config["template"], config["enable_thinking"]) == ("qwen3_nothink", False)


@pytest.mark.parametrize("trainer", ["trl", "unsloth"])
def test_scripts(trainer: str) -> None:
    """Each is valid Python, reads only settings that are there, and trains on completions with validation."""
    files = make_bundle(DATASET, EXAMPLES, trainer=trainer, base=BASE)
    tree = ast.parse(files["train.py"])
    read = {
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "settings"
        if isinstance(node.slice, ast.Constant)
    }
    assert read <= json.loads(files["settings.json"]).keys()
    text = files["train.py"].decode()
    assert "completion_only_loss=True" in text
    assert "eval_dataset=" in text


def test_openai() -> None:
    """A supervised job that names both files to be uploaded."""
    job = json.loads(make_bundle(DATASET, EXAMPLES, trainer="openai", base=BASE)["job.json"])
    assert job["method"]["type"] == "supervised"
    assert "train.jsonl" in job["training_file"]


def test_too_little_to_tune_on() -> None:
    """Few rows, and answers without a form, are refused."""
    with pytest.raises(NotEnoughData, match="3 training rows of fields answers"):
        make_bundle(DATASET, EXAMPLES[:4], trainer="trl", base=BASE)
    with pytest.raises(NotEnoughData, match="open answers"):
        make_bundle(a_dataset(contract=OutputContract(kind=ContractKind.OPEN)), EXAMPLES, trainer="trl", base=BASE)
