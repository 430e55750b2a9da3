"""Texts made from attributes, from training to a verdict; and without people's texts, none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.attribute_texts import TEXT, attributes, text_about
from tests.fakes import a_dataset, a_task, an_example
from tests.integration.experiments_under_test import opened
from tierwright.app.experiments import Wishes, look, register, require_metric
from tierwright.app.ring import climb
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import NotEnoughData
from tierwright.core.ids import DatasetId, InferenceId, TaskId

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.core.dataset import Example

pytestmark = pytest.mark.slow

SIZES = {Split.TRAIN: 200, Split.CALIBRATION: 80, Split.TEST: 120}


def some_texts(source: LabelSource) -> list[Example]:
    """Attributes with what should be written and what the incumbent wrote, which leaves the price out now and then."""
    generator = np.random.default_rng(3)
    found = []
    for split, size in SIZES.items():
        for number in range(size):
            given = attributes(generator)
            left = {name: value for name, value in given.items() if name != "price" or generator.random() < 0.3}
            found.append(
                an_example(
                    id=InferenceId(f"{split.value}-{number}"),
                    input=json.dumps(given),
                    output=text_about(given, generator),
                    source=source,
                    incumbent_output=text_about(left, generator),
                    split=split,
                    group=f"{split.value}-g{number}",
                )
            )
    return found


def test_texts_are_decided_by_likeness_and_slots(tmp_path: Path) -> None:
    """A template specialist against an incumbent that forgets prices: chrF with its margin, and slot errors besides."""
    examples = some_texts(LabelSource.HUMAN)
    with opened(tmp_path) as parts:
        task = a_task(contract=TEXT)
        dataset = a_dataset(id=DatasetId("texts"), contract=TEXT, sizes=SIZES, excluded={})
        parts.store.add_dataset(dataset, examples, task=task)
        _, version = climb(parts, dataset, examples, only="template", progress=lambda _: None)
        assert version is not None
        registration = register(parts, [version], Wishes(threshold=0.0))
        assert (registration.metric, registration.slot_margin) == ("chrf", 0.01)
        assert set(registration.plans[0].spread) == {"spread_of_one_example"}
        (found,) = look(parts, registration)
        evaluation = found.evaluation
        assert (evaluation.metric, evaluation.local_share.value) == ("chrf", 1.0)
        assert evaluation.slot_difference is not None
        assert evaluation.slot_difference.ci_high < 0
        assert evaluation.difference.ci_low > 0
        assert evaluation.verdict.allows_promotion
        assert found.learned is None
        outcomes = parts.store.outcomes(evaluation.id)
        assert {len(one.candidate) for one in outcomes} == {18}


def test_texts_that_nobody_labelled_stay_with_the_incumbent(tmp_path: Path) -> None:
    """No experiment is registered on likeness to the incumbent's own wording, and the reason is said."""
    examples = some_texts(LabelSource.INCUMBENT)
    with opened(tmp_path) as parts:
        dataset = a_dataset(id=DatasetId("texts"), task_id=TaskId("task-1"), contract=TEXT, sizes=SIZES, excluded={})
        parts.store.add_dataset(dataset, examples, task=a_task(contract=TEXT))
        with pytest.raises(NotEnoughData, match="says nothing about who is better"):
            require_metric(parts, dataset)
        labelled = [replace(one, source=LabelSource.HUMAN) for one in examples]
        other = replace(dataset, id=DatasetId("labelled"))
        parts.store.add_dataset(other, labelled)
        require_metric(parts, other)
