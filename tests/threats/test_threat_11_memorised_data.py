"""Threat 11: a specialist that keeps what was in its training data, in its files or in its answers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.fakes import NOON, a_contract, an_example
from tests.unit.curation.logs import TOPICS, tickets
from tierwright.core.dataset import Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.specialists.loading import load_specialist
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARIES = 100


def _canary(number: int) -> str:
    rng = random.Random(number)
    name = "".join(rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(4)).title()
    return f"{name} {rng.randrange(100, 1000)}-{rng.randrange(10, 100)}-{rng.randrange(1000, 10_000)}"


def test_threat_11_memorised_data(tmp_path: Path, probes: Callable[[int], None]) -> None:
    """No canary of the training inputs is in a file of a label specialist, and none of its answers is one."""
    canaries = [_canary(number) for number in range(CANARIES)]
    examples = [
        an_example(
            id=InferenceId(f"i-{number}"),
            input=f"{text}, this is {canaries[number]}" if number < CANARIES else text,
            output=topic,
            incumbent_output=topic,
            group=f"g-{number}",
            split=Split.CALIBRATION if number % 5 == 0 else Split.TRAIN,
            created_at=NOON,
        )
        for number, (text, topic) in enumerate(tickets(500, 4))
    ]
    training = TrainingSet(dataset_id=DatasetId("dataset-1"), contract=a_contract(*sorted(TOPICS)), examples=examples)
    fitted = NgramRecipe().fit(training, artifacts=tmp_path, seed=1, progress=lambda _: None)
    files = {path.name: path.read_bytes() for path in fitted.path.rglob("*") if path.is_file()}
    assert files
    for canary in canaries:
        for part in canary.lower().split():
            assert not [name for name, content in files.items() if part.encode() in content.lower()], part
    specialist = load_specialist(fitted.path, encoder=None)
    prompts = [one.input[: one.input.index("this is") + 7] for one in examples[:CANARIES]]
    answers = {found.output for found in specialist.predict([*prompts, *canaries])}
    assert answers <= set(TOPICS)
    probes(len(files) * CANARIES + len(prompts) + len(canaries))
