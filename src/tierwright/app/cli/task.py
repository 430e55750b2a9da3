"""`tierwright task`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.html_option import HtmlOption, write_html
from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    Stages,
    opened,
    show,
    table,
    unwritable,
)
from tierwright.app.cli.task_edits import edits, merge, split, undo
from tierwright.app.settings import MAX_SEED
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.task import Task

app = typer.Typer(no_args_is_help=True, help="The recurring jobs in the traffic.")
for command in (merge, split, undo, edits):
    app.command()(command)
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Its name or id.")]


@app.command()
def audit(
    assignments: Annotated[
        Path | None, typer.Option(help="Write a line `response_id<TAB>task_id` for every request; `-` for none.")
    ] = None,
    new: Annotated[
        bool,
        typer.Option(
            "--new", help="Only join new wordings to known tasks and propose new tasks: quick, for every few minutes."
        ),
    ] = False,
    found: Annotated[bool, typer.Option("--found", help="With --new: keep the new tasks that are proposed.")] = False,
    days: Annotated[int, typer.Option(help="With --new: days of traffic to look at.", min=1, max=36_500)] = 7,
    scores: Annotated[
        bool, typer.Option("--scores/--no-scores", help="Whether tasks are scored and advice is given, or only found.")
    ] = True,
    html: HtmlOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampling inside.", min=0, max=MAX_SEED)] = 1,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Find the tasks in all captured traffic: volume, cost, scores, what to do about each, what it saves."""
    if new:
        _join(config, days=days, seed=seed, found=found, as_json=as_json)
        return
    if found:
        raise InputError("--found is said with --new; a full audit keeps the tasks that it finds anyway")
    from tierwright.app.cli.audit import audit_json, audit_table  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.html.audit_page import audit_page  # noqa: PLC0415 - as above
    from tierwright.app.task_audit import task_audit  # noqa: PLC0415 - as above

    with opened(config) as parts:
        report = task_audit(parts, seed=seed, scores=scores, progress=Stages())
    if assignments is not None:
        _write_assignments(assignments, report.found.assignments)
    document = audit_json(report)
    if html is not None:
        write_html(html, document, audit_page)
    show(document, as_json=as_json, text=lambda console: audit_table(console, report))


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


def _join(config: Path, *, days: int, seed: int, found: bool, as_json: bool) -> None:
    """The quick look between two audits."""
    from datetime import timedelta  # noqa: PLC0415 - as above

    from tierwright.curation.joining import Joiner  # noqa: PLC0415 - as above

    with opened(config) as parts:
        joiner = Joiner(parts.store, since=parts.clock() - timedelta(days=days), seed=seed)
        joined = joiner.look()
        proposed = joiner.found() if found else joiner.proposed()

    def tell(console: Console) -> None:
        for one in joined:
            console.print(f"a new wording joined {one.task.name}, recognised from {one.requests} requests")
        if not joined:
            console.print("no new wording of a known task")
        for new in proposed:
            done = "is kept" if found else "may be founded with --found, or by the next full audit"
            console.print(
                f"a new task, {new.task.name} ({new.task.contract.kind.value}), seen in {len(new.members):,} requests "
                f"with {new.inputs:,} different inputs, {done}"
            )

    document = [{"task": one.task.name, "frame": one.frame.id, "requests": one.requests} for one in joined]
    new_tasks = [
        {
            "id": one.task.id,
            "name": one.task.name,
            "contract": one.task.contract.kind.value,
            "prompt_versions": len(one.task.frames),
            "requests": len(one.members),
            "inputs": one.inputs,
            "founded": found,
        }
        for one in proposed
    ]
    show({"joined": document, "proposed": new_tasks}, as_json=as_json, text=tell)


def _task_json(task: Task) -> dict[str, Any]:
    contract = task.contract
    return {
        "id": task.id,
        "name": task.name,
        "contract": contract.kind.value,
        "labels": contract.labels,
        "fields": [{"name": spec.name, "values": spec.values, "many": spec.many} for spec in contract.fields],
        "prompt_versions": len(task.frames),
        "frames": [frame.id for frame in task.frames],
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
