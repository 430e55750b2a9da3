"""Tests of the figures of texts."""

from __future__ import annotations

import pytest
from sacrebleu import corpus_bleu

from tests.attribute_texts import TEXT, rows
from tests.unit.specialists.test_realisation import unavailable
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.errors import InputError
from tierwright.evals.texts import TextQuality, text_quality

INPUTS, TEXTS = (list(column) for column in zip(*dict(rows(300)).items(), strict=True))


def quality(answers: list[str], seed: int = 1) -> TextQuality:
    """Answers to the inputs, each with one right text."""
    return text_quality(TEXT, INPUTS, [[text] for text in TEXTS], answers, INPUTS, seed=seed)


def test_the_right_texts() -> None:
    """They are like themselves and leave nothing out."""
    found = quality(TEXTS)
    assert found.bleu.value == pytest.approx(1.0)
    assert found.slot_errors is not None
    assert found.slot_errors.value < 0.01
    assert found.empty == 0


def test_as_sacrebleu() -> None:
    """BLEU is sacrebleu's, with one right text and with several of different numbers."""
    answers = [text.replace("and weighs", "weighing") for text in TEXTS]
    assert 100 * quality(answers).bleu.value == pytest.approx(corpus_bleu(answers, [TEXTS], lowercase=True).score)
    rights = [[text, "something else"] if place % 2 else [text] for place, text in enumerate(TEXTS)]
    others = [texts[1] if len(texts) > 1 else None for texts in rights]
    found = text_quality(TEXT, INPUTS, rights, answers, INPUTS, seed=1)
    theirs = corpus_bleu(answers, [TEXTS, others], lowercase=True)  # type: ignore[list-item]  # None: no such text
    assert 100 * found.bleu.value == pytest.approx(theirs.score)


def test_what_is_left_out_and_made_up() -> None:
    """Each text without its name has one error, and an empty one has all."""
    given = quality(TEXTS).slot_errors
    nameless = quality([f"This is{text.partition(' is')[2]}" for text in TEXTS]).slot_errors
    empty = quality([""] * len(TEXTS))
    assert given is not None
    assert nameless is not None
    assert empty.slot_errors is not None
    slots = sum(given_text.count('": ') for given_text in INPUTS)
    assert nameless.value - given.value == pytest.approx(len(INPUTS) / slots, abs=0.01)
    assert empty.slot_errors.value == 1.0
    assert (empty.empty, empty.bleu.value) == (len(TEXTS), 0.0)


def test_value_that_attributes_share() -> None:
    """Right texts say of two attributes at once that there is none: they lack nothing, and are checked all the same."""
    given, texts = unavailable()
    inputs = [f"{one.act}({';'.join(f'{name}={value}' for name, value in one.pairs)})" for one in given]
    found = text_quality(TEXT, inputs, [[text] for text in texts], texts, inputs, seed=1)
    lacking = [text.replace("price", "it") for text in texts]
    worse = text_quality(TEXT, inputs, [[text] for text in texts], lacking, inputs, seed=1).slot_errors
    assert found.slot_errors is not None
    assert worse is not None
    assert (found.slot_errors.value, found.checked_share) == (0.0, 1.0)
    asked = sum(one.act == "unknown" and ("price", "none") in one.pairs for one in given)
    assert worse.value == pytest.approx(asked / sum(len(one.pairs) for one in given))


def test_interval() -> None:
    """It holds the value, has width where answers differ, counts groups, and is the same for the same seed."""
    answers = [text if place % 2 else "a tent" for place, text in enumerate(TEXTS)]
    found = quality(answers)
    assert found.bleu.ci_low < found.bleu.value < found.bleu.ci_high
    assert found == quality(answers)
    grouped = text_quality(TEXT, INPUTS, [[t] for t in TEXTS], answers, ["one"] * 10 + INPUTS[10:], seed=1)
    assert grouped.bleu.n == len(INPUTS) - 9


def test_running_text() -> None:
    """Where inputs are no attributes there is BLEU alone."""
    found = text_quality(TEXT, ["summarise this"], [["a text of four words"]], ["a text of four words"], ["g"], seed=1)
    assert found.slot_errors is None
    assert found.bleu.value == pytest.approx(1.0)


def test_what_can_not_be_measured() -> None:
    """No inputs, an input without a right text, and other contracts are refused."""
    with pytest.raises(InputError, match="at least one right"):
        text_quality(TEXT, [], [], [], [], seed=1)
    with pytest.raises(InputError, match="at least one right"):
        text_quality(TEXT, ["x"], [[]], ["x"], ["x"], seed=1)
    with pytest.raises(InputError, match="label"):
        text_quality(OutputContract(kind=ContractKind.LABEL), ["x"], [["x"]], ["x"], ["x"], seed=1)
