"""Functional suites in files, and answers to their cases.

Owns reading a suite (columns `function, id, output`, and `input` and `required` where the file has them) and matching
answers to its cases by id. Refuses to know what a function's cases come to (`evals.suites`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierwright.app.answer_files import Confidence, read_answers
from tierwright.core.errors import InputError
from tierwright.evals.suites import Case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tierwright.curation.tables import TableForm
    from tierwright.evals.suites import FunctionResult

#: Columns of a suite besides id and output.
FUNCTION, INPUT, REQUIRED = "function", "input", "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite, read."""

    path: Path
    cases: tuple[Case, ...]
    #: In parallel with `cases`; None: the file has no inputs.
    inputs: tuple[str, ...] | None


def read_suite(path: Path, *, form: TableForm | None = None) -> Suite:
    """The suite in a file. Raises InputError that names the file, and the line where there is one."""
    file = read_answers(path, confidence=Confidence.IGNORED, others=[FUNCTION, INPUT, REQUIRED], form=form)
    if FUNCTION not in file.columns:
        raise InputError(
            f"{path} has no column {FUNCTION!r}; a suite has the columns function, id and output, and input where a "
            "model of the store is to answer"
        )
    cases = []
    for answer in file.answers.values():
        function = answer.others[FUNCTION]
        if not function or answer.output is None:
            raise InputError(f"{path}, line {answer.line}: a case needs a function and an output; give both")
        required = _required(path, answer.line, answer.others.get(REQUIRED, ""))
        cases.append(Case(id=answer.id, function=function, output=answer.output, required=required))
    inputs = tuple(answer.others[INPUT] for answer in file.answers.values()) if INPUT in file.columns else None
    return Suite(path=path, cases=tuple(cases), inputs=inputs)


def answers_to(suite: Suite, path: Path, *, form: TableForm | None = None) -> list[str | None]:
    """The answers of a file to the cases, by id; None: it has none. Raises InputError where it answers no case."""
    file = read_answers(path, confidence=Confidence.IGNORED, form=form)
    found = [file.answers[case.id].output if case.id in file.answers else None for case in suite.cases]
    if all(answer is None for answer in found):
        raise InputError(
            f"{path} answers none of the {len(found):,} cases of {suite.path}; ids are compared to the letter"
        )
    return found


def suite_json(suite: Suite, results: Sequence[FunctionResult], answerer: str) -> dict[str, Any]:
    """The document of `eval suite --json`."""
    return {
        "passed": all(one.passed for one in results),
        "suite": str(suite.path),
        "candidate": answerer,
        "cases": len(suite.cases),
        "unanswered": sum(one.unanswered for one in results),
        "functions": [
            {
                "function": one.function,
                "passed": one.passed,
                "rate": one.rate,
                "required": one.required,
                "cases": one.cases,
                "unanswered": one.unanswered,
                "failed": list(one.failed),
            }
            for one in results
        ],
    }


def _required(path: Path, line: int, text: str) -> float | None:
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0.0 <= found <= 1.0:
        raise InputError(f"{path}, line {line}: the required share is no number from 0 to 1; give one, or leave it out")
    return found
