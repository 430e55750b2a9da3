"""`tierwright eval certify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    EncodingOption,
    JsonOption,
    QuotesOption,
    opened,
    percent,
    show,
    table,
)
from tierwright.core.certificate import Risk
from tierwright.core.errors import GateError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.certification import CertifiedFiles
    from tierwright.core.certificate import Certificate
    from tierwright.evals.certify import Goal


def certify(
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION|TASK]", help="A trained version, or its task's name; without it give files."),
    ] = None,
    gold: Annotated[
        Path | None, typer.Option(help="The right answers: CSV, TSV, JSON Lines or Parquet with id, output.")
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option(help="The answers to certify: as the gold file, with a confidence for each.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="The frontier model's answers; needed for R2.")] = None,
    risk: Annotated[
        Risk, typer.Option(help="R1: errors among what is answered locally. R2: accuracy given up overall.")
    ] = Risk.ERROR,
    level: Annotated[float, typer.Option(help="The risk to stay below, as a share.")] = 0.05,
    delta: Annotated[float, typer.Option(help="Accepted probability that the certificate is wrong.")] = 0.05,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="A certificate for each of its values.")] = None,
    family_wise: Annotated[
        bool, typer.Option("--family-wise", help="With --by: all certificates hold together at delta.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of equal values one random row is used: a user's, a thread's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn at random.")] = 0,
    encoding: EncodingOption = "utf-8",
    quotes: QuotesOption = True,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Certify the confidence from which answers may be trusted at a stated risk; exit code 1 if nothing can be."""
    from tierwright.evals.certify import Goal  # noqa: PLC0415 - `--help` must not wait

    if seed < 0:
        raise InputError(f"the seed is {seed}; give a whole number from 0")
    goal = Goal(risk=risk, level=level, delta=delta, seed=seed)
    if version is not None:
        if any(one is not None for one in (gold, candidate, baseline, by, cluster)) or family_wise:
            raise InputError(
                "a version is certified on its own test examples; leave --gold, --candidate, --baseline, --by, "
                "--cluster and --family-wise out, or leave the version out"
            )
        certified = _version(version, goal, config, as_json=as_json)
    else:
        if gold is None or candidate is None:
            raise InputError(
                "name a trained version or its task, or two files: --gold with the right answers and --candidate with "
                "the answers to certify"
            )
        from tierwright.app.certification import AskedOfFiles, certify_files, files_json  # noqa: PLC0415 - as above
        from tierwright.curation.tables import TableForm  # noqa: PLC0415 - as above

        found = certify_files(
            AskedOfFiles(
                gold=gold,
                candidate=candidate,
                baseline=baseline,
                goal=goal,
                by=by,
                cluster=cluster,
                family_wise=family_wise,
                form=TableForm(encoding=encoding, quotes=quotes),
            )
        )
        show(files_json(found), as_json=as_json, text=lambda console: _text(console, found))
        certified = found.certified
    if not certified:
        raise typer.Exit(GateError.exit_code)


def certificates(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the certificates of trained versions, newest first, refusals too."""
    from tierwright.app.certification import certificate_json  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = parts.store.certificates()
        names = {task.id: task.name for task in parts.store.tasks()}
    rows = [
        (
            names.get(c.task_id, c.task_id),
            c.model_version_id[:12],
            f"{c.risk.value} < {c.level:g}",
            f"{c.delta:g}",
            "none" if c.threshold is None else f"{c.threshold:.3f}",
            percent(c.coverage),
            f"{c.n:,}",
            f"{c.created_at:%Y-%m-%d %H:%M}",
        )
        for c in found
    ]
    columns = ("task", "version", "risk", ">delta", ">answers from", ">share", ">labels", "made")
    show(
        [certificate_json(one, names.get(one.task_id, one.task_id)) for one in found],
        as_json=as_json,
        text=lambda console: table(console, "Certificates", columns, rows),
    )


def _version(version: str, goal: Goal, config: Path, *, as_json: bool) -> bool:
    from tierwright.app.certification import certificate_json, certify_trained  # noqa: PLC0415 - as above
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above

    with opened(config) as parts:
        certificate = certify_trained(parts, version_of(parts, version), goal)
        names = {task.id: task.name for task in parts.store.tasks()}
    name = names.get(certificate.task_id, certificate.task_id)
    show(
        certificate_json(certificate, name),
        as_json=as_json,
        text=lambda console: _certificate_text(console, certificate, name),
    )
    return certificate.certified


def _certificate_text(console: Console, certificate: Certificate, name: str) -> None:
    console.print(f"{name}, version {certificate.model_version_id[:12]}, on {certificate.n:,} test examples")
    if certificate.threshold is None:
        console.print(_labels(certificate.reason, certificate.labels_needed))
        return
    console.print(f"answers from confidence {certificate.threshold:.4f}: {percent(certificate.coverage)} of requests")
    console.print(certificate.reason)
    console.print(
        f"next: tierwright eval run {certificate.model_version_id[:12]} --threshold {certificate.threshold!r}"
    )


def _text(console: Console, found: CertifiedFiles) -> None:
    for name, (one, n) in found.found.items():
        if name:
            console.print(f"{found.asked.by} {name}, {n:,} labelled examples")
        if one.threshold is None:
            console.print(_labels(one.reason, one.labels_needed))
        else:
            console.print(f"accept from confidence {one.threshold:.4f}: {percent(one.coverage)} of the examples")
            console.print(one.reason)
    if found.unscored:
        left_out = "; ".join(f"{reason}: {count:,}" for reason, count in found.unscored.items())
        console.print(f"ids left out: {left_out}")


def _labels(reason: str, needed: int | None) -> str:
    if needed is None:
        return f"{reason}. No number of labels would change that"
    return f"{reason}. About {needed:,} labelled examples would do, if they look like these"
