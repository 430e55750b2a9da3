"""Tests of reading tables."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tierwright.core.errors import InputError, ServiceError
from tierwright.curation.tables import Row, TableForm, read_table

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [("where is my card", "card"), ('he said "hi", twice', "greeting"), ("two\nlines\tand a tab", "odd")]
#: Any text but what no UTF-8 file holds, and NUL, which no text file may hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def as_csv(rows: list[tuple[str, ...]], delimiter: str = ",", header: tuple[str, ...] = ("text", "label")) -> bytes:
    """The bytes of a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([header, *rows])
    return out.getvalue().encode()


def as_json(rows: list[tuple[Any, ...]]) -> bytes:
    """The bytes of a JSON Lines file."""
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows).encode()


def as_parquet(columns: dict[str, list[Any]]) -> bytes:
    """The bytes of a Parquet file."""
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


def read(path: Path, content: bytes, *columns: str, form: TableForm | None = None) -> list[Row]:
    """The rows of a file with that content."""
    path.write_bytes(content)
    return list(read_table(path, columns or ("text", "label"), form=form))


def values(rows: list[Row]) -> list[tuple[object, ...] | None]:
    """The rows' values."""
    return [row.values for row in rows]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", as_csv(ROWS)),
        ("a.tsv", as_csv(ROWS, "\t")),
        ("semicolons.csv", as_csv(ROWS, ";")),
        ("no ending", as_csv(ROWS)),
        ("mark.csv", b"\xef\xbb\xbf" + as_csv(ROWS)),
        ("a.jsonl", as_json(ROWS)),
        ("mark.jsonl", b"\xef\xbb\xbf" + as_json(ROWS)),
        ("objects", as_json(ROWS)),
        ("a.parquet", as_parquet({"text": [t for t, _ in ROWS], "label": [label for _, label in ROWS]})),
        ("parquet called.csv", as_parquet({"text": [t for t, _ in ROWS], "label": [label for _, label in ROWS]})),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: bytes, *, packed: bool) -> None:
    """CSV, TSV, JSON Lines and Parquet, by name or by content, with a byte order mark or as gzip, hold the same."""
    path = tmp_path / (f"{name}.gz" if packed else name)
    assert values(read(path, gzip.compress(content) if packed else content)) == ROWS


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    """A row's line is where it begins in the file, after quoted line ends and blank lines, too."""
    content = b'text,label\n"one\ntwo",a\n\nthree,b\r\nfour,c'
    rows = read(tmp_path / "a.csv", content)
    assert values(rows) == [("one\ntwo", "a"), ("three", "b"), ("four", "c")]
    assert [row.line for row in rows] == [2, 5, 6]
    assert [row.line for row in read(tmp_path / "a.jsonl", b'\n{"text":1,"label":2}\n\n{"label":4}')] == [2, 4]


def test_json_values_keep_their_types(tmp_path: Path) -> None:
    """JSON Lines and Parquet give numbers, lists and objects as they are; what is not there is None."""
    rows = [(1, {"a": [True]}), (None, ["x"])]
    assert values(read(tmp_path / "a.jsonl", as_json(rows) + b'{"text": "t"}\n')) == [*rows, ("t", None)]
    content = as_parquet({"text": [1, None], "label": [["x", "y"], None]})
    assert values(read(tmp_path / "a.parquet", content)) == [(1, ["x", "y"]), (None, None)]


def test_ragged_rows_come_out_with_a_reason(tmp_path: Path) -> None:
    """A row with too many or too few values is no row; those around it are."""
    rows = read(tmp_path / "a.csv", b"text,label\na,b\nc\nd,e,f\ng,h\n")
    assert [(row.line, row.values, bool(row.fault)) for row in rows] == [
        (2, ("a", "b"), False),
        (3, None, True),
        (4, None, True),
        (5, ("g", "h"), False),
    ]
    rows = read(tmp_path / "a.jsonl", as_json(ROWS[:1]) + b"[1]\n{broken\n" + b"[" * 100_000 + b"\n")
    assert [row.fault for row in rows] == ["", *["is not a JSON object"] * 3]


def test_texts_of_a_hundred_thousand_characters_and_more(tmp_path: Path) -> None:
    """Long texts are read whole; the csv module's own limit is as it was afterwards."""
    before = csv.field_size_limit()
    long = "word " * 100_000
    assert values(read(tmp_path / "a.csv", as_csv([(long, "x")]))) == [(long, "x")]
    assert values(read(tmp_path / "a.jsonl", as_json([(long, "x")]))) == [(long, "x")]
    assert csv.field_size_limit() == before


def test_other_encodings_are_refused_and_read_when_named(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused with the line and the option; with it they are read."""
    latin = "text,label\nok,a\ncafé,b\n".encode("latin-1")
    with pytest.raises(InputError, match=r"line 3: byte 4 of the line is not UTF-8.*--encoding cp1252"):
        read(tmp_path / "a.csv", latin)
    assert values(read(tmp_path / "a.csv", latin, form=TableForm(encoding="latin-1")))[1] == ("café", "b")
    wide = "text,label\ncafé,b\n".encode("utf-16")
    with pytest.raises(InputError, match="is UTF-16, not UTF-8; say --encoding utf-16"):
        read(tmp_path / "a.csv", wide)
    assert values(read(tmp_path / "a.csv", wide, form=TableForm(encoding="utf-16"))) == [("café", "b")]
    with pytest.raises(InputError, match="NUL byte"):
        read(tmp_path / "a.csv", "text,label\nab,b\n".encode("utf-16-le"))
    with pytest.raises(InputError, match="there is no encoding 'klingon'"):
        read(tmp_path / "a.csv", latin, form=TableForm(encoding="klingon"))
    with pytest.raises(InputError, match="is not ascii after line"):
        read(tmp_path / "a.csv", latin, form=TableForm(encoding="ascii"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "blank lines"),
        ("a.csv", b"text,label\na\0b,c\n", "line 2: holds a NUL byte"),
        ("a.jsonl", b'{"text":"a\0","label":"b"}\n', "line 1: holds a NUL byte"),
        ("a.csv", b'text,label\na,b\n"never closed,c\nd,e\n', "line 3: a value is not written as CSV"),
        ("a.csv", b'text,label\n"a" b,c\n', "line 2: .*--no-quotes"),
        ("a.csv", b"Text,kind,when\na,b,c\n", "no column 'text' and 'label'; its columns are 'Text', 'kind', 'when'"),
        ("a.csv", b"text,label,label\na,b,c\n", "several columns called 'label'"),
        ("a.jsonl", b'{"text":"a","x":1}\n{"text":"b","y":1}\n', "no column 'label'; its columns are 'text', 'x', 'y'"),
        ("a.json", b'[{"text":"a","label":"b"}]', "one JSON array"),
        ("a.csv.gz", gzip.compress(as_csv(ROWS * 500), mtime=0)[:-20], "gzip data is damaged or breaks off"),
        ("a.csv.gz", gzip.compress(as_csv(ROWS), mtime=0)[:12] + b"\xff" * 40, "gzip data is damaged or breaks off"),
        ("a.parquet", b"text,label\na,b\n", "is called Parquet and is none"),
        ("a.parquet", as_parquet({"text": ["a"] * 50})[:-30], "no Parquet file that can be read"),
        ("a.parquet", as_parquet({"text": ["a"]}), "no column 'label'; its columns are 'text'"),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """What can't be read is an InputError that names the file, and the line where there is one."""
    with pytest.raises(InputError, match=message) as raised:
        read(tmp_path / name, content)
    assert str(tmp_path / name) in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A path to nothing, to a folder or to a device says so."""
    with pytest.raises(InputError, match="there is no file"):
        list(read_table(tmp_path / "none.csv", ["text"]))
    with pytest.raises(InputError, match="is a directory"):
        list(read_table(tmp_path, ["text"]))


def test_marks_that_are_not_doubled(tmp_path: Path) -> None:
    """Where all values of a line are quoted, marks inside of them need not be doubled; other lines are refused."""
    content = b'text,label\n"it says "pending", and ""stays""","a"\n"b","c"\n'
    rows = read(tmp_path / "a.csv", content)
    assert values(rows) == [('it says "pending", and "stays"', "a"), ("b", "c")]
    with pytest.raises(InputError, match="line 2: a value is not written as CSV"):
        read(tmp_path / "a.csv", b'text,label\n"it says "pending"",a\n')


def test_quotation_marks_as_ordinary_characters(tmp_path: Path) -> None:
    """Without quotes a mark at the beginning of a value is a character of it."""
    content = b'text\tlabel\n"RT @somebody\tx\n5" screen\ty\n'
    rows = read(tmp_path / "a.tsv", content, form=TableForm(quotes=False))
    assert values(rows) == [('"RT @somebody', "x"), ('5" screen', "y")]


def test_parquet_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is not installed the error names the extra."""
    content = as_parquet({"text": ["a"], "label": ["b"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ServiceError, match=r"pip install 'tierwright\[parquet\]'"):
        read(tmp_path / "a.parquet", content)


def test_progress_ends_at_the_whole_file(tmp_path: Path) -> None:
    """Progress counts bytes of the file and ends with all of them."""
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv(ROWS))
    told: list[tuple[int, int]] = []
    list(read_table(path, ["text"], progress=lambda done, total: told.append((done, total))))
    assert told[-1] == (path.stat().st_size, path.stat().st_size)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_what_was_written_is_read(tmp_path: Path, name: str, rows: list[tuple[str, str]]) -> None:
    """Any texts, with line ends, quotes and delimiters in them, come back from CSV, TSV and JSON Lines."""
    content = as_json(rows) if name.endswith("jsonl") else as_csv(rows, "\t" if name.endswith("tsv") else ",")
    assert values(read(tmp_path / name, content)) == rows


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a", "a.parquet"])
def test_any_bytes_are_rows_or_an_input_error(tmp_path: Path, name: str, content: bytes) -> None:
    """Whatever a file holds, reading it gives rows of the columns wanted or an InputError."""
    try:
        rows = read(tmp_path / name, b'text,label\n"' + content if name == "a.csv" else content)
    except InputError:
        return
    assert all(row.fault or (row.values is not None and len(row.values) == 2) for row in rows)
