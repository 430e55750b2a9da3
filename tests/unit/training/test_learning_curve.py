"""Quality against the number of examples, measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.training.problems import FIELDS, LABELS, fields_examples, label_examples
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Split
from tierwright.core.errors import InputError, NotEnoughData, NotLearnable
from tierwright.training.learning_curve import measure_learning_curve


def quiet(_: str) -> None:
    """Progress that nobody watches."""


def test_curve_of_a_task_that_is_easily_learned_rises() -> None:
    """Six growing sizes, the last near all that is not held out, and quality grows to nearly everything right."""
    curve = measure_learning_curve(label_examples(400, human=0.0), LABELS, seed=1, progress=quiet)
    assert len(curve.sizes) == 6
    assert curve.sizes[-1] == 300
    assert curve.measured[-1].value > 0.95
    assert curve.measured[0].value < curve.measured[-1].value


def test_same_seed_gives_the_same_curve() -> None:
    """Nothing but the seed decides which examples are drawn."""
    first, second = (measure_learning_curve(fields_examples(160), FIELDS, seed=4, progress=quiet) for _ in range(2))
    assert first.measured == second.measured
    assert first.law == second.law


def test_people_s_labels_judge_alone_where_there_are_enough() -> None:
    """With 50 human labels quality is theirs: slips in what the incumbent labelled are learned from, not judged by."""
    examples = label_examples(400, error=0.2, human=0.3, seed=2)
    human = sum(example.source.value == "human" for example in examples)
    curve = measure_learning_curve(examples, LABELS, seed=1, repeats=4, progress=quiet)
    assert curve.measured[0].n == human
    assert curve.measured[-1].value > 0.85


def test_a_group_is_never_on_both_sides() -> None:
    """Copies of ten texts can't be learned from their own copies: answers that only the copies know stay unknown."""
    examples = [
        replace(example, group=f"g{n % 10}", input=f"text number {n % 10}", output=sorted(LABELS.labels)[n % 10 % 3])
        for n, example in enumerate(label_examples(300, human=0.0))
    ]
    curve = measure_learning_curve(examples, LABELS, seed=1, progress=quiet)
    assert curve.measured[-1].value < 0.8


def test_what_makes_no_curve_is_refused() -> None:
    """Test examples, too few examples, one answer, open answers, too many repeats: each has its own error."""
    examples = label_examples(100, human=0.0)
    with pytest.raises(InputError, match="test examples"):
        measure_learning_curve([replace(examples[0], split=Split.TEST), *examples[1:]], LABELS, seed=1, progress=quiet)
    with pytest.raises(NotEnoughData, match="label or capture more"):
        measure_learning_curve(examples[:40], LABELS, seed=1, progress=quiet)
    with pytest.raises(NotLearnable, match="one and the same"):
        measure_learning_curve([replace(e, output="billing") for e in examples], LABELS, seed=1, progress=quiet)
    with pytest.raises(NotEnoughData, match="closed sets"):
        measure_learning_curve(examples, OutputContract(kind=ContractKind.TEXT), seed=1, progress=quiet)
    with pytest.raises(InputError, match="1 to 4"):
        measure_learning_curve(examples, LABELS, seed=1, repeats=5, progress=quiet)
