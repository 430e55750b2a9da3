"""`tierwright eval judge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    Ticker,
    estimate_json,
    opened,
    percent,
    show,
    usd,
)
from tierwright.core.errors import GateError, InputError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.judging import Ruling


def judge(
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="A version's id, or the start of it, or its task's name; or files."),
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option(help="Instead of a version: id and output of the candidate.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="The same of the baseline.")] = None,
    gold: Annotated[
        Path | None, typer.Option(help="People's labels of a random sample: id and output, or prefers.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="id, output and input, where no other file has the input.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="With a version: a sheet that `eval labels` drew.")] = None,
    backend: Annotated[str, typer.Option(help="Name of the backend to ask; default: the settings'.")] = "",
    model: Annotated[str, typer.Option(help="The judging model; default: the settings'.")] = "",
    instructions: Annotated[
        Path | None, typer.Option(help="A text file that says what the task is and what counts as right.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Pairs judged at most; those with a person's label first.")] = None,
    concurrency: Annotated[int, typer.Option(help="Questions asked at the same time.")] = 4,
    threshold: Annotated[
        float | None, typer.Option(help="Confidence from which the version answers; default: the calibrated one.")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="What may be given up; default: the settings'.")] = None,
    verdicts: Annotated[
        Path | None, typer.Option(help="File of verdicts that a later run goes on from; default: beside the settings.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Have a language model compare the answers, blind and in both orders; exit code 1 if that allows no promotion."""
    from tierwright.app.judging import (  # noqa: PLC0415 - `--help` must not wait
        JudgeOptions,
        bout_of_files,
        bout_of_version,
        rule,
    )
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above

    if (version is None) == (candidate is None or baseline is None):
        raise UsageError("name either a version, or files with --candidate and --baseline")
    if (version is None and labels is not None) or (version is not None and gold is not None):
        raise UsageError("--labels goes with a version, --gold with files")
    with opened(config) as parts:
        if version is not None:
            bout = bout_of_version(parts, version_of(parts, version), threshold=threshold, margin=margin, labels=labels)
        else:
            assert candidate is not None
            assert baseline is not None
            bout = bout_of_files(candidate, baseline, gold=gold, inputs=inputs)
        options = JudgeOptions(
            backend=backend,
            model=model,
            instructions="" if instructions is None else _text(instructions),
            limit=limit,
            concurrency=concurrency,
            seed=parts.settings.file.training.seed,
        )
        ruling = rule(parts, bout, options, verdicts, margin=margin, progress=Ticker("questions asked"))
    show(ruling_json(ruling), as_json=as_json, text=lambda console: _tell(console, ruling))
    if not ruling.comparison.allows_promotion:
        raise typer.Exit(GateError.exit_code)


def ruling_json(ruling: Ruling) -> dict[str, Any]:
    """A ruling as JSON types."""
    from tierwright.app.judging import JUDGED  # noqa: PLC0415 - as above

    found, trust = ruling.comparison, ruling.comparison.trust
    return {
        "metric": JUDGED,
        "evaluation_id": None if ruling.evaluation is None else ruling.evaluation.id,
        "verdict": found.verdict.value,
        "allows_promotion": found.allows_promotion,
        "basis": found.basis.value,
        "margin": found.margin,
        "difference": estimate_json(found.difference),
        "by_judge": estimate_json(found.by_judge),
        "examples": found.examples,
        "disagreements": found.disagreements,
        "unscored": ruling.unscored,
        "labelled": found.labelled,
        "judge": {
            "backend": ruling.backend,
            "model": ruling.model,
            "pairs": found.judged,
            "usable": found.usable,
            "refused": found.refused,
            "unreadable": found.unreadable,
            "human_agreement": estimate_json(trust.human_agreement),
            "kappa": estimate_json(trust.kappa),
            "steady": estimate_json(trust.steady),
            "first_place": estimate_json(trust.first_place),
        },
        "calls": {
            "asked": ruling.asked.asked,
            "known": ruling.asked.known,
            "failed": ruling.asked.failed,
            "cost_usd": ruling.asked.cost_usd,
            "unpriced": ruling.asked.unpriced,
        },
        "reason": found.reason,
    }


def _tell(console: Console, ruling: Ruling) -> None:
    found, trust, asked = ruling.comparison, ruling.comparison.trust, ruling.asked
    difference = found.difference
    if ruling.evaluation is not None:
        console.print(ruling.evaluation.id)
    console.print(
        f"{found.verdict.value}: {100 * difference.value:+.1f} points "
        f"({100 * difference.ci_low:+.1f} to {100 * difference.ci_high:+.1f}), margin {100 * found.margin:g}\n"
        f"By {found.reason}."
    )
    console.print(
        f"{found.disagreements:,} of {found.examples:,} examples have two different answers; {found.usable:,} of "
        f"{found.judged:,} judged pairs have two verdicts ({found.refused:,} questions declined, {found.unreadable:,} "
        f"without a verdict, {asked.failed:,} calls failed)"
    )
    console.print(
        f"{ruling.model} agrees with people {percent(trust.human_agreement)}, says the same in both orders "
        f"{percent(trust.steady)}, follows the order to the first place {percent(trust.first_place)}"
    )
    console.print(
        f"{asked.asked:,} questions asked, {asked.known:,} known; {usd(asked.cost_usd)}, {asked.unpriced:,} unpriced"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read as UTF-8 text; name a text file") from error
