"""Tests of finding attributes in texts, with what was learned from a writer's texts."""

from __future__ import annotations

import json
from functools import cache
from itertools import permutations
from typing import Any

import pytest

from tests.attribute_texts import rows
from tierwright.specialists.attributes import Attributes, read_attributes
from tierwright.specialists.realisation import Mode, Realisations, align
from tierwright.specialists.realisation_learning import learn_realisations


@cache
def learned() -> Realisations:
    """What 300 texts teach."""
    pairs = [(read_attributes(given), text) for given, text in rows(300)]
    return learn_realisations([one for one, _ in pairs if one is not None], [text for _, text in pairs])


def tent(**given: Any) -> Attributes:
    """Attributes of a tent."""
    found = read_attributes(json.dumps({"goal": "inform", **given}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "value", "mode"),
    [
        ("name", "Borealis", Mode.COPIED),
        ("name", "never seen", Mode.COPIED),
        ("price", "777", Mode.COPIED),
        ("waterproof", "true", Mode.WORDED),
        ("waterproof", "false", Mode.WORDED),
        ("waterproof", "null", Mode.UNKNOWN),
        ("waterproof", "perhaps", Mode.UNKNOWN),
        ("goal", "inform", Mode.WORDED),
        ("colour", "true", Mode.UNKNOWN),
        ("colour", " ", Mode.UNKNOWN),
        ("smell", "none", Mode.UNKNOWN),
    ],
)
def test_modes(name: str, value: str, mode: Mode) -> None:
    """Copied, worded and conditional attributes are told apart; what was never said is not guessed."""
    assert learned().mode(name, value) is mode


@pytest.mark.parametrize(
    ("text", "missing", "invented"),
    [
        ("The Alta is a tent in sand. It is waterproof.", 0, False),
        ("THE ALTA IS A TENT IN SAND. IT IS WATERPROOF.", 0, False),
        ("The Alta is a tent in sand. It keeps the rain out.", 0, False),
        ("The Alta is a tent. It is waterproof.", 1, False),
        ("The Alta is a tent in sand.", 1, False),
        ("The Alta is a tent in sand. It is not for rain.", 1, True),
        ("The Alta is a tent in sand and weighs 3 kg. It is waterproof.", 0, True),
        ("The Alta is a tent in orange, in sand. It is waterproof.", 0, True),
        ("The Alta is a tent in sand for few dollars. It is waterproof.", 0, True),
        ("", 4, False),
    ],
)
def test_errors(text: str, missing: int, invented: bool) -> None:  # noqa: FBT001 - a column of the table
    """What a text leaves out and what it makes up is found: other values, other phrases, words of other attributes."""
    found = align(learned(), tent(name="Alta", colour="sand", waterproof=True), text)
    assert (len(found.missing), bool(found.invented or found.suspect)) == (missing, invented)


def test_value_inside_another() -> None:
    """A value that is part of another one needs a place of its own."""
    given = tent(name="Sand Castle", colour="sand")
    assert align(learned(), given, "The Sand Castle is a tent.").missing == (2,)
    assert align(learned(), given, "The Sand Castle is a tent in sand.").faultless


def test_thousands_and_repeats() -> None:
    """A number is found with commas too; a value said twice is no invention but is counted."""
    found = align(learned(), tent(name="Alta", price=1199), "The Alta is a tent for 1,199 dollars. Alta!")
    assert (found.errors, found.suspect, found.repeated) == (0, (), 1)


def test_condition() -> None:
    """What is always given and changes nothing that words can be pinned to is looked for nowhere."""
    given = [Attributes(act="", pairs=(("mood", f"m{n % 3}"), ("name", f"Tent{n}"))) for n in range(90)]
    known = learn_realisations(given, [f"See {one.pairs[1][1]}{'!' * (n % 2)}" for n, one in enumerate(given)])
    assert known.mode("mood", "m1") is Mode.CONDITION
    assert known.mode("mood", "another") is Mode.CONDITION
    assert not align(known, given[4], "See Tent4").errors


def unavailable() -> tuple[list[Attributes], list[str]]:
    """Tents told of, and questions that nothing is known to answer, where `none` is the value of all that is asked."""
    pairs = list(permutations(("price", "weight", "colour", "season"), 2))
    ways = ("there is no information on {} and {}", "{} none , {} none", "none of its {} and {} is known")
    given: list[Attributes] = []
    texts: list[str] = []
    for number in range(144):
        (one, other), turn = pairs[number % 12], number // 12
        if turn % 2:
            given.append(Attributes(act="unknown", pairs=((one, "none"), (other, "none"))))
            texts.append(ways[turn // 2 % 3].format(one, other))
        else:
            values = f"v{number % 7}", f"w{number % 5}"
            given.append(Attributes(act="inform", pairs=((one, values[0]), (other, values[1]))))
            texts.append(f"its {one} is {values[0]} and the {other} {values[1]}")
    return given, texts


def test_value_that_attributes_share() -> None:
    """A value given by several names at once proves none of them: what is looked for is what the names are called."""
    known = learn_realisations(*unavailable())
    assert known.mode("price", "none") is Mode.WORDED
    assert known.mode("price", "v8") is Mode.COPIED
    asked = Attributes(act="unknown", pairs=(("price", "none"), ("weight", "none")))
    assert align(known, asked, "there is no information on weight and price").faultless
    assert align(known, asked, "there is none on price , none").missing == (1,)
    assert align(known, asked, "none , none").missing == (0, 1)


def test_phrases_of_mixed_values_tell_them_apart() -> None:
    """Where an act gives copied values of the name, too, a phrase of another value is more than what it is called."""
    given: list[Attributes] = []
    texts: list[str] = []
    for number in range(60):
        value = ("any", f"{number % 7} kg")[number % 2]
        given.append(Attributes(act="count", pairs=(("weight", value), ("count", str(number + 10)))))
        texts.append(f"there are {number + 10} " + ("of all weight" if value == "any" else f"of weight {value}"))
    known = learn_realisations(given, texts)
    asked = Attributes(act="count", pairs=(("weight", "any"), ("count", "5")))
    assert align(known, asked, "there are 5 of all weight").faultless
    assert align(known, asked, "there are 5 of weight").missing == (0,)


def test_value_that_strays() -> None:
    """A value that stands in some texts without being given is no invention, but not without suspicion."""
    given = [Attributes(act="", pairs=(("name", f"Tent{n}"), ("use", ("home", "camp")[n % 2]))) for n in range(60)]
    texts = [f"{one.pairs[0][1]} is for {one.pairs[1][1]}" for one in given]
    bare = [Attributes(act="", pairs=(("name", f"Hut{n}"),)) for n in range(40)]
    said = [f"{one.pairs[0][1]} {'feels like home' if n < 6 else 'is small'}" for n, one in enumerate(bare)]
    known = learn_realisations([*given, *bare], [*texts, *said])
    homely = align(known, bare[9], "Hut9 feels like home")
    assert (homely.invented, homely.suspect, homely.errors) == ((), ("home",), 0)
    assert align(known, bare[9], "Hut9 feels like camp").invented == (("", "camp"),)
    # Where another use is given the word is a way of speaking of it.
    assert align(known, given[1], "Tent1 is for camp , a home").faultless


def test_learning_of_nothing() -> None:
    """No examples teach nothing, and break nothing."""
    known = learn_realisations([], [])
    assert known.mode("name", "x") is Mode.UNKNOWN
    assert align(known, tent(name="x"), "x").missing == (0, 1)
