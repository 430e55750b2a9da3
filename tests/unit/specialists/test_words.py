"""Tests of words as they are compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierwright.specialists.words import folded_words, has_thousands, occurrences, with_thousands, words_of


def test_what_a_word_is() -> None:
    """Numbers keep their separators but for thousands; marks are words; case does not count."""
    assert folded_words("It costs $1,199.50, in-store!") == (
        "it",
        "costs",
        "$",
        "1199.50",
        ",",
        "in",
        "-",
        "store",
        "!",
    )


def test_scripts_without_spaces() -> None:
    """Each character of such a script is a word, so that a value is found inside of a sentence."""
    assert occurrences(folded_words("市中心"), folded_words("它位于市中心。"), [False] * 7) == [3]


def test_plural_and_taken() -> None:
    """The last word may be in the plural, no occurrence overlaps another, and none is in words already taken."""
    hay = folded_words("9 hour or 9 hours or 19 hours")
    assert occurrences(("9", "hour"), hay, [False] * len(hay)) == [0, 3]
    assert occurrences(("9", "hour"), hay, [True, *[False] * (len(hay) - 1)]) == [3]
    assert not occurrences((), hay, [False] * len(hay))


def test_thousands() -> None:
    """Commas are put between the thousands of plain numbers only."""
    assert [with_thousands(text) for text in ("1199", "12", "1234567.5", "i5", "0042", "9" * 40)] == [
        "1,199",
        "12",
        "1,234,567.5",
        "i5",
        "0042",
        "9" * 40,
    ]
    assert has_thousands("1,199")
    assert not has_thousands("1,19")


@given(st.text())
def test_places(text: str) -> None:
    """Words and the space before them make up the whole text, but for runs of blanks and its end."""
    words = words_of(text)
    rebuilt = "".join(words.space_before(at) + words.between(at, at + 1) for at in range(len(words.folded)))
    assert rebuilt.split() == text.split()
