"""Tests of near-duplicate grouping."""

from __future__ import annotations

from tests.unit.curation.logs import tickets
from tierwright.curation.near_duplicates import near_duplicate_groups

TEXTS = [text for text, _ in tickets(300, seed=11)]


def test_groups_texts_that_differ_in_a_few_characters() -> None:
    """Case, spacing and one typo in a long text don't make another group; different texts stay apart."""
    text = "I have been charged twice for the same parcel and would like my money back as soon as possible please"
    groups = near_duplicate_groups(
        [text, text.upper(), text.replace(" ", "  "), text.replace("parcel", "parcle"), "something else entirely"],
        threshold=0.8,
        seed=0,
    )
    assert groups.tolist() == [0, 0, 0, 0, 4]


def test_groups_agree_with_all_pairs() -> None:
    """No pair as similar as the threshold is missed, compared with looking at every pair."""

    def shingles(text: str) -> set[str]:
        folded = " ".join(text.casefold().split())
        return {folded[i : i + 5] for i in range(len(folded) - 4)}

    groups = near_duplicate_groups(TEXTS, threshold=0.8, seed=0)
    sets = [shingles(text) for text in TEXTS]
    close = [
        (a, b) for a in range(len(sets)) for b in range(a) if len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])
    ]
    assert close, "the sample holds near-duplicates"
    assert all(groups[a] == groups[b] for a, b in close)


def test_groups_of_empty_and_odd_texts() -> None:
    """Empty texts, single characters and lone surrogates are texts like others."""
    assert near_duplicate_groups(["", " ", "a", "\ud800", "A"], threshold=0.9, seed=0).tolist() == [0, 0, 2, 3, 2]


def test_groups_of_many_texts_are_those_of_few() -> None:
    """Texts hashed together with thousands of others have the groups that they have alone."""
    pairs = [text for text, _ in tickets(1500, seed=12)]
    texts = [*pairs, *(f"{text} x" for text in pairs[:500])]
    groups = near_duplicate_groups(texts, threshold=0.8, seed=0).tolist()
    joined = [place for place in range(500) if groups[1500 + place] == groups[place]]
    alone = [
        place
        for place in range(500)
        if near_duplicate_groups([texts[place], texts[1500 + place]], threshold=0.8, seed=0).tolist() == [0, 0]
    ]
    assert len(alone) > 450, "the sample holds near-duplicates"
    assert set(alone) <= set(joined)
