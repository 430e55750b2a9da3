"""`tierwright feedback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, Ticker, opened, show

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="What people say about answers.")


@app.callback()
def _noun() -> None:
    """Keeps `import` a subcommand although it is the only one."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON Lines or CSV with id and output (label, gold, correction).")],
    rejects: Annotated[
        Path | None, typer.Option(help="Where rows that say nothing are set aside; default: beside the settings.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Add labels and corrections by response id; repeating it adds nothing twice."""
    from tierwright.gateway.feedback_import import import_feedback  # noqa: PLC0415 - `--help` must not wait

    ticker = Ticker("reading bytes")
    with opened(config) as parts:
        report = import_feedback(
            file,
            parts.store,
            inferences=parts.store,
            now=parts.clock(),
            rejects=rejects or parts.settings.path.resolve().parent / f"{file.name}.rejects.jsonl",
            progress=lambda done, total, _: ticker(done, total),
        )

    def tell(console: Console) -> None:
        console.print(
            f"{report.read:,} rows read: {report.added:,} new, {report.already_there:,} known already, "
            f"{report.without_output:,} without an answer, {report.rejected:,} set aside; "
            f"{report.unknown:,} are about answers that are not in the store"
        )
        for reject in report.first_rejects:
            console.print(f"  row {reject.line}: {reject.reason}", markup=False)

    document = {
        "read": report.read,
        "added": report.added,
        "already_there": report.already_there,
        "without_output": report.without_output,
        "rejected": report.rejected,
        "unknown": report.unknown,
        "rejects_path": report.rejects_path,
    }
    show(document, as_json=as_json, text=tell)
