from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.tiny_bert import write_tiny_weights
from tests.unit.training.problems import label_examples, training_set
from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.training.recipes.encoder_tuned import EncoderTunedRecipe
from tierwright.training.tuning_plan import TuningPlan
from tierwright.training.weights import LocalCopy, pull, read_tunable

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.slow


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A specialist tuned on the tiny model."""
    known = {"tiny": write_tiny_weights(tmp_path / "copy")}
    sources = [LocalCopy(path=tmp_path / "copy")]
    directory = pull("tiny", into=tmp_path / "weights", sources=sources, progress=str, known=known)
    recipe = EncoderTunedRecipe(
        encoder=Encoder.load(directory), base=read_tunable(directory), threads=1, plan=TuningPlan(epochs=1)
    )
    training = training_set(label_examples(120, human=1.0))
    return recipe.fit(training, artifacts=tmp_path / "artifacts", seed=1, progress=str).path


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json", "encoder.json", "weights.safetensors"])
def test_damaged(artifact: Path, name: str) -> None:
    """A file that was changed or is missing is named, and nothing is loaded."""
    whole = (artifact / name).read_bytes()
    (artifact / name).write_bytes(whole[:-1] + b"!")
    with pytest.raises(ArtifactError, match=name):
        load_specialist(artifact, encoder=None)
    (artifact / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_specialist(artifact, encoder=None)


def test_served_without_torch(artifact: Path) -> None:
    """A process that serves it never imports torch, transformers or onnx's writer, and gives the same answers."""
    program = (
        "import sys, json, pathlib\n"
        "from tierwright.specialists.loading import load_specialist\n"
        "found = load_specialist(pathlib.Path(sys.argv[1]), encoder=None).predict(['urgent refund case 3'])\n"
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules), 'a library of training was imported'\n"
        "print(json.dumps([found[0].output, found[0].confidence]))\n"
    )
    command = [sys.executable, "-c", program, str(artifact)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    here = load_specialist(artifact, encoder=None).predict(["urgent refund case 3"])[0]
    assert done.stdout.strip() == f'["{here.output}", {here.confidence}]'
