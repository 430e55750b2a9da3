"""`tierwright deploy drift`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    estimate_json,
    opened,
    percent,
    say,
    show,
    table,
)
from tierwright.app.cli.task import TaskArgument
from tierwright.app.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from tierwright.app.drift import Drift
    from tierwright.lifecycle.intents import Intent

#: Characters of a request shown to people.
_SHOWN = 100


def drift(
    task: TaskArgument,
    since: Annotated[
        datetime | None, typer.Option(help="Where the late traffic begins; default: a week before the newest request.")
    ] = None,
    baseline_days: Annotated[float, typer.Option(help="Days of early traffic; whole weeks are best.")] = 14,
    curve: Annotated[
        bool, typer.Option("--curve", help="Measure what training on the new data would gain; takes minutes.")
    ] = False,
    show_texts: Annotated[bool, typer.Option("--show-texts", help="Show example requests of new kinds.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Look whether a task's traffic is still what its specialist was made for, and propose what to do."""
    from tierwright.app.drift import DriftQuestion, find_drift  # noqa: PLC0415 - `--help` must not wait

    question = DriftQuestion(
        since=since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since,
        baseline_days=baseline_days,
        with_curve=curve,
    )
    with opened(config) as parts:
        named = parts.store.task(task)
        found = find_drift(parts, named, question, progress=say)
        texts = _texts(found) if show_texts else {}
    show(
        drift_json(found, task=named.name, texts=texts),
        as_json=as_json,
        text=lambda console: drift_text(console, found, named.name, texts),
    )


def drift_json(found: Drift, *, task: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """The document of `deploy drift --json`."""
    data = found.data
    return {
        "task": task,
        "since": found.since,
        "baseline": found.baseline,
        "permuted": found.windows.unit,
        "early": found.windows.early,
        "late": found.windows.late,
        "checks": [asdict(check) for check in found.checks],
        "intents": [_intent_json(intent, texts) for intent in found.intents],
        "new_data": {
            "since": data.since,
            "inferences": data.inferences,
            "frontier_answers": data.frontier_answers,
            "human_labels": data.human_labels,
            "new_labels": dict(data.new_labels),
            "confidence_gap": estimate_json(data.gap),
            "expected_gain": estimate_json(data.expected_gain),
        },
        "proposal": found.proposal.action.value,
        "reasons": list(found.proposal.reasons),
    }


def drift_text(console: Console, found: Drift, task: str, texts: Mapping[str, str]) -> None:
    """The same for people."""
    console.print(
        f"{task}: {found.windows.late:,} requests from {found.since:%Y-%m-%d %H:%M} on against "
        f"{found.windows.early:,} of {found.baseline}; permuted: {found.windows.unit}"
    )
    for check in found.checks:
        console.print(f"{'ALARM ' if check.alarm else ''}{check.name}: {check.what}")
    rows = [
        (
            "new" if intent.new else "grown" if intent.grown else "",
            intent.size,
            f"{intent.share:.1%}",
            percent(intent.growth),
            f"{intent.adjusted_p:.3f}",
            f"{intent.stability.value:.2f}",
            printable(", ".join(intent.terms)),
            intent.examples[0],
        )
        for intent in found.intents
    ]
    if rows:
        columns = ("", ">requests", ">share", ">growth", ">p", ">stability", "words", "for example")
        table(console, "Kinds of requests that were handed on", columns, rows)
    for intent in found.intents:
        for known in intent.examples:
            if known in texts:
                console.print(f"  {known}  {printable(texts[known], _SHOWN)}")
    if found.data.new_labels:
        said = ", ".join(f"{printable(label, 40)} ({count})" for label, count in found.data.new_labels.items())
        console.print(f"Answers outside of the contract: {said}")
    if found.data.expected_gain is not None:
        console.print(f"Training on the new data is expected to gain {percent(found.data.expected_gain)}.")
    console.print(f"Proposal: {found.proposal.action.value}.", style="bold")
    for reason in found.proposal.reasons:
        console.print(f"  {reason}.")


def _intent_json(intent: Intent, texts: Mapping[str, str]) -> dict[str, Any]:
    document = asdict(intent)
    return document | {"texts": [texts[known] for known in intent.examples if known in texts]} if texts else document


def _texts(found: Drift) -> dict[str, str]:
    """The inputs of the examples named."""
    wanted = {known for intent in found.intents for known in intent.examples}
    return {one.id: one.input for one in found.windows.observed if one.id in wanted}
