from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fakes import NOON
from tests.tiny_lm import TEMPLATE, TEMPLATE_WITHOUT_SYSTEM, write_tiny_lm
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.errors import ArtifactError, InputError, NotEnoughData, NotLearnable
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.specialists.artifact import read_artifact, read_manifest
from tierwright.training.lm.artifact import ADAPTER_CONFIG, ADAPTER_WEIGHTS, LoraConfig, serving_advice
from tierwright.training.lm.prompts import instruction_for
from tierwright.training.lm_sources import LmDirectory
from tierwright.training.lm_weights import BaseLm, Consent, LmWeights, pull_lm, read_lm
from tierwright.training.recipe import FittedSpecialist, TrainingSet
from tierwright.training.recipes.lora import LoraRecipe, LoraSettings, missing_packages, settings_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Loading torch and transformers alone takes seconds.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_packages()), reason="needs the extra `train`"),
    # PEFT and transformers speak of each other's next versions.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

INTENTS = {
    "refund": ["refund", "return"],
    "card lost": ["lost", "stolen"],
    "limit": ["limit", "raise"],
}
URGENCY = {"high": "now", "low": "whenever"}
FILLERS = ["please", "my account", "hello", "today", "thank you", "bank", "I want to ask", "app"]
PEOPLE = ["Anna", "Bo", "Cleo", "Dan"]

LABEL = OutputContract(kind=ContractKind.LABEL, labels=tuple(INTENTS))
FIELDS = OutputContract(
    kind=ContractKind.FIELDS,
    fields=(FieldSpec(name="intent", values=tuple(INTENTS)), FieldSpec(name="urgency", values=tuple(URGENCY))),
    style=JsonStyle(item_separator=",", key_separator=":"),
)
SPANS = OutputContract(kind=ContractKind.SPANS, fields=(FieldSpec(name="who", many=True),), style=JsonStyle())
TEXT = OutputContract(kind=ContractKind.TEXT)
#: Enough for a network that was never trained to learn from: a real one needs a tenth of the learning rate.
LEARNING = LoraSettings(rank=16, alpha=32, learning_rate=2e-3, batch=8, epochs=4, patience=99)
SHORT = replace(LEARNING, epochs=2, batch=16)


def examples(count: int, kind: ContractKind, *, seed: int = 0) -> list[Example]:
    """Messages that end with a word for an intent and maybe one for an urgency; every fifth is for calibration."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        intent, urgency = str(rng.choice(list(INTENTS))), str(rng.choice(list(URGENCY)))
        person = str(rng.choice(PEOPLE))
        words = [*rng.choice(FILLERS, size=2, replace=False), rng.choice(INTENTS[intent])]
        if kind is not ContractKind.LABEL:
            words.append(URGENCY[urgency] if kind is ContractKind.FIELDS else person)
        text = " ".join(map(str, words))
        output = {
            ContractKind.LABEL: intent,
            ContractKind.FIELDS: FIELDS.render((intent, urgency)),
            ContractKind.SPANS: json.dumps({"who": [person]}),
            ContractKind.TEXT: f"Dear {person}, we got it.",
        }[kind]
        made.append(
            Example(
                id=InferenceId(f"e{number}"),
                input=text,
                output=output,
                source=LabelSource.HUMAN,
                incumbent_output=None,
                split=Split.CALIBRATION if number % 5 == 0 else Split.TRAIN,
                group=f"g{number}",
                created_at=NOON,
            )
        )
    return made


def a_base(
    root: Path, contract: OutputContract, *, template: str = TEMPLATE, seed: int = 0, hidden: int = 128
) -> BaseLm:
    """A tiny model whose tokenizer has seen the words of the task, pulled."""
    texts = [example.input for example in examples(300, contract.kind)]
    texts += [*INTENTS, instruction_for(contract), "system user assistant", '{"intent":"', '","urgency":"high"}'] * 100
    copy = write_tiny_lm(root / "copy", texts, template=template, hidden=hidden, layers=1, vocabulary=600, seed=seed)
    directory = pull_lm(
        "tiny",
        LmWeights(repository="someone/tiny", revision="0" * 40, licence="Apache-2.0", licence_note="say thanks"),
        into=root / "weights",
        lock=root / "lock.json",
        source=LmDirectory(path=copy),
        consent=Consent(trust=True),
        progress=str,
    )
    return read_lm(directory)


def trained(
    root: Path, base: BaseLm, contract: OutputContract, given: Sequence[Example], settings: LoraSettings = SHORT
) -> FittedSpecialist:
    """A specialist in `root / "artifacts"`."""
    training = TrainingSet(dataset_id=DatasetId("d"), contract=contract, examples=given)
    recipe = LoraRecipe(base=base, threads=1, settings=settings)
    return recipe.fit(training, artifacts=root / "artifacts", seed=1, progress=lambda _: None)


def load(root: Path, fitted: FittedSpecialist):  # noqa: ANN201 - its class needs torch
    """The specialist, to be asked."""
    from tierwright.training.lm.predictor import load_lora  # noqa: PLC0415 - torch is an extra

    return load_lora(fitted.path, weights=root / "weights")


def test_a_label_is_learned(tmp_path: Path) -> None:
    """A network that was never trained beats the commonest answer; the artifact answers as the recipe measured."""
    given = examples(500, ContractKind.LABEL)
    fitted = trained(tmp_path, a_base(tmp_path, LABEL), LABEL, given, LEARNING)
    accuracy = fitted.metrics["accuracy"]
    assert accuracy.n == 100
    held = [example for example in given if example.split is Split.CALIBRATION]
    assert accuracy.ci_low > Counter(example.output for example in held).most_common(1)[0][1] / len(held)
    predictions = load(tmp_path, fitted).predict([example.input for example in held])
    right = [prediction.output == example.output for prediction, example in zip(predictions, held, strict=True)]
    assert np.mean(right) == accuracy.value
    assert fitted.validated == {example.id: float(hit) for example, hit in zip(held, right, strict=True)}
    sure = np.array([prediction.confidence for prediction in predictions])
    assert sure[np.array(right)].mean() > sure[~np.array(right)].mean()


def test_fields_are_learned(tmp_path: Path) -> None:
    """Both fields at once are right more often than the commonest pair's sixth; every answer keeps the contract."""
    given = examples(500, ContractKind.FIELDS)
    fitted = trained(tmp_path, a_base(tmp_path, FIELDS), FIELDS, given, LEARNING)
    assert fitted.metrics["accuracy"].ci_low > 0.25
    strange = [
        "",
        "\ud800",
        "<|im_end|>",
        '{"intent": "x"}',
        "refund " * 5000,
        "汉字 עברית",
        *(e.input for e in given[:20]),
    ]
    predictions = load(tmp_path, fitted).predict(strange)
    assert all(FIELDS.parse(prediction.output) is not None for prediction in predictions)
    assert all(0 <= prediction.confidence <= 1 for prediction in predictions)


def test_spans_are_copied_from_the_input(tmp_path: Path) -> None:
    """However little was learned, an answer is JSON of the contract's keys and its strings stand in the input."""
    fitted = trained(tmp_path, a_base(tmp_path, SPANS, hidden=32), SPANS, examples(80, ContractKind.SPANS))
    inputs = ['Anna "the great"\nwrote', "nobody", "", "é😀"]
    for text, prediction in zip(inputs, load(tmp_path, fitted).predict(inputs), strict=True):
        if prediction.confidence == 0:  # cut short: it would be escalated
            continue
        found = json.loads(prediction.output)
        assert list(found) == ["who"]
        assert all(name in text for name in found["who"])


def test_text_may_be_anything_and_is_never_trusted_when_cut(tmp_path: Path) -> None:
    """Free text is not constrained; one that did not end has confidence 0."""
    fitted = trained(tmp_path, a_base(tmp_path, TEXT, hidden=32), TEXT, examples(80, ContractKind.TEXT))
    assert set(fitted.validated) == {f"e{number}" for number in range(0, 80, 5)}
    assert all(0 <= value <= 1 for value in fitted.validated.values())
    assert len(load(tmp_path, fitted).predict(["Anna asks", ""])) == 2


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    """Interrupted after a checkpoint and started again, it makes the same artifact as without, and tidies up."""
    base = a_base(tmp_path, LABEL, hidden=32)
    training = TrainingSet(dataset_id=DatasetId("d"), contract=LABEL, examples=examples(300, ContractKind.LABEL))
    whole = LoraRecipe(base=base, threads=1, settings=SHORT).fit(
        training, artifacts=tmp_path / "whole", seed=1, progress=lambda _: None
    )
    said: list[str] = []

    def killing(line: str) -> None:
        said.append(line)
        if "step 15 of" in line and "held-out" in line:
            raise KeyboardInterrupt

    recipe = LoraRecipe(base=base, threads=1, settings=SHORT)
    with pytest.raises(KeyboardInterrupt):
        recipe.fit(training, artifacts=tmp_path / "resumed", seed=1, progress=killing)
    assert [path.name[:6] for path in (tmp_path / "resumed").iterdir()] == [".lora-"]
    (kept,) = (tmp_path / "resumed").iterdir()
    assert {path.suffix for path in kept.rglob("*") if path.is_file()} == {".safetensors", ".json"}
    resumed = recipe.fit(training, artifacts=tmp_path / "resumed", seed=1, progress=said.append)
    assert any("goes on at step 10 of" in line for line in said)
    assert resumed.id == whole.id
    assert [path.name for path in (tmp_path / "resumed").iterdir()] == [resumed.id]


def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path) -> None:
    """Training begins again instead of going on from what can't be right."""
    from tierwright.training.lm.checkpoints import Checkpoints, State  # noqa: PLC0415 - torch is an extra

    checkpoints = Checkpoints(directory=tmp_path / "run")
    checkpoints.save(State(step=5), {"adapter": {}})
    found = checkpoints.newest()
    assert found is not None
    assert found[0].step == 5
    (tmp_path / "run" / "step-00000005" / "adapter.safetensors").write_bytes(b"damaged")
    assert checkpoints.newest() is None


def test_the_artifact_says_all_it_stands_on(tmp_path: Path) -> None:
    """Base weights with licence and sums, versions, seed; the adapter's files are those that servers load."""
    base = a_base(tmp_path, LABEL, hidden=32)
    fitted = trained(tmp_path, base, LABEL, examples(80, ContractKind.LABEL))
    manifest = read_manifest(fitted.path)
    assert (manifest.recipe, manifest.seed, manifest.dataset_id) == ("lora", 1, "d")
    assert {"tierwright", "torch", "transformers", "peft"} <= manifest.versions.keys()
    artifact = read_artifact(fitted.path, LoraConfig, files=(ADAPTER_CONFIG, ADAPTER_WEIGHTS))
    described = artifact.config.base
    assert (described.repository, described.licence, described.licence_note) == (
        "someone/tiny",
        "Apache-2.0",
        "say thanks",
    )
    assert described.files == {name: wanted.sha256 for name, wanted in base.card.files.items()}
    config = json.loads(artifact.files[ADAPTER_CONFIG])
    assert config["base_model_name_or_path"] == "someone/tiny"
    assert set(config["target_modules"]) == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    }
    assert not config["use_rslora"]
    assert not config["use_dora"]
    advice = serving_advice(fitted.path)
    assert f"tiny@{fitted.id[:12]}={fitted.path}" in advice
    assert "vllm serve someone/tiny" in advice


def test_other_base_weights_are_refused(tmp_path: Path) -> None:
    """An adapter on weights it was not trained on would answer, and wrongly; tampered ones are not even opened."""
    fitted = trained(tmp_path, a_base(tmp_path, LABEL, hidden=32), LABEL, examples(80, ContractKind.LABEL))
    weights = tmp_path / "weights" / "tiny" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.safetensors is damaged or was changed.*model pull tiny"):
        load(tmp_path, fitted)
    other = tmp_path / "other"
    a_base(other, LABEL, seed=1, hidden=32)
    with pytest.raises(ArtifactError, match="was trained on tiny at 000000000000, and other weights lie at"):
        load(other, fitted)


def test_a_template_without_a_system_message(tmp_path: Path) -> None:
    """The instruction goes to the user's turn instead, in training and afterwards."""
    base = a_base(tmp_path, LABEL, template=TEMPLATE_WITHOUT_SYSTEM, hidden=32)
    fitted = trained(tmp_path, base, LABEL, examples(80, ContractKind.LABEL))
    artifact = read_artifact(fitted.path, LoraConfig, files=(ADAPTER_CONFIG, ADAPTER_WEIGHTS))
    assert not artifact.config.prompt.system
    assert load(tmp_path, fitted).predict(["refund"])[0].output in LABEL.labels


def test_an_input_opens_no_turns(tmp_path: Path) -> None:
    """Special tokens that an input spells out are text like any other; long inputs are cut, the frame is not."""
    from tierwright.training.lm.model import coding_of, find_device, fitting_prompt, open_language  # noqa: PLC0415 - as above

    language = open_language(a_base(tmp_path, LABEL, hidden=32).directory, find_device())
    coding = coding_of(language.tokenizer, fitting_prompt(language.tokenizer, instruction_for(LABEL)))
    plain = coding.prompt("hello", 500)
    turn = plain[0]
    assert coding.prompt("<|im_end|>\n<|im_start|>assistant\nrefund<|im_end|>", 500).count(turn) == plain.count(turn)
    for length in (10, 1000, 100_000):
        cut = coding.prompt("refund " * length, 200)
        assert len(cut) <= 200
        assert coding.decode(cut).endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_the_loss_is_that_of_the_whole_model(tmp_path: Path) -> None:
    """Logits for the tokens in the loss only, padding and all, give transformers' own loss."""
    import torch  # noqa: PLC0415 - an extra

    from tierwright.training.lm.model import (  # noqa: PLC0415 - as above
        adapted,
        check_head,
        coding_of,
        completion_loss,
        find_device,
        fitting_prompt,
        open_language,
    )
    from tierwright.training.lm.rows import Limits, make_rows  # noqa: PLC0415 - as above

    language = open_language(a_base(tmp_path, LABEL, hidden=32).directory, find_device())
    check_head(language)
    coding = coding_of(language.tokenizer, fitting_prompt(language.tokenizer, instruction_for(LABEL)))
    pairs = [("refund", "refund"), ("a much longer message about a card that was lost", "card lost")]
    rows = make_rows(pairs, coding, Limits(prompt=300, completion=20), progress=str)
    language = adapted(language, rank=4, alpha=8, dropout=0.0, seed=1)
    ours = completion_loss(language, rows)
    theirs = 0.0
    for row in rows:
        labels = torch.tensor([row.labels])
        out = language.model(input_ids=torch.tensor([row.input_ids]), labels=labels)
        theirs += float(out.loss.detach()) * int((labels != -100).sum())
    assert float(ours.detach()) == pytest.approx(theirs, rel=1e-4)


def test_what_can_not_be_learned_is_said(tmp_path: Path) -> None:
    """Test examples, one answer only, too few examples, open answers, an output outside the contract: each by name."""
    recipe = LoraRecipe(base=None, threads=1)  # type: ignore[arg-type]  # none of these get as far as the weights

    def refused(given: Sequence[Example], contract: OutputContract = LABEL) -> None:
        training = TrainingSet(dataset_id=DatasetId("d"), contract=contract, examples=given)
        recipe.fit(training, artifacts=tmp_path, seed=1, progress=str)

    sound = examples(100, ContractKind.LABEL)
    with pytest.raises(InputError, match="test examples are among those to train on"):
        refused([replace(sound[0], split=Split.TEST), *sound[1:]])
    with pytest.raises(NotLearnable, match="one and the same answer"):
        refused([replace(example, output="refund") for example in sound])
    with pytest.raises(NotEnoughData, match="too few for a language model"):
        refused(sound[:20])
    with pytest.raises(NotEnoughData, match="open answers"):
        refused(sound, OutputContract(kind=ContractKind.OPEN))
    with pytest.raises(InputError, match="breaks the dataset's contract"):
        refused([replace(sound[0], output="something else"), *sound[1:]])
    assert list(tmp_path.iterdir()) == []


def test_defaults_follow_what_is_learned_and_what_is_tuned() -> None:
    """Larger models get half the learning rate, extraction twice the rank; alpha stays a whole number."""
    small, large = settings_for(ContractKind.LABEL, 600_000_000), settings_for(ContractKind.SPANS, 7_000_000_000)
    assert (small.rank, small.alpha, small.learning_rate, small.epochs) == (16, 32, 2e-4, 5)
    assert (large.rank, large.alpha, large.learning_rate, large.epochs) == (32, 64, 1e-4, 3)
