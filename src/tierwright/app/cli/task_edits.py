"""`tierwright task merge`, `split`, `undo` and `edits`: what people change about the tasks that an audit found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from tierwright.core.edit import TaskEdit
    from tierwright.core.task import Task
    from tierwright.curation.editing import Edited


def merge(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Their names or ids, two or more.")],
    into: Annotated[
        str | None, typer.Option(metavar="TASK|NAME", help="The task that stays, or a new name for what they become.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also where their answers are of different kinds.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make several tasks one; every later audit keeps it."""
    from tierwright.curation.editing import merge as run  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = run(parts.store, tasks, into=into, force=force, at=parts.clock(), entropy=parts.entropy())
    _show(found, as_json=as_json)


def split(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Its name or id.")],
    frame: Annotated[
        list[str],
        typer.Option(metavar="FRAME", help="A wording that leaves, by the id `task show` prints; repeatable."),
    ],
    name: Annotated[str | None, typer.Option(help="What people call the new task; default: proposed.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make some wordings of a task another; every later audit keeps it."""
    from tierwright.curation.editing import split as run  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = run(parts.store, task, frame, new_name=name, at=parts.clock(), entropy=parts.entropy())
    _show(found, as_json=as_json)


def undo(
    edit: Annotated[str | None, typer.Argument(metavar="EDIT", help="Its id; default: the newest.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Put tasks back as they were before a merge or a split."""
    from tierwright.curation.editing import undo as run  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = run(parts.store, edit)
    _show(found, as_json=as_json, undone=True)


def edits(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the merges and splits that audits keep."""
    with opened(config) as parts:
        made = parts.store.task_edits()
        names = {task.id: task.name for task in parts.store.tasks()}
    rows = [
        (
            edit.id,
            f"{edit.created_at:%Y-%m-%d %H:%M}",
            edit.kind.value,
            names.get(edit.task_id, edit.task_id),
            ", ".join(_name(other, names, edit.before) for other in edit.other_ids),
        )
        for edit in made
    ]
    show(
        [_edit_json(edit) for edit in made],
        as_json=as_json,
        text=lambda console: table(console, "Merges and splits", ("edit", "made", "what", "stays", "others"), rows),
    )


def _name(task_id: str, names: Mapping[Any, str], before: tuple[Task, ...]) -> str:
    return names.get(task_id) or next((task.name for task in before if task.id == task_id), task_id)


def _show(found: Edited, *, as_json: bool, undone: bool = False) -> None:
    document = {
        "edit": _edit_json(found.edit),
        "undone": undone,
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "contract": task.contract.kind.value,
                "prompt_versions": len(task.frames),
            }
            for task in found.tasks
        ],
        "moved": found.moved,
        "unread": found.unread,
        "notes": list(found.notes),
    }

    def tell(console: Console) -> None:
        done = f"undone: {found.edit.kind.value}" if undone else found.edit.kind.value
        console.print(f"{done} ({found.edit.id}), {found.moved:,} requests moved")
        for task in found.tasks:
            console.print(f"  {task.name}  {task.contract.kind.value}  {len(task.frames)} prompt versions  {task.id}")
        if found.unread:
            console.print(f"{found.unread:,} requests whose content is gone could not be told apart and stay")
        for note in found.notes:
            console.print(f"note: {note}")

    show(document, as_json=as_json, text=tell)


def _edit_json(edit: TaskEdit) -> dict[str, Any]:
    return {
        "id": edit.id,
        "kind": edit.kind.value,
        "created_at": edit.created_at,
        "task_id": edit.task_id,
        "other_ids": edit.other_ids,
    }
