"""Files of answers that people bring: what is right, and what each model said, by id.

Owns reading them (CSV, TSV, JSON Lines or Parquet, also as gzip), what makes one unusable, and the joining by id.
Refuses to know what is made of the answers. Fails closed: a file with one bad row is refused with its line, since a
comparison on what is left would be another comparison.

A gold answer may be missing (an empty cell, null or nothing at all): that example can't be scored. An empty answer of a
model is an answer, and a wrong one; null is none. Ids that not every file answers are counted by reason and said; they
are never dropped in silence.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tierwright.app.printable import printable
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.curation.tables import MissingColumns, missing_columns, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tierwright.curation.tables import Row, TableForm

#: Columns that every file of answers has.
ID, OUTPUT = "id", "output"
#: The column that it may have.
CONFIDENCE = "confidence"
#: Characters of an id that a message shows.
_ID_LETTERS = 60


class Confidence(StrEnum):
    """What a file is to say of its answers' confidence."""

    #: Not read.
    IGNORED = "ignored"
    #: Read where the file has the column.
    OPTIONAL = "optional"
    #: Each answer has one.
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One row of a file of answers."""

    #: Without white space around it.
    id: str
    #: As the file has it; JSON that is no text is written as JSON; None: no answer.
    output: str | None
    #: A probability; None: the file does not say.
    confidence: float | None
    #: The other columns that were asked for and are there, as text; an absent or null value is "".
    others: Mapping[str, str]
    #: Of its first line in the file, from 1.
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFile:
    """A file of answers, read and checked."""

    path: Path
    #: By id, in the file's order; at least one.
    answers: Mapping[str, Answer]
    #: The other columns that were asked for and are there.
    columns: tuple[str, ...]
    #: Whether it has a column of confidences and that was read.
    has_confidence: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What all files answer; all sequences run in parallel, in the gold file's order."""

    ids: tuple[str, ...]
    #: What is right.
    gold: tuple[Answer, ...]
    #: By the arm's name; `output` of each is not None.
    arms: Mapping[str, tuple[Answer, ...]]
    #: Ids left out, by reason; an id is counted once, under the first reason that holds.
    unscored: Mapping[str, int]

    @property
    def unscored_total(self) -> int:
        """Ids left out, all reasons together."""
        return sum(self.unscored.values())

    def column(self, name: str, files: Iterable[AnswerFile]) -> list[str]:
        """A column of the joined examples, from the first file that has it. Raises InputError where none has."""
        for file in files:
            if name in file.columns:
                return [file.answers[one].others[name] for one in self.ids]
        raise InputError(
            f"none of the files has a column {name!r}; names count to the letter, so check the spelling, or add the "
            "column to the gold file"
        )


def read_answers(
    path: Path,
    *,
    confidence: Confidence = Confidence.OPTIONAL,
    others: Sequence[str] = (),
    form: TableForm | None = None,
) -> AnswerFile:
    """The answers in a file with the columns `id` and `output`.

    `others` are columns to take along where the file has them. Raises InputError that names the file, and the line
    where there is one: for a file that can't be read, a missing column, a row that is none, an id that is missing or
    there twice, and a confidence that is no probability.
    """
    optional = [name for name in dict.fromkeys(others) if name not in {ID, OUTPUT, CONFIDENCE}]
    columns = [ID, OUTPUT, *([] if confidence is Confidence.IGNORED else [CONFIDENCE]), *optional]
    required = {ID, OUTPUT} | ({CONFIDENCE} if confidence is Confidence.REQUIRED else set())
    there, rows = _rows(path, columns, required, form)
    found: dict[str, Answer] = {}
    for row in rows:
        if row.values is None:
            raise InputError(f"{path}, line {row.line}: the row {row.fault}; mend the line, or write the file again")
        answer = _answer(path, row.line, dict(zip(there, row.values, strict=True)))
        if answer.confidence is None and confidence is Confidence.REQUIRED:
            raise InputError(f"{path}, line {row.line}: there is no confidence; give each answer one, from 0 to 1")
        if answer.id in found:
            raise InputError(
                f"{path}, line {row.line}: the id {_shown(answer.id)} is there twice, first in line "
                f"{found[answer.id].line}; give each example one row"
            )
        found[answer.id] = answer
    if not found:
        raise InputError(f"{path} has columns but no rows; there is nothing to compare")
    return AnswerFile(
        path=path,
        answers=found,
        columns=tuple(name for name in there if name in optional),
        has_confidence=CONFIDENCE in there,
    )


def join(gold: AnswerFile, arms: Mapping[str, AnswerFile]) -> Joined:
    """The examples that have a gold answer and an answer of each arm. Raises NotEnoughData where there is none."""
    reasons: dict[str, int] = {}
    ids: list[str] = []
    for one in dict.fromkeys([*gold.answers, *(name for file in arms.values() for name in file.answers)]):
        reason = _unscored(one, gold, arms)
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            ids.append(one)
    if not ids:
        said = "; ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
        files = ", ".join(str(file.path) for file in (gold, *arms.values()))
        raise NotEnoughData(
            f"no id has an answer in each of {files} ({said}); ids are compared to the letter, so check that the files "
            "are about the same examples"
        )
    return Joined(
        ids=tuple(ids),
        gold=tuple(gold.answers[one] for one in ids),
        arms={name: tuple(file.answers[one] for one in ids) for name, file in arms.items()},
        unscored=reasons,
    )


def _unscored(one: str, gold: AnswerFile, arms: Mapping[str, AnswerFile]) -> str:
    """Why an id can't be scored; empty: it can."""
    if one not in gold.answers:
        return "not in the gold file"
    if not (gold.answers[one].output or "").strip():
        return "no gold answer"
    for name, file in arms.items():
        if one not in file.answers:
            return f"not in the file of {name}"
        if file.answers[one].output is None:
            return f"no answer of {name}"
    return ""


def _rows(
    path: Path, columns: Sequence[str], required: set[str], form: TableForm | None
) -> tuple[list[str], list[Row]]:
    """The columns of these that a file has, and its rows. Raises InputError where it lacks a required one."""
    wanted = list(columns)
    while True:
        try:
            return wanted, list(read_table(path, wanted, form=form))
        except MissingColumns as error:
            missing = [name for name in wanted if name not in error.there]
            lost = [name for name in missing if name in required]
            if lost:
                raise missing_columns(path, lost, error.there) from error
            if not missing:
                raise
            wanted = [name for name in wanted if name in error.there]


def _answer(path: Path, line: int, values: Mapping[str, object]) -> Answer:
    one = values[ID]
    if isinstance(one, bool) or not isinstance(one, (str, int)) or not str(one).strip():
        raise InputError(f"{path}, line {line}: the id is missing, or neither a text nor a whole number; give one")
    return Answer(
        id=str(one).strip(),
        output=None if values[OUTPUT] is None else _text(values[OUTPUT]),
        confidence=_confidence(path, line, values.get(CONFIDENCE)),
        others={
            name: "" if value is None else _text(value).strip()
            for name, value in values.items()
            if name not in {ID, OUTPUT, CONFIDENCE}
        },
        line=line,
    )


def _confidence(path: Path, line: int, value: object) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # checked by failing
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number <= 1.0:
        raise InputError(
            f"{path}, line {line}: the confidence is no number from 0 to 1; divide per cent by 100, and leave out "
            "what is not known"
        )
    return number


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _shown(one: str) -> str:
    return f"'{printable(one, _ID_LETTERS)}'"
