"""`tierwright eval compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import EncodingOption, JsonOption, QuotesOption, percent, show, table
from tierwright.core.errors import GateError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.comparison import Compared
    from tierwright.core.estimate import Estimate
    from tierwright.evals.answer_comparison import Outcome

GoldOption = Annotated[Path, typer.Option(help="The right answers: CSV, TSV, JSON Lines or Parquet with id, output.")]
BaselineOption = Annotated[Path, typer.Option(help="The answers to hold them against, in the same form.")]


def compare(
    gold: GoldOption,
    candidate: Annotated[
        list[str], typer.Option(help="The answers under test, FILE or NAME=FILE; give it again for several candidates.")
    ],
    baseline: BaselineOption,
    margin: Annotated[float, typer.Option(help="What may be given up, as a share: 0.01 is one point.")] = 0.01,
    metric: Annotated[
        str,
        typer.Option(
            help="accuracy, normalised, field_accuracy, json_validity, micro_f1, macro_f1, span_f1, span_f1_partial, "
            "bleu, chrf or slot_accuracy."
        ),
    ] = "accuracy",
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    cluster: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Examples with the same value are not independent: a user's.")
    ] = None,
    slice_: Annotated[
        list[str] | None,
        typer.Option(
            "--slice", metavar="COLUMN", help="Compare each of its values, too; also `length` and `language`."
        ),
    ] = None,
    slice_margin: Annotated[float | None, typer.Option(help="Margin of each slice; default: --margin.")] = None,
    min_slice: Annotated[int, typer.Option(help="Examples below which a slice or group is not judged.")] = 30,
    terms: Annotated[Path | None, typer.Option(help="Named lists of terms (TOML, JSON or text), each a slice.")] = None,
    fairness: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Its groups' error rates may differ by --max-gap.")
    ] = None,
    max_gap: Annotated[float | None, typer.Option(help="Gap between groups above which there is an objection.")] = None,
    positive: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Look at the false positives of this label, too.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    encoding: EncodingOption = "utf-8",
    quotes: QuotesOption = True,
    as_json: JsonOption = False,
) -> None:
    """Compare files of answers with a baseline's; exit code 1 unless non-inferior or superior."""
    from tierwright.app.comparison import Asked, compare_files, comparison_json  # noqa: PLC0415 - `--help` must not wait
    from tierwright.curation.tables import TableForm  # noqa: PLC0415 - as above
    from tierwright.evals.answer_scores import metric_named  # noqa: PLC0415 - as above

    found = compare_files(
        Asked(
            gold=gold,
            candidates=named_files(candidate, reserved={"gold", "baseline"}),
            baseline=baseline,
            margin=margin,
            metric=metric_named(metric),
            level=level,
            cluster=cluster,
            slices=tuple(slice_ or ()),
            slice_margin=slice_margin,
            min_slice=min_slice,
            terms=terms,
            fairness=fairness,
            max_gap=max_gap,
            positive=positive,
            seed=seed,
            form=TableForm(encoding=encoding, quotes=quotes),
        )
    )
    show(comparison_json(found), as_json=as_json, text=lambda console: _text(console, found))
    if not found.passes:
        raise typer.Exit(GateError.exit_code)


def named_files(given: list[str], *, reserved: set[str]) -> dict[str, Path]:
    """Files by name, from FILE or NAME=FILE. Raises InputError for a name that is there twice or means another file."""
    found: dict[str, Path] = {}
    for one in given:
        name, equals, rest = one.partition("=")
        if not equals or Path(one).exists():
            name, rest = ("candidate" if len(given) == 1 else Path(one).name.partition(".")[0]), one
        if not name or not rest:
            raise InputError(f"--candidate {one!r} names no file; say FILE or NAME=FILE")
        if name in found or name in reserved:
            raise InputError(f"the name {name!r} is taken; give each candidate its own with --candidate NAME=FILE")
        found[name] = Path(rest)
    return found


def _text(console: Console, found: Compared) -> None:
    """The comparison for people."""
    from tierwright.app.comparison import outlook_text  # noqa: PLC0415 - as above

    asked, best = found.asked, found.best
    console.print(
        f"{best.name}: {best.verdict.value}. {asked.metric.value} {percent(best.figures.candidate)} against "
        f"{percent(best.figures.baseline)}; the difference is {points(best.figures.difference)} at a margin of "
        f"{100 * asked.margin:g}, on {len(found.joined.ids):,} examples."
    )
    console.print(outlook_text(found, best))
    if len(found.outcomes) > 1:
        rows = [
            (one.name, one.verdict.value, percent(one.figures.candidate), points(one.figures.difference))
            for one in found.outcomes
        ]
        table(console, "Candidates", ("candidate", "verdict", ">score", ">difference in points"), rows)
    if best.slices:
        _slices(console, best)
    _fairness(console, found)
    for reason, count in found.joined.unscored.items():
        console.print(f"Not scored: {count:,} ({reason}).")
    for note in found.notes:
        console.print(f"Note: {note}.")


def _slices(console: Console, best: Outcome) -> None:
    rows = [
        (
            one.slice.dimension,
            one.slice.value,
            f"{len(one.slice.members):,}",
            one.verdict.value if one.verdict else "not judged",
            points(one.figures.difference) if one.figures else one.reason,
        )
        for one in best.slices
    ]
    columns = ("slice", "value", ">examples", "verdict", ">difference in points")
    table(console, f"Slices of {best.name}; the intervals hold together", columns, rows)


def _fairness(console: Console, found: Compared) -> None:
    fair = found.fairness.get(found.best.name)
    if fair is None:
        return
    rows = [
        (
            gap.rate.replace("_", " "),
            " against ".join(gap.groups),
            " and ".join(f"{size:,}" for size in gap.sizes),
            gap.verdict.value,
            points(gap.gap) if gap.gap else "too few",
        )
        for gap in fair.gaps
    ]
    title = f"Fairness of {found.best.name}: {fair.verdict.value} at {100 * fair.max_gap:g} points"
    table(console, title, ("rate", "groups", ">examples", "verdict", ">gap in points"), rows)


def points(estimate: Estimate) -> str:
    """A difference with its interval, in points."""
    return f"{100 * estimate.value:+.1f} ({100 * estimate.ci_low:+.1f} to {100 * estimate.ci_high:+.1f})"
