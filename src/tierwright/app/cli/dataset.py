"""`tierwright dataset`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    DatasetArgument,
    EncodingOption,
    JsonOption,
    QuotesOption,
    Ticker,
    UpToOption,
    class_named,
    opened,
    say,
    show,
    table,
    unwritable,
)
from tierwright.app.cli.task import TaskArgument
from tierwright.app.cli.triage import triage
from tierwright.app.settings import MAX_SEED
from tierwright.core.ids import DatasetId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example


class Imported(Enum):
    """Kinds of answers that can be demanded of labelled history."""

    LABEL = "label"
    FIELDS = "fields"
    SPANS = "spans"
    TEXT = "text"


#: Callers that are named with their numbers; `--json` names all.
_CALLERS_TOLD = 5

app = typer.Typer(no_args_is_help=True, help="Frozen, split, deduplicated examples of a task.")
app.command("triage")(triage)


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
        found = parts.store.task(task)
        dataset, examples = run(parts, found, seed=seed)
        callers = _callers(parts, examples)
    show(
        _contents_json(dataset, found.name, examples, callers),
        as_json=as_json,
        text=lambda console: _tell_contents(console, dataset, examples, callers),
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet, also as gzip.")],
    task: Annotated[str, typer.Option(help="Name of the task; it is made if there is none.")],
    input_: Annotated[
        list[str], typer.Option("--input", metavar="COLUMN", help="Repeat it to join several as a JSON object.")
    ],
    output: Annotated[
        list[str],
        typer.Option("--output", metavar="COLUMN", help="The right answer. Repeat it for a JSON object of fields."),
    ],
    split: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Holds train, validation or test; default: the split is made."),
    ] = None,
    contract: Annotated[
        Imported | None, typer.Option(help="What the outputs are; default: found out.", case_sensitive=False)
    ] = None,
    data_class: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="public, internal, confidential or restricted; default: not known."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split; default: the settings' training.seed.", min=0, max=MAX_SEED)
    ] = None,
    encoding: EncodingOption = "utf-8",
    quotes: QuotesOption = True,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a dataset of labelled history: years of decided cases, without any captured traffic."""
    from tierwright.app.ring import import_labelled  # noqa: PLC0415 - `--help` must not wait
    from tierwright.core.contract import ContractKind  # noqa: PLC0415 - as above
    from tierwright.curation.labelled import LabelledColumns, read_labelled  # noqa: PLC0415 - as above
    from tierwright.curation.tables import TableForm  # noqa: PLC0415 - as above

    declared = class_named(data_class)
    columns = LabelledColumns(inputs=tuple(input_), outputs=tuple(output), split=split)
    with opened(config) as parts:
        form = TableForm(encoding=encoding, quotes=quotes)
        rows = read_labelled(file, columns, form=form, progress=Ticker("reading bytes"))
        say(f"{len(rows.rows):,} rows read, looking for near-duplicates")
        kind = ContractKind(contract.value) if contract else None
        built = import_labelled(parts, task, rows, kind=kind, seed=seed, data_class=declared)
    if built.dataset.contract.kind is ContractKind.OPEN:
        say("the outputs follow no form that a recipe learns; say with --contract what they are, if they do")
    for reason, line in rows.first_lines.items():
        say(f"left out: {rows.excluded[reason]:,} {reason}, the first in line {line:,}")
    show(
        _contents_json(built.dataset, built.task.name, built.examples, {}),
        as_json=as_json,
        text=lambda console: _tell_contents(console, built.dataset, built.examples, {}),
    )


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
        examples = parts.store.examples(found.id)
        name = next((task.name for task in parts.store.tasks() if task.id == found.task_id), found.task_id)
        callers = _callers(parts, examples)
    show(
        _contents_json(found, name, examples, callers),
        as_json=as_json,
        text=lambda console: _tell_contents(console, found, examples, callers),
    )


@app.command()
def export(
    dataset: DatasetArgument,
    file: Annotated[Path, typer.Argument(help="JSON Lines to write; for a trainer a new or empty directory.")],
    form: Annotated[
        str, typer.Option("--format", help="jsonl, or a trainer: axolotl, llama-factory, openai, trl, unsloth.")
    ] = "jsonl",
    base: Annotated[
        str, typer.Option(help="Base weights to tune: a known name, a repository or a path; default: [training] lm.")
    ] = "",
    up_to: UpToOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write the examples as JSON Lines, or those to learn from as a bundle for another trainer."""
    from tierwright.app.bundles import write_bundle, write_lines  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.exports import export as exporting  # noqa: PLC0415 - as above

    limit = class_named(up_to)
    with opened(config) as parts, exporting(parts, f"dataset {dataset}", limit) as out:
        found = parts.store.dataset(DatasetId(dataset))
        out.admit_dataset(found)
        examples = parts.store.examples(found.id)
        try:
            if form == "jsonl":
                files = write_lines(file, examples)
            else:
                files = write_bundle(file, found, examples, trainer=form, base=base, settings=parts.settings)
        except OSError as error:
            raise unwritable(file, error, then="the dataset itself is kept") from error
    document = {"written": len(examples), "file": file} if form == "jsonl" else {"directory": file, "files": files}
    said = f"{len(examples):,} examples" if form == "jsonl" else f"a bundle of {len(files)} files for {form}"
    show(document, as_json=as_json, text=lambda console: console.print(f"{said} written to {file}"))


def _dataset_json(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "task_id": dataset.task_id,
        "contract": dataset.contract.kind.value,
        "created_at": dataset.created_at,
        "seed": dataset.seed,
        "sizes": {split.value: count for split, count in dataset.sizes.items()},
        "excluded": dict(dataset.excluded),
        "data_class": None if dataset.data_class is None else dataset.data_class.label,
        "classes": None if dataset.classes is None else dict(dataset.classes),
        "findings": dict(dataset.findings),
        "erased": dataset.erased,
    }


def _contents_json(
    dataset: Dataset, task: str, examples: Sequence[Example], callers: Mapping[str, int]
) -> dict[str, Any]:
    from tierwright.curation.labelled_dataset import classes, leakage  # noqa: PLC0415 - as above

    return {
        "task": task,
        **_dataset_json(dataset),
        "leakage": leakage(examples),
        "classes": classes(dataset.contract, examples),
        "callers": dict(callers),
    }


def _callers(parts: Parts, examples: Sequence[Example]) -> dict[str, int]:
    from tierwright.curation.callers_words import callers_in_training  # noqa: PLC0415 - as above

    return callers_in_training(examples, parts.store.owners([example.id for example in examples]))


def _tell_contents(console: Console, dataset: Dataset, examples: Sequence[Example], callers: Mapping[str, int]) -> None:
    from tierwright.curation.labelled_dataset import classes, leakage  # noqa: PLC0415 - as above

    _tell(console, dataset)
    crossing, different = leakage(examples), classes(dataset.contract, examples)
    if crossing:
        console.print(f"  {crossing:>8,} of the test examples are nearly in train or calibration")
    if callers:
        said = ", ".join(f"{name} {count:,}" for name, count in list(callers.items())[:_CALLERS_TOLD])
        console.print(f"  {len(callers):>8,} callers in train: {said}", markup=False)
    if isinstance(different, int):
        console.print(f"  {different:>8,} classes")
    elif different is not None:
        console.print(f"  classes: {', '.join(f'{name} {count:,}' for name, count in different.items())}", markup=False)


def _tell(console: Console, dataset: Dataset) -> None:
    from tierwright.curation.lineage import UNKNOWN  # noqa: PLC0415 - as above

    console.print(f"{dataset.id}  {dataset.contract.kind.value}", style="bold")
    for split, count in dataset.sizes.items():
        console.print(f"  {count:>8,} {split.value}")
    for reason, count in dataset.excluded.items():
        console.print(f"  {count:>8,} left out: {reason}")
    # Where no gate has looked at anything there is nothing to tell.
    known = dataset.classes if dataset.classes and set(dataset.classes) != {UNKNOWN} else {}
    for label, count in known.items():
        console.print(f"  {count:>8,} of a class that is not known" if label == UNKNOWN else f"  {count:>8,} {label}")
    for kind, count in sorted(dataset.findings.items()):
        console.print(f"  {count:>8,} findings of {kind} in what they come from")
    if dataset.erased:
        console.print(f"  {dataset.erased:>8,} erased since: nothing is trained on it any more")
