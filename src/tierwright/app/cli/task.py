"""`tierwright task`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    opened,
    say,
    show,
    table,
    unwritable,
)
from tierwright.app.settings import MAX_SEED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.task import Task

app = typer.Typer(no_args_is_help=True, help="The recurring jobs in the traffic.")
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Its name or id.")]


@app.command()
def audit(
    assignments: Annotated[
        Path | None, typer.Option(help="Write a line `response_id<TAB>task_id` for every request; `-` for none.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Only join new wordings to known tasks: quick, for every few minutes.")
    ] = False,
    days: Annotated[int, typer.Option(help="With --new: days of traffic to look at.", min=1, max=36_500)] = 7,
    seed: Annotated[int, typer.Option(help="Seed of the sampling inside.", min=0, max=MAX_SEED)] = 1,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Find the tasks in all captured traffic, with their volume and cost."""
    if new:
        _join(config, days=days, seed=seed, as_json=as_json)
        return
    from tierwright.app.cli.audit import audit_json, audit_table  # noqa: PLC0415 - `--help` must not wait
    from tierwright.curation.audit import audit as run  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = run(parts.store, seed=seed, progress=say)
    if assignments is not None:
        _write_assignments(assignments, found.assignments)
    show(audit_json(found), as_json=as_json, text=lambda console: audit_table(console, found))


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the tasks known."""
    with opened(config) as parts:
        tasks = parts.store.tasks()
    rows = [(task.name, task.contract.kind.value, task.process or "-", len(task.frames), task.id) for task in tasks]
    show(
        [_task_json(task) for task in tasks],
        as_json=as_json,
        text=lambda console: table(console, "Tasks", ("name", "contract", "process", ">prompt versions", "id"), rows),
    )


@app.command("show")
def show_(task: TaskArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show one task: its contract and the frames it is recognised by."""
    with opened(config) as parts:
        found = parts.store.task(task)

    def tell(console: Console) -> None:
        console.print(f"{found.name}  {found.id}  {found.contract.kind.value}", style="bold")
        if found.process is not None:
            console.print(f"  a step of {found.process}", markup=False)
        if found.contract.calls:
            console.print(f"  answers call {', '.join(found.contract.calls)}", markup=False)
        for label in found.contract.labels:
            console.print(f"  {label}", markup=False)
        for spec in found.contract.fields:
            console.print(f"  {spec.name}: {', '.join(map(str, spec.values)) or 'copied from the input'}", markup=False)
        for frame in found.frames:
            console.rule(frame.id)
            console.print(" ⟨…⟩ ".join(frame.system.literals), markup=False)
            if frame.opening is not None:
                console.print(f"first user message: {' ⟨…⟩ '.join(frame.opening.literals)}", markup=False)
            asked = "user" if frame.after is None else f"result of {frame.after}"
            console.print(f"{asked}: {' ⟨…⟩ '.join(frame.user.literals)}", markup=False)
            if frame.tools:
                console.print(f"tools: {', '.join(frame.tools)}", markup=False)

    show(_task_json(found), as_json=as_json, text=tell)


@app.command()
def name(
    task: TaskArgument,
    new_name: Annotated[str, typer.Argument(help="What people call it; audits keep it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Give a task a name."""
    from dataclasses import replace  # noqa: PLC0415 - as above

    from tierwright.core.task import checked_name  # noqa: PLC0415 - as above

    named = checked_name(new_name)
    with opened(config) as parts:
        found = replace(parts.store.task(task), name=named, named_by_person=True)
        parts.store.put_task(found)
    show(_task_json(found), as_json=as_json, text=lambda console: console.print(f"{found.id} is now {found.name}"))


def _join(config: Path, *, days: int, seed: int, as_json: bool) -> None:
    """The quick look between two audits."""
    from datetime import timedelta  # noqa: PLC0415 - as above

    from tierwright.curation.joining import Joiner  # noqa: PLC0415 - as above

    with opened(config) as parts:
        joined = Joiner(parts.store, since=parts.clock() - timedelta(days=days), seed=seed).look()

    def tell(console: Console) -> None:
        for one in joined:
            console.print(f"a new wording joined {one.task.name}, recognised from {one.requests} requests")
        if not joined:
            console.print("no new wording of a known task")

    document = [{"task": one.task.name, "frame": one.frame.id, "requests": one.requests} for one in joined]
    show({"joined": document}, as_json=as_json, text=tell)


def _task_json(task: Task) -> dict[str, Any]:
    contract = task.contract
    return {
        "id": task.id,
        "name": task.name,
        "contract": contract.kind.value,
        "labels": contract.labels,
        "fields": [{"name": spec.name, "values": spec.values, "many": spec.many} for spec in contract.fields],
        "prompt_versions": len(task.frames),
        "process": task.process,
        "after": task.frames[0].after if task.frames else None,
        "tools_called": task.contract.calls,
        "servable": task.is_servable,
        "created_at": task.created_at,
    }


def _write_assignments(path: Path, assignments: Mapping[InferenceId, TaskId | None]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{inference_id}\t{task_id or '-'}\n" for inference_id, task_id in assignments.items())
    except OSError as error:
        raise unwritable(path, error, then="the audit itself is kept") from error
