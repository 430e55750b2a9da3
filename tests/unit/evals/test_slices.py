"""Slices and their comparison."""
# ruff: noqa: RUF001 - questions in other languages are written in letters that look like Latin ones

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.unit.evals.arms_under_test import an_arm_example
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.evals.languages import OTHER, language_of
from tierwright.evals.slices import NONE, Slice, by_length, by_month, by_terms, by_value, compare_slices, of_examples
from tierwright.stats.intervals import wilson
from tierwright.stats.paired import tango
from tierwright.stats.resampling import PairedFigures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def a_slice(value: str, start: int, stop: int) -> Slice:
    """The examples from start to stop."""
    return Slice(dimension="client", value=value, members=tuple(range(start, stop)))


def always_better(places: NDArray[np.int64], level: float) -> PairedFigures:
    """A candidate that is right on every example, beside a baseline that is wrong on every other one."""
    n = places.size
    return PairedFigures(
        candidate=wilson(n, n, level=level),
        baseline=wilson(n - n // 2, n, level=level),
        difference=tango(n // 2, 0, n, level=level),
    )


def test_columns_make_one_slice_a_value() -> None:
    """Largest first, examples without a value under a name of their own."""
    found = by_value("client", ["b", "a", "", "b", "a", "b"])
    assert [(one.value, one.members) for one in found] == [("b", (0, 3, 5)), ("a", (1, 4)), (NONE, (2,))]
    with pytest.raises(InputError, match="201 different values"):
        by_value("id", [str(n) for n in range(201)])


def test_lengths_are_cut_at_bounds_or_in_thirds() -> None:
    """Each example is in exactly one slice, and what is empty is none."""
    texts = ["x" * n for n in range(9)]
    assert [one.members for one in by_length(texts)] == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    found = by_length(texts, [4, 100])
    assert [(one.value, one.members) for one in found] == [
        ("0 to 3 characters", (0, 1, 2, 3)),
        ("4 to 99 characters", (4, 5, 6, 7, 8)),
    ]
    assert [one.members for one in by_length(["ab", "cd"])] == [(0, 1)]
    assert by_length([]) == []


def test_terms_are_whole_words_whatever_their_case() -> None:
    """A text may be in several lists, a word within a word is no term, and a list nobody speaks of is seen as empty."""
    texts = ["Women in tech", "a man, a woman", "the manual", "émigré WOMAN"]
    found = by_terms(texts, {"women": ["woman", "women"], "men": ["man"], "old": ["old people"]})
    assert [(one.value, one.members) for one in found] == [("women", (0, 1, 3)), ("men", (1,)), ("old", ())]
    with pytest.raises(InputError, match="'none' is empty"):
        by_terms(texts, {"none": [" "]})


def test_months_are_in_order() -> None:
    """Time is cut by the calendar."""
    found = by_month([datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 9, 30, tzinfo=UTC)])
    assert [(one.value, one.members) for one in found] == [("2025-09", (1,)), ("2025-10", (0,))]


def test_examples_have_the_usual_slices() -> None:
    """Language, length, label and client where they vary, terms where they are given; the one month is no slice."""
    examples = [
        an_arm_example(
            n,
            input=("where is my card" if n % 2 else "wo ist meine Karte und das Geld") + " " * n,
            output="a" if n < 20 else "b",
            created_at=datetime(2025, 9, 1 + n % 28, tzinfo=UTC),
        )
        for n in range(40)
    ]
    found = of_examples(examples, clients=["x", "y"] * 20, terms={"money": ["geld"]})
    assert [(one.dimension, one.value, len(one.members)) for one in found if one.dimension != "length"] == [
        ("language", "de", 20),
        ("language", "en", 20),
        ("label", "a", 20),
        ("label", "b", 20),
        ("client", "x", 20),
        ("client", "y", 20),
        ("term", "money", 20),
    ]
    assert sum(len(one.members) for one in found if one.dimension == "length") == 40


def test_slices_are_judged_at_a_level_at_which_they_hold_together() -> None:
    """Two slices of three have enough examples, so each interval is at 97.5 %; the third is said to be too small."""
    slices = [a_slice("x", 0, 100), a_slice("y", 100, 160), a_slice("z", 160, 170)]
    found = compare_slices(slices, always_better, margin=0.05)
    assert [one.verdict for one in found] == [Verdict.SUPERIOR, Verdict.SUPERIOR, None]
    assert found[0].figures is not None
    assert found[0].figures.difference == tango(50, 0, 100, level=0.975)
    assert found[2].figures is None
    assert "too few: 10 of the 30" in found[2].reason
    both = compare_slices(slices, always_better, margin=0.05, families=2)
    assert both[0].figures is not None
    assert both[0].figures.difference.level == pytest.approx(1 - 0.05 / 4)


def test_slice_that_can_not_be_judged_says_why() -> None:
    """A metric that is not defined on a slice leaves it unjudged with the reason; the others are."""

    def sometimes(places: NDArray[np.int64], level: float) -> PairedFigures:
        if places[0] == 0:
            raise NotEnoughData("resampling can't tell")
        return always_better(places, level)

    found = compare_slices([a_slice("x", 0, 100), a_slice("y", 100, 160)], sometimes, margin=0.05)
    assert [(one.verdict, one.reason) for one in found] == [(None, "resampling can't tell"), (Verdict.SUPERIOR, "")]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is my card and when will it arrive?", "en"),
        ("Wo ist meine Karte und wann kommt sie?", "de"),
        ("Où est ma carte et quand est-ce que je vais la recevoir ?", "fr"),
        ("¿Dónde está mi tarjeta y cuándo llega?", "es"),
        ("Onde está o meu cartão e quando chega?", "pt"),
        ("Dov'è la mia carta e quando arriva?", "it"),
        ("Hol van a kártyám és mikor érkezik meg?", "hu"),
        ("Gdzie jest moja karta i kiedy się to stanie?", "pl"),
        ("Kartım nerede ve ne zaman gelecek?", "tr"),
        ("Где моя карта и когда она будет?", "ru"),
        ("Де моя картка і коли вона прийде, що я маю робити?", "uk"),
        ("أين بطاقتي ومتى ستصل؟", "ar"),
        ("我的卡在哪里？", "zh"),
        ("カードはどこですか。", "ja"),
        ("내 카드는 어디에 있나요?", "ko"),
        ("मेरा कार्ड कहाँ है?", "hi"),
        ("xkcd 1234", OTHER),
        ("12:30 !!", OTHER),
        ("", OTHER),
    ],
)
def test_language_is_guessed_by_script_and_common_words(text: str, language: str) -> None:
    """Short questions in sixteen languages; what shows none is "other"."""
    assert language_of(text) == language
