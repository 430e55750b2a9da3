"""Experiments on answers that are no labels: texts by likeness and slots, spans by the strings they share."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.attribute_texts import TEXT, attributes, text_about
from tests.fakes import NOON, a_dataset
from tests.unit.evals.arms_under_test import an_arm_example, an_experiment
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import Example, LabelSource
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.core.model import Prediction
from tierwright.evals.compare import compare, compare_each

SPANS = OutputContract(kind=ContractKind.SPANS, fields=(FieldSpec(name="names", many=True),), style=JsonStyle())


def tents(number: int = 150, **changes: Any) -> list[Example]:
    """Lists of attributes with a person's text and an incumbent that wrote another."""
    generator = np.random.default_rng(8)
    found = []
    for place in range(number):
        given = attributes(generator)
        found.append(
            an_arm_example(
                place,
                input=json.dumps(given),
                output=text_about(given, generator),
                incumbent_output=text_about(given, generator),
                **changes,
            )
        )
    return found


def answers(texts: list[str], confidence: float = 0.9) -> list[Prediction]:
    """Predictions of these texts."""
    return [Prediction(output=text, confidence=confidence) for text in texts]


def text_experiment(**changes: Any) -> Any:
    """An experiment on texts with a margin of two points and one more slot error in a hundred."""
    return an_experiment(dataset=a_dataset(contract=TEXT), margin=0.02, slot_margin=0.01, **changes)


def test_texts_are_compared_by_likeness_to_what_people_wrote() -> None:
    """A candidate that writes the person's own text beats an incumbent that words it otherwise."""
    examples = tents()
    experiment = replace(text_experiment(), slot_margin=0.03)
    found = compare(experiment, examples, answers([one.output for one in examples]), at=NOON)
    assert (found.metric, found.reference) == ("chrf", LabelSource.HUMAN)
    assert found.candidate_score.value == pytest.approx(1.0)
    assert found.baseline_score.value < 1.0
    assert found.verdict is Verdict.SUPERIOR
    assert found.slot_difference is not None


def test_every_right_text_of_an_input_counts() -> None:
    """An incumbent that wrote what another person wrote for the same input is as right as can be."""
    examples = tents(60)
    twice = [
        *examples,
        *(
            replace(one, id=f"again-{one.id}", group=f"again-{one.group}", output=one.incumbent_output or "")
            for one in examples
        ),
    ]
    outcome = compare_each(text_experiment(), twice, answers(["A tent."] * 120), at=NOON)
    assert outcome.evaluation.baseline_score.value == pytest.approx(1.0)
    assert outcome.evaluation.verdict is Verdict.INFERIOR


def test_texts_that_leave_attributes_out_are_not_promoted() -> None:
    """As like the right texts as the incumbent's, but with the price gone: slot errors decide."""
    examples = tents(300)
    cut = [one.output.split(" for ")[0].split(" at a price")[0] for one in examples]
    found = compare(replace(text_experiment(), margin=0.5), examples, answers(cut), at=NOON)
    assert found.slot_difference is not None
    assert found.slot_difference.ci_low > 0.01
    assert found.verdict is Verdict.INFERIOR
    without = compare(replace(text_experiment(), margin=0.5, slot_margin=None), examples, answers(cut), at=NOON)
    assert without.verdict.allows_promotion


def test_texts_without_peoples_labels_are_not_compared() -> None:
    """Likeness to the incumbent's own wording says nothing about who is better, and that is said."""
    examples = tents(source=LabelSource.INCUMBENT)
    with pytest.raises(NotEnoughData, match="says nothing about who is better"):
        compare(text_experiment(), examples, answers([one.output for one in examples]), at=NOON)


def test_spans_are_compared_by_the_strings_they_share() -> None:
    """An answer with one of two names right is half right by F1 and wrong as a whole; both may be registered."""
    right, half, none = '{"names": ["Ann", "Bob"]}', '{"names": ["Ann", "Eve"]}', '{"names": []}'
    examples = [
        an_arm_example(n, output=right, incumbent_output=right if n % 2 else none, input=f"Ann and Bob {n}")
        for n in range(100)
    ]
    experiment = an_experiment(dataset=a_dataset(contract=SPANS), margin=0.05)
    by_f1 = compare(experiment, examples, answers([half] * 100), at=NOON)
    assert (by_f1.metric, by_f1.candidate_score.value) == ("span_f1", 0.5)
    assert by_f1.baseline_score.value == pytest.approx(2 * 100 / (100 + 200))
    whole = compare(replace(experiment, metric="accuracy"), examples, answers([half] * 100), at=NOON)
    assert (whole.metric, whole.candidate_score.value, whole.baseline_score.value) == ("accuracy", 0.0, 0.5)


def test_a_figure_that_does_not_fit_the_answers_is_refused() -> None:
    """Labels have no chrF, and agreement is no figure to choose where people's labels are there."""
    examples = [an_arm_example(n) for n in range(60)]
    for metric in ("chrf", "agreement", "rouge"):
        with pytest.raises(InputError, match="choose accuracy"):
            compare(an_experiment(metric=metric), examples, answers(["card_arrival"] * 60), at=NOON)
