from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tierwright.core.errors import InputError
from tierwright.curation.inputs import read_inputs

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_lines_of_a_text_file(tmp_path: Path) -> None:
    """Each line is an input, empty ones too; commas and quotes are ordinary characters."""
    path = written(tmp_path / "x.txt", 'one, two\r\n\n"three\nfour')
    assert list(read_inputs(path)) == ["one, two", "", '"three', "four"]
    packed = tmp_path / "x.txt.gz"
    packed.write_bytes(gzip.compress("ä\nb".encode()))
    assert list(read_inputs(packed)) == ["ä", "b"]


def test_json_strings(tmp_path: Path) -> None:
    """One on each line; something else among them is refused with its line."""
    path = written(tmp_path / "x.jsonl", '"one\\ntwo"\n\n"three"\n')
    assert list(read_inputs(path)) == ["one\ntwo", "three"]
    with pytest.raises(InputError, match=r"x\.jsonl, line 2 is no JSON string"):
        list(read_inputs(written(path, '"one"\n{"input": "two"}\n')))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.jsonl", '{"id": 1, "input": "one"}\n{"id": 2}\n{"id": 3, "input": "three"}\n'),
        ("x.csv", "id,text\n1,one\n2,\n3,three\n"),
        ("x.tsv", 'only\none\n""\nthree\n'),
    ],
)
def test_the_usual_columns(tmp_path: Path, name: str, text: str) -> None:
    """`input`, `text`, or the only one there is; a row without an input is asked as an empty one, so order is kept."""
    assert list(read_inputs(written(tmp_path / name, text))) == ["one", "", "three"]


def test_columns_that_are_named(tmp_path: Path) -> None:
    """Several become a JSON object, as `dataset import` makes it."""
    path = written(tmp_path / "x.csv", "title,body,text\na,b,c\n")
    assert list(read_inputs(path, ["body"])) == ["b"]
    assert [json.loads(found) for found in read_inputs(path, ["title", "body"])] == [{"title": "a", "body": "b"}]
    with pytest.raises(InputError, match="no column 'subject'; its columns are 'title', 'body', 'text'"):
        list(read_inputs(path, ["subject"]))


def test_a_table_without_a_usual_column_is_refused(tmp_path: Path) -> None:
    """With the columns it has and the option that names one."""
    path = written(tmp_path / "x.csv", "title,body\na,b\n")
    with pytest.raises(InputError, match=r"its columns are 'title', 'body'.*--column NAME"):
        list(read_inputs(path))


def test_a_row_that_is_none_is_refused(tmp_path: Path) -> None:
    """Leaving it out would shift the answers after it."""
    path = written(tmp_path / "x.csv", "id,text\n1,one\n2,two,three\n")
    with pytest.raises(InputError, match=r"x\.csv, line 3 has more or fewer values"):
        list(read_inputs(path))
