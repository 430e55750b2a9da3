"""Tests of composing templates from templates, on sequences of numbers."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from tierwright.specialists.composing import Composer, Preference

#: Tokens 0 to 9 are fixed words, 10 to 14 fill the slots 0 to 4.
SLOT_OF = [-1] * 10 + [0, 1, 2, 3, 4]
PREFERENCE = Preference(fluency=0.5, shared=(0.5, 0.5, 0.5, 0.5), length=-0.1, prior=5.0)


def seen() -> list[tuple[int, ...]]:
    """Templates with a beginning, two of the slots 1 to 4 joined by a word, and an end."""
    return [(0, 10, 1, 10 + first, 2, 10 + second, 3) for first, second in permutations(range(1, 5), 2)]


def test_new_combinations() -> None:
    """Slots never seen together are joined, each exactly once."""
    composer = Composer(seen(), SLOT_OF, PREFERENCE)
    for slots in combinations(range(1, 5), 3):
        wanted = frozenset({0, *slots})
        assert wanted not in composer.known
        best = composer.compose(wanted, most=3)[0]
        assert sorted(SLOT_OF[token] for token in best.tokens if token >= 10) == sorted(wanted)
        assert best.tokens[0] == 0
        assert best.tokens[-1] == 3
        assert best.seen == 0


def test_preferred_wording() -> None:
    """Of two ways to say the same the usual one is taken, and how often it was seen is told."""
    usual, unusual = (0, 10, 1, 11), (4, 10, 5, 11)
    composer = Composer([usual] * 7 + [unusual] * 2, SLOT_OF, PREFERENCE)
    found = composer.compose(frozenset({0, 1}), most=5)
    assert (found[0].tokens, found[0].seen) == (usual, 7)
    assert unusual in {candidate.tokens for candidate in found}


def test_two_things_are_not_mixed_up() -> None:
    """Where two things are told of, all of the first comes before any of the second."""
    # Slots: name and colour of one thing (0, 1), the same of another (2, 3), and a size (4) that only one has.
    series = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)]
    mixed = [(10, 1, 12, 2, 11, 3, 13, 4)] * 5 + [(10, 2, 11, 1, 12, 2, 13, 4), (10, 2, 14, 1, 12, 4)]
    found = Composer(mixed, SLOT_OF, PREFERENCE, series).compose(frozenset({0, 1, 2, 3, 4}), most=9)
    assert all(max(map(one.tokens.index, (10, 11, 14))) < min(map(one.tokens.index, (12, 13))) for one in found)
    assert Composer(mixed, SLOT_OF, PREFERENCE).compose(frozenset({0, 1, 2, 3}), most=1)[0].tokens == mixed[0]


def test_things_begin_with_what_usually_leads() -> None:
    """Where most templates name a thing before they tell of it, composed ones tell nothing of it before its name."""
    # Slots: name, colour and size of one thing (0 to 2), name and colour of another (3 and 4).
    slot_of, series = [-1] * 10 + [0, 1, 2, 3, 4], [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    named = [(10, 1, 11, joint, 13, 1, 14) for joint in (2, 3, 4, 5)] * 3 + [(10, 1, 12, 1, 11, 2, 13)] * 2
    # The colour of the second before its name, told as if it were another one of the first.
    early = [(10, 1, 11, 6, 14, 2, 13)]
    for templates, leads in ((named + early * 4, True), (named + early * 8, False)):
        found = Composer(templates, slot_of, PREFERENCE, series).compose(frozenset(range(5)), most=9)
        assert found
        assert all(one.tokens.index(13) < one.tokens.index(14) for one in found) is leads


def test_without() -> None:
    """No template holds a token that it must not, whether it was seen like that or is composed."""
    composer = Composer([(0, 10, 1, 11)] * 5 + [(0, 10, 2, 11), (3, 10, 2, 12)], SLOT_OF, PREFERENCE)
    slots = frozenset({0, 1})
    assert any(1 in one.tokens for one in composer.compose(slots, most=9))
    found = composer.compose(slots, most=9, without=frozenset({1}))
    assert found
    assert all(1 not in one.tokens for one in found)
    assert not composer.compose(slots, most=9, without=frozenset({1, 2}))


def test_words_around_a_shared_value() -> None:
    """Where a phrase tells only what is spoken of, nothing new is said of it: not that there is what there is not."""
    # 0 "no", 1 "information", 2 "is", 3 "none", 4 "available", 5 "on"; slots 0 and 1 word that there is none of them.
    templates, slots = [(10, 1, 2, 3), (0, 1, 2, 4, 5, 11)] * 3, frozenset({0, 1})
    wrong = Composer(templates, SLOT_OF, PREFERENCE).compose(slots, most=9)
    assert [one.tokens for one in wrong] == [(10, 1, 2, 4, 5, 11)]
    shared = [-1] * 10 + [0, 0, -1, -1, -1]
    assert not Composer(templates, SLOT_OF, PREFERENCE, (), shared).compose(slots, most=9)
    # What is said of one of them may be said of the other.
    found = Composer([*templates, (10, 1, 2, 3, 11, 1, 2, 3)], SLOT_OF, PREFERENCE, (), shared).compose(slots, most=9)
    assert found
    assert all(3 in one.tokens for one in found)


def test_slot_never_seen() -> None:
    """A slot that no template holds has no template."""
    assert not Composer(seen(), SLOT_OF, PREFERENCE).compose(frozenset({0, 99}), most=3)


def test_other_weights() -> None:
    """The same templates with a preference for short ones choose another; the first composer goes on as before."""
    short, long = (0, 10), (1, 2, 3, 4, 10)
    composer = Composer([long] * 3 + [short] * 2, SLOT_OF, PREFERENCE)
    longer = composer.compose(frozenset({0}), most=1)[0]
    brief = Preference(fluency=0.5, shared=(0.5, 0.5, 0.5, 0.5), length=-5.0, prior=5.0)
    assert composer.preferring(brief).compose(frozenset({0}), most=1)[0].tokens == short
    assert composer.compose(frozenset({0}), most=1)[0] == longer


def test_memory_changes_nothing() -> None:
    """The same question has the same answer, first, again, and from a composer that was asked others before."""
    one, other = Composer(seen(), SLOT_OF, PREFERENCE), Composer(seen(), SLOT_OF, PREFERENCE)
    other.compose(frozenset({0, 1, 2}), most=2)
    slots = frozenset({0, 1, 2, 3})
    assert one.compose(slots, most=4) == other.compose(slots, most=4) == one.compose(slots, most=4)


def test_nothing_to_fill() -> None:
    """Texts without any attribute are templates too."""
    found = Composer([(1, 2), (1, 2), (3,)], SLOT_OF, PREFERENCE).compose(frozenset(), most=1)
    assert found[0].tokens == (1, 2)
    assert found[0].fluency == pytest.approx(found[0].fluency)
