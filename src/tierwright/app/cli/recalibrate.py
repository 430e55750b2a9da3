"""`tierwright model recalibrate`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, percent, show
from tierwright.core.errors import GateError

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.recalibration import Recalibrated


def recalibrate(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The version's id, or the start of it, or its task's name.")
    ],
    since: Annotated[
        datetime | None, typer.Option(help="Labels of requests from here on; default: those its dataset lacks.")
    ] = None,
    level: Annotated[float, typer.Option(help="Error rate of local answers to keep below.")] = 0.05,
    delta: Annotated[
        float, typer.Option(help="Probability that any certificate of the series, this and all others, is wrong.")
    ] = 0.05,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Fit a version's confidence anew on fresh labels and certify a threshold; exit code 1 where none is certified.

    It becomes a new version, which serves nothing until it is evaluated and deployed.
    """
    from tierwright.app.recalibration import recalibrate as run  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above

    begin = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    with opened(config) as parts:
        parent = version_of(parts, version)
        found = run(parts, parent, since=begin, level=level, delta=delta)
    show(recalibration_json(found), as_json=as_json, text=lambda console: recalibration_text(console, found))
    if found.certified.threshold is None:
        raise typer.Exit(GateError.exit_code)


def recalibration_json(found: Recalibrated) -> dict[str, Any]:
    """The document of `model recalibrate --json`."""
    certified, record = found.certified, found.record
    return {
        "version": found.version.id,
        "parent": record.parent,
        "origin": record.origin,
        "dataset": found.dataset.id,
        "labels": {split.value: size for split, size in found.dataset.sizes.items()},
        "line": {"slope": found.line[0], "intercept": found.line[1]},
        "certified": certified.threshold is not None,
        "risk": "R1",
        "level": record.level,
        "delta": record.delta,
        "number": record.number,
        "spent": record.spent,
        "threshold": certified.threshold,
        "coverage": certified.coverage,
        "realised_risk": certified.realised_risk,
        "labels_needed": certified.labels_needed,
        "likeness_p_value": found.likeness.p_value,
        "reason": certified.reason,
    }


def recalibration_text(console: Console, found: Recalibrated) -> None:
    """The same for people."""
    certified, record = found.certified, found.record
    console.print(f"version {found.version.id[:12]}, made from {record.parent[:12]}; its {record.number}. certificate")
    if certified.threshold is None:
        console.print(f"Cannot certify an error rate below {record.level:.1%}: {certified.reason}.")
        return
    console.print(
        f"From confidence {certified.threshold:.3f} on it answers {percent(certified.coverage)} itself, with an error "
        f"rate below {record.level:.1%} (probability {1 - record.spent:.2%}); seen: {percent(certified.realised_risk)}."
    )
    console.print(f"Next: tierwright eval run {found.version.id[:12]}")
