"""Scores of answers without a contract."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import f1_score

from tierwright.core.errors import InputError
from tierwright.evals.answer_scores import (
    Measured,
    Metric,
    bleu_of,
    chrf_of,
    field_accuracy,
    json_validity,
    measure,
    metric_named,
    normalised,
    same_answer,
    same_normalised,
)

ORDER = '{"intent": "refund", "amount": 3, "urgent": true}'


def value(measured: Measured) -> float:
    """The figure of all examples."""
    if measured.scores is not None:
        return float(measured.scores.mean())
    assert measured.counts is not None
    assert measured.figure is not None
    return float(measured.figure(measured.counts.sum(axis=0)[None, :])[0])


@pytest.mark.parametrize(
    ("right", "answer", "strict", "lax"),
    [
        ("yes", " yes\n", 1, 1),
        ("yes", "Yes.", 0, 1),
        ("Card arrival", "card-arrival", 0, 1),
        ("ﬁnal", "final", 0, 1),
        ("yes", "no", 0, 0),
        ("4", "4.0", 0, 0),
        ("!", "?", 0, 0),
        ("yes", "", 0, 0),
        (ORDER, '{"urgent":true,"amount":3,"intent":"refund"}', 1, 1),
        (ORDER, '```json\n{"urgent":true,"amount":3,"intent":"refund"}\n```', 1, 1),
        (ORDER, '{"urgent":true,"amount":3,"intent":"Refund!"}', 0, 1),
        (ORDER, '{"urgent":1,"amount":3,"intent":"refund"}', 0, 0),
        (ORDER, "refund", 0, 0),
        ('["a", "b"]', '["a","b"]', 1, 1),
        ('["a", "b"]', '["b","a"]', 0, 0),
    ],
)
def test_same_answers(right: str, answer: str, strict: int, lax: int) -> None:
    """Layout and key order never count; case and punctuation count for accuracy alone; types count always."""
    assert (same_answer(right, answer), same_normalised(right, answer)) == (strict, lax)


def test_normalised_text() -> None:
    """Compatibility forms, case, punctuation and runs of white space go; symbols and letters stay."""
    assert normalised(" The  “ﬁrst”, $5 Straße?") == "the first $5 strasse"


def test_fields_count_one_by_one() -> None:
    """Two of three fields right are two thirds; missing, retyped and added fields don't help."""
    assert field_accuracy(ORDER, '{"intent": "refund", "amount": 3, "urgent": false}') == pytest.approx(2 / 3)
    assert field_accuracy(ORDER, '{"intent": "refund", "urgent": 1, "more": 2}') == pytest.approx(1 / 3)
    assert field_accuracy(ORDER, "refund") == 0.0
    assert field_accuracy("yes", " yes ") == 1.0


def test_json_is_valid_as_it_stands_and_of_the_right_kind() -> None:
    """A code fence, a list for an object and half an object are none; any JSON will do where the right one is none."""
    assert json_validity(ORDER, "{}") == 1.0
    assert json_validity(ORDER, f"```json\n{ORDER}\n```") == 0.0
    assert json_validity(ORDER, "[1]") == 0.0
    assert json_validity(ORDER, ORDER[:-1]) == 0.0
    assert json_validity("yes", '"yes"') == 1.0
    assert json_validity("yes", "null") == 1.0
    assert json_validity("yes", "yes") == 0.0


def test_macro_and_micro_f1_are_those_of_scikit_learn() -> None:
    """On labels with errors and an answer outside of the set, over the labels that occur in the right answers."""
    generator = random.Random(3)
    rights = generator.choices("abcde", weights=[9, 5, 3, 2, 1], k=200)
    answers = [r if generator.random() < 0.7 else generator.choice("abcdef") for r in rights]
    labels = sorted(set(rights))
    assert value(measure(Metric.MACRO_F1, rights, answers)) == pytest.approx(
        f1_score(rights, answers, labels=labels, average="macro", zero_division=0)
    )
    assert value(measure(Metric.MICRO_F1, rights, answers)) == pytest.approx(
        np.mean([r == a for r, a in zip(rights, answers, strict=True)])
    )


def test_f1_of_several_labels_by_hand() -> None:
    """Lists of labels: 3 hits of 4 answered and 5 wanted are 6/9; by label as worked out below."""
    rights, answers = ['["x", "y"]', '["x", "z"]', '["y"]'], ['["x", "y"]', '["x"]', '["z"]']
    assert value(measure(Metric.MICRO_F1, rights, answers)) == pytest.approx(2 * 3 / (4 + 5))
    # x: 2 hits, 2 given, 2 wanted: 1. y: 1, 1, 2: 2/3. z: 0, 1, 1: 0.
    assert value(measure(Metric.MACRO_F1, rights, answers)) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_spans_strict_and_partial_by_hand() -> None:
    """One exact, one overlapping in its field, one in another field: 1 and 1.5 hits of 3 answered and 3 wanted."""
    right = '{"party": ["Acme GmbH", "Bolt Ltd"], "date": "1 May 2024"}'
    answer = '{"party": ["Acme  GmbH"], "date": "May 2024", "place": ["Bolt Ltd"]}'
    assert value(measure(Metric.SPAN_F1, [right], [answer])) == pytest.approx(2 * 1 / 6)
    assert value(measure(Metric.SPAN_F1_PARTIAL, [right], [answer])) == pytest.approx(2 * 1.5 / 6)


def test_spans_may_be_a_list_of_typed_objects() -> None:
    """Objects that name type and text are pairs; null and empty strings are none."""
    right = '[{"type": "ORG", "text": "Acme"}, {"type": "PER", "text": "Ann"}]'
    answer = '[{"text": "Acme", "type": "ORG", "start": 3}, {"type": "ORG", "text": "Ann"}]'
    assert value(measure(Metric.SPAN_F1, [right], [answer])) == pytest.approx(0.5)
    assert np.isnan(value(measure(Metric.SPAN_F1, ['{"a": null, "b": ""}'], ['{"a": []}'])))


@pytest.mark.parametrize("seed", range(5))
def test_bleu_and_chrf_of_sums_are_sacrebleus(seed: int) -> None:
    """Figures of summed counts equal sacrebleu's corpus scores, with empty answers and missing orders, too."""
    generator = random.Random(seed)
    words = ["the", "a", "red", "big", "house", "stands", "there", ",", "not", "far", ".", "from", "it", "two"]
    rights = [" ".join(generator.choices(words, k=generator.randint(4, 12))) for _ in range(6)]
    answers = [" ".join(generator.choices(words, k=generator.randint(0, 12))) for _ in range(4)]
    answers += [rights[4] if seed % 2 else "", rights[5][:-3]]
    assert value(measure(Metric.BLEU, rights, answers)) == pytest.approx(
        BLEU().corpus_score(answers, [rights]).score / 100
    )
    assert value(measure(Metric.CHRF, rights, answers)) == pytest.approx(
        CHRF().corpus_score(answers, [rights]).score / 100
    )


def test_bleu_of_a_published_example() -> None:
    """Papineni et al. (2002), section 2.1: 17 of 18 words, 10 of 17 pairs; all four orders give NLTK's 0.5046."""
    sums = np.array([[17.0, 10.0, 7.0, 4.0, 18.0, 17.0, 16.0, 15.0, 18.0, 16.0]])
    assert bleu_of(sums)[0] == pytest.approx(0.5046, abs=5e-5)
    short = sums.copy()
    short[0, 9] = 20.0
    assert bleu_of(short)[0] == pytest.approx(bleu_of(sums)[0] * np.exp(1 - 20 / 18))


def test_texts_without_anything_in_common_score_nothing() -> None:
    """No shared run is 0, and so is no answer at all."""
    assert bleu_of(np.zeros((1, 10)))[0] == 0.0
    assert chrf_of(np.zeros((1, 18)))[0] == 0.0


def test_slots_that_are_left_out_are_errors() -> None:
    """By hand: of 3 slots in each of 90 texts, 30 texts leave one out."""
    names, areas = ["Zizzi", "Aromi", "Cotto"], ["riverside", "city centre"]
    given = [(names[n % 3], areas[n % 2], ["cheap", "moderate", "high"][n % 3]) for n in range(90)]
    inputs = [f"name[{name}], area[{area}], price[{price}]" for name, area, price in given]
    rights = [f"{name} in the {area} has {price} prices." for name, area, price in given]
    answers = [
        right if n >= 30 else right.split(" in the")[0] + " has " + right.split(" has ")[1]
        for n, right in enumerate(rights)
    ]
    found = measure(Metric.SLOT_ACCURACY, rights, answers, inputs)
    assert value(found) == pytest.approx(1 - 30 / 270)
    assert value(measure(Metric.SLOT_ACCURACY, rights, rights, inputs)) == 1.0
    with pytest.raises(InputError, match="attributes in the inputs"):
        measure(Metric.SLOT_ACCURACY, rights, answers)
    with pytest.raises(InputError, match="slots can't be checked"):
        measure(Metric.SLOT_ACCURACY, rights, answers, ["tell me something"] * 90)


def test_some_of_the_examples() -> None:
    """A part has the part's scores and counts."""
    whole = measure(Metric.ACCURACY, ["a", "b", "c"], ["a", "x", "c"])
    assert whole.of([0, 1]).scores is not None
    assert value(whole.of([0, 1])) == 0.5
    sums = measure(Metric.MICRO_F1, ["a", "b", "c"], ["a", "x", "c"])
    assert value(sums.of([0, 2])) == 1.0


def test_wrong_use_is_refused() -> None:
    """Unequal lengths, an unknown metric and labels that are no closed set."""
    with pytest.raises(InputError, match="2 right answers and 1 answers"):
        measure(Metric.ACCURACY, ["a", "b"], ["a"])
    with pytest.raises(InputError, match="choose one of accuracy, normalised"):
        metric_named("f7")
    texts = [f"text {n}" for n in range(5000)]
    with pytest.raises(InputError, match="different values"):
        measure(Metric.MACRO_F1, texts, texts)
