"""`tierwright eval`."""

from __future__ import annotations

from typing import Annotated

import typer

from tierwright.app.cli import evidence, experiment
from tierwright.app.cli.certify import certificates, certify
from tierwright.app.cli.compare import compare
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table
from tierwright.app.cli.suite import suite
from tierwright.core.ids import EvaluationId

app = typer.Typer(no_args_is_help=True, help="The controlled experiment: candidate against incumbent.")
app.command("plan")(experiment.plan)
app.command("experiments")(experiment.experiments)
app.command("run")(experiment.run)
app.command("report")(evidence.report)
app.command("bundle")(evidence.bundle)
app.command("verify")(evidence.verify)
app.command("compare")(compare)
app.command("suite")(suite)
app.command("certify")(certify)
app.command("certificates")(certificates)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the evaluations, newest first."""
    from tierwright.evals.report import report  # noqa: PLC0415 - `--help` must not wait

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
