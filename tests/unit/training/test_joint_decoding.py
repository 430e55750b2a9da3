from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tests.unit.training.problems import FIELDS, MOODS, TOPICS, an_example, texts_and_topics, training_set
from tierwright.specialists.specialist import Specialist
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from pathlib import Path


def test_fields_that_depend_on_each_other(tmp_path: Path) -> None:
    """Where one field follows from another, no answer contradicts itself, even on inputs that make no sense."""
    examples = []
    for number, (text, topic, _) in enumerate(texts_and_topics(300)):
        output = json.dumps({"topic": topic, "urgency": "high" if topic == "billing" else "low"}, separators=(",", ":"))
        examples.append(an_example(number, text, output, output, labelled=True))
    fitted = NgramRecipe().fit(training_set(examples, FIELDS), artifacts=tmp_path, seed=1, progress=lambda _: None)
    rng = np.random.default_rng(0)
    words = [*MOODS.values(), *(word for topic in TOPICS.values() for word in topic)]
    found = Specialist.load(fitted.path, encoder=None).predict([" ".join(rng.choice(words, 4)) for _ in range(300)])
    assert {p.output for p in found} <= {example.output for example in examples}
