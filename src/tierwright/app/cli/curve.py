"""`tierwright model curve`."""

from __future__ import annotations

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
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.wiring import Parts
    from tierwright.core.task import Task
    from tierwright.stats.learning_curve import LearningCurve, Need


def curve(
    task: TaskArgument,
    goal: Annotated[
        float | None,
        typer.Option(help="Quality to reach, 0 to 1; default: the incumbent's, where people's labels measure it."),
    ] = None,
    encoder: Annotated[bool, typer.Option("--encoder", help="Probe with the sentence encoder, too; slower.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Measure how quality grows with examples, and how many more are needed."""
    from tierwright.app.curve import incumbent_score, learning_curve  # noqa: PLC0415 - `--help` must not wait

    if goal is not None and not 0 < goal <= 1:
        raise InputError(f"the goal is {goal}; give a share of right answers above 0 and up to 1, for example 0.9")
    with opened(config) as parts:
        found = parts.store.task(task)
        dataset, examples = _latest(parts, found)
        measured = learning_curve(parts, dataset, examples, with_encoder=encoder, progress=say)
        score = incumbent_score(examples)
    wanted = goal if goal is not None else score.value if score is not None else None
    available = sum(example.split.value != "test" for example in examples)
    need = measured.need(wanted, available=available) if wanted is not None else None
    show(
        curve_json(measured, need, task=found.name, dataset=dataset.id, available=available),
        as_json=as_json,
        text=lambda console: curve_text(console, measured, need, found.name),
    )


def curve_json(
    measured: LearningCurve, need: Need | None, *, task: str, dataset: str, available: int
) -> dict[str, Any]:
    """The document of `model curve --json`."""
    return {
        "task": task,
        "dataset": dataset,
        "available": available,
        "points": [
            {"examples": size, "quality": estimate_json(quality)}
            for size, quality in zip(measured.sizes, measured.measured, strict=True)
        ],
        "law": {"asymptote": measured.law[0], "drop": measured.law[1], "exponent": measured.law[2]},
        "asymptote": estimate_json(measured.asymptote),
        "foretold": measured.foretold,
        "limit": measured.limit,
        "at_limit": estimate_json(measured.at(measured.limit)),
        "need": None
        if need is None
        else {
            "goal": need.goal,
            "outlook": need.outlook.value,
            "fewest": need.fewest,
            "likely": need.likely,
            "most": need.most,
            "why": need.why,
        },
    }


def curve_text(console: Console, measured: LearningCurve, need: Need | None, task: str) -> None:
    """The curve for people."""
    rows = [
        (f"{size:,}", percent(quality), "") for size, quality in zip(measured.sizes, measured.measured, strict=True)
    ]
    largest = measured.sizes[-1]
    rows += [
        (f"{size:,}", percent(measured.at(size)), "foretold")
        for size in (2 * largest, 4 * largest)
        if size <= measured.limit
    ]
    table(console, f"Learning curve of {task}", (">examples", ">right", ""), rows)
    if need is None:
        console.print("No goal is known: give one with --goal, or label 50 examples so that the incumbent has a score.")
    else:
        console.print(f"{need.why}.")


def _latest(parts: Parts, task: Task) -> tuple[Any, Any]:
    """The newest dataset of a task, built where there is none. Raises NotEnoughData where some of it was erased."""
    from tierwright.app.ring import build, require_whole  # noqa: PLC0415 - `--help` must not wait

    for dataset in parts.store.datasets():
        if dataset.task_id == task.id:
            require_whole(dataset)
            return dataset, parts.store.examples(dataset.id)
    return build(parts, task)
