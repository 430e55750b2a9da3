"""Labelled history: what people decided before there was any traffic, as rows of an input and the right output.

Owns what the values of a table's columns become: texts of inputs and outputs, and given splits. Refuses to know formats
of files (`tables`) and what is made of the rows (`labelled_dataset`).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tierwright.core.dataset import Split
from tierwright.core.errors import InputError
from tierwright.curation.tables import json_in, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tierwright.curation.tables import TableForm

#: What a split's name may be in a file, without regard to case.
SPLIT_NAMES: Mapping[str, Split] = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "calibration": Split.CALIBRATION,
    "validation": Split.CALIBRATION,
    "valid": Split.CALIBRATION,
    "val": Split.CALIBRATION,
    "dev": Split.CALIBRATION,
    "test": Split.TEST,
}
#: Share of rows that are no rows of such a table, from which the file is taken for something else.
_MOST_FAULTS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledColumns:
    """Which columns hold what. Raises InputError where one is named twice."""

    #: One: its text is the input. Several: the input is a JSON object of them.
    inputs: tuple[str, ...]
    #: One: its text is the output. Several: the output is a JSON object of them.
    outputs: tuple[str, ...]
    #: None: the split is to be made.
    split: str | None = None

    def __post_init__(self) -> None:
        for name, count in Counter(self.all).items():
            if count > 1:
                raise InputError(f"the column {name!r} is named {count} times; name each column once")
        if not self.inputs or not self.outputs:
            raise InputError("no column is named for the input, or none for the output; give --input and --output")

    @property
    def all(self) -> tuple[str, ...]:
        """Inputs, outputs and split."""
        return (*self.inputs, *self.outputs, *(() if self.split is None else (self.split,)))


class LabelledRow(NamedTuple):
    """One decision somebody made."""

    #: Where it stands in the file, from 1.
    line: int
    input: str
    #: As the file has it, not yet canonical.
    output: str
    #: None: to be drawn.
    split: Split | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """What a file holds."""

    path: Path
    #: In the file's order.
    rows: list[LabelledRow]
    #: Rows not used, by reason.
    excluded: Counter[str] = field(default_factory=Counter)
    #: The first line of each reason.
    first_lines: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, line: int) -> None:
        """Counts a row that is not used."""
        self.excluded[reason] += 1
        self.first_lines.setdefault(reason, line)


def read_labelled(
    path: Path,
    columns: LabelledColumns,
    *,
    form: TableForm | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> LabelledRows:
    """The rows of a file that have an input and an output, and a split where a column for it is named.

    Rows without one of them, and rows of another shape than the table, are left out and counted. Raises InputError
    where the file can't be read, lacks a column, names an unknown split, holds no row that can be used, or is to more
    than a tenth made of something else; ServiceError where reading it needs an extra.
    """
    found = LabelledRows(path=path, rows=[])
    outputs: dict[str, str] = {}
    count = faults = 0
    ends = len(columns.inputs), len(columns.inputs) + len(columns.outputs)
    for row in read_table(path, columns.all, form=form, progress=progress):
        count += 1
        if row.values is None:
            faults += 1
            found.leave_out(row.fault, row.line)
            continue
        given = text_of(row.values[: ends[0]], columns.inputs, tidy=True)
        said = text_of(row.values[ends[0] : ends[1]], columns.outputs, tidy=False)
        split = None if columns.split is None else _split(path, row.line, row.values[-1])
        if given is None:
            found.leave_out("without an input", row.line)
        elif said is None:
            found.leave_out("without an output", row.line)
        elif columns.split is not None and split is None:
            found.leave_out("without a split", row.line)
        else:
            # The same few labels stand behind a million texts: one copy of each is kept.
            found.rows.append(LabelledRow(row.line, given, outputs.setdefault(said, said), split))
    _check(found, count, faults)
    return found


def _check(found: LabelledRows, count: int, faults: int) -> None:
    path = found.path
    first = ", ".join(f"line {line} {_told(reason)}" for reason, line in list(found.first_lines.items())[:3])
    if not count:
        raise InputError(f"{path} has columns and no rows; there is nothing to import")
    if faults > _MOST_FAULTS * count:
        raise InputError(
            f"{path} is not the table it seems to be: {faults:,} of its {count:,} rows were refused ({first}). Check "
            "the delimiter, the quotation marks and the ending of its name (.csv, .tsv, .jsonl)"
        )
    if not found.rows:
        raise InputError(f"{path} holds no row that can be used: {first}. Check which columns were named")


def _told(reason: str) -> str:
    return f"is {reason}" if reason.startswith("without") else reason


def _split(path: Path, line: int, value: object) -> Split | None:
    """The split a row names; None where it names none."""
    if _is_missing(value):
        return None
    found = SPLIT_NAMES.get(str(value).strip().casefold())
    if found is None:
        raise InputError(
            f"{path}, line {line}: the split is {str(value)[:40]!r}; it must be one of {', '.join(SPLIT_NAMES)}"
        )
    return found


def text_of(values: Sequence[object], names: Sequence[str], *, tidy: bool) -> str | None:
    """The text of one column, or of several as a JSON object; None where there is nothing in any of them.

    With `tidy` a text that is a JSON object is written as `json.dumps` writes it without escaping letters, and what is
    missing among several columns is left out, instead of being null.
    """
    if all(_is_missing(value) for value in values):
        return None
    if len(values) == 1:
        value = values[0]
        if not isinstance(value, str):
            return _json(value)
        found = _json_in(value) if tidy else None
        return _json(found) if isinstance(found, dict) else value
    present = {
        name: None if _is_missing(value) else _json_in(value) if isinstance(value, str) else value
        for name, value in zip(names, values, strict=True)
    }
    return _json({name: value for name, value in present.items() if value is not None} if tidy else present)


def _json_in(text: str) -> object:
    """The JSON object or list that a text is; otherwise the text."""
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    found = json_in(text)
    return found if isinstance(found, (dict, list)) else text  # brackets in running text


def _json(value: object) -> str:
    """The JSON text of a value, members in their order, as `json.dumps` writes it but without escaping letters."""
    return json.dumps(value, ensure_ascii=False)


def _is_missing(value: object) -> bool:
    """Whether a cell holds nothing: null, no characters but white space, or not a number."""
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and math.isnan(value))
    )
