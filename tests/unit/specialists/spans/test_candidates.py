from __future__ import annotations

import numpy as np
import pytest

from tierwright.specialists.spans.candidates import SHARED, Gazetteer, choose, describe, found_string, gather
from tierwright.specialists.spans.chain import Span
from tierwright.specialists.spans.text import tokenize

TOKENS = tokenize("ACME Ltd pays ACME  Ltd and Bolt")
SPANS = [
    Span(field=0, first=0, last=1, probability=0.6),
    Span(field=0, first=3, last=4, probability=0.9),
    Span(field=0, first=0, last=0, probability=0.3),
    Span(field=1, first=6, last=6, probability=0.7),
    Span(field=0, first=6, last=6, probability=0.2),
]
NOTHING = Gazetteer.fit([], 2)


def test_occurrences_are_one_candidate() -> None:
    """The same string, white space apart, is one candidate with all its places; its text is the likeliest one's."""
    best, *others = gather(TOKENS, SPANS)
    assert (best.key, best.text, best.places) == ("ACME Ltd", "ACME  Ltd", ((3, 4), (0, 1)))
    assert TOKENS.text[best.start : best.end] == best.text
    assert [one.key for one in others] == ["Bolt", "ACME", "Bolt"]
    assert found_string(best).times == 2


def test_what_is_known_of_a_candidate() -> None:
    """Rows tell the fields apart, and what was an answer in training."""
    candidates = gather(TOKENS, SPANS)
    gazetteer = Gazetteer.fit([(1, "bolt"), (1, "Bolt"), (0, "acme")], 2)
    known, unknown = (describe(TOKENS, candidates, told, 2) for told in (gazetteer, NOTHING))
    assert known.shape == (4, SHARED + 4)
    assert known[:, SHARED].tolist() == [1, 0, 1, 1]
    assert known[1, 8] == pytest.approx(np.log1p(2))
    assert known[3, 9] == pytest.approx(np.log1p(2))
    assert (unknown[:, 8:10] == 0).all()


def test_choice() -> None:
    """The likeliest are chosen above the threshold, none that overlaps in its chain, and one for a single field."""
    candidates = gather(TOKENS, SPANS)
    likely = np.array([0.9, 0.8, 0.85, 0.7])
    assert choose(candidates, likely, [True, True], [0, 0], threshold=0.5) == [0, 1]
    assert choose(candidates, likely, [True, True], [0, 1], threshold=0.5) == [0, 1, 3]
    assert choose(candidates, likely, [False, True], [0, 1], threshold=0.5) == [0, 1]
    assert choose(candidates, likely, [True, True], [0, 0], threshold=0.95) == []
