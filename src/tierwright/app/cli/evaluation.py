"""`tierwright eval`."""

from __future__ import annotations

from typing import Annotated

import typer

from tierwright.app.cli.certify import certificates, certify
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table
from tierwright.core.errors import GateError
from tierwright.core.ids import EvaluationId

app = typer.Typer(no_args_is_help=True, help="The controlled experiment: candidate against incumbent.")
app.command("certify")(certify)
app.command("certificates")(certificates)


@app.command()
def run(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The candidate's id, or the start of it, or its task's name.")
    ],
    margin: Annotated[
        float | None, typer.Option(help="Share of right answers that may be given up; default: the settings'.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Confidence from which it answers; default: the calibrated one.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compare a version with its incumbent on the test examples; exit code 1 if the verdict allows no promotion."""
    from tierwright.app.ring import evaluate, version_of  # noqa: PLC0415 - `--help` must not wait
    from tierwright.evals.report import report, summary  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = version_of(parts, version)
        evaluation, learned = evaluate(parts, found, margin=margin, threshold=threshold)
    document = report(evaluation) | {"learnable": learned.learnable, "learnability": learned.reason}
    show(
        document,
        as_json=as_json,
        text=lambda console: console.print(f"{evaluation.id}\n{summary(evaluation)}\n{learned.reason}", markup=False),
    )
    if not evaluation.verdict.allows_promotion:
        raise typer.Exit(GateError.exit_code)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the evaluations, newest first."""
    from tierwright.evals.report import report  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.evaluations()
        names = {task.id: task.name for task in parts.store.tasks()}
    rows = [
        (
            e.id,
            names.get(e.task_id, e.task_id),
            e.candidate[:12],
            e.verdict.value,
            f"{100 * e.difference.value:+.1f} points",
            e.reference.value,
        )
        for e in found
    ]
    columns = ("evaluation", "task", "candidate", "verdict", ">difference", "right by")
    show(
        [report(evaluation) for evaluation in found],
        as_json=as_json,
        text=lambda console: table(console, "Evaluations", columns, rows),
    )


@app.command("show")
def show_(
    evaluation: Annotated[str, typer.Argument(metavar="EVALUATION", help="Its id.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show an evaluation."""
    from tierwright.evals.report import report, summary  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.evaluation(EvaluationId(evaluation))
    show(report(found), as_json=as_json, text=lambda console: console.print(summary(found), markup=False))
