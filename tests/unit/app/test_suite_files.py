"""Suites in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.answers import write_table
from tierwright.app.suite_files import answers_to, read_suite
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_suite_has_cases_inputs_and_required_shares(tmp_path: Path) -> None:
    """Columns come in any order; a share may be left out, and without inputs there are none."""
    rows = [("negation", "1", "not bad", "ok", 0.9), ("slang", "2", "meh", "bad", "")]
    found = read_suite(write_table(tmp_path / "s.csv", "function,id,input,output,required", rows))
    assert [(c.id, c.function, c.output, c.required) for c in found.cases] == [
        ("1", "negation", "ok", 0.9),
        ("2", "slang", "bad", None),
    ]
    assert found.inputs == ("not bad", "meh")
    assert read_suite(write_table(tmp_path / "t.csv", "id,function,output", [("1", "f", "ok")])).inputs is None


def test_answers_are_matched_by_id(tmp_path: Path) -> None:
    """Order does not count, a case without an answer has none, and a file of other ids is refused."""
    suite = read_suite(write_table(tmp_path / "s.csv", "id,function,output", [("1", "f", "a"), ("2", "f", "b")]))
    assert answers_to(suite, write_table(tmp_path / "a.csv", "id,output", [("9", "z"), ("2", "b")])) == [None, "b"]
    with pytest.raises(InputError, match="answers none of the 2 cases"):
        answers_to(suite, write_table(tmp_path / "a.csv", "id,output", [("9", "z")]))


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        ("id,output", ("1", "a"), "no column 'function'"),
        ("id,function,output", ("1", "", "a"), "line 2: a case needs a function"),
        ("id,function,output,required", ("1", "f", "a", "90 %"), "line 2: the required share"),
        ("id,function,output,required", ("1", "f", "a", "nan"), "line 2: the required share"),
    ],
)
def test_wrong_suites_are_refused(tmp_path: Path, header: str, row: tuple[str, ...], says: str) -> None:
    """The file, the line and what a suite needs."""
    with pytest.raises(InputError, match=says):
        read_suite(write_table(tmp_path / "s.csv", header, [row]))
