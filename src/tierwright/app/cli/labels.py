"""`tierwright eval labels`, and `tierwright eval run` by what people filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    UpToOption,
    class_named,
    opened,
    show,
    unwritable,
)
from tierwright.core.errors import GateError

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.evals.label_sheet import LabelSheet, SheetResult


def labels(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The candidate's id, or the start of it, or its task's name.")
    ],
    budget: Annotated[int, typer.Option(help="Labels that people will give at most.")],
    output: Annotated[Path, typer.Option(help="The sheet to fill in, JSON Lines or .csv; not overwritten.")] = Path(
        "labels.jsonl"
    ),
    threshold: Annotated[
        float | None, typer.Option(help="Confidence from which it answers; default: the calibrated one.")
    ] = None,
    agreement_share: Annotated[
        float, typer.Option(help="Share of the budget for examples on which both give the same answer.")
    ] = 0.2,
    seed: Annotated[int | None, typer.Option(help="Of the draw; default: the settings'.")] = None,
    up_to: UpToOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Draw the test examples that a person should label next: where candidate and incumbent differ."""
    from tierwright.app.exports import export  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.label_sheets import draw, write_sheet  # noqa: PLC0415 - as above
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above

    limit = class_named(up_to)
    with opened(config) as parts, export(parts, f"label sheet of {version}", limit) as out:
        found = version_of(parts, version)
        out.admit_dataset(parts.store.dataset(found.dataset_id))
        sheet = draw(parts, found, budget=budget, agreement_share=agreement_share, seed=seed, threshold=threshold)
        try:
            write_sheet(output, sheet)
        except OSError as error:
            raise unwritable(output, error, then="the same command draws the same sheet again") from error

    def tell(console: Console) -> None:
        console.print(
            f"{len(sheet.rows):,} of {sheet.examples:,} test examples to label, in {output}: "
            f"{sheet.drawn('differ'):,} of {sheet.sizes['differ']:,} on which the two differ, "
            f"{sheet.drawn('agree'):,} of {sheet.sizes['agree']:,} on which they agree. The difference will be known "
            f"as well as from {sheet.worth:,} labels drawn alike."
        )
        console.print(f"Fill in `output`, from the top; then `tierwright eval run {version} --labels {output}`")

    show(sheet_json(sheet) | {"file": output}, as_json=as_json, text=tell)


def run_by_labels(
    version: str, labels: Path, *, margin: float | None, threshold: float | None, config: Path, as_json: bool
) -> None:
    """`tierwright eval run --labels`: the comparison by the labels of a sheet."""
    from tierwright.app.label_sheets import evaluate_by_sheet  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above
    from tierwright.evals.report import report, summary  # noqa: PLC0415 - as above

    with opened(config) as parts:
        result = evaluate_by_sheet(parts, version_of(parts, version), labels, margin=margin, threshold=threshold)
    evaluation = result.evaluation
    show(
        report(evaluation) | result_json(result),
        as_json=as_json,
        text=lambda console: console.print(
            f"{evaluation.id}\n{summary(evaluation)}\n{result.labelled['differ']} labels of disagreements, "
            f"{result.labelled['agree']} of agreements, {result.skipped} rows passed over, "
            f"{result.not_reached} not reached, {result.outside_contract} outside of the contract"
        ),
    )
    if not evaluation.verdict.allows_promotion:
        raise typer.Exit(GateError.exit_code)


def sheet_json(sheet: LabelSheet) -> dict[str, Any]:
    """A sheet's design as JSON types."""
    return {
        "sheet": sheet.design.id,
        "dataset_id": sheet.design.dataset_id,
        "candidate": sheet.design.candidate,
        "threshold": sheet.design.threshold,
        "seed": sheet.design.seed,
        "budget": sheet.design.budget,
        "rows": len(sheet.rows),
        "examples": sheet.examples,
        "unscored": sheet.unscored,
        "strata": [
            {
                "stratum": name,
                "size": size,
                "drawn": sheet.drawn(name),
                "probability": sheet.drawn(name) / size if size else None,
            }
            for name, size in sheet.sizes.items()
        ],
        "worth_random_labels": sheet.worth,
    }


def result_json(result: SheetResult) -> dict[str, Any]:
    """What became of a sheet's rows, beside its evaluation."""
    return {
        "labels": {
            **result.labelled,
            "skipped": result.skipped,
            "not_reached": result.not_reached,
            "outside_contract": result.outside_contract,
        }
    }
