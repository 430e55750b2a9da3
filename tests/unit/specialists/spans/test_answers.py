from __future__ import annotations

import pytest

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.specialists.spans.answers import FoundString, Habits, read_values, render, strings_of

CONTRACT = OutputContract(
    kind=ContractKind.SPANS,
    fields=(FieldSpec(name="parties", many=True), FieldSpec(name="date")),
    style=JsonStyle(item_separator=",", key_separator=":", prefix="```json\n", suffix="\n```"),
)
PLAIN = OutputContract(kind=ContractKind.SPANS)


def found(*texts: str) -> list[FoundString]:
    """Strings found in this order, each twice."""
    return [FoundString(text=text, start=10 * at, end=10 * at + len(text), times=2) for at, text in enumerate(texts)]


def test_the_incumbents_format() -> None:
    """Keys, order, separators and what stands around the object are the incumbent's."""
    habits = [Habits(name="parties", many=True, absent="[]"), Habits(name="date", many=False)]
    assert render(CONTRACT, habits, [found("B", "A"), []]) == '```json\n{"parties":["B","A"],"date":null}\n```'
    assert render(CONTRACT, habits, [[], found("1 May")]) == '```json\n{"parties":[],"date":"1 May"}\n```'


@pytest.mark.parametrize(
    ("habit", "texts", "value"),
    [
        (Habits(name="date", many=False, absent='""'), [], '""'),
        (Habits(name="date", many=False, absent='"N/A"'), [], '"N/A"'),
        (Habits(name="date", many=True, repeats=True), ["x"], '["x","x"]'),
        (Habits(name="date", many=True, alphabetical=True), ["b", "a"], '["a","b"]'),
        (Habits(name="date", many=True, bare_single=True), ["b"], '"b"'),
        (Habits(name="date", many=True, bare_single=True), ["b", "a"], '["b","a"]'),
        (Habits(name="date", many=False, tidy=True), ["1\r\n  May"], '"1 May"'),
        (Habits(name="date", many=False), ["1\n May"], '"1\\n May"'),
        (Habits(name="date", many=False, numeric=True), ["1,200.5"], "1200.5"),
        (Habits(name="date", many=False, numeric=True), ["none"], '"none"'),
    ],
)
def test_habits(habit: Habits, texts: list[str], value: str) -> None:
    """Each habit shows in what is written."""
    parties = Habits(name="parties", many=True, absent="[]")
    assert render(CONTRACT, [parties, habit], [[], found(*texts)]) == f'```json\n{{"parties":[],"date":{value}}}\n```'


def test_plain_text() -> None:
    """Without a style the answer is the string itself, or what is said where there is none."""
    habit = Habits(name="", many=False, absent='"none"')
    assert render(PLAIN, [habit], [found("ACME Ltd.")]) == "ACME Ltd."
    assert render(PLAIN, [habit], [[]]) == "none"


def test_a_list() -> None:
    """An answer may be a list of strings, in a code fence or not."""
    listed = OutputContract(kind=ContractKind.SPANS, style=JsonStyle(item_separator=","))
    habit = Habits(name="", many=True, absent="[]")
    assert render(listed, [habit], [found("A", "B")]) == '["A","B"]'
    assert render(listed, [habit], [[]]) == "[]"
    assert read_values(listed, '```json\n["A"]\n```') == {"": ["A"]}
    assert read_values(listed, "none") is None


def test_reading() -> None:
    """Of a key that stands twice the last counts; an answer without a field is not read; objects are no strings."""
    assert read_values(CONTRACT, '{"parties": ["a"], "date": null, "parties": []}') == {"parties": [], "date": None}
    assert read_values(CONTRACT, '{"parties": ["a"]}') is None
    assert read_values(CONTRACT, "no JSON") is None
    assert strings_of(["a", 3]) == ["a", "3"]
    assert strings_of({"a": 1}) is None
    assert strings_of([["a", "b"]]) is None
    assert strings_of("") == strings_of(None) == strings_of([]) == []
