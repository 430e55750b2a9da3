"""`tierwright privacy erase` and `tierwright privacy rotate-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show
from tierwright.core.errors import UsageError
from tierwright.core.ids import InferenceId

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.erasure import ErasureReport


def erase(
    subject: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A person, as requests name them (`user`, header); repeat it."),
    ] = None,
    request: Annotated[list[str] | None, typer.Option(metavar="ID", help="A request; repeat it.")] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="CLIENT", help="Only as this caller knows the person; repeat it. Default: any caller."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="All that was ever erased: after the store was restored from a backup.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Erase all that is kept of a person or of requests, for good, and say which models must be trained again."""
    from tierwright.app.erasure import erase as run  # noqa: PLC0415 - `--help` must not wait

    if again == bool(subject or request):
        raise UsageError("say what to erase: --subject NAME, --request ID, or --again alone")
    with opened(config) as parts:
        report = run(
            parts,
            people=subject or (),
            requests=[InferenceId(one) for one in request or ()],
            clients=client or (),
            again=again,
            dry_run=dry_run,
        )
    show(_report_json(report), as_json=as_json, text=lambda console: _tell(console, report))


def rotate_key(
    new: Annotated[str, typer.Option(metavar="REFERENCE", help="The new content key, as env:NAME or file:PATH.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Wrap the keys of content by another content key; end the gateway before, and name the new key afterwards."""
    import os  # noqa: PLC0415 - `--help` must not wait

    from tierwright.app.content_settings import content_key_at  # noqa: PLC0415 - as above
    from tierwright.app.ledger_notes import noting, who  # noqa: PLC0415 - as above

    with opened(config) as parts:
        key = content_key_at(new, parts.settings.path, os.environ)
        with noting(parts) as note:
            count = parts.store.rotate_content_key(key)
            note("rotate", {"who": who(), "keys": count})
    show(
        {"keys": count},
        as_json=as_json,
        text=lambda console: console.print(
            f"{count:,} keys are wrapped by the new content key; write it into the settings now: "
            f'privacy.content_key = "{new}"'
        ),
    )


def _report_json(report: ErasureReport) -> dict[str, Any]:
    found = report.erasure
    return {
        "dry_run": report.dry_run,
        "inferences": list(found.inferences),
        "contents": found.contents,
        "second_answers": found.second_answers,
        "feedback": found.feedback,
        "scores": found.scores,
        "examples": dict(found.examples),
        "keys_destroyed": found.keys,
        "sealed": found.sealed,
        "retrain": [
            {"version": one.version, "task": one.task, "recipe": one.recipe, "stage": one.stage}
            for one in report.retrain
        ],
    }


def _tell(console: Console, report: ErasureReport) -> None:
    found = report.erasure
    verb = "would be erased" if report.dry_run else "erased"
    console.print(
        f"{verb}: the content of {found.contents:,} of {len(found.inferences):,} requests, "
        f"{found.feedback + found.scores:,} words on them, {found.second_answers:,} second answers"
    )
    for dataset, count in found.examples.items():
        console.print(f"  {count:,} examples of {dataset}: nothing is trained on it any more, build it anew")
    for one in report.retrain:
        stage = "answers nothing" if one.stage is None else f"is {one.stage}"
        console.print(
            f"  model {one.version[:12]} ({one.recipe}, task {one.task}) was trained on them and {stage}: train the "
            "task again"
        )
    if report.dry_run:
        if not found.inferences:
            console.print("Nothing of it is in the store; look at the name's spelling.")
        return
    if not found.sealed:
        console.print("Content is not sealed: older backups of the store still hold it, and must be replaced.")
    elif found.keys:
        console.print(f"{found.keys:,} keys destroyed: what they sealed can't be read in older backups of the store.")
    if not found.inferences:
        console.print("Nothing of it is in the store; what comes of it later is kept without content.")
