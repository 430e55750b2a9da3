"""Tests of telling lists of attributes from running text."""

from __future__ import annotations

import pytest

from tierwright.curation.attributes import attribute_values


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Aroma", "area": "harbour"}',
        "name: Aroma\narea: harbour",
        "- name: Aroma\n- area: harbour",
        "name[Aroma], area[harbour]",
        "name=Aroma; area=harbour",
        "inform(name=Aroma;area=harbour)",
    ],
)
def test_notations_of_attributes(text: str) -> None:
    """The same attributes are read from every notation."""
    assert attribute_values(text) == ["Aroma", "harbour"]


@pytest.mark.parametrize(
    "text",
    [
        "where is my parcel",
        "Note: my parcel has not arrived",
        "Q: where is it\nA: delivery\nQ: who pays\nA: billing",
        "It is late.\nReason: unknown",
        "Give every one of the messages below a topic: a, b\nInput: where is it",
        "see [1], and also [2] of the list",
    ],
)
def test_running_text_is_no_list_of_attributes(text: str) -> None:
    """Sentences, examples with names that come again, and single fields are no attributes."""
    assert attribute_values(text) is None
