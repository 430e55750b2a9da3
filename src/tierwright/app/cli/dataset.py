"""`tierwright dataset`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table, unwritable
from tierwright.app.cli.task import TaskArgument
from tierwright.app.cli.triage import triage
from tierwright.app.settings import MAX_SEED
from tierwright.core.ids import DatasetId

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.core.dataset import Dataset

app = typer.Typer(no_args_is_help=True, help="Frozen, split, deduplicated examples of a task.")
app.command("triage")(triage)
DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Its id.")]


@app.command()
def build(
    task: TaskArgument,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split; default: the settings' training.seed.", min=0, max=MAX_SEED)
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Build a dataset from a task's traffic and people's corrections."""
    from tierwright.app.ring import build as run  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        dataset, _ = run(parts, parts.store.task(task), seed=seed)
    show(_dataset_json(dataset), as_json=as_json, text=lambda console: _tell(console, dataset))


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the datasets, newest first."""
    with opened(config) as parts:
        found = parts.store.datasets()
        names = {task.id: task.name for task in parts.store.tasks()}
    rows = [(d.id, names.get(d.task_id, d.task_id), *(n for n in d.sizes.values()), d.created_at) for d in found]
    columns = ("dataset", "task", ">train", ">calibration", ">test", "built")
    show(
        [_dataset_json(dataset) for dataset in found],
        as_json=as_json,
        text=lambda console: table(console, "Datasets", columns, rows),
    )


@app.command("show")
def show_(dataset: DatasetArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show what is in a dataset and what was left out."""
    with opened(config) as parts:
        found = parts.store.dataset(DatasetId(dataset))
    show(_dataset_json(found), as_json=as_json, text=lambda console: _tell(console, found))


@app.command()
def export(
    dataset: DatasetArgument,
    file: Annotated[Path, typer.Argument(help="JSON Lines to write.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write the examples as JSON Lines."""
    with opened(config) as parts:
        examples = parts.store.examples(parts.store.dataset(DatasetId(dataset)).id)
    try:
        with file.open("w", encoding="utf-8", newline="\n") as out:
            for example in examples:
                row = {
                    "id": example.id,
                    "input": example.input,
                    "output": example.output,
                    "source": example.source.value,
                    "incumbent_output": example.incumbent_output,
                    "split": example.split.value,
                    "group": example.group,
                }
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise unwritable(file, error, then="the dataset itself is kept") from error
    show(
        {"written": len(examples), "file": file},
        as_json=as_json,
        text=lambda console: console.print(f"{len(examples):,} examples written to {file}"),
    )


def _dataset_json(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "task_id": dataset.task_id,
        "contract": dataset.contract.kind.value,
        "created_at": dataset.created_at,
        "seed": dataset.seed,
        "sizes": {split.value: count for split, count in dataset.sizes.items()},
        "excluded": dict(dataset.excluded),
    }


def _tell(console: Console, dataset: Dataset) -> None:
    console.print(f"{dataset.id}  {dataset.contract.kind.value}", style="bold")
    for split, count in dataset.sizes.items():
        console.print(f"  {count:>8,} {split.value}")
    for reason, count in dataset.excluded.items():
        console.print(f"  {count:>8,} left out: {reason}")
