"""The text grammar and the phrase files."""

from __future__ import annotations

from random import Random

import pytest

from tierwright.app.demo.grammar import Grammar, GrammarError, sentence, tidy

_SMALL = """
# a comment
[greeting]
(hi|hello) <name>(,|!)

[name]
Ada
Bo

[skewed, 2]
first
second
third
"""


def test_expansion_takes_one_option_of_each_choice() -> None:
    """Every expansion is one of the sentences the notation stands for, and all of them occur."""
    grammar, rng = Grammar.read(("small", _SMALL)), Random(1)
    drawn = {grammar.phrase("greeting", rng) for _ in range(200)}
    assert drawn == {f"{word} {name}{end}" for word in ("hi", "hello") for name in ("Ada", "Bo") for end in ",!"}


def test_bound_slot_is_used_and_reported() -> None:
    """A bound value replaces the section's alternatives and is reported as the slot's text."""
    expansion = Grammar.read(("small", _SMALL)).expand("greeting", Random(1), {"name": "Cy"})
    assert "Cy" in expansion.text
    assert expansion.slots == (("name", "Cy"),)


def test_power_makes_later_alternatives_rarer() -> None:
    """With power 2 the three alternatives come in the ratio 36 : 9 : 4."""
    grammar, rng = Grammar.read(("small", _SMALL)), Random(1)
    drawn = [grammar.phrase("skewed", rng) for _ in range(4_900)]
    counts = [drawn.count(word) for word in ("first", "second", "third")]
    assert counts == pytest.approx([3_600, 900, 400], rel=0.12)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no section", "line 1: an alternative outside"),
        ("[a]\n(b|c", "line 2: a bracket is not closed"),
        ("[a]\nb)", "line 2: `\\)` without an opening bracket"),
        ("[a]\nb < c", "line 2: a stray backslash or <"),
    ],
)
def test_malformed_phrases_name_file_and_line(text: str, fault: str) -> None:
    """A malformed phrase file is refused with its name and the line."""
    with pytest.raises(GrammarError, match=f"broken.txt, {fault}"):
        Grammar.read(("broken.txt", text))


def test_tidy_and_sentence() -> None:
    """Loose spaces and doubled punctuation go; a sentence starts with a capital and ends."""
    assert tidy("so  what ?. yes , really") == "so what? yes, really"
    assert sentence("écoute") == "Écoute."
    assert sentence("Why?") == "Why?"


@pytest.mark.parametrize(
    ("names", "bound"),
    [
        (("names", "reviews"), set()),
        (("names", "orders"), set()),
        (("names", "summaries"), set()),
        (("names", "longtail"), set()),
        (("names", "copy"), {"name"}),
        *(
            (("names", f"tickets.{language}"), {"A", "B", "order2"} | {f"{case}2" for case in cases} | set(cases))
            for language, cases in {
                "en": ("kind", "thing"),
                "de": ("kind", "nom", "akk", "dat", "einakk", "meinakk", "meinnom"),
                "es": ("kind", "el", "un", "del"),
                "fr": ("kind", "le", "un", "mon", "du"),
            }.items()
        ),
    ],
)
def test_phrase_file_refers_to_nothing_undefined(names: tuple[str, ...], bound: set[str]) -> None:
    """Every <slot> of a phrase file is one of its sections or bound by the task."""
    assert Grammar.load(*names).undefined(bound=frozenset(bound)) == frozenset()
