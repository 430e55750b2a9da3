"""Functional suites."""

from __future__ import annotations

import pytest

from tierwright.core.errors import InputError
from tierwright.evals.answer_scores import same_answer
from tierwright.evals.suites import Case, run_suite
from tierwright.stats.intervals import wilson


def cases(function: str, n: int, required: float | None = None) -> list[Case]:
    """So many cases of a function whose right answer is yes."""
    return [Case(id=f"{function}-{i}", function=function, output="yes", required=required) for i in range(n)]


def test_functions_pass_at_the_share_they_require() -> None:
    """Nine of ten right pass at 0.9 and fail at 1; failed cases are named; a case without an answer has failed."""
    suite = [*cases("negation", 10, 0.9), *cases("spelling", 10), *cases("slang", 4, 0.5)]
    answers = [*["yes"] * 9, "no", *["yes"] * 9, None, "yes", "yes", None, "no"]
    found = run_suite(suite, answers, same_answer)
    assert [(one.function, one.passed, one.required, one.unanswered) for one in found] == [
        ("negation", True, 0.9, 0),
        ("spelling", False, 1.0, 1),
        ("slang", True, 0.5, 1),
    ]
    assert found[1].failed == ("spelling-9",)
    assert found[1].rate == wilson(9, 10)


def test_wrong_suites_are_refused() -> None:
    """No cases, two shares for one function, and a share that is none."""
    with pytest.raises(InputError, match="no cases"):
        run_suite([], [], same_answer)
    with pytest.raises(InputError, match="2 different shares"):
        run_suite([*cases("a", 1, 0.5), *cases("a", 1, 0.6)], ["yes", "yes"], same_answer)
    with pytest.raises(InputError, match="share of 90"):
        run_suite(cases("a", 1, 90.0), ["yes"], same_answer)
