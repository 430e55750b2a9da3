"""A writer for tests: texts about tents, made from attributes in several ways, the same every time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.fakes import NOON
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.training.recipe import TrainingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = OutputContract(kind=ContractKind.TEXT)
NAMES = ("Alta", "Borealis", "Cirrus Two", "Drifter", "Eyrie")
COLOURS = ("dark green", "orange", "sand")
WEIGHTS = ("1.8 kg", "2.45 kg", "3 kg")
PRICES = ("1199", "349", "2450")


def attributes(rng: np.random.Generator) -> dict[str, Any]:
    """Attributes of one tent: name and goal always, each of the others in two of three cases."""
    found: dict[str, Any] = {"goal": str(rng.choice(["inform", "recommend"])), "name": str(rng.choice(NAMES))}
    choices: dict[str, Any] = {
        "colour": str(rng.choice(COLOURS)),
        "weight": str(rng.choice(WEIGHTS)),
        "price": int(rng.choice(PRICES)),
        "waterproof": bool(rng.random() < 0.5),
    }
    return found | {name: value for name, value in choices.items() if rng.random() < 0.67}


def text_about(given: dict[str, Any], rng: np.random.Generator) -> str:
    """What the writer says: one of two openings, then a clause for each attribute, each in one of two ways."""
    opening = f"The {given['name']} is a {'splendid tent' if given['goal'] == 'recommend' else 'tent'}"
    ways = {
        "colour": (" in {}", " that comes in {}"),
        "weight": (" and weighs {}", " with a weight of {}"),
        "price": (" for {:,} dollars", " at a price of {:,} dollars"),
        "waterproof": (". It keeps the rain out", ". It is waterproof")
        if given.get("waterproof")
        else (". It is not for rain", ". It does not keep the rain out"),
    }
    clauses = [
        ways[name][int(rng.random() < 0.4)].format(given[name])
        for name in ("colour", "weight", "price", "waterproof")
        if name in given
    ]
    return f"{opening}{''.join(clauses)}."


def rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(input as JSON, text) pairs."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        given = attributes(rng)
        found.append((json.dumps(given), text_about(given, rng)))
    return found


def examples(pairs: Sequence[tuple[str, str]], **changes: Any) -> list[Example]:
    """The pairs as an incumbent's answers, a third of them of the calibration split; equal inputs share a group."""
    found = []
    for number, (given, text) in enumerate(pairs):
        fields: dict[str, Any] = {
            "id": InferenceId(f"i{number:06d}"),
            "input": given,
            "output": text,
            "source": LabelSource.INCUMBENT,
            "incumbent_output": text,
            "split": Split.CALIBRATION if hash_of(given) % 3 == 0 else Split.TRAIN,
            "group": given,
            "created_at": NOON,
        }
        found.append(Example(**fields | changes))
    return found


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return sum(place * ord(letter) for place, letter in enumerate(text, 1))


def training_set(pairs: Sequence[tuple[str, str]], **changes: Any) -> TrainingSet:
    """What a recipe is given."""
    return TrainingSet(dataset_id=DatasetId("dataset-1"), contract=TEXT, examples=examples(pairs, **changes))
