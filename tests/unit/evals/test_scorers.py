"""Scores of one answer."""

from __future__ import annotations

import pytest

from tests.fakes import a_contract
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.evals.scorers import ExactAnswer, FieldAccuracy

FIELDS = OutputContract(
    kind=ContractKind.FIELDS,
    fields=(FieldSpec(name="intent", values=("refund", "other")), FieldSpec(name="urgent", values=(True, False, 1))),
    style=JsonStyle(),
)
SPANS = OutputContract(
    kind=ContractKind.SPANS, fields=(FieldSpec(name="parties", many=True), FieldSpec(name="date")), style=JsonStyle()
)


@pytest.mark.parametrize(
    ("answer", "score"),
    [("card_lost", 1.0), (" 'Card_Lost'. ", 1.0), ("card_arrival", 0.0), ("", 0.0), ("card lost", 0.0)],
)
def test_exact_answer_of_a_label(answer: str, score: float) -> None:
    """Case, quotes, space and a full stop don't count; another spelling does."""
    assert ExactAnswer(a_contract()).score("card_lost", answer) == score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"intent": "refund", "urgent": true}', 1.0),
        ('```json\n{"urgent":true,"intent":"refund"}\n```', 1.0),
        ('{"intent": "refund", "urgent": false}', 0.0),
        ('{"intent": "refund", "urgent": 1}', 0.0),
        ("refund", 0.0),
    ],
)
def test_exact_answer_of_fields(answer: str, score: float) -> None:
    """Order and fences don't count; every value and its type does."""
    assert ExactAnswer(FIELDS).score('{"intent": "refund", "urgent": true}', answer) == score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"intent": "refund", "urgent": true}', 1.0),
        ('{"intent": "refund", "urgent": 1}', 0.5),
        ('{"urgent": true, "more": 1}', 0.5),
        ("[]", 0.0),
        ("no JSON", 0.0),
    ],
)
def test_field_accuracy_counts_the_right_answers_fields(answer: str, score: float) -> None:
    """Missing and mistyped fields are wrong, additional ones neither help nor harm."""
    assert FieldAccuracy(FIELDS).score('{"intent": "refund", "urgent": true}', answer) == score


def test_field_accuracy_of_lists_wants_the_whole_list() -> None:
    """A list is right as a whole, in its order."""
    right = '{"parties": ["Acme GmbH", "Bolt Ltd"], "date": "2024-05-01"}'
    assert FieldAccuracy(SPANS).score(right, '{"parties": ["Acme GmbH"], "date": "2024-05-01"}') == 0.5


def test_field_accuracy_of_a_label_is_the_exact_answer() -> None:
    """A label has no fields, so it is right or wrong."""
    assert FieldAccuracy(a_contract()).score("card_lost", "Card_lost") == 1.0
    assert FieldAccuracy(a_contract()).score("card_lost", "card_arrival") == 0.0


def test_scorers_have_names() -> None:
    """They are called as the field calls them."""
    assert (ExactAnswer(FIELDS).name, FieldAccuracy(FIELDS).name) == ("accuracy", "field accuracy")
