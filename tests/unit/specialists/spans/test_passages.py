from __future__ import annotations

import numpy as np

from tierwright.specialists.spans.passages import LONG, PER_FIELD, read_ranges, sentence_matrix
from tierwright.specialists.spans.text import tokenize

LONG_TEXT = tokenize("Nothing is said here at all. " * 400)


def test_a_short_text_is_read_whole() -> None:
    """Ranges cover every token of a text that is not long, in pieces of bounded length."""
    tokens = tokenize("word " * LONG)
    ranges = read_ranges(tokens, np.zeros((int(tokens.sentences[-1]) + 1, 1), dtype=np.float32))
    assert [at for first, after in ranges for at in range(first, after)] == list(range(LONG))
    assert max(after - first for first, after in ranges) <= 400
    assert read_ranges(tokenize(""), None) == []


def test_of_a_long_text_the_best_sentences_are_read() -> None:
    """The sentences with the highest scores are read, those that must be, and no others."""
    scores = np.zeros((400, 1), dtype=np.float32)
    best = [7, 8, 100, 200, 201, 202, 300, 399]
    scores[best] = 1.0
    assert len(best) == PER_FIELD
    read = {int(LONG_TEXT.sentences[at]) for a, b in read_ranges(LONG_TEXT, scores, [50]) for at in range(a, b)}
    assert read == {*best, 50}


def test_huge_texts_are_bounded() -> None:
    """Without a model a text of 100,000 words is read up to a bound."""
    assert read_ranges(tokenize("word " * 100_000), None)[-1][1] == 40_000


def test_rows_of_sentences_have_length_one() -> None:
    """A sentence's row has length 1 where it has a known feature."""
    matrix = sentence_matrix(LONG_TEXT, np.zeros(0, dtype=np.uint32))
    assert matrix.shape == (400, 0)
