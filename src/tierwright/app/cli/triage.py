"""`tierwright dataset triage`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    DatasetArgument,
    JsonOption,
    estimate_json,
    opened,
    say,
    show,
)
from tierwright.core.errors import NotFound
from tierwright.core.ids import DatasetId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset
    from tierwright.core.triage import Case, Triage

#: Cases shown to people; `--json` has all that were kept.
_SHOWN = 5


def triage(
    dataset: DatasetArgument,
    show_texts: Annotated[bool, typer.Option("--show-texts", help="Show the inputs of the examples named.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Look for what is wrong with a dataset before it is trained on."""
    from tierwright.app.triage import triage as run  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        found = parts.store.dataset(DatasetId(dataset))
        examples = parts.store.examples(found.id)
        report = run(
            found,
            examples,
            answers=_answers(parts, found),
            incumbent=parts.store.incumbent(found.task_id),
            progress=say,
        )
    texts = {str(example.id): example.input for example in examples} if show_texts else {}
    show(
        triage_json(report, dataset=found.id, texts=texts),
        as_json=as_json,
        text=lambda console: triage_text(console, report, texts),
    )


def triage_json(report: Triage, *, dataset: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """The document of `dataset triage --json`."""
    return {
        "dataset": dataset,
        "critical": report.critical,
        "findings": [
            {
                "check": finding.check,
                "severity": finding.severity.value,
                "what": finding.what,
                "advice": finding.advice,
                "count": finding.count,
                "n": finding.n,
                "estimate": estimate_json(finding.estimate),
                "p_value": finding.p_value,
                "cases": [_case_json(case, texts) for case in finding.cases],
            }
            for finding in report.findings
        ],
    }


def triage_text(console: Console, report: Triage, texts: Mapping[str, str]) -> None:
    """The report for people, the gravest first."""
    for finding in report.findings:
        console.print(f"{finding.severity.value}: {finding.check}", style="bold")
        console.print(f"  {finding.what}.")
        if finding.advice:
            console.print(f"  To do: {finding.advice}.")
        for case in finding.cases[:_SHOWN]:
            console.print(f"    {_case_line(case)}")
            for known in case.examples[:2]:
                if known in texts:
                    console.print(f"      {' '.join(texts[known].split())[:200]}")
        left = finding.count - min(_SHOWN, len(finding.cases))
        if finding.cases and left > 0:
            console.print(f"    … and {left:,} more (--json lists up to {len(finding.cases)})")


def brief(report: Triage) -> list[str]:
    """What has to be acted on, a line each; for commands that only mention it."""
    return [
        f"{finding.severity.value}: {finding.what}"
        for finding in report.findings
        if finding.severity.value in {"critical", "warning"}
    ]


def _answers(parts: Parts, dataset: Dataset) -> list[tuple[str, str]]:
    """All captured answers of the dataset's task; none where it was imported or its traffic is gone."""
    from tierwright.curation.dataset import captured_answers  # noqa: PLC0415 - as above

    try:
        task = parts.store.task(dataset.task_id)
    except NotFound:
        return []
    return captured_answers(task, dataset.contract, parts.store.scan(task_id=task.id))


def _case_json(case: Case, texts: Mapping[str, str]) -> dict[str, Any]:
    document = asdict(case)
    return document | {"texts": [texts[known] for known in case.examples if known in texts]} if texts else document


def _case_line(case: Case) -> str:
    parts = [" ~ ".join(case.examples[:2]) if case.examples else ""]
    if case.field and case.field != "label":
        parts.append(case.field)
    if case.given is not None:
        parts.append(f"{case.given!r}" + (f", likelier {case.proposed!r}" if case.proposed is not None else ""))
    if case.probability is not None:
        parts.append(f"wrong with probability {case.probability:.2f}")
    if case.count is not None:
        parts.append(f"{case.count:,}" + (f", {case.needed:,} more needed" if case.needed is not None else ""))
    return "  ".join(part for part in parts if part)
