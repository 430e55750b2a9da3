"""Tests of the likeness of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from tests.attribute_texts import rows
from tests.unit.specialists.test_realisation import learned
from tierwright.specialists.attributes import read_attributes
from tierwright.specialists.likeness import chrf, likeness, yardstick

_LETTERS = st.text(alphabet="abcd e", min_size=8).filter(lambda text: len(text.replace(" ", "")) >= 8)


@given(_LETTERS, _LETTERS)
def test_as_sacrebleu(answer: str, right: str) -> None:
    """It is sacrebleu's chrF2 of a sentence."""
    theirs = CHRF(eps_smoothing=False).sentence_score(answer, [right]).score
    assert 100 * chrf(answer, right) == pytest.approx(theirs, abs=1e-6)


def test_most_alike_counts() -> None:
    """Among several right texts the one most alike counts; without any there is no likeness."""
    assert likeness("in sand", ["of steel", "in sand"]) == 1.0
    assert likeness("in sand", []) == 0.0
    assert chrf("", "") == 1.0
    assert chrf("", "x") == 0.0


def test_yardstick() -> None:
    """A writer of many phrasings is less like himself than one of few; one pair alone is no yardstick."""
    pairs = [(read_attributes(given), text) for given, text in rows(300)]
    given = [one for one, _ in pairs if one is not None]
    texts = [text for _, text in pairs]
    level = yardstick(learned(), given, texts)
    assert level is not None
    assert 0.2 < level < 0.9
    assert yardstick(learned(), given[:3], texts[:3]) is None
