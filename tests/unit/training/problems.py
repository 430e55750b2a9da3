"""Small learning problems for tests of training: made from word lists, the same every time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.fakes import NOON
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.training.recipe import TrainingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

TOPICS = {
    "billing": ["invoice", "charged twice", "refund", "direct debit"],
    "delivery": ["parcel", "courier", "tracking number", "doorstep"],
    "account": ["password", "login", "locked out", "profile"],
}
MOODS = {"high": "urgent", "low": "whenever"}
LABELS = OutputContract(kind=ContractKind.LABEL, labels=tuple(TOPICS))
FIELDS = OutputContract(
    kind=ContractKind.FIELDS,
    fields=(FieldSpec(name="topic", values=tuple(TOPICS)), FieldSpec(name="urgency", values=tuple(MOODS))),
    style=JsonStyle(item_separator=",", key_separator=":"),
)


def texts_and_topics(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """(text, topic, urgency) of that many messages."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        topic = str(rng.choice(sorted(TOPICS)))
        urgency = str(rng.choice(sorted(MOODS)))
        found.append((f"{MOODS[urgency]} {rng.choice(TOPICS[topic])} case {number}", topic, urgency))
    return found


def label_examples(count: int, *, error: float = 0.0, human: float = 0.5, seed: int = 0) -> list[Example]:
    """Label examples: a share labelled by people, the rest by an incumbent that is wrong in a share of its answers."""
    rng = np.random.default_rng(seed)
    examples = []
    for number, (text, topic, _) in enumerate(texts_and_topics(count, seed)):
        said = str(rng.choice([t for t in sorted(TOPICS) if t != topic])) if rng.random() < error else topic
        labelled = rng.random() < human
        examples.append(an_example(number, text, topic if labelled else said, said, labelled=labelled))
    return examples


def fields_examples(count: int, seed: int = 0) -> list[Example]:
    """Examples of two independent fields, all labelled by people."""
    examples = []
    for number, (text, topic, urgency) in enumerate(texts_and_topics(count, seed)):
        output = json.dumps({"topic": topic, "urgency": urgency}, separators=(",", ":"))
        examples.append(an_example(number, text, output, output, labelled=True))
    return examples


def an_example(number: int, text: str, output: str, said: str | None, *, labelled: bool, **changes: Any) -> Example:
    """One example; people's labels are of the calibration split."""
    fields: dict[str, Any] = {
        "id": InferenceId(f"i{number:06d}"),
        "input": text,
        "output": output,
        "source": LabelSource.HUMAN if labelled else LabelSource.INCUMBENT,
        "incumbent_output": said,
        "split": Split.CALIBRATION if labelled else Split.TRAIN,
        "group": f"g{number}",
        "created_at": NOON,
    }
    return Example(**fields | changes)


def training_set(examples: Sequence[Example], contract: OutputContract = LABELS) -> TrainingSet:
    """What a recipe is given."""
    return TrainingSet(dataset_id=DatasetId("dataset-1"), contract=contract, examples=examples)
