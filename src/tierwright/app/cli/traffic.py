"""`tierwright traffic`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    Ticker,
    UpToOption,
    class_named,
    opened,
    say,
    show,
    streaming_out,
)

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.tail import Tail
    from tierwright.core.inference import Inference
    from tierwright.gateway.log_import import ImportReport

#: Seconds between two looks at the store.
_LOOK_S = 1.0
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
    from tierwright.app.counting import payload_counter  # noqa: PLC0415 - `--help` must not wait
    from tierwright.gateway.log_import import import_log  # noqa: PLC0415 - as above

    ticker = Ticker("reading bytes")
    with opened(config) as parts:
        report = import_log(
            file,
            parts.store,
            price=parts.price,
            count=payload_counter(),
            now=parts.clock(),
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
        for sentence in _reservations(report):
            console.print(sentence, markup=False)

    document = {
        "read": report.read,
        "added": report.added,
        "already_there": report.already_there,
        "rejected": report.rejected,
        "rejects_path": report.rejects_path,
        "conflicting": report.conflicting,
        "out_of_order": report.out_of_order,
        "estimated": report.estimated,
        "other_currency": report.other_currency,
        "unpriced": sum(report.unpriced.values()),
        "unpriced_models": report.unpriced,
    }
    show(document, as_json=as_json, text=tell)


def _reservations(report: ImportReport) -> list[str]:
    """What was taken and is not as it should be, in words."""
    found: list[str] = []
    if report.conflicting:
        lines = ", ".join(map(str, report.first_conflicts))
        found.append(
            f"{report.conflicting:,} of the records known already say something else than the one that is kept (lines "
            f"{lines}{', …' if report.conflicting > len(report.first_conflicts) else ''}): the first counts. Are the "
            "response ids unique?"
        )
    if report.out_of_order:
        found.append(f"{report.out_of_order:,} lines come after a later one; the order makes no difference.")
    if report.estimated:
        found.append(
            f"{report.estimated:,} new records have no usage that can be believed: their tokens, and so their cost, "
            "are an estimate."
        )
    if report.other_currency:
        found.append(
            f"{report.other_currency:,} new records give their cost in another currency than US dollars: amounts in a "
            "log are not read, the price list is used."
        )
    if report.unpriced:
        models = ", ".join(f"{model} ({count:,})" for model, count in report.unpriced.items())
        found.append(
            f"{sum(report.unpriced.values()):,} new records have no known price and are in no cost: {models}; give "
            "prices in [[economics.prices]]."
        )
    return found


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; gzip if its name ends in .gz.")],
    up_to: UpToOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write everything that was captured in the import format."""
    from tierwright.app.exports import export as exporting  # noqa: PLC0415 - as above
    from tierwright.gateway.log_export import export_log  # noqa: PLC0415 - as above

    limit = class_named(up_to)
    with opened(config) as parts, exporting(parts, "the log of all traffic", limit) as out:
        report = export_log(parts.store, file, admit=out.admit_inference)
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
    from tierwright.app.retention import prune as run  # noqa: PLC0415 - `--help` must not wait

    tickers: dict[str, Ticker] = {}

    def progress(what: str, done: int, most: int) -> None:
        tickers.setdefault(what, Ticker(f"removing {what}"))(done, most)

    with opened(config) as parts:
        pruned = run(parts, content_days=content_days, ledger_days=ledger_days, progress=progress)

    def tell(console: Console) -> None:
        console.print(
            f"removed: the content of {pruned.contents:,} inferences, {pruned.inferences:,} inferences as a whole"
        )
        for label, count in pruned.by_class.items():
            console.print(f"  {count:,} of them because they are {label}")

    document = {
        "contents_removed": pruned.contents,
        "inferences_removed": pruned.inferences,
        "removed_by_class": pruned.by_class,
        "keys_destroyed": pruned.keys,
    }
    show(document, as_json=as_json, text=tell)


@app.command("tail")
def tail(
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the latest.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is asked from now on.")] = False,
    task: Annotated[str | None, typer.Option(help="Only this task, by name or id.")] = None,
    client: Annotated[str | None, typer.Option(help="Only this caller.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model, as callers name it.")] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Only what went wrong.")] = False,
    content: Annotated[
        bool, typer.Option("--content", help="Show the last message and the answer, shortened.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of text.")] = False,
) -> None:
    """Show the latest requests, one line each, the newest last."""
    from datetime import timedelta  # noqa: PLC0415 - as above

    from tierwright.app.tail import Tail  # noqa: PLC0415 - as above
    from tierwright.core.inference import Wanted  # noqa: PLC0415 - as above

    with opened(config) as parts:
        resilience = parts.settings.upstreams.resilience
        tailing = Tail(
            parts.store,
            Wanted(
                task_id=None if task is None else parts.store.task(task).id,
                client_id=client,
                model=model,
                errors=errors,
            ),
            clock=parts.clock,
            longest=timedelta(seconds=resilience.request_timeout_s),
            content=content,
        )
        with streaming_out() as write:
            for inference in tailing.last(count):
                write(_told(tailing, inference, as_json=as_json))
            while follow:
                time.sleep(_LOOK_S)
                found, passed_over = tailing.news()
                for inference in found:
                    write(_told(tailing, inference, as_json=as_json))
                if passed_over:
                    say("more was asked than is shown here; name a task, a caller or a model")


def _told(tailing: Tail, inference: Inference, *, as_json: bool) -> str:
    # Escaped to ASCII, so that nothing in a name reaches a terminal as itself.
    return json.dumps(tailing.described(inference)) if as_json else tailing.line(inference)
