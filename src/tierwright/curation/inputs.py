"""Reads inputs to be answered out of a file: lines of text, JSON strings, or the columns of a table.

Owns which column is meant where none is named. An input is read as `dataset import` reads it, so that what is asked has
the form of what was trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.curation.labelled import text_of
from tierwright.curation.tables import MissingColumns, TableForm, json_in, missing_columns, read_lines, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Columns that are taken for the input where none is named and there are several.
_USUAL = ("input", "text")
_PLAIN = (".txt", ".text")


def read_inputs(path: Path, columns: Sequence[str] = (), *, form: TableForm | None = None) -> Iterator[str]:
    """The inputs of a file, in order, one for each line or row; a row without one has the empty input.

    Without `columns`, a .txt file is taken line by line, a .jsonl file may hold JSON strings, and a table has a column
    `input` or `text`, or only one. Raises InputError where the file can't be read or a row is none, naming its line.
    """
    if not columns and _is_plain(path):
        yield from read_lines(path, form=form)
        return
    if not columns and _holds_strings(path, form):
        yield from _strings(path, form)
        return
    wanted = tuple(columns) or (_usual_column(path, form),)
    for row in read_table(path, wanted, form=form):
        if row.values is None:
            raise InputError(
                f"{path}, line {row.line} {row.fault}; every row must be an input, so nothing may be left out"
            )
        yield text_of(row.values, wanted, tidy=True) or ""


def _is_plain(path: Path) -> bool:
    suffixes = [suffix.casefold() for suffix in path.suffixes if suffix.casefold() not in {".gz", ".gzip"}]
    return bool(suffixes) and suffixes[-1] in _PLAIN


def _holds_strings(path: Path, form: TableForm | None) -> bool:
    """Whether a JSON Lines file holds strings instead of objects: its first line says."""
    return isinstance(_first_json(path, form), str)


def _first_json(path: Path, form: TableForm | None) -> object:
    """What the first line of a JSON Lines file holds; None: it is none."""
    if not {".jsonl", ".ndjson", ".json"} & {suffix.casefold() for suffix in path.suffixes}:
        return None
    return json_in(next((line for line in read_lines(path, form=form) if line.strip()), ""))


def _strings(path: Path, form: TableForm | None) -> Iterator[str]:
    for number, line in enumerate(read_lines(path, form=form), 1):
        if not line.strip():
            continue
        found = json_in(line)
        if not isinstance(found, str):
            raise InputError(f"{path}, line {number} is no JSON string, and the first line is one; write all alike")
        yield found


def _usual_column(path: Path, form: TableForm | None) -> str:
    there: tuple[str, ...] | None = ()
    for name in _USUAL:
        there = _columns_without(path, name, form)
        if there is None:
            return name
    assert there is not None
    if len(there) == 1:
        return there[0]
    raise missing_columns(path, _USUAL[:1], there, then="; say which one holds the input: --column NAME")


def _columns_without(path: Path, name: str, form: TableForm | None) -> tuple[str, ...] | None:
    """The columns of a table that lacks this one; None: it has it."""
    first = _first_json(path, form)
    if isinstance(first, dict):
        return None if name in first else tuple(first)
    try:
        next(read_table(path, [name], form=form), None)
    except MissingColumns as error:
        return error.there
    return None
