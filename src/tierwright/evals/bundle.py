"""Evidence bundles: all that a verdict rests on, in a few files that anybody can check without us.

Owns the files, the address of their content, and the check: hashes, the registration's own id, and the whole
calculation again from the outcomes. Refuses to know where a bundle is written and what it was decided for.

    manifest.json       {"format", "version", "evaluation", "files": {name: {"sha256", "bytes"}}, "id"}: the id is the
                        SHA-256 of the manifest's canonical JSON without the id
    registration.json   what was fixed before the result was seen
    evaluation.json     what came out, as `eval run --json` prints it
    outcomes.jsonl      one line an example: ids, confidence, who answered, what the metric adds up; no text
    dataset.json        id, contract, sizes, seed, SHA-256 of the test examples
    software.json       versions and settings
    decisions.json      what was decided on it until then, by whom and why
    texts.jsonl         inputs and answers, only if they were asked for

Canonical JSON: keys sorted, no white space, ASCII. The same evidence has the same id, whenever it is written.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.errors import InputError, TierwrightError
from tierwright.core.experiment import Outcome, Registration
from tierwright.evals.judging import Terms, judged
from tierwright.evals.registration import hash_examples, registered
from tierwright.evals.report import estimate_json, report, slices_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.dataset import Dataset
    from tierwright.core.evaluation import Evaluation
    from tierwright.evals.judging import Judgement
    from tierwright.evals.report import Json

FORMAT, VERSION = "tierwright-evidence", 1
MANIFEST = "manifest.json"
_REQUIRED = (
    *("registration.json", "evaluation.json", "outcomes.jsonl"),
    *("dataset.json", "software.json", "decisions.json"),
)
_TEXTS = "texts.jsonl"
#: How far a recomputed number may lie from the one written: another build of numpy adds up in another order.
_TOLERANCE = 1e-9
#: What files that were made up may raise on their way through the calculation.
_MALFORMED = (msgspec.MsgspecError, TierwrightError, ValueError, TypeError, LookupError, ArithmeticError)
_ESTIMATES = ("candidate_score", "baseline_score", "difference", "local_share", "local_score", "slot_difference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What goes into a bundle."""

    registration: Registration
    evaluation: Evaluation
    outcomes: Sequence[Outcome]
    dataset: Dataset
    #: Versions of software, settings, the candidate's origin.
    software: Mapping[str, Json]
    #: Deployments that name the evaluation.
    decisions: Sequence[Mapping[str, Json]]
    #: The test examples; None: no texts go out.
    texts: Sequence[Example] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Whether a bundle agrees with itself."""

    #: Of the manifest; empty: it has none that can be read.
    id: str
    evaluation: str
    #: What is written, and what the outcomes give.
    stated: str
    recomputed: str
    #: What does not agree, in words; empty: nothing.
    problems: tuple[str, ...]
    #: Whether the texts are there, so that the hash of the test examples could be checked too.
    with_texts: bool

    @property
    def agrees(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


def make_bundle(evidence: Evidence) -> dict[str, bytes]:
    """The files, by name. Raises InputError where the outcomes were not kept."""
    if not evidence.outcomes:
        raise InputError(
            f"evaluation {evidence.evaluation.id} was made before outcomes were kept, so nothing can be computed "
            "from a bundle of it; run the experiment again"
        )
    registration, dataset = evidence.registration, evidence.dataset
    files = {
        "registration.json": canonical(msgspec.to_builtins(registration)),
        "evaluation.json": canonical(report(evidence.evaluation)),
        "outcomes.jsonl": _lines([msgspec.to_builtins(one) for one in evidence.outcomes]),
        "dataset.json": canonical(
            {
                "id": dataset.id,
                "contract": msgspec.to_builtins(dataset.contract),
                "created_at": dataset.created_at.isoformat(),
                "seed": dataset.seed,
                "sizes": {split.value: size for split, size in dataset.sizes.items()},
                "excluded": dict(dataset.excluded),
                "test_sha256": registration.test_sha256,
            }
        ),
        "software.json": canonical(dict(evidence.software)),
        "decisions.json": canonical([dict(one) for one in evidence.decisions]),
    }
    if evidence.texts is not None:
        files[_TEXTS] = _lines([_text_row(one) for one in evidence.texts])
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "evaluation": evidence.evaluation.id,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
    }
    return {MANIFEST: canonical(manifest | {"id": _id_of(manifest)}), **files}


def check_bundle(files: Mapping[str, bytes]) -> Checked:
    """Hashes and verdict, computed again from the files alone. Raises InputError where they are no bundle at all."""
    manifest = _object(files.get(MANIFEST), MANIFEST)
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise InputError(
            f"{MANIFEST} says format {manifest.get('format')!r}, version {manifest.get('version')!r}; this program "
            f"reads {FORMAT!r}, version {VERSION}"
        )
    problems = _hash_problems(manifest, files)
    stated, recomputed = "", ""
    try:
        registration = msgspec.json.decode(files["registration.json"], type=Registration)
        outcomes = [msgspec.json.decode(line, type=Outcome) for line in files["outcomes.jsonl"].splitlines()]
        written = _object(files["evaluation.json"], "evaluation.json")
        stated = str(written.get("verdict"))
        found = judged(Terms.of(registration), outcomes)
        recomputed = found.verdict.value
        problems += _registration_problems(registration, outcomes, written)
        problems += _figure_problems(written, estimates_of(found), recomputed)
        if not _alike(written.get("slices"), slices_json(found.slices)):
            problems.append("the slices are not what the outcomes give")
        if _TEXTS in files:
            problems += _text_problems(registration, files[_TEXTS])
    except _MALFORMED as error:
        problems.append(f"the verdict can't be computed again: {type(error).__name__}: {error}")
    return Checked(
        id=str(manifest.get("id", "")),
        evaluation=str(manifest.get("evaluation", "")),
        stated=stated,
        recomputed=recomputed,
        problems=tuple(problems),
        with_texts=_TEXTS in files,
    )


def estimates_of(found: Judgement) -> dict[str, Json]:
    """The estimates of a judgement, by the names they have in a report; None: there is none."""
    named = {
        "candidate_score": found.figures.candidate,
        "baseline_score": found.figures.baseline,
        "difference": found.figures.difference,
        "local_share": found.local_share,
        "local_score": found.local_score,
        "slot_difference": found.slot_difference,
    }
    return {name: None if one is None else estimate_json(one) for name, one in named.items()}


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no white space, ASCII: one form for one content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _lines(rows: Sequence[object]) -> bytes:
    return b"".join(canonical(row) + b"\n" for row in rows)


def _id_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({name: value for name, value in manifest.items() if name != "id"})).hexdigest()


def _object(content: bytes | None, name: str) -> dict[str, Any]:
    if content is None:
        raise InputError(f"there is no {name}; this is no evidence bundle, or a part of one")
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InputError(f"{name} is no JSON ({error}); the bundle is damaged") from error
    if not isinstance(found, dict):
        raise InputError(f"{name} holds no JSON object; the bundle is damaged")
    return found


def _hash_problems(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        return [f"{MANIFEST} lists no files"]
    problems: list[str] = []
    if manifest.get("id") != _id_of(manifest):
        problems.append(f"{MANIFEST} was changed: its id is not the hash of its content")
    for name in sorted({*listed, *_REQUIRED, *files} - {MANIFEST}):
        entry, content = listed.get(name), files.get(name)
        if content is None:
            problems.append(f"{name} is missing")
        elif not isinstance(entry, dict):
            problems.append(f"{name} is not in the manifest")
        elif entry.get("sha256") != hashlib.sha256(content).hexdigest():
            problems.append(f"{name} was changed: its SHA-256 is not the manifest's")
    return problems


def _registration_problems(
    registration: Registration, outcomes: Sequence[Outcome], written: Mapping[str, Any]
) -> list[str]:
    problems: list[str] = []
    if registered(registration).id != registration.id:
        problems.append("registration.json was changed: its id is not the hash of its content")
    if len({one.example for one in outcomes}) != len(outcomes):
        problems.append("outcomes.jsonl has an example twice")
    if len(outcomes) != registration.sample_size:
        problems.append(f"registered were {registration.sample_size} examples, there are {len(outcomes)} outcomes")
    candidate = next((one for one in registration.candidates if one.version == written.get("candidate")), None)
    if candidate is None:
        return [*problems, "evaluation.json is of a version that was not registered"]
    if any(one.local != (one.confidence >= candidate.threshold) for one in outcomes):
        problems.append("outcomes.jsonl says of some example that the candidate answered, against the threshold")
    terms = {
        "experiment_id": registration.id,
        "dataset_id": registration.dataset_id,
        "baseline": registration.baseline,
        "policy": registration.policy,
        "metric": registration.metric,
        "margin": registration.margin,
        "reference": registration.reference.value,
        "threshold": candidate.threshold,
    }
    problems += [
        f"evaluation.json says {name} {written.get(name)!r}, registered was {value!r}"
        for name, value in terms.items()
        if written.get(name) != value
    ]
    if any(written.get("created_at", "") < one.isoformat() for one in [registration.created_at]):
        problems.append("the evaluation is older than its registration")
    return problems


def _figure_problems(written: Mapping[str, Any], found: Mapping[str, Json], recomputed: str) -> list[str]:
    problems = [
        f"{name} is {_brief(written.get(name))}, the outcomes give {_brief(found[name])}"
        for name in _ESTIMATES
        if not _alike(written.get(name), found[name])
    ]
    if written.get("verdict") != recomputed:
        problems.append(f"the verdict is {written.get('verdict')!r}, the outcomes give {recomputed!r}")
    return problems


def _text_problems(registration: Registration, content: bytes) -> list[str]:
    rows = [json.loads(line) for line in content.splitlines()]
    examples = [
        Example(
            id=row["id"],
            input=row["input"],
            output=row["output"],
            source=LabelSource(row["source"]),
            incumbent_output=row["incumbent_output"],
            split=Split(row["split"]),
            group=row["group"],
            created_at=registration.created_at,
        )
        for row in rows
    ]
    if hash_examples(examples) == registration.test_sha256:
        return []
    return [f"{_TEXTS} does not hold the test examples that were registered: their SHA-256 is another"]


def _text_row(example: Example) -> dict[str, object]:
    return {
        "id": example.id,
        "input": example.input,
        "output": example.output,
        "source": example.source.value,
        "incumbent_output": example.incumbent_output,
        "split": example.split.value,
        "group": example.group,
    }


def _alike(first: object, second: object) -> bool:
    """Whether two JSON values are equal, numbers but for rounding."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_alike(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_alike, first, second))
    if isinstance(first, (int, float)) and isinstance(second, (int, float)):
        return math.isclose(first, second, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return first == second


def _brief(found: object) -> str:
    if not isinstance(found, dict):
        return repr(found)
    return f"{found.get('value')} [{found.get('ci_low')}, {found.get('ci_high')}]"
