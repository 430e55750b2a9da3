"""`tierwright traffic`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, Ticker, opened, show

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Logs of LLM traffic: in and out.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON Lines, plain or gzip: timestamp, client_id, request, response.")],
    rejects: Annotated[
        Path | None, typer.Option(help="Where lines that are no record are set aside; default: beside the settings.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Add a log to the store; repeating it adds nothing twice."""
    from tierwright.gateway.log_import import import_log  # noqa: PLC0415 - `--help` must not wait

    ticker = Ticker("reading bytes")
    with opened(config) as parts:
        report = import_log(
            file,
            parts.store,
            price=parts.price,
            rejects=rejects or parts.settings.path.resolve().parent / f"{file.name}.rejects.jsonl",
            progress=lambda done, total, _: ticker(done, total),
        )

    def tell(console: Console) -> None:
        console.print(
            f"{report.read:,} records read: {report.added:,} new, {report.already_there:,} known already, "
            f"{report.rejected:,} set aside"
        )
        if report.rejects_path is not None:
            for reject in report.first_rejects:
                console.print(f"  line {reject.line}: {reject.reason}", markup=False)
            console.print(f"All lines set aside are in {report.rejects_path}, each with its reason.")

    document = {
        "read": report.read,
        "added": report.added,
        "already_there": report.already_there,
        "rejected": report.rejected,
        "rejects_path": report.rejects_path,
    }
    show(document, as_json=as_json, text=tell)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; gzip if its name ends in .gz.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write everything that was captured in the import format."""
    from tierwright.gateway.log_export import export_log  # noqa: PLC0415 - as above

    with opened(config) as parts:
        report = export_log(parts.store, file)
    show(
        {"written": report.written, "without_content": report.without_content, "file": file},
        as_json=as_json,
        text=lambda console: console.print(
            f"{report.written:,} records written to {file}; {report.without_content:,} have no content to write"
        ),
    )


@app.command("prune")
def prune(
    content_days: Annotated[
        int | None, typer.Option(min=0, help="Remove requests and answers older than this; 0: none.")
    ] = None,
    ledger_days: Annotated[int | None, typer.Option(min=0, help="Remove inferences older than this; 0: none.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Remove what is older than it may be, as the settings say; the gateway may run meanwhile."""
    from datetime import timedelta  # noqa: PLC0415 - as above

    with opened(config) as parts:
        retention = parts.settings.file.retention
        now, most = parts.clock(), parts.store.count()
        counts: dict[str, int] = {}
        for what, days, expire in (
            ("contents", retention.content_days if content_days is None else content_days, parts.store.expire_content),
            (
                "inferences",
                retention.ledger_days if ledger_days is None else ledger_days,
                parts.store.expire_inferences,
            ),
        ):
            ticker = Ticker(f"removing {what}")
            counts[what] = 0
            while days and (removed := expire(now - timedelta(days=days))):
                counts[what] += removed
                ticker(counts[what], most)
    show(
        {f"{what}_removed": count for what, count in counts.items()},
        as_json=as_json,
        text=lambda console: console.print(
            f"removed: the content of {counts['contents']:,} inferences, {counts['inferences']:,} inferences as a whole"
        ),
    )
