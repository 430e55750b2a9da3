from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.specialists.spans.text import LINE, PARAGRAPH, SPACE, TOUCHING, tokenize


@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_tokens_are_the_text(text: str) -> None:
    """Tokens stand at their offsets, in order, and leave out nothing but white space and control characters."""
    tokens = tokenize(text)
    assert [text[start:end] for start, end in zip(tokens.starts, tokens.ends, strict=True)] == list(tokens.words)
    assert all(before <= after for before, after in zip(tokens.ends, tokens.starts[1:], strict=False))
    covered = {at for start, end in zip(tokens.starts, tokens.ends, strict=True) for at in range(start, end)}
    left_out = [character for at, character in enumerate(text) if at not in covered]
    assert all(character.isspace() or character < " " or character == "\x7f" for character in left_out)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ACME Ltd. owes $1,200.50", ["ACME", "Ltd", ".", "owes", "$", "1", ",", "200", ".", "50"]),
        ("(\u201cLender\u201d)", ["(", "\u201c", "Lender", "\u201d", ")"]),
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("\u7532\u65b9\u662fABC\u516c\u53f8", ["\u7532", "\u65b9", "\u662f", "ABC", "\u516c", "\u53f8"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),
        ("ok \U0001f44d\U0001f3fd \U0001d4d0\U0001d4d1", ["ok", "\U0001f44d", "\U0001f3fd", "\U0001d4d0\U0001d4d1"]),
        ("snake_case", ["snake", "_", "case"]),
        ("", []),
        (" \r\n\t", []),
    ],
)
def test_borders(text: str, words: list[str]) -> None:
    """Letters, digits and signs are told apart; marks stay with their letter; unspaced scripts give characters."""
    assert list(tokenize(text).words) == words


def test_breaks() -> None:
    """What stands before a token is known, whatever the line ends are."""
    tokens = tokenize("a b\r\nc\r\n\r\nd.")
    assert tokens.breaks.tolist() == [PARAGRAPH, SPACE, LINE, PARAGRAPH, TOUCHING]


def test_sentences() -> None:
    """A sentence ends at a stop before a capital or an empty line, not at an initial or a decimal point."""
    tokens = tokenize("J. Smith pays 1.5 million. He signs.\n\nbelow")
    ends = [
        word
        for word, now, then in zip(tokens.words, tokens.sentences, tokens.sentences[1:], strict=False)
        if now != then
    ]
    assert ends == [".", "."]
    assert int(tokens.sentences[-1]) == 2


def test_a_sentence_without_an_end_is_cut() -> None:
    """No sentence is longer than a hundred tokens."""
    tokens = tokenize("word " * 1000)
    assert int(tokens.sentences[-1]) == 9
