"""Imports what people said about answers: labels and corrections, by response id, from JSON Lines or CSV.

Owns what a row may say and which columns are read. Refuses to know whether a label fits a task's contract.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.errors import InputError
from tierwright.core.feedback import Feedback
from tierwright.core.ids import FeedbackId, InferenceId, digest
from tierwright.gateway.log_format import read_id, read_instant
from tierwright.gateway.log_lines import Line, LineReader
from tierwright.gateway.rejects import Reject, Rejects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tierwright.core.protocols import FeedbackStore, InferenceStore

#: Columns that name the inference, the first that is there counts.
ID_COLUMNS = ("id", "inference_id", "response_id")
#: Columns that hold the right answer, the first that is there counts.
OUTPUT_COLUMNS = ("output", "label", "gold", "correction")

_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackReport:
    """What became of the rows of a file: `read` is the sum of the next four."""

    #: Rows, the header and blank lines apart.
    read: int
    #: New words.
    added: int
    #: The same inference, author and answer was known already.
    already_there: int
    #: Rows that say nothing about the answer.
    without_output: int
    #: Rows that were set aside.
    rejected: int
    #: Words kept whose inference is not in the store, or not yet.
    unknown: int
    #: Where the rejected ones are, each with its number and what is wrong; None: there are none.
    rejects_path: Path | None
    #: The first few of them.
    first_rejects: tuple[Reject, ...]


class _Row(NamedTuple):
    #: Of the row's last line, from 1.
    number: int
    raw: bytes
    members: Mapping[str, object]


def import_feedback(
    path: Path,
    store: FeedbackStore,
    *,
    inferences: InferenceStore,
    now: datetime,
    batch: int = 500,
    rejects: Path | None = None,
    progress: Callable[[int, int, int], None] = lambda _done, _total, _rows: None,
) -> FeedbackReport:
    """Adds the labels in a file (JSON Lines or CSV with a header, plain or gzip) to a store.

    A row has an `id` (or `inference_id`, `response_id`) and an `output` (or `label`, `gold`, `correction`), and may
    have an `author` and a `timestamp`; a row without a timestamp is said `now`, later rows after earlier ones. Other
    columns are passed over. Repeating an import adds nothing twice; an id nobody knows yet is kept and counted.

    Raises InputError where the file can't be read, has no such columns, holds no row that can be used, or breaks off
    (what could be read is in the store then), StoreError where the store fails.
    """
    reader = LineReader(path)
    with Rejects(rejects or path.with_name(f"{path.name}.rejects.jsonl")) as aside:
        tally = _Tally(store, inferences)
        pending: list[Feedback] = []
        without_output = 0
        for place, row in enumerate(_rows(path, reader, aside)):
            try:
                word = _word(row.members, now + timedelta(microseconds=place))
            except InputError as error:
                aside.add(row.number, str(error), row.raw)
                continue
            if word is None:
                without_output += 1
                continue
            pending.append(word)
            if len(pending) >= batch:
                tally.keep(pending)
                pending = []
                progress(reader.bytes_done, reader.bytes_total, tally.good + without_output + aside.count)
        tally.keep(pending)
        progress(reader.bytes_done, reader.bytes_total, tally.good + without_output + aside.count)
    if reader.broken is not None:
        raise InputError(
            f"{path} can't be read beyond line {reader.lines}: {reader.broken}. The {tally.added:,} new labels up to "
            "there are imported; get a whole copy of the file and import it again, nothing is added twice"
        )
    if tally.good + without_output == 0:
        raise InputError(_nothing_in(path, aside))
    return FeedbackReport(
        read=tally.good + without_output + aside.count,
        added=tally.added,
        already_there=tally.good - tally.added,
        without_output=without_output,
        rejected=aside.count,
        unknown=tally.unknown,
        rejects_path=aside.path,
        first_rejects=tuple(aside.first),
    )


class _Tally:
    """Keeps batches and counts what became of them."""

    def __init__(self, store: FeedbackStore, inferences: InferenceStore) -> None:
        self._store = store
        self._inferences = inferences
        self.good = self.added = self.unknown = 0

    def keep(self, words: Sequence[Feedback]) -> None:
        self.added += self._store.add_feedback(words)
        known = self._inferences.known([word.inference_id for word in words])
        self.unknown += sum(word.inference_id not in known for word in words)
        self.good += len(words)


def _word(members: Mapping[str, object], default: datetime) -> Feedback | None:
    """The word in a row; None where the row says nothing about the answer. Raises InputError."""
    inference_id = read_id(_first(members, ID_COLUMNS), "id")
    output = _first(members, OUTPUT_COLUMNS)
    if output is None or output == "":
        return None
    author, timestamp = members.get("author") or None, members.get("timestamp")
    if author is not None and not isinstance(author, str):
        raise InputError("'author' is not text")
    try:
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    except RecursionError:
        raise InputError("the right answer is nested too deeply to be read") from None
    return Feedback(
        id=FeedbackId(digest(inference_id, author or "", text, length=32)),
        inference_id=InferenceId(inference_id),
        output=text,
        author=author,
        created_at=default if timestamp is None or timestamp == "" else _instant(timestamp),
    )


def _instant(timestamp: object) -> datetime:
    if isinstance(timestamp, str):
        try:
            return read_instant(float(timestamp))
        except ValueError:
            return read_instant(timestamp)
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)):
        raise InputError("'timestamp' is neither seconds since 1970 nor a time as ISO 8601 writes it")
    return read_instant(timestamp)


def _first(members: Mapping[str, object], names: Sequence[str]) -> object:
    return next((members[name] for name in names if members.get(name) is not None), None)


def _rows(path: Path, reader: LineReader, aside: Rejects) -> Iterator[_Row]:
    """The rows of a file, JSON Lines where the first one begins with a brace; what is no row is set aside."""
    lines = (line for line in reader if line.raw.strip())
    first = next(lines, None)
    if first is None:
        return iter(())
    if first.raw.lstrip().startswith((b"{", b"[")):
        return _json_rows(chain((first,), lines), aside)
    return _csv_rows(path, first, lines, aside)


def _json_rows(lines: Iterator[Line], aside: Rejects) -> Iterator[_Row]:
    for line in lines:
        try:
            members = json.loads(line.raw)
        except (ValueError, RecursionError):
            aside.add(line.number, "it is not JSON", line.raw)
            continue
        if isinstance(members, dict):
            yield _Row(line.number, line.raw, members)
        else:
            aside.add(line.number, "it is not a JSON object", line.raw)


def _csv_rows(path: Path, header: Line, lines: Iterator[Line], aside: Rejects) -> Iterator[_Row]:
    try:
        names = header.raw.decode()
        delimiter = max(_DELIMITERS, key=names.count)
        columns = [name.strip() for name in next(csv.reader([names], delimiter=delimiter))]
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{path} is neither JSON Lines nor CSV in UTF-8; export it as one of them") from None
    for wanted in (ID_COLUMNS, OUTPUT_COLUMNS):
        if not set(wanted) & set(columns):
            raise InputError(
                f"{path} has no column called {' or '.join(wanted)} in its first line; name the columns there"
            )
    source = _CsvLines(lines, aside, header.number)
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.raw.clear()
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            aside.add(source.number, f"it is not CSV ({error})", b"\n".join(source.raw))
            continue
        raw = b"\n".join(source.raw)
        if len(values) > len(columns):
            aside.add(source.number, "it has more values than the first line has columns", raw)
        else:
            yield _Row(source.number, raw, dict(zip(columns, values, strict=False)))


class _CsvLines:
    """Feeds lines to a csv reader, which may take several for one row, and remembers them."""

    def __init__(self, lines: Iterator[Line], aside: Rejects, number: int) -> None:
        self._lines = lines
        self._aside = aside
        #: Number of the line taken last.
        self.number = number
        #: Lines taken since this was emptied.
        self.raw: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number = line.number
            try:
                text = line.raw.decode()
            except UnicodeDecodeError:
                self._aside.add(line.number, "it is not UTF-8", line.raw)
                continue
            self.raw.append(line.raw)
            yield f"{text}\n"


def _nothing_in(path: Path, aside: Rejects) -> str:
    expected = "rows with an id and an output, as JSON Lines or as CSV with a header"
    if not aside.first:
        return f"{path} holds no feedback; it needs {expected}"
    first = aside.first[0]
    return (
        f"{path} holds no feedback that can be used: all of its {aside.count:,} rows were refused, line {first.line} "
        f"because {first.reason}. It needs {expected}. The rows and what is wrong with them: {aside.path}"
    )
