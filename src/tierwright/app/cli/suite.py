"""`tierwright eval suite`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    EncodingOption,
    JsonOption,
    QuotesOption,
    opened,
    percent,
    say,
    show,
    table,
)
from tierwright.core.errors import GateError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tierwright.app.suite_files import Suite
    from tierwright.evals.suites import FunctionResult


def suite(
    suite_: Annotated[
        Path, typer.Option("--suite", help="The cases: columns function, id, output, and input for a VERSION.")
    ],
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="A version's id, or the start of it, or its task's name."),
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option(help="A file of answers (id, output) in place of a VERSION.")
    ] = None,
    required: Annotated[float, typer.Option(help="Share that a function requires where the file says none.")] = 1.0,
    metric: Annotated[str, typer.Option(help="What is right: accuracy or normalised.")] = "accuracy",
    encoding: EncodingOption = "utf-8",
    quotes: QuotesOption = True,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Test what a model must be able to do, function by function; exit code 1 where one fails."""
    from tierwright.app.suite_files import answers_to, read_suite, suite_json  # noqa: PLC0415 - `--help` must not wait
    from tierwright.curation.tables import TableForm  # noqa: PLC0415 - as above
    from tierwright.evals.answer_scores import same_answer, same_normalised  # noqa: PLC0415 - as above
    from tierwright.evals.suites import run_suite  # noqa: PLC0415 - as above

    same = {"accuracy": same_answer, "normalised": same_normalised}.get(metric)
    if same is None:
        raise InputError(f"a case is right by accuracy or normalised, not by {metric!r}; choose one of the two")
    if (version is None) == (candidate is None):
        raise InputError("name either a VERSION of the store or a file of answers with --candidate FILE")
    form = TableForm(encoding=encoding, quotes=quotes)
    asked = read_suite(suite_, form=form)
    if candidate is not None:
        answers, answerer = answers_to(asked, candidate, form=form), str(candidate)
    else:
        answers, answerer = _predicted(config, asked, version or "")
    results = run_suite(asked.cases, answers, same, required=required)
    show(suite_json(asked, results, answerer), as_json=as_json, text=lambda console: _text(console, results))
    if not all(one.passed for one in results):
        raise typer.Exit(GateError.exit_code)


def _predicted(config: Path, asked: Suite, name: str) -> tuple[list[str | None], str]:
    """What a version of the store answers to the cases, and its id."""
    from tierwright.app.ring import answers, version_of  # noqa: PLC0415 - as above

    if asked.inputs is None:
        raise InputError(
            f"{asked.path} has no column 'input', so no model can answer it; add one, or bring answers by --candidate"
        )
    say(f"answering {len(asked.cases):,} cases")
    with opened(config) as parts:
        version = version_of(parts, name)
        return [prediction.output for prediction, _ in answers(parts, version, asked.inputs)], version.id


def _text(console: Console, results: Sequence[FunctionResult]) -> None:
    """The suite for people."""
    rows = [
        (
            one.function,
            "passed" if one.passed else "FAILED",
            percent(one.rate),
            f"{100 * one.required:g} %",
            f"{one.cases:,}",
            ", ".join(one.failed[:5]) + (" ..." if len(one.failed) > 5 else ""),
        )
        for one in results
    ]
    columns = ("function", "", ">right", ">required", ">cases", "failed cases")
    table(console, f"{sum(one.passed for one in results)} of {len(results)} functions pass", columns, rows)
