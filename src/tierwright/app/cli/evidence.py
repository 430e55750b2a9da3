"""`tierwright eval report`, `bundle` and `verify`: what a verdict rests on, to read and to check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, say, show, unwritable
from tierwright.core.errors import GateError
from tierwright.core.ids import EvaluationId

EvaluationArgument = Annotated[str, typer.Argument(metavar="EVALUATION", help="Its id.")]


def report(
    evaluation: EvaluationArgument,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained HTML file there.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """The experiment on one page: question, registration, verdict, numbers, and what would change it."""
    from tierwright.app.evidence import dossier_of  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.pages import page_html, page_text  # noqa: PLC0415 - as above
    from tierwright.evals.dossier import dossier_json, sections  # noqa: PLC0415 - as above

    with opened(config) as parts:
        dossier = dossier_of(parts, parts.store.evaluation(EvaluationId(evaluation)))
    page = sections(dossier)
    if html is not None:
        try:
            html.write_text(page_html(dossier.title, page), encoding="utf-8")
        except OSError as error:
            raise unwritable(html, error, then="the report was not written") from error
        say(f"written to {html}")
    show(
        dossier_json(dossier),
        as_json=as_json,
        text=lambda console: console.print(page_text(dossier.title, page), markup=False, soft_wrap=True),
    )


def bundle(
    evaluation: EvaluationArgument,
    output: Annotated[Path, typer.Option(help="A new directory, or a new file that ends in .zip.")],
    with_texts: Annotated[bool, typer.Option(help="Inputs and answers, too; without, no text leaves.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write all that a verdict rests on into a bundle that anybody can check with `tierwright eval verify`."""
    from tierwright.app.evidence import gather, write_bundle  # noqa: PLC0415 - as above
    from tierwright.evals.bundle import check_bundle, make_bundle  # noqa: PLC0415 - as above

    with opened(config) as parts:
        files = make_bundle(gather(parts, parts.store.evaluation(EvaluationId(evaluation)), with_texts=with_texts))
    checked = check_bundle(files)
    try:
        write_bundle(output, files)
    except OSError as error:
        raise unwritable(output, error, then="the bundle was not written") from error
    show(
        {
            "id": checked.id,
            "path": output,
            "files": {name: len(content) for name, content in files.items()},
            "with_texts": with_texts,
            "agrees": checked.agrees,
        },
        as_json=as_json,
        text=lambda console: console.print(f"{output}: {len(files)} files, {checked.id}", soft_wrap=True),
    )


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Its directory or zip file.")],
    as_json: JsonOption = False,
) -> None:
    """Compute hashes and verdict of a bundle again, from it alone; exit code 1 if something does not agree."""
    from tierwright.app.evidence import read_bundle  # noqa: PLC0415 - as above
    from tierwright.evals.bundle import check_bundle  # noqa: PLC0415 - as above

    found = check_bundle(read_bundle(bundle))
    said = (
        f"agrees: verdict {found.recomputed}, computed again from the outcomes of evaluation {found.evaluation}"
        if found.agrees
        else "does not agree:\n" + "\n".join(f"- {problem}" for problem in found.problems)
    )
    texts = "" if found.with_texts else "\nWithout texts the hash of the test examples can't be computed again."
    show(
        {
            "id": found.id,
            "evaluation": found.evaluation,
            "agrees": found.agrees,
            "verdict_stated": found.stated,
            "verdict_recomputed": found.recomputed,
            "problems": list(found.problems),
            "with_texts": found.with_texts,
        },
        as_json=as_json,
        text=lambda console: console.print(f"{found.id}\n{said}{texts}", soft_wrap=True),
    )
    if not found.agrees:
        raise typer.Exit(GateError.exit_code)
