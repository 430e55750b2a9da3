"""`tierwright eval plan`, `experiments` and `run`: what is registered before a result is seen, and the one look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.labels import run_by_labels
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, show, table
from tierwright.core.errors import GateError, UsageError
from tierwright.core.ids import ExperimentId

if TYPE_CHECKING:
    from tierwright.app.experiments import Looked
    from tierwright.app.wiring import Parts
    from tierwright.core.experiment import Registration

VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="The candidate's id, or the start of it, or its task's name.")
]
MarginOption = Annotated[float | None, typer.Option(help="What may be given up, as a share; default: the settings'.")]
ThresholdOption = Annotated[
    float | None, typer.Option(help="Confidence from which it answers; default: the calibrated one.")
]


def plan(
    version: VersionArgument,
    candidate: Annotated[list[str] | None, typer.Option(help="A further candidate; repeatable.")] = None,
    margin: MarginOption = None,
    alpha: Annotated[
        float | None, typer.Option(help="Chance that an interval misses; default: 1 - the settings' level.")
    ] = None,
    min_effect: Annotated[
        float | None, typer.Option(help="True difference to plan for, as a share; default: equally good.")
    ] = None,
    slice_: Annotated[list[str] | None, typer.Option("--slice", help="A dimension to look into; repeatable.")] = None,
    min_slice: Annotated[int, typer.Option(min=2, help="Examples below which a slice says nothing.")] = 30,
    labels: Annotated[
        int | None, typer.Option(min=1, help="Test examples to compare; default: all that can be.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="accuracy, span_f1, chrf or bleu; default: the usual.")] = None,
    slot_margin: Annotated[
        float | None, typer.Option(help="Slot errors per attribute that texts may add; default: 0.01.")
    ] = None,
    threshold: ThresholdOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Register an experiment before any result is seen, and say how likely it is to tell anything."""
    from tierwright.app.experiments import Wishes, register  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above
    from tierwright.evals.plan_report import registration_json, registration_summary  # noqa: PLC0415 - as above

    wishes = Wishes(
        margin=margin,
        alpha=alpha,
        min_effect=min_effect,
        labels=labels,
        metric=metric,
        threshold=threshold,
        slot_margin=slot_margin,
        slices=tuple(slice_ or ()),
        min_slice=min_slice,
    )
    with opened(config) as parts:
        versions = [version_of(parts, name) for name in (version, *(candidate or ()))]
        registration = register(parts, versions, wishes)
        earlier = _earlier(parts, registration)
    document = registration_json(registration) | {"evaluations_on_these_examples": earlier}
    warning = f"These test examples were looked at {earlier} times before." if earlier else ""
    show(
        document,
        as_json=as_json,
        text=lambda console: console.print(
            f"{registration.id}\n{registration_summary(registration)}\n{warning}".rstrip(), markup=False
        ),
    )


def experiments(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the experiments that were registered, newest first, and what became of them."""
    from tierwright.evals.plan_report import registration_json  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.experiments()
        names = {task.id: task.name for task in parts.store.tasks()}
        results: dict[str, list[str]] = {}
        for one in parts.store.evaluations():
            results.setdefault(one.experiment_id or "", []).append(one.verdict.value)
    rows = [
        (
            one.id,
            names.get(one.task_id, one.task_id),
            f"{one.created_at:%Y-%m-%d %H:%M}",
            f"{100 * one.margin:g}",
            one.sample_size,
            ", ".join(results.get(one.id, ["not looked at"])),
        )
        for one in found
    ]
    columns = ("experiment", "task", "registered", ">margin", ">examples", "verdict")
    show(
        [registration_json(one) | {"verdicts": list(results.get(one.id, []))} for one in found],
        as_json=as_json,
        text=lambda console: table(console, "Experiments", columns, rows),
    )


def run(
    version: Annotated[
        str | None,
        typer.Argument(metavar="VERSION", help="The candidate's id, or the start of it, or its task's name."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="What `eval plan` registered; without it, that is done here and now.")
    ] = None,
    margin: MarginOption = None,
    threshold: ThresholdOption = None,
    labels: Annotated[
        Path | None, typer.Option(help="A sheet that `eval labels` drew, filled in: its labels alone decide.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compare a version with its incumbent on the test examples; exit code 1 if the verdict allows no promotion."""
    if labels is not None:
        if version is None or experiment is not None:
            raise UsageError("--labels goes with the VERSION its sheet was drawn for, and without --experiment")
        run_by_labels(version, labels, margin=margin, threshold=threshold, config=config, as_json=as_json)
        return
    from tierwright.app.experiments import Wishes, look, register  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.ring import version_of  # noqa: PLC0415 - as above

    if (version is None) == (experiment is None):
        raise UsageError("name either a VERSION or an --experiment that was registered with `tierwright eval plan`")
    with opened(config) as parts:
        if experiment is not None:
            registration = parts.store.experiment(ExperimentId(experiment))
            _require_registered(registration, margin, threshold)
        else:
            wishes = Wishes(margin=margin, threshold=threshold)
            registration = register(parts, [version_of(parts, version or "")], wishes, implicit=True)
        found = look(parts, registration)
    documents = [looked_json(one) for one in found]
    show(
        documents[0] if len(documents) == 1 else documents,
        as_json=as_json,
        text=lambda console: console.print("\n\n".join(_lines(one) for one in found), markup=False),
    )
    if not any(one.evaluation.verdict.allows_promotion for one in found):
        raise typer.Exit(GateError.exit_code)


def looked_json(found: Looked) -> dict[str, Any]:
    """An evaluation with what was registered, which look it is, and whether the task can be learned."""
    from tierwright.evals.report import report  # noqa: PLC0415 - as above

    document: dict[str, Any] = dict(report(found.evaluation))
    document["experiment"] = {
        "id": found.registration.id,
        "registered_at": found.registration.created_at.isoformat(),
        "implicit": found.registration.implicit,
        "test_sha256": found.registration.test_sha256,
        "look": found.looks.number,
        "looks_of_any_version": len(found.looks.of_any) + 1,
        "verdict_if_looks_share_the_error": found.shared.value,
        "earlier": [
            {"id": one.id, "candidate": one.candidate, "margin": one.margin, "verdict": one.verdict.value}
            for one in found.looks.of_any
        ],
    }
    document["learnable"] = None if found.learned is None else found.learned.learnable
    document["learnability"] = None if found.learned is None else found.learned.reason
    return document


def look_line(found: Looked) -> str:
    """Which look it is, in a sentence."""
    how = (
        "Registered by this command, just before it looked"
        if found.registration.implicit
        else f"Registered on {found.registration.created_at:%Y-%m-%d %H:%M}"
    )
    earlier = len(found.looks.of_any)
    others = f", {earlier} evaluations of any version on them before it" if earlier else ", the first look at them"
    shared = f" Had they all shared the error, the verdict would be {found.shared.value}." if earlier else ""
    return f"{how}; experiment {found.looks.number} of this version on these test examples{others}.{shared}"


def _lines(found: Looked) -> str:
    from tierwright.evals.report import summary  # noqa: PLC0415 - as above

    learned = "" if found.learned is None else f"\n{found.learned.reason}"
    return f"{found.evaluation.id}\n{summary(found.evaluation)}\n{look_line(found)}{learned}"


def _earlier(parts: Parts, registration: Registration) -> int:
    """Evaluations of any version that looked at the same test examples."""
    from tierwright.evals.registration import looks  # noqa: PLC0415 - as above

    kept = {one.id: one for one in parts.store.experiments(registration.task_id)}
    done = parts.store.evaluations(registration.task_id)
    found = looks(registration.candidates[0].version, registration, done, kept, before=registration.created_at)
    return len(found.of_any)


def _require_registered(registration: Registration, margin: float | None, threshold: float | None) -> None:
    """Raises UsageError where what is asked for is not what was registered."""
    thresholds = {one.threshold for one in registration.candidates}
    for name, given, fixed in (
        ("margin", margin, {registration.margin}),
        ("threshold", threshold, thresholds),
    ):
        if given is not None and fixed != {given}:
            raise UsageError(
                f"experiment {registration.id[:12]} registered the {name} {', '.join(f'{one:g}' for one in fixed)}, "
                f"not {given:g}; leave --{name} out, or register a new experiment with `tierwright eval plan`"
            )
