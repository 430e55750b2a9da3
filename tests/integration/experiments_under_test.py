"""A small task with an incumbent, in a store, and a specialist trained on it: what experiments are made with."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fakes import NOON, a_dataset, a_task, an_example
from tierwright.app.ring import climb
from tierwright.app.settings import load_settings
from tierwright.app.wiring import open_parts
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Example
    from tierwright.core.model import ModelVersion

TASK = "card-intent"
LABELS = ("card_arrival", "card_lost", "refund")
WORDS = {
    "card_arrival": ["when", "arrive", "delivery", "waiting", "post", "ship"],
    "card_lost": ["lost", "stolen", "missing", "gone", "thief", "block"],
    "refund": ["money", "back", "return", "refund", "charged", "twice"],
}
SIZES = {Split.TRAIN: 300, Split.CALIBRATION: 150, Split.TEST: 200}
CONTRACT = OutputContract(kind=ContractKind.LABEL, labels=LABELS)
SETTINGS = 'version = 1\n[server]\nport = 0\n[training]\nencoder = ""\n'


def some_examples(*, incumbent_right: float = 0.8, source: LabelSource = LabelSource.HUMAN) -> list[Example]:
    """Texts of words that tell the label, and an incumbent that is right so often."""
    generator = random.Random(4)
    found: list[Example] = []
    for split, size in SIZES.items():
        for number in range(size):
            label = generator.choice(LABELS)
            words = [*generator.sample(WORDS[label], 3), f"w{generator.randrange(10_000)}", f"x{number}"]
            wrong = generator.choice([one for one in LABELS if one != label])
            found.append(
                an_example(
                    id=InferenceId(f"{split.value}-{number}"),
                    input=" ".join(words),
                    output=label,
                    source=source,
                    incumbent_output=label if generator.random() < incumbent_right else wrong,
                    split=split,
                    group=f"{split.value}-g{number}",
                )
            )
    return found


@contextmanager
def opened(folder: Path) -> Iterator[Parts]:
    """The parts of a folder with settings of its own."""
    path = folder / "tierwright.toml"
    if not path.exists():
        path.write_text(SETTINGS, encoding="utf-8")
    with open_parts(load_settings(path, {})) as parts:
        yield parts


def trained(parts: Parts, examples: list[Example]) -> ModelVersion:
    """The task and the dataset in the store, and its first rung."""
    task = a_task(name=TASK, contract=CONTRACT, created_at=NOON)
    dataset = a_dataset(id=DatasetId("d" * 16), contract=CONTRACT, sizes=SIZES, excluded={})
    parts.store.add_dataset(dataset, examples, task=task)
    _, version = climb(parts, dataset, examples, only="ngram", progress=lambda _: None)
    assert version is not None
    return version
