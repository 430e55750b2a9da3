"""The quick look passes over no text in which a rule would find something, or in which an encoding hides anything."""

from __future__ import annotations

import base64
import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from tierwright.privacy.detector import PATTERNS, Pattern, scan
from tierwright.privacy.vocabulary import PLAIN_NAMES


@pytest.mark.parametrize("pattern", [one for one in PATTERNS if one.mark], ids=lambda one: one.name)
@given(data=st.data())
def test_a_mark_is_in_every_text_that_has_its_pattern(pattern: Pattern, data: st.DataObject) -> None:
    """Whatever the pattern matches, the mark that stands for it in the quick look does, too."""
    text = data.draw(st.from_regex(re.compile(pattern.pattern.encode())))
    if re2.search(pattern.pattern.encode(), text):
        assert re2.search(pattern.mark.encode(), text)


@pytest.mark.parametrize("before", ["", "see ", "\u00e9: "])
@pytest.mark.parametrize(
    "hidden",
    [
        # An address in the shortest row that can hold one, in either alphabet; and in groups.
        base64.b64encode(b"jo@abc.com").decode().rstrip("="),
        base64.urlsafe_b64encode(b"jo@abc.com").decode(),
        b"j@abc.com".hex(),
        b"j@abc.com".hex(" "),
        b"j@abc.com".hex(":").upper(),
    ],
)
def test_a_row_of_characters_that_hides_something_is_undone(hidden: str, before: str) -> None:
    """The shortest rows are looked at, however they are written."""
    assert "email" in {one.type for one in scan(f"{before}{hidden} please")}


def test_names_of_the_apis_hold_nothing() -> None:
    """The names of members that nobody looks at give nobody away."""
    assert scan("\n\n\n\n".join(sorted(PLAIN_NAMES))) == []
