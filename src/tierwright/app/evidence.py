"""What an evaluation rests on, gathered from the store; as a bundle in a directory or a zip file, and as a page.

Owns the gathering and the files. What is in a bundle and whether it agrees is `evals.bundle`'s. A bundle appears whole
or not at all, and is never written over another.
"""

from __future__ import annotations

import io
import os
import platform
import zipfile
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright import __version__
from tierwright.app.appraisal import measure_latency
from tierwright.app.experiments import looks_before, scored_examples
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.errors import InputError, NotFound
from tierwright.core.inference import CallRole
from tierwright.evals.bundle import MANIFEST, Evidence
from tierwright.evals.dossier import Dossier, Ratio
from tierwright.evals.judging import Terms, shared_verdict
from tierwright.stats.ratios import ratio_of_means, ratio_of_medians

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tierwright.app.wiring import Parts
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.experiment import Registration
    from tierwright.evals.report import Json

#: Packages whose version may change a number.
_PACKAGES = ("numpy", "scipy", "scikit-learn", "onnxruntime", "tokenizers", "sacrebleu", "msgspec", "sqlalchemy")
#: Bytes of a bundle that are read at most, unpacked.
_MOST_BYTES = 1 << 30
#: The time of every file in a zip file, so that the same evidence is the same file.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: Spent answers by which cost and latency are compared.
_SAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What single answers cost and took, of those that say so."""

    cost_usd: list[float]
    latency_ms: list[float]


def registration_of(parts: Parts, evaluation: Evaluation) -> Registration:
    """What was registered for an evaluation. Raises NotFound where it was made before experiments were registered."""
    if evaluation.experiment_id is None:
        raise NotFound(
            f"evaluation {evaluation.id} was made before experiments were registered; run it again with "
            f"`tierwright eval run {evaluation.candidate[:12]}`"
        )
    return parts.store.experiment(evaluation.experiment_id)


def gather(parts: Parts, evaluation: Evaluation, *, with_texts: bool) -> Evidence:
    """What goes into a bundle of an evaluation."""
    registration = registration_of(parts, evaluation)
    dataset = parts.store.dataset(evaluation.dataset_id)
    version = parts.store.version(evaluation.candidate)
    rules: Json = dict(_rules(parts))
    software: dict[str, Json] = {
        "tierwright": __version__,
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in _PACKAGES},
        "settings": {"evaluation": rules},
        "candidate": {
            "recipe": version.recipe,
            "encoder": version.encoder,
            "seed": version.seed,
            "size_bytes": version.size_bytes,
            "created_at": version.created_at.isoformat(),
            "calibrated_threshold": version.threshold,
        },
    }
    return Evidence(
        registration=registration,
        evaluation=evaluation,
        outcomes=parts.store.outcomes(evaluation.id),
        dataset=dataset,
        software=software,
        decisions=_decisions(parts, evaluation),
        texts=scored_examples(parts, registration) if with_texts else None,
    )


def write_bundle(output: Path, files: Mapping[str, bytes]) -> None:
    """The files in a new directory, or in a new zip file where the name ends so.

    Raises InputError where something is there already, OSError where it can't be written.
    """
    if output.exists():
        raise InputError(f"{output} is there already, and a bundle is never written over another; name a new one")
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = output.with_name(f".{output.name}.{os.getpid()}")
    if output.suffix == ".zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files.items()):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
        scratch.write_bytes(packed.getvalue())
    else:
        scratch.mkdir()
        for name, content in files.items():
            (scratch / name).write_bytes(content)
    scratch.rename(output)


def read_bundle(path: Path) -> dict[str, bytes]:
    """The files of a bundle, by name; nothing is written anywhere. Raises InputError where it is none."""
    if path.is_dir():
        found = {one.name: one for one in sorted(path.iterdir()) if one.is_file()}
        if MANIFEST not in found:
            raise InputError(f"{path} has no {MANIFEST}; name the directory or zip file of a bundle")
        if sum(one.stat().st_size for one in found.values()) > _MOST_BYTES:
            raise InputError(f"{path} holds more than {_MOST_BYTES >> 20} MiB; that is no evidence bundle")
        return {name: one.read_bytes() for name, one in found.items()}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise InputError(f"{path} holds more than {_MOST_BYTES >> 20} MiB; that is no evidence bundle")
            if len({entry.filename for entry in entries}) != len(entries):
                raise InputError(f"{path} holds a file twice; the bundle is damaged")
            return {entry.filename: archive.read(entry) for entry in entries}
    except FileNotFoundError as error:
        raise InputError(f"there is no {path}; name the directory or zip file of a bundle") from error
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise InputError(f"{path} can't be read as a zip file ({error}); the bundle is damaged") from error


def dossier_of(parts: Parts, evaluation: Evaluation) -> Dossier:
    """What the page of an evaluation is made from; cost and latency as far as the captured traffic tells them."""
    registration = registration_of(parts, evaluation)
    names = {task.id: task.name for task in parts.store.tasks()}
    earlier, outcomes = looks_before(parts, evaluation, registration), parts.store.outcomes(evaluation.id)
    return Dossier(
        task=names.get(evaluation.task_id, evaluation.task_id),
        registration=registration,
        evaluation=evaluation,
        looks=earlier,
        shared=shared_verdict(Terms.of(registration), outcomes, len(earlier.of_any) + 1) if outcomes else None,
        ratios=measured_ratios(parts, evaluation, registration),
        decisions=[
            f"{one['created_at']}: {one['stage']}, share {one['share']}, by {one['approver'] or 'the gate'}"
            + (f": {one['reason']}" if one["reason"] else "")
            for one in _decisions(parts, evaluation)
        ],
    )


def measured_ratios(
    parts: Parts, evaluation: Evaluation, registration: Registration, frontier: Spent | None = None
) -> list[Ratio]:
    """How many times cheaper and faster a request is; what the incumbent's captured answers don't say is left out.

    The candidate is timed here, one request at a time, and priced by the settings' machine; as served, a request below
    the threshold costs and takes both.
    """
    theirs = frontier or _frontier(parts, evaluation)
    texts = [example.input for example in scored_examples(parts, registration)]
    if min(len(theirs.cost_usd), len(theirs.latency_ms), len(texts)) < 2:
        return []
    try:
        loaded = ArtifactLoader(parts).load(parts.store.version(evaluation.candidate))
    except NotFound:
        return []
    latency = measure_latency(loaded, texts)
    own_usd = [float(parts.machine.cost(one / 1e3 / parts.cores)) for one in latency.each_ms]
    return served_ratios(
        theirs,
        Spent(cost_usd=own_usd, latency_ms=list(latency.each_ms)),
        local=[one.local for one in parts.store.outcomes(evaluation.id)],
        seed=registration.seed,
        priced="the settings' machine for the time it works",
    )


def served_ratios(theirs: Spent, own: Spent, *, local: Sequence[bool], seed: int, priced: str) -> list[Ratio]:
    """Ratios of a request the candidate answers itself, and over all requests, where others cost and take both.

    `local` says of each test example whether the candidate answered it: the share is as uncertain as they are few.
    """
    basis = f"{len(theirs.cost_usd)} of the incumbent's answers, {len(own.cost_usd)} of the candidate's, timed here"
    paid = f"{basis}; {priced}"
    found = [
        Ratio(
            name="cheaper a request it answers itself",
            estimate=ratio_of_means(theirs.cost_usd, own.cost_usd, seed=seed),
            basis=paid,
        ),
        Ratio(
            name="faster a request it answers itself, median",
            estimate=ratio_of_medians(theirs.latency_ms, own.latency_ms, seed=seed),
            basis=basis,
        ),
    ]
    if all(local):
        return found
    generator = np.random.default_rng(seed)
    kept = np.array(local)
    cost, time = (
        generator.choice(ours, kept.size) + np.where(kept, 0.0, generator.choice(incumbents, kept.size))
        for ours, incumbents in ((own.cost_usd, theirs.cost_usd), (own.latency_ms, theirs.latency_ms))
    )
    both = f"{1 - kept.mean():.1%} of the requests cost and take both"
    return [
        *found,
        Ratio(
            name="cheaper over all requests, as served",
            estimate=ratio_of_means(theirs.cost_usd, cost, seed=seed),
            basis=f"{both}; {priced}",
        ),
        Ratio(
            name="faster over all requests, as served, mean",
            estimate=ratio_of_means(theirs.latency_ms, time, seed=seed),
            basis=both,
        ),
        Ratio(
            name="faster over all requests, as served, median",
            estimate=ratio_of_medians(theirs.latency_ms, time, seed=seed),
            basis=both,
        ),
    ]


def _frontier(parts: Parts, evaluation: Evaluation) -> Spent:
    """Of the newest captured answers of the task that a frontier model gave."""
    costs: list[float] = []
    times: list[float] = []
    for inference in parts.store.scan(task_id=evaluation.task_id):
        call = inference.answering_call
        if call is None or call.model_version_id is not None or call.role is not CallRole.PRIMARY:
            continue
        if call.cost_usd and call.latency_ms:
            costs.append(float(call.cost_usd))
            times.append(call.latency_ms)
    return Spent(cost_usd=costs[-_SAMPLES:], latency_ms=times[-_SAMPLES:])


def _decisions(parts: Parts, evaluation: Evaluation) -> list[dict[str, Json]]:
    """The deployments that name an evaluation, oldest first."""
    return [
        {
            "id": one.id,
            "stage": one.stage.value,
            "share": one.share,
            "threshold": one.threshold,
            "created_at": one.created_at.isoformat(),
            "approver": one.approver,
            "reason": one.reason,
        }
        for one in reversed(parts.store.deployments(evaluation.task_id))
        if one.evaluation_id == evaluation.id
    ]


def _rules(parts: Parts) -> dict[str, Json]:
    """The settings of evaluations."""
    found: dict[str, Json] = msgspec.to_builtins(parts.settings.file.evaluation)
    return found
