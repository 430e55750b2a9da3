"""`tierwright <noun> <verb>`: the commands, and what becomes of their errors."""

from __future__ import annotations

import sys

import typer

from tierwright import __version__
from tierwright.app.cli import (
    dataset,
    demo,
    deploy,
    doctor,
    evaluation,
    feedback,
    init,
    judge,
    key,
    labels,
    model,
    privacy,
    report,
    serve,
    task,
    traffic,
)
from tierwright.app.confinement import confine
from tierwright.core.errors import TierwrightError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Small models for the work that repeats, frontier models for the rest, and proof of which is which.",
)
app.command("init")(init.init)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.add_typer(traffic.app, name="traffic")
app.add_typer(feedback.app, name="feedback")
app.add_typer(task.app, name="task")
app.add_typer(dataset.app, name="dataset")
app.add_typer(model.app, name="model")
evaluation.app.command("labels")(labels.labels)
evaluation.app.command("judge")(judge.judge)
app.add_typer(evaluation.app, name="eval")
app.add_typer(deploy.app, name="deploy")
app.add_typer(key.app, name="key")
app.add_typer(privacy.app, name="privacy")
app.add_typer(report.app, name="report")


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Say the version and leave.")) -> None:
    if version:
        sys.stdout.write(f"tierwright {__version__}\n")
        raise typer.Exit


def run() -> None:
    """The program: exit code 0 done, 1 a check said no, 2 wrong usage or settings, 3 a needed service is missing."""
    confine()
    try:
        app()
    except TierwrightError as error:
        sys.stderr.write(f"tierwright: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("tierwright: stopped\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
