"""Tests of reading attributes from the text of an input."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.specialists.attributes import MOST_CHARACTERS, Attributes, read_attributes


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Aroma", "area": "harbour"}',
        "name: Aroma\narea: harbour",
        "- name: Aroma\n- area: harbour",
        "name[Aroma], area[harbour]",
        "name=Aroma; area=harbour",
    ],
)
def test_notations(text: str) -> None:
    """Every notation gives the same names and values, in their order."""
    assert read_attributes(text) == Attributes(act="", pairs=(("name", "Aroma"), ("area", "harbour")))


@pytest.mark.parametrize(
    ("text", "act", "pairs"),
    [
        ("inform(name=Aroma;area=harbour)", "inform", (("name", "Aroma"), ("area", "harbour"))),
        ("?request(price)", "?request", (("price", ""),)),
        ("goodbye()", "goodbye", ()),
        ("inform(design=black , matt;size=3)", "inform", (("design", "black , matt"), ("size", "3"))),
        ("inform(name='Aroma, the bar', area=harbour)", "inform", (("name", "Aroma, the bar"), ("area", "harbour"))),
        ("inform(name[Aroma], area[harbour])", "inform", (("name", "Aroma"), ("area", "harbour"))),
        ("inform(sum=a=b;x=1)", "inform", (("sum", "a=b"), ("x", "1"))),
    ],
)
def test_acts(text: str, act: str, pairs: tuple[tuple[str, str], ...]) -> None:
    """An act is told from its slots; values may hold commas and equals signs where the separator is clear."""
    assert read_attributes(text) == Attributes(act=act, pairs=pairs)


def test_json_values() -> None:
    """Numbers keep their spelling, JSON's words are words, lists repeat the name, nesting is in the name."""
    text = '{"size": 1.50, "new": true, "old": null, "tags": ["a", "b"], "maker": {"city": "Ulm"}, "tags": "c"}'
    found = read_attributes(text)
    assert found is not None
    assert found.pairs == (
        ("size", "1.50"),
        ("new", "true"),
        ("old", "null"),
        ("tags", "a"),
        ("tags", "b"),
        ("maker.city", "Ulm"),
        ("tags", "c"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "where is my parcel",
        "Note: my parcel has not arrived",
        "Q: where\nA: here\nQ: who",
        "see [1], and also [2] of the list",
        '{"name": "Aro',
        '["a", "b"]',
        "f(x) = y; g",
        "[" * 5000,
        '{"a":' * 5000,
        "name[a], " * MOST_CHARACTERS,
    ],
)
def test_anything_else(text: str) -> None:
    """Running text, broken JSON, endless nesting and endless text are no attributes, and no error."""
    assert read_attributes(text) is None


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=30), max_size=5))
@settings(max_examples=60, deadline=None)
def test_json_comes_through_verbatim(values: dict[str, str]) -> None:
    """Whatever the strings of a JSON object hold, they are read unchanged."""
    text = json.dumps(values)
    found = read_attributes(text)
    assert found is None if len(text) > MOST_CHARACTERS else found is not None and dict(found.pairs) == values


@given(st.text())
def test_never_fails(text: str) -> None:
    """Any text is read or is no list of attributes."""
    found = read_attributes(text)
    assert found is None or all(isinstance(value, str) for _, value in found.pairs)
