"""However long and however strange a text: an answer, with places in it, for work in proportion to its length."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.privacy import detector
from tierwright.privacy.detector import scan
from tierwright.privacy.digits import LEAST, MOST, numbers
from tierwright.privacy.views import ENCODINGS, decoded, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.privacy.digits import Number
    from tierwright.privacy.views import View

#: Pieces that rules and views begin with, end with, or almost match.
PIECES = (
    *(
        "4111",
        " ",
        "1111",
        "12",
        "1",
        "-",
        "(",
        ")",
        "+",
        "/",
        ".",
        ",",
        "|",
        "\n",
        "\r\n",
        "\t",
        "DE89",
        "A1",
        "@",
        "a@b.",
    ),
    *(
        "card",
        "ssn ",
        "phone",
        "MRN",
        "password: ",
        "%34",
        "%",
        "\\u0034",
        "\\u{34}",
        "\\n",
        "&#52;",
        "&amp;",
        "&",
        "NDEx",
    ),
    *(
        "34 31 ",
        "one ",
        "seven ",
        "\u200b",
        "\u0301",
        "\uff14",
        "\u0664",
        "\u0430",
        "\u03bf",
        "\u00b7",
        "\ud800",
        "\U000e0041",
    ),
    *(
        "::",
        "ff:",
        "1.2.3.4",
        "48.8584",
        "N",
        "\u00b0",
        "'",
        '"',
        "sk-",
        "eyJ",
        "-----BEGIN ",
        "=",
        "\x00",
        "\x01",
        "\ufdfa",
    ),
)
strange = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join)


@given(strange)
@settings(max_examples=200, deadline=None)
def test_no_text_makes_it_raise_or_point_outside(text: str) -> None:
    """Pieces of everything the rules know, in any order: places in order, inside of the text, and none empty."""
    found = scan(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)


def views(text: str) -> Iterator[View]:
    """Every reading of a text."""
    plain = normalised(text)
    if plain is not None:
        yield plain
    yield from decoded(text, ENCODINGS)


@given(strange)
@settings(max_examples=200, deadline=None)
def test_every_views_places_keep_their_order(text: str) -> None:
    """What stands later in a reading stands no earlier in the text, and every place of it lies in the text."""
    for view in views(text):
        places = [view.place(at, at + 1) for at in range(len(view.text))]
        assert all(0 <= low < high <= len(text) for low, high in places)
        assert all(before <= after for before, after in pairwise(places))
        if view.text:
            assert view.place(0, len(view.text)) == (places[0][0], places[-1][1])


@given(st.text(alphabet="0123456789 .-/()\n+|x", max_size=200))
@settings(max_examples=200, deadline=None)
def test_numbers_are_what_stands_there(text: str) -> None:
    """Each number is made of the digits between its start and its end, in groups that add up to it."""
    for number in numbers(text.encode()):
        written = text[number.start : number.end]
        assert "".join(filter(str.isdigit, written)) == number.digits
        assert sum(number.sizes) == len(number.digits) >= LEAST
        assert len(number.sizes) == 1 or len(number.digits) <= MOST


@pytest.mark.parametrize(
    "unit", ["1", "1 ", "12 ", "123 ", "1234 ", "12345 ", "1 22 ", "212 555 0142 ", "1\n", "(1) ", "1-22-333 "]
)
def test_numbers_are_bounded_by_the_length_of_the_text(unit: str) -> None:
    """Ten times the text has ten times the numbers, whatever the groups: at most three for each character."""
    small, large = (sum(1 for _ in numbers((unit * many).encode())) for many in (200, 2_000))
    assert large <= 3 * len(unit * 2_000)
    assert large <= 11 * small + 20


@pytest.mark.parametrize(
    "unit", ["card 4111 1111 1111 1112 ", "12 34 56 78 ", "1 2 3 4 ", "%41%42", "&#52;", "a\u0301", "DE89 3704 "]
)
def test_the_rules_are_asked_in_proportion(monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    """Ten times the text asks the rules for ten times as many numbers, encodings inside encodings or not."""
    asked = 0
    rules = detector.number_rules

    def counted(text: str, number: Number, *rest: object, **options: object) -> object:
        nonlocal asked
        asked += 1
        return rules(text, number, *rest, **options)  # type: ignore[arg-type] # passed on as they come

    monkeypatch.setattr(detector, "number_rules", counted)
    counts = []
    for many in (100, 1_000):
        asked = 0
        scan(unit * many)
        counts.append(asked)
    assert counts[1] <= 11 * counts[0] + 20


def test_a_megabyte_of_anything_comes_to_an_end() -> None:
    """A million characters of pieces that almost match, and of each kind of encoding, with a card behind them."""
    card = "\n x 4111 1111 1111 1111 x"
    for unit in ("4111 1111 1111 1112 ", "%41", "a@b.", "A1-", "DE89", "a", "password: "):
        text = unit * (1_000_000 // len(unit)) + card
        assert any(one.type == "card" and one.end == len(text) - 2 for one in scan(text)), unit
