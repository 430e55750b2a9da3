"""Erases what the store holds of a person or of requests, says what must be trained again, and writes that down.

Owns whom a name means, which models are still in service, and the entry in the ledger. Refuses to know how rows go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.app.ledger_notes import noting, who
from tierwright.core.deployment import Stage
from tierwright.core.erasure import Erasure, Subject
from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.app.wiring import Parts
    from tierwright.core.ids import InferenceId, ModelVersionId

#: Ids that an entry of the ledger names at most; beyond that it says how many there are.
_NAMED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain:
    """A model that was trained on what was erased."""

    version: ModelVersionId
    #: By its name.
    task: str
    recipe: str
    #: "live", "canary" or "shadow" while it answers requests or copies of them; None: it answers nothing.
    stage: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReport:
    """What was found, and what is left to do."""

    erasure: Erasure
    #: Those in service first.
    retrain: tuple[Retrain, ...]
    dry_run: bool


def erase(
    parts: Parts,
    *,
    people: Sequence[str] = (),
    requests: Sequence[InferenceId] = (),
    clients: Sequence[str] = (),
    again: bool = False,
    dry_run: bool = False,
) -> ErasureReport:
    """Erases people, as the named callers know them, and requests; durably, and noted in the ledger.

    No `clients`: all that have ever asked anything. `again`: all that was ever erased, after a backup was restored.
    Raises SettingsError without a table [privacy], LedgerError where the ledger can't be written: nothing is erased
    then.
    """
    if parts.settings.privacy is None:
        raise SettingsError(
            f"{parts.settings.path} has no table [privacy]: an erasure could be noted nowhere; add one with "
            'default_class = "internal"'
        )
    store, at = parts.store, parts.clock()
    known = clients or store.clients()
    subjects = [Subject(client_id=client, name=name) for client in known for name in people]

    def erased() -> ErasureReport:
        if again:
            done = store.erase_again(at=at, dry_run=dry_run)
        else:
            done = store.erase(subjects, requests, at=at, dry_run=dry_run)
        return ErasureReport(erasure=done, retrain=_retrain(parts, done), dry_run=dry_run)

    if dry_run:
        return erased()
    with noting(parts) as note:
        report = erased()
        note("erase", _facts(report.erasure, requests, again=again))
    return report


def _facts(done: Erasure, requests: Sequence[InferenceId], *, again: bool) -> dict[str, object]:
    """What the ledger is told: hashes, ids and counts."""
    return {
        "who": who(),
        "subject_hmac": ",".join(label.partition(":")[2] for label in done.subjects[:_NAMED]),
        "request_ids": list(requests[:_NAMED]),
        "again": again,
        "inferences": len(done.inferences),
        "contents": done.contents,
        "second_answers": done.second_answers,
        "feedback": done.feedback,
        "scores": done.scores,
        "examples": sum(done.examples.values()),
        "datasets": list(done.examples)[:_NAMED],
        "models": list(done.models)[:_NAMED],
        "keys": done.keys,
    }


def _retrain(parts: Parts, found: Erasure) -> tuple[Retrain, ...]:
    names = {task.id: task.name for task in parts.store.tasks()}
    serving = [*parts.store.shadows_in_force(), *parts.store.deployments_in_force()]
    stages = {one.model_version_id: one.stage.value for one in serving if one.stage is not Stage.RETIRED}
    versions = [parts.store.version(version_id) for version_id in found.models]
    retrain = [
        Retrain(
            version=version.id,
            task=names.get(version.task_id, version.task_id),
            recipe=version.recipe,
            stage=stages.get(version.id),
        )
        for version in versions
    ]
    return tuple(sorted(retrain, key=lambda one: one.stage is None))
