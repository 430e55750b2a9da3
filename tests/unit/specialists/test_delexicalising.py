"""Tests of turning texts into templates and back."""

from __future__ import annotations

import pytest

from tests.attribute_texts import rows
from tests.unit.specialists.test_realisation import learned, tent
from tierwright.specialists.attributes import Attributes, read_attributes
from tierwright.specialists.delexicalising import Slot, act_of, delexicalise, render, slots_of
from tierwright.specialists.realisation_learning import learn_realisations


def test_there_and_back() -> None:
    """A text that says all that is given comes back to the letter."""
    returned = 0
    for given, text in rows(100, seed=5):
        attributes = read_attributes(given)
        assert attributes is not None
        tokens = delexicalise(learned(), attributes, text)
        slots = slots_of(learned(), attributes)
        if tokens is not None and slots is not None:
            values = {slot: value for slot, (_, value) in zip(slots, attributes.pairs, strict=True) if slot is not None}
            assert render(tokens, values) == text
            returned += 1
    assert returned > 90


@pytest.mark.parametrize(
    "text",
    ["The Alta is a tent.", "The Alta is a tent in sand and weighs 3 kg.", "The Alta, Alta is a tent in sand."],
)
def test_not_a_template(text: str) -> None:
    """What leaves something out, makes something up or says a value twice is no template."""
    assert delexicalise(learned(), tent(name="Alta", colour="sand"), text) is None


def test_values_in_other_shapes() -> None:
    """Case and thousands are the template's; a code is not recased."""
    tokens = delexicalise(learned(), tent(name="alta", price=1199), "ALTA is a tent for 1,199 dollars.")
    slots = slots_of(learned(), tent(name="alta", price=1199))
    assert tokens is not None
    assert slots is not None
    name, price = slots[1:]
    assert name is not None
    assert price is not None
    assert render(tokens, {name: "drifter", price: "2450"}) == "DRIFTER is a tent for 2,450 dollars."
    assert render(tokens, {name: "<b>x-1</b>", price: "12"}) == "<b>x-1</b> is a tent for 12 dollars."


def test_conditions_are_acts() -> None:
    """Texts that differ in a condition are never mixed."""
    given = [Attributes(act="say", pairs=(("mood", f"m{n % 3}"), ("name", f"Tent{n}"))) for n in range(90)]
    known = learn_realisations(given, [f"See {one.pairs[1][1]}" for one in given])
    assert {act_of(known, one) for one in given} == {"say\nmood=m0", "say\nmood=m1", "say\nmood=m2"}
    assert slots_of(known, given[0]) == [None, Slot(name="name", nth=0, value=None)]
