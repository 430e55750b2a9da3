"""Certificates: of files of answers that people bring, and of trained versions.

Owns what is read for a certificate and the shape of the document; the guarantee is `evals.certify`'s.

The shape; an *estimate* is `{"value", "ci_low", "ci_high", "n", "level", "method"}`:

    {"certified": bool, "threshold": number | null, "coverage": estimate | null, "realised_risk": estimate | null,
     "labels_needed": integer | null, "reason": text,
     "risk": "R1" | "R2", "level", "delta", "n", "seed", "dataset_id", "tested_at": number}

of files with `unscored` (ids left out, by reason), and with `--by` the same for each group under `groups`, of which
`certified` says whether all are; of versions with `id`, `task`, `version`, `reference`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierwright.app.answer_files import Confidence, join, read_answers
from tierwright.app.wiring import ArtifactLoader
from tierwright.core.certificate import Risk
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.evals.answer_scores import same_answer
from tierwright.evals.certify import Material, certify_groups, certify_threshold, certify_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tierwright.app.answer_files import AnswerFile, Joined
    from tierwright.app.wiring import Parts
    from tierwright.core.certificate import Certificate
    from tierwright.core.model import ModelVersion
    from tierwright.curation.tables import TableForm
    from tierwright.evals.certify import Goal
    from tierwright.stats.risk_control import Certified

CANDIDATE, BASELINE = "candidate", "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOfFiles:
    """A certificate wanted of files."""

    gold: Path
    #: With a confidence for each answer.
    candidate: Path
    #: None: regret can't be certified.
    baseline: Path | None
    goal: Goal
    #: Column by whose values there is one certificate each; None: one for all.
    by: str | None
    #: Column whose equal values are not independent; None: all are.
    cluster: str | None
    #: Whether the certificates of all groups hold together.
    family_wise: bool
    form: TableForm


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedFiles:
    """What came of it."""

    asked: AskedOfFiles
    #: By group; the one key is "" where there are no groups.
    found: Mapping[str, tuple[Certified, int]]
    #: SHA-256 of ids and right answers.
    dataset_id: str
    unscored: Mapping[str, int]

    @property
    def certified(self) -> bool:
        """Whether every group has a threshold."""
        return all(one.threshold is not None for one, _ in self.found.values())


def certify_files(asked: AskedOfFiles) -> CertifiedFiles:
    """Certificates of files; raises as `read_answers`, `join` and `certify_threshold` do.

    Answers of the candidate that the gold file has no answer for make the grid where there are enough. Raises
    InputError where all right answers are the same: any constant answer would be certified on them.
    """
    if asked.goal.risk is Risk.REGRET and asked.baseline is None:
        raise InputError("R2 is the accuracy given up against a baseline; name its file with --baseline, or choose R1")
    others = [name for name in (asked.by, asked.cluster) if name is not None]
    gold = read_answers(asked.gold, confidence=Confidence.IGNORED, others=others, form=asked.form)
    candidate = read_answers(asked.candidate, confidence=Confidence.REQUIRED, others=others, form=asked.form)
    arms = {CANDIDATE: candidate}
    if asked.baseline is not None:
        arms[BASELINE] = read_answers(asked.baseline, confidence=Confidence.IGNORED, form=asked.form)
    joined = join(gold, arms)
    rights = [answer.output or "" for answer in joined.gold]
    if len(rights) > 1 and len(set(rights)) == 1:
        raise InputError(
            f"all {len(rights):,} right answers in {asked.gold} are the same, so that a constant answer would be "
            "certified; label a random sample of the requests"
        )
    materials = _materials(asked, joined, rights, gold, candidate)
    if asked.by is None:
        found = {"": certify_threshold(materials[""], asked.goal)}
    else:
        found = certify_groups(materials, asked.goal, family_wise=asked.family_wise)
    lines = "\n".join(f"{one}\t{right}" for one, right in zip(joined.ids, rights, strict=True))
    return CertifiedFiles(
        asked=asked,
        found=found,
        dataset_id=hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest(),
        unscored=joined.unscored,
    )


def certify_trained(parts: Parts, version: ModelVersion, goal: Goal) -> Certificate:
    """The certificate of a version on its test examples, kept in the store, also where nothing could be certified.

    Raises NotEnoughData for tasks whose answers are texts, and as `certify_version`.
    """
    dataset = parts.store.dataset(version.dataset_id)
    if dataset.contract.kind is ContractKind.TEXT:
        raise NotEnoughData(
            "two good texts differ in wording, so equal answers can't be counted and no error rate be certified; judge "
            "a sample and certify the judgements with --gold and --candidate"
        )
    examples = parts.store.examples(dataset.id, Split.TEST)
    if not examples:
        raise NotEnoughData(f"dataset {dataset.id} has no test examples to certify on; build a larger one")
    predictions = ArtifactLoader(parts).load(version).predict([example.input for example in examples])
    min_gold = parts.settings.file.evaluation.min_gold
    found = certify_version(version, dataset, examples, predictions, goal, min_gold=min_gold, at=parts.clock())
    parts.store.add_certificate(found)
    return found


def certificate_for(
    certificates: Sequence[Certificate], version: ModelVersion, threshold: float | None
) -> Certificate | None:
    """The certificate that a version may serve by, of those newest first.

    The newest about this threshold where one is given and was certified, else the newest that certifies any, else the
    newest refusal; None: there is none of this version.
    """
    own = [one for one in certificates if one.model_version_id == version.id]
    exact = [one for one in own if threshold is not None and one.threshold == threshold]
    return next(iter([*exact, *(one for one in own if one.certified), *own]), None)


def files_json(found: CertifiedFiles) -> dict[str, Any]:
    """The document of files."""
    goal = found.asked.goal
    shared = {"risk": goal.risk.value, "level": goal.level, "delta": goal.delta, "seed": goal.seed}
    kept = {"dataset_id": found.dataset_id, "unscored": dict(found.unscored)}
    if found.asked.by is None:
        one, n = found.found[""]
        return _certified_json(one) | shared | {"n": n, "tested_at": one.tested_at} | kept
    groups = [
        {"group": name} | _certified_json(one) | {"n": n, "tested_at": one.tested_at}
        for name, (one, n) in found.found.items()
    ]
    good = sum(one.threshold is not None for one, _ in found.found.values())
    together = "all of them together" if found.asked.family_wise else "each by itself"
    summary = {
        "certified": found.certified,
        "threshold": None,
        "coverage": None,
        "realised_risk": None,
        "labels_needed": None,
        "reason": f"{good} of {len(groups)} groups are certified, {together}; see groups",
    }
    n = sum(number for _, number in found.found.values())
    return summary | shared | {"n": n, "family_wise": found.asked.family_wise} | kept | {"groups": groups}


def certificate_json(certificate: Certificate, task: str) -> dict[str, Any]:
    """The document of a version's certificate."""
    return {
        "certified": certificate.certified,
        "threshold": certificate.threshold,
        "coverage": certificate.coverage,
        "realised_risk": certificate.realised_risk,
        "labels_needed": certificate.labels_needed,
        "reason": certificate.reason,
        "risk": certificate.risk.value,
        "level": certificate.level,
        "delta": certificate.delta,
        "n": certificate.n,
        "seed": certificate.seed,
        "dataset_id": certificate.dataset_id,
        "id": certificate.id,
        "task": task,
        "task_id": certificate.task_id,
        "version": certificate.model_version_id,
        "reference": certificate.reference.value,
        "created_at": certificate.created_at,
    }


def _certified_json(found: Certified) -> dict[str, Any]:
    return {
        "certified": found.threshold is not None,
        "threshold": found.threshold,
        "coverage": found.coverage,
        "realised_risk": found.realised_risk,
        "labels_needed": found.labels_needed,
        "reason": found.reason,
    }


def _materials(
    asked: AskedOfFiles, joined: Joined, rights: Sequence[str], gold: AnswerFile, candidate: AnswerFile
) -> dict[str, Material]:
    """What each group is certified on."""
    sources = (gold, candidate)
    groups = joined.column(asked.by, sources) if asked.by is not None else [""] * len(joined.ids)
    clusters = joined.column(asked.cluster, sources) if asked.cluster is not None else None
    qualities = {
        name: [same_answer(right, answer.output or "") for right, answer in zip(rights, answers, strict=True)]
        for name, answers in joined.arms.items()
    }
    known = {one for one, answer in gold.answers.items() if (answer.output or "").strip()}
    spare: dict[str, list[float]] = {}
    for answer in candidate.answers.values():
        # Which group an unlabelled answer belongs to is known only where its own file says so.
        group = "" if asked.by is None else answer.others.get(asked.by)
        if answer.id not in known and answer.confidence is not None and group is not None:
            spare.setdefault(group, []).append(answer.confidence)
    confidences = [answer.confidence or 0.0 for answer in joined.arms[CANDIDATE]]
    found: dict[str, Material] = {}
    for name in dict.fromkeys(groups):
        at = [place for place, group in enumerate(groups) if group == name]
        found[name] = Material(
            confidence=[confidences[place] for place in at],
            candidate=[qualities[CANDIDATE][place] for place in at],
            baseline=[qualities[BASELINE][place] for place in at] if BASELINE in qualities else None,
            groups=None if clusters is None else [clusters[place] for place in at],
            unlabelled=spare.get(name, ()),
        )
    return found
