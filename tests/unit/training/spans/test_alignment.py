from __future__ import annotations

import json

import pytest

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.training.spans.alignment import Aligned, absent_values, align, group_fields, learn_habits

CONTRACT = OutputContract(
    kind=ContractKind.SPANS, fields=(FieldSpec(name="who", many=True), FieldSpec(name="when")), style=JsonStyle()
)
PLAIN = OutputContract(kind=ContractKind.SPANS)


def aligned(text: str, who: list[str], when: str | None = None) -> Aligned:
    """One example, aligned."""
    found = align(CONTRACT, text, json.dumps({"who": who, "when": when}), ["[]", "null"])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "string", "surfaces"),
    [
        ("Ann met Ann.", "Ann", ["Ann", "Ann"]),
        ("Annabel met Bo", "Ann", []),
        ("the ACME\r\n  Ltd. again", "ACME Ltd.", ["ACME\r\n  Ltd."]),
        ("the \u201cLender\u201d pays", '"Lender"', ["\u201cLender\u201d"]),
        ("the BORROWER", "Borrower", ["BORROWER"]),
        ("\U0001d4d0\U0001f600 \u7532\u65b9\u7b7e\u7f72", "\u7532\u65b9", ["\u7532\u65b9"]),
        ("cafe\u0301 Noir", "cafe", []),
        ("a (b) a+b", "a+b", ["a+b"]),
        ("nothing", "else", []),
    ],
)
def test_places(text: str, string: str, surfaces: list[str]) -> None:
    """A string is found where it stands between borders of tokens, loosely only where it does not stand as it is."""
    one = aligned(text, [string])
    assert [one.tokens.surface(*place) for place in one.places[0][0]] == surfaces
    assert one.missing == (not surfaces)


def test_nothing_to_find() -> None:
    """Values that say that nothing is there are no strings, and an answer in another form is not aligned."""
    assert aligned("x", [], None).strings == ((), ())
    assert align(CONTRACT, "x", '{"who": []}', ["[]", "null"]) is None
    plain = align(PLAIN, "see N/A", "N/A", ['"N/A"'])
    assert plain is not None
    assert plain.strings == ((),)


def test_what_stands_for_nothing() -> None:
    """The value most often written where no string stands in the input."""
    texts = ["a b", "c d", "e f", "g h"]
    answers = ['{"who": ["a"], "when": "n/a"}', '{"who": [], "when": "n/a"}', '{"who": [], "when": null}']
    answers.append('{"who": ["g"], "when": "h"}')
    assert absent_values(CONTRACT, texts, answers) == ["[]", '"n/a"']
    assert absent_values(PLAIN, ["a", "b"], ["a", "none"]) == ['"none"']


def test_habits_are_learned() -> None:
    """Order, repetition and tidy white space are what most answers show."""
    texts = ["Bo met Al and Bo", "Di\nVa met Cy", "Ed met Di  Va"]
    answers = [{"who": ["Al", "Bo", "Bo"], "when": None}, {"who": ["Cy", "Di Va"], "when": None}]
    answers.append({"who": ["Di Va", "Ed"], "when": None})
    written = [json.dumps(answer) for answer in answers]
    found = [
        one
        for text, answer in zip(texts, written, strict=True)
        if (one := align(CONTRACT, text, answer, ["[]", "null"]))
    ]
    who, when = learn_habits(CONTRACT, found, written, ["[]", "null"])
    assert (who.repeats, who.alphabetical, who.tidy, who.bare_single) == (True, True, True, False)
    assert (when.many, when.absent) == (False, "null")


def test_fields_that_point_at_the_same_words_do_not_share_a_chain() -> None:
    """Overlapping fields get chains of their own; others share one."""
    apart = [aligned("Ann came on 1 May", ["Ann"], "1 May")] * 10
    assert group_fields(apart, 2) == [[0, 1]]
    assert group_fields([*apart, aligned("the 1 May Club", ["1 May Club"], "1 May")], 2) == [[0], [1]]
