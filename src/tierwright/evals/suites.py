"""Functional suites: named tests of what a task's model must be able to do, as in HateCheck.

Owns the count by function and whether each reaches the share that it requires. Refuses to know where cases and answers
come from. A suite is a fixed set of cases, like a program's tests: a function passes if the share of its own cases that
is right reaches what is required. The interval beside it says how far the cases tell about others of their kind.

Reference: Röttger et al. (2021), HateCheck: functional tests for hate speech detection models, ACL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.estimate import Estimate

#: Share that a function requires where the suite says none.
REQUIRED = 1.0
#: Ids of failed cases that a function names.
_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test."""

    id: str
    #: The function that it belongs to.
    function: str
    #: The right answer.
    output: str
    #: Share of the function's cases that must be right; None: as the suite says.
    required: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionResult:
    """A function, tested."""

    function: str
    #: Share of its cases that are right.
    rate: Estimate
    required: float
    passed: bool
    #: Cases, and those without an answer, which are not right.
    cases: int
    unanswered: int
    #: Ids of the first cases that failed.
    failed: tuple[str, ...]


def run_suite(
    cases: Sequence[Case],
    answers: Sequence[str | None],
    same: Callable[[str, str], float],
    *,
    required: float = REQUIRED,
    level: float = 0.95,
) -> list[FunctionResult]:
    """Every function's result, in the order of the suite; `same` says whether an answer is the right one.

    A case without an answer is a failed one. Raises InputError for no cases, for a required share outside [0, 1], and
    where the cases of a function require different shares.
    """
    if not cases:
        raise InputError("the suite has no cases; name a function, an id and an output in each row")
    functions: dict[str, list[tuple[Case, str | None]]] = {}
    for case, answer in zip(cases, answers, strict=True):
        functions.setdefault(case.function, []).append((case, answer))
    found = []
    for function, members in functions.items():
        wanted = {required if case.required is None else case.required for case, _ in members}
        if len(wanted) > 1:
            raise InputError(
                f"the cases of function {function!r} require {len(wanted)} different shares; give them one"
            )
        share = wanted.pop()
        if not 0.0 <= share <= 1.0:
            raise InputError(f"function {function!r} requires a share of {share}; give a number from 0 to 1")
        right = [answer is not None and same(case.output, answer) == 1.0 for case, answer in members]
        rate = wilson(sum(right), len(right), level=level)
        unanswered = sum(answer is None for _, answer in members)
        found.append(
            FunctionResult(
                function=function,
                rate=rate,
                required=share,
                passed=rate.value >= share,
                cases=len(members),
                unanswered=unanswered,
                failed=tuple([case.id for (case, _), ok in zip(members, right, strict=True) if not ok][:_NAMED]),
            )
        )
    return found
