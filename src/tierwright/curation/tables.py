"""Reads rows out of a table that people keep: CSV, TSV, JSON Lines or Parquet, each also as gzip.

Owns formats, encodings, delimiters and numbers of lines. Refuses to know what the columns mean.

Two kinds of fault. What makes everything after it doubtful ends the reading with an InputError that names the file, the
line and what to do: bytes of another encoding, NUL bytes, a quote that is not closed, gzip data that breaks off, and
columns that are not there. What is wrong with one row alone comes out as a row without values and a reason, to be
counted.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

#: Longest line that is read; no text that a model is asked about is longer.
LONGEST_LINE_BYTES = 1 << 26
#: Bytes by which a format is recognised.
_HEAD_BYTES = 1 << 16
#: Objects of a JSON Lines file in which a column must have turned up.
_COLUMN_ROWS = 1000
#: Names of columns that a message holds at most.
_NAMED = 30
#: Rows between two words of progress.
_PROGRESS_ROWS = 5000

#: The bytes of a table, inflated.
Stream = IO[bytes] | gzip.GzipFile

_GZIP_MAGIC, _PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"
#: Byte order marks of encodings that are not UTF-8; the longer ones first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
#: Delimiters that a file called .csv has in practice; the first with which the header has the columns wanted.
_CSV_DELIMITERS = ",;\t|"
_NO_QUOTES = "say --no-quotes if quotation marks are ordinary characters in this file"


class Row(NamedTuple):
    """One row of a table."""

    #: Of its first line in the file, or its number in a Parquet file; from 1.
    line: int
    #: The wanted columns' values, in the order they were asked for, as the format has them; None: see `fault`.
    values: tuple[object, ...] | None
    #: What is wrong with the row; empty: nothing.
    fault: str = ""


class MissingColumns(InputError):  # noqa: N818 - a refusal, named for what it says
    """A table lacks a column that was asked for."""

    def __init__(self, message: str, *, there: tuple[str, ...]) -> None:
        """`there` are the columns it has, as far as they were seen."""
        super().__init__(message)
        self.there = there


@dataclass(frozen=True, slots=True, kw_only=True)
class TableForm:
    """How a file is to be read where it does not say so itself."""

    #: Of text files.
    encoding: str = "utf-8"
    #: Whether quotation marks enclose the values of a CSV or TSV file.
    quotes: bool = True


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    form: TableForm | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Row]:
    """The rows of a file, one at a time; `progress` is told bytes of the file read and bytes it has.

    The format follows from the content (gzip, Parquet) and the name (.csv, .tsv, .jsonl, .parquet, before .gz), or from
    the first line where the name says nothing. Raises InputError where the file can't be read or lacks a column,
    ServiceError where it is Parquet and the extra `parquet` is not installed.
    """
    form = form or TableForm()
    with _opened(path) as (file, total):
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        with _mapped(path):
            stream: Stream = gzip.GzipFile(fileobj=file) if packed else file
            head = _peek(stream)
            if not head:
                raise InputError(f"{path} is empty; there is nothing to import")
            kind = _kind(path, head)
            if kind == "parquet":
                from tierwright.curation.parquet import read_parquet  # noqa: PLC0415 - an extra

                rows = read_parquet(path, stream, columns, packed=packed)
            else:
                lines = _Lines(path, stream, head, form.encoding)
                if kind == "jsonl":
                    rows = _json_rows(path, lines, columns)
                else:
                    rows = _csv_rows(path, lines, columns, tabs=kind == "tsv", quotes=form.quotes)
            for number, row in enumerate(rows):
                yield row
                if number % _PROGRESS_ROWS == 0:
                    progress(file.tell(), total)
        progress(total, total)


def read_lines(path: Path, *, form: TableForm | None = None) -> Iterator[str]:
    """The lines of a text file without their ends, also as gzip. Raises InputError where it can't be read."""
    with _opened(path) as (file, _):
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        with _mapped(path):
            stream: Stream = gzip.GzipFile(fileobj=file) if packed else file
            for line in _Lines(path, stream, _peek(stream), (form or TableForm()).encoding):
                yield line.removesuffix("\n").removesuffix("\r")


def json_in(text: str) -> object:
    """The JSON value that a text is; None where it is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: brackets nested beyond any answer's need
        return None
    return found


def missing_columns(path: Path, missing: Sequence[str], there: Sequence[str], *, then: str = "") -> MissingColumns:
    """What to raise where a table lacks columns; `then` says what else to do."""
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    found = ", ".join(map(repr, there[:_NAMED])) + more if there else "none at all"
    wanted = " and ".join(map(repr, missing))
    return MissingColumns(
        f"{path} has no column {wanted}; its columns are {found}. Names count to the letter{then}", there=tuple(there)
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """The file and its size."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a directory; name a file in it") from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the file and its permissions") from error
    with file:
        if not file.seekable():
            raise InputError(f"{path} is a pipe or a device; write the table to a file first")
        yield file, path.stat().st_size


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """Errors of reading and inflating become InputError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} can't be read to its end: its gzip data is damaged or breaks off. Get a whole copy of the file; "
            "nothing was imported"
        ) from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the disk. Nothing was imported") from error


def _peek(stream: Stream) -> bytes:
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    return head


def _kind(path: Path, head: bytes) -> str:
    """csv, tsv, jsonl or parquet."""
    if head.startswith(_PARQUET_MAGIC):
        return "parquet"
    suffixes = [suffix.casefold() for suffix in path.suffixes if suffix.casefold() not in {".gz", ".gzip"}]
    kind = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if kind == "parquet":
        raise InputError(
            f"{path} is called Parquet and is none; get a whole copy of the file, or name it as what it is"
        )
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if kind == "jsonl" and start.startswith(b"["):
        raise InputError(
            f"{path} is one JSON array, not JSON Lines; write one object on each line, for example with "
            "`jq -c '.[]' FILE`"
        )
    if kind is not None:
        return kind
    if start.startswith(b"{"):
        return "jsonl"
    first = start.partition(b"\n")[0]
    return "tsv" if first.count(b"\t") > first.count(b",") else "csv"


class _Lines:
    """The lines of a text file with their ends, and the number of the last one handed out."""

    def __init__(self, path: Path, stream: Stream, head: bytes, encoding: str) -> None:
        """Raises InputError for an encoding that nobody knows, and for a file that shows it has another one."""
        try:
            name = codecs.lookup(encoding).name
        except LookupError as error:
            raise InputError(f"there is no encoding {encoding!r}; say for example --encoding latin-1") from error
        self._path, self._stream, self._encoding = path, stream, name
        #: Of the line handed out last, from 1.
        self.number = 0
        #: That line.
        self.last = ""
        if name == "utf-8":
            for mark, other in _MARKS:
                if head.startswith(mark):
                    raise InputError(f"{path} is {other.upper()}, not UTF-8; say --encoding {other}")

    def __iter__(self) -> Iterator[str]:
        for line in self._utf8() if self._encoding == "utf-8" else self._encoded():
            self.number += 1
            if len(line) > LONGEST_LINE_BYTES:
                raise InputError(f"{self._where} is longer than {LONGEST_LINE_BYTES >> 20} MiB; split the file's lines")
            if "\0" in line:
                raise InputError(
                    f"{self._where} holds a NUL byte, which text never does: the file is damaged or has another "
                    "encoding than this; export it again as UTF-8, or say --encoding"
                )
            self.last = line
            yield line

    def _utf8(self) -> Iterator[str]:
        """Line by line, so that what can't be decoded is known by its number."""
        first = True
        while raw := self._stream.readline(LONGEST_LINE_BYTES + 1):
            if first:
                raw, first = raw.removeprefix(codecs.BOM_UTF8), False
                if not raw:
                    continue
            try:
                line = raw.decode()
            except UnicodeDecodeError as error:
                if len(raw) > LONGEST_LINE_BYTES:
                    yield " " * (LONGEST_LINE_BYTES + 1)
                    return
                raise InputError(
                    f"{self._path}, line {self.number + 1}: byte {error.start + 1} of the line is not UTF-8. Export "
                    "the file as UTF-8, or say which encoding it has, for example --encoding cp1252"
                ) from error
            yield line

    def _encoded(self) -> Iterator[str]:
        text = io.TextIOWrapper(self._stream, encoding=self._encoding, newline="\n")
        try:
            while line := text.readline(LONGEST_LINE_BYTES + 1):
                yield line
        except UnicodeError as error:
            raise InputError(
                f"{self._path} is not {self._encoding} after line {self.number}; say another --encoding, or export the "
                "file as UTF-8"
            ) from error
        finally:
            with suppress(ValueError):  # the file is closed already where the reading was given up on its first line
                text.detach()

    @property
    def _where(self) -> str:
        return f"{self._path}, line {self.number}:"


def _json_rows(path: Path, lines: _Lines, columns: Sequence[str]) -> Iterator[Row]:
    unseen, names, objects = dict.fromkeys(columns), dict[str, None](), 0
    for line in lines:
        if not line.strip():
            continue
        found = json_in(line)
        if not isinstance(found, dict):
            yield Row(lines.number, None, "is not a JSON object")
            continue
        objects += 1
        if unseen:
            names.update(dict.fromkeys(found))
            for name in [name for name in unseen if name in found]:
                del unseen[name]
            if unseen and objects == _COLUMN_ROWS:
                raise missing_columns(path, list(unseen), list(names))
        yield Row(lines.number, tuple([found.get(name) for name in columns]))
    if unseen and objects:
        raise missing_columns(path, list(unseen), list(names))


def _csv_rows(path: Path, lines: _Lines, columns: Sequence[str], *, tabs: bool, quotes: bool) -> Iterator[Row]:
    source = iter(lines)
    header = next((line for line in source if line.strip()), None)
    if header is None:
        raise InputError(f"{path} holds nothing but blank lines; there is nothing to import")
    delimiter, names = _header(path, header, columns, "\t" if tabs else _CSV_DELIMITERS)
    for name in columns:
        if names.count(name) > 1:
            raise InputError(f"{path} has several columns called {name!r}; rename all but one in its first line")
    places = [names.index(name) for name in columns]
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    with _long_cells():
        reader = csv.reader(source, delimiter=delimiter, quoting=quoting, strict=True)
        while True:
            begins = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                mended = _mended(lines.last, delimiter, len(names)) if lines.number == begins else None
                if mended is not None:
                    yield Row(begins, tuple([mended[place] for place in places]))
                    continue
                raise InputError(
                    f"{path}, line {begins}: a value is not written as CSV writes it ({error}). Double quotation marks "
                    f"inside of a quoted value and close every one; {_NO_QUOTES}"
                ) from error
            if not cells:
                continue
            if len(cells) != len(names):
                yield Row(begins, None, "has more or fewer values than the first line has columns")
            else:
                yield Row(begins, tuple([cells[place] for place in places]))


def _mended(line: str, delimiter: str, count: int) -> list[str] | None:
    """The values of a line with marks inside of quoted values that are not doubled; None where it can't be said.

    It can where all values are quoted and none holds what stands between two of them.
    """
    line = line.rstrip("\r\n")
    if len(line) < 2 or line[0] != '"' or line[-1] != '"':
        return None
    values = line[1:-1].split(f'"{delimiter}"')
    return [value.replace('""', '"') for value in values] if len(values) == count else None


def _header(path: Path, header: str, columns: Sequence[str], delimiters: str) -> tuple[str, list[str]]:
    """The delimiter with which the first line has the wanted columns, and the names of all its columns."""
    best: list[str] = []
    for delimiter in delimiters:
        try:
            names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
        except csv.Error:
            continue
        if set(columns) <= set(names):
            return delimiter, names
        best = max(best, names, key=len)
    raise missing_columns(path, [name for name in columns if name not in best], best)


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lets cells be as long as lines; the limit is the module's, so it is put back."""
    before = csv.field_size_limit(LONGEST_LINE_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(before)
