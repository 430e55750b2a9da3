from __future__ import annotations

import json

import pytest

from tests.fakes import a_contract
from tests.unit.evals.arms_under_test import RIGHT, WRONG, an_arm_example, arms
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import LabelSource
from tierwright.core.model import Prediction
from tierwright.evals.quality import quality

SPANS = OutputContract(kind=ContractKind.SPANS, fields=(FieldSpec(name="who", many=True),), style=JsonStyle())


def test_labels_are_measured_by_accuracy() -> None:
    """Of the whole answer, by people's labels."""
    examples, predictions = arms([(at < 90, True, 0.9) for at in range(100)])
    found = quality(a_contract(RIGHT, WRONG), examples, predictions, level=0.95, min_gold=50, seed=1)
    assert (found.metric, found.estimate.value, found.estimate.n) == ("accuracy", 0.9, 100)
    assert (found.reference, found.further) == (LabelSource.HUMAN, {})


def test_without_people_the_incumbent_is_the_reference() -> None:
    """Agreement counts, with its errors too: both are wrong on ten, and only the incumbent on another ten."""
    examples, predictions = arms([(at < 90, at < 80, 0.9) for at in range(100)], source=LabelSource.INCUMBENT)
    found = quality(a_contract(RIGHT, WRONG), examples, predictions, level=0.95, min_gold=50, seed=1)
    assert (found.reference, found.estimate.value) == (LabelSource.INCUMBENT, 0.9)


def test_spans_are_measured_by_f1() -> None:
    """Of the strings; how many whole answers are right is said besides."""
    right, half = json.dumps({"who": ["Ann", "Bob"]}), json.dumps({"who": ["Ann"]})
    examples = [an_arm_example(at, output=right) for at in range(60)]
    predictions = [Prediction(output=right if at < 30 else half, confidence=0.9) for at in range(60)]
    found = quality(SPANS, examples, predictions, level=0.95, min_gold=50, seed=1)
    # 90 of the 120 strings wanted, and no others.
    assert found.metric == "span_f1"
    assert found.estimate.value == pytest.approx(2 * 90 / (120 + 90))
    assert found.further["accuracy"].value == 0.5


def test_nothing_to_extract_anywhere_has_no_f1() -> None:
    """Then the whole answer counts."""
    nothing = json.dumps({"who": []})
    examples = [an_arm_example(at, output=nothing) for at in range(60)]
    predictions = [Prediction(output=nothing, confidence=0.9)] * 60
    found = quality(SPANS, examples, predictions, level=0.95, min_gold=50, seed=1)
    assert (found.metric, found.estimate.value) == ("accuracy", 1.0)


def test_texts_are_measured_by_bleu_and_slot_errors() -> None:
    """Every right text of the same input is a reference."""
    given = [json.dumps({"name": f"Tent {at}", "price": 100 + at}) for at in range(60)]
    texts = [f"The Tent {at} costs {100 + at} dollars." for at in range(60)]
    examples = [an_arm_example(at, input=given[at], output=texts[at]) for at in range(60)]
    other = an_arm_example(60, input=given[0], output="You get the Tent 0 for 100 dollars.")
    predictions = [Prediction(output=text, confidence=0.9) for text in texts]
    contract = OutputContract(kind=ContractKind.TEXT)
    found = quality(contract, [*examples, other], [*predictions, predictions[0]], level=0.95, min_gold=50, seed=1)
    assert (found.metric, found.estimate.value) == ("bleu", pytest.approx(1.0))
    assert found.further["slot_error_rate"].value == 0.0
