"""Named lists of terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierwright.app.term_lists import read_terms
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.toml", 'women = ["woman", "women"]\ngay = ["gay"]\n'),
        ("a.toml", '[terms]\nwomen = ["woman", "women"]\ngay = ["gay"]\n'),
        ("a.json", '{"women": ["woman", "women"], "gay": ["gay"]}'),
        ("a.txt", "# identities\nwomen: woman, women\n\ngay\n"),
    ],
)
def test_three_forms_hold_the_same(tmp_path: Path, name: str, content: str) -> None:
    """TOML, JSON and lines of text."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_terms(tmp_path / name) == {"women": ["woman", "women"], "gay": ["gay"]}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.toml", "women = [", "no TOML"),
        ("a.json", "{", "no JSON"),
        ("a.json", '{"women": "woman"}', "names with lists"),
        ("a.json", "[1]", "names with lists"),
        ("a.txt", "# nothing\n", "holds no terms"),
    ],
)
def test_other_forms_are_refused(tmp_path: Path, name: str, content: str, says: str) -> None:
    """What is broken, has another shape or is empty is named with what to do."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_terms(tmp_path / name)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere."""
    with pytest.raises(InputError, match="there is no file"):
        read_terms(tmp_path / "nowhere.toml")
