"""A comparison of answer files: read, joined, sliced, compared, and written up as one document.

Owns the wiring from files to `evals.answer_comparison` and the shape of the document, which is a contract:
`{verdict, metric, candidate, baseline, difference, margin, power, slices[], unscored}` with an estimate for each
figure, and more beside them. Refuses to know the command line.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.app.answer_files import Confidence, join, read_answers
from tierwright.app.term_lists import read_terms
from tierwright.core.errors import InputError
from tierwright.evals.answer_comparison import Contest, Outcome, contest
from tierwright.evals.answer_scores import Metric, measure, same_answer
from tierwright.evals.fairness import Fair, Fairness, fairness
from tierwright.evals.slices import MIN_SLICE, Slice, by_language, by_length, by_month, by_terms, by_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tierwright.app.answer_files import AnswerFile, Joined
    from tierwright.curation.tables import TableForm

#: Slices made from the input, where no file has a column of that name.
LENGTH, LANGUAGE = "length", "language"
#: Names of the slices by right answer, where no file has a column of that name.
LABELS = ("output", "label")
#: Columns in which the input is looked for.
_INPUTS = ("input", "text")
#: Share of unscored ids that is worth a word.
_MANY_UNSCORED = 0.02
#: Different dates up to which each is a slice of its own; with more, months are.
_FEW_INSTANTS = 12
#: Points by which a laxer metric must differ to be worth a word.
_LAX = 0.01
#: The name of the arm that candidates are held against.
BASELINE = "baseline"
#: Power that a plan aims at.
_TARGET = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be compared, as it was asked for."""

    gold: Path
    #: By name; at least one.
    candidates: Mapping[str, Path]
    baseline: Path
    margin: float
    metric: Metric = Metric.ACCURACY
    level: float = 0.95
    #: The column that says which conversation or user an example is of; None: all are independent.
    cluster: str | None = None
    #: Columns; "length" and "language" are made from the input where no column is called so.
    slices: Sequence[str] = ()
    slice_margin: float | None = None
    min_slice: int = MIN_SLICE
    #: Named lists of terms, each a slice; None: none.
    terms: Path | None = None
    #: The column whose groups are held against each other; with `terms` their lists are, too.
    fairness: str | None = None
    #: None: no fairness gate.
    max_gap: float | None = None
    #: The label whose wrong award is a false positive; None: only error rates are looked at.
    positive: str | None = None
    seed: int = 0
    form: TableForm | None = None

    def __post_init__(self) -> None:
        if self.max_gap is None and self.fairness is not None:
            raise InputError("--fairness needs --max-gap, the gap in error rates that is allowed, for example 0.05")
        if self.max_gap is not None and self.fairness is None and self.terms is None:
            raise InputError("--max-gap needs groups: name a column with --fairness, or lists of terms with --terms")

    @property
    def columns(self) -> list[str]:
        """Columns to take along where a file has them."""
        wanted = [*self.slices, self.cluster, self.fairness, *_INPUTS]
        return [name for name in wanted if name is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What came of it."""

    asked: Asked
    joined: Joined
    #: The best first.
    outcomes: Sequence[Outcome]
    #: By candidate; empty: there is no fairness gate.
    fairness: Mapping[str, Fairness]
    #: What a reader should know besides, in words.
    notes: Sequence[str]
    #: SHA-256 of each file, by its part.
    digests: Mapping[str, str]

    @property
    def best(self) -> Outcome:
        """The candidate that the document's first level is about."""
        return self.outcomes[0]

    @property
    def passes(self) -> bool:
        """Whether the best candidate is non-inferior or superior and the fairness gate does not object to it."""
        found = self.fairness.get(self.best.name)
        return self.best.verdict.allows_promotion and (found is None or found.verdict is not Fair.OBJECTION)


def compare_files(asked: Asked) -> Compared:
    """Reads, joins and compares. Raises InputError for files of no use, NotEnoughData where nothing is left."""
    gold = _read(asked.gold, asked)
    arms = {name: _read(path, asked) for name, path in asked.candidates.items()}
    baseline = _read(asked.baseline, asked)
    joined = join(gold, {**arms, BASELINE: baseline})
    files = [gold, *arms.values(), baseline]
    rights = [answer.output or "" for answer in joined.gold]
    answers = {name: [answer.output or "" for answer in found] for name, found in joined.arms.items()}
    clusters = None if asked.cluster is None else _clusters(joined, asked.cluster, files)
    terms = [] if asked.terms is None else by_terms(_texts(joined, files), read_terms(asked.terms))
    outcomes = contest(
        Contest(
            rights=rights,
            candidates={name: answers[name] for name in arms},
            baseline=answers[BASELINE],
            margin=asked.margin,
            metric=asked.metric,
            level=asked.level,
            inputs=_texts(joined, files) if asked.metric is Metric.SLOT_ACCURACY else None,
            clusters=clusters,
            slices=[*(one for name in asked.slices for one in _slices(name, joined, files)), *terms],
            slice_margin=asked.slice_margin,
            min_slice=asked.min_slice,
            seed=asked.seed,
        )
    )
    groups = [*(by_value(asked.fairness, joined.column(asked.fairness, files)) if asked.fairness else []), *terms]
    return Compared(
        asked=asked,
        joined=joined,
        outcomes=outcomes,
        fairness={}
        if asked.max_gap is None
        else {name: _fairness(asked, asked.max_gap, groups, rights, answers[name], clusters) for name in arms},
        notes=_notes(asked, joined, rights, answers),
        digests={
            part: hashlib.sha256(path.read_bytes()).hexdigest()
            for part, path in [("gold", asked.gold), *asked.candidates.items(), (BASELINE, asked.baseline)]
        },
    )


def comparison_json(found: Compared) -> dict[str, Any]:
    """The document of `eval compare --json`."""
    asked, best = found.asked, found.best
    document = {
        **_outcome_json(found, best),
        "margin": asked.margin,
        "level": asked.level,
        "n": len(found.joined.ids),
        "clusters": None if asked.cluster is None else best.figures.difference.n,
        "unscored": found.joined.unscored_total,
        "unscored_by_reason": dict(found.joined.unscored),
        "notes": list(found.notes),
        "files": {
            part: {"path": str(path), "sha256": found.digests[part]}
            for part, path in [("gold", asked.gold), *asked.candidates.items(), (BASELINE, asked.baseline)]
        },
    }
    if len(found.outcomes) > 1:
        document["candidates"] = [_outcome_json(found, outcome) for outcome in found.outcomes]
    return document


def _outcome_json(found: Compared, outcome: Outcome) -> dict[str, Any]:
    fair = found.fairness.get(outcome.name)
    return {
        "verdict": outcome.verdict.value,
        "metric": found.asked.metric.value,
        "name": outcome.name,
        "candidate": asdict(outcome.figures.candidate),
        "baseline": asdict(outcome.figures.baseline),
        "difference": asdict(outcome.figures.difference),
        "power": asdict(outcome.outlook.power),
        "labels_needed": outcome.outlook.needed,
        "outlook": outlook_text(found, outcome),
        "slices": [
            {
                "dimension": one.slice.dimension,
                "value": one.slice.value,
                "n": len(one.slice.members),
                "verdict": None if one.verdict is None else one.verdict.value,
                "margin": one.margin,
                "candidate": None if one.figures is None else asdict(one.figures.candidate),
                "baseline": None if one.figures is None else asdict(one.figures.baseline),
                "difference": None if one.figures is None else asdict(one.figures.difference),
                "reason": one.reason or None,
            }
            for one in outcome.slices
        ],
        "fairness": None if fair is None else _fairness_json(fair),
    }


def _fairness_json(found: Fairness) -> dict[str, Any]:
    return {
        "verdict": found.verdict.value,
        "max_gap": found.max_gap,
        "level": found.level,
        "gaps": [
            {
                "rate": gap.rate,
                "dimension": gap.dimension,
                "groups": list(gap.groups),
                "n": list(gap.sizes),
                "rates": None if gap.rates is None else [asdict(rate) for rate in gap.rates],
                "gap": None if gap.gap is None else asdict(gap.gap),
                "verdict": gap.verdict.value,
            }
            for gap in found.gaps
        ],
    }


def outlook_text(found: Compared, outcome: Outcome) -> str:
    """What to expect of such a comparison, in words."""
    n, outlook = len(found.joined.ids), outcome.outlook
    said = (
        f"If both are equally good, a comparison with {n:,} labels like these comes out undecided "
        f"{100 * (1 - outlook.power.value):.0f} % of the time at this margin"
    )
    if outlook.power.value < _TARGET and outlook.needed is not None:
        said += f"; about {outlook.needed:,} labels decide it {100 * _TARGET:.0f} % of the time"
    return f"{said}."


def _read(path: Path, asked: Asked) -> AnswerFile:
    return read_answers(path, confidence=Confidence.IGNORED, others=asked.columns, form=asked.form)


def _clusters(joined: Joined, column: str, files: Sequence[AnswerFile]) -> list[str]:
    """The cluster of each example; one that names none stands alone."""
    found = joined.column(column, files)
    return [f"cluster {name}" if name else f"alone {place}" for place, name in enumerate(found)]


def _slices(name: str, joined: Joined, files: Sequence[AnswerFile]) -> list[Slice]:
    if not any(name in file.columns for file in files):
        if name in LABELS:
            return by_value(name, [answer.output or "" for answer in joined.gold])
        if name == LENGTH:
            return by_length(_texts(joined, files))
        if name == LANGUAGE:
            return by_language(_texts(joined, files))
    values = joined.column(name, files)
    instants = _instants(values)
    return by_value(name, values) if instants is None else by_month(instants, name)


def _instants(values: Sequence[str]) -> list[datetime] | None:
    """A column's values as instants; None: they are none, or so few that each is a slice of its own."""
    if len(set(values)) <= _FEW_INSTANTS:
        return None
    try:
        return [datetime.fromisoformat(value) for value in values]
    except ValueError:
        return None


def _texts(joined: Joined, files: Sequence[AnswerFile]) -> list[str]:
    for name in _INPUTS:
        if any(name in file.columns for file in files):
            return joined.column(name, files)
    raise InputError(
        "slot accuracy and slices by length, language or terms look at the input, and none of the files has a column "
        "'input' or 'text'; add one to the gold file"
    )


def _fairness(
    asked: Asked,
    max_gap: float,
    groups: Sequence[Slice],
    rights: Sequence[str],
    answers: Sequence[str],
    clusters: Sequence[str] | None,
) -> Fairness:
    wrong = np.array([same_answer(right, answer) == 0.0 for right, answer in zip(rights, answers, strict=True)])
    false_positive = None
    if asked.positive is not None:
        label = asked.positive
        positive = np.array([same_answer(label, right) == 1.0 for right in rights])
        if not positive.any():
            raise InputError(f"no gold answer is the positive label {label!r}; labels count to the letter")
        false_positive = ~positive, np.array([same_answer(label, answer) == 1.0 for answer in answers])
    return fairness(
        groups,
        wrong,
        max_gap=max_gap,
        false_positive=false_positive,
        clusters=clusters,
        level=asked.level,
        min_n=asked.min_slice,
    )


def _notes(asked: Asked, joined: Joined, rights: Sequence[str], answers: Mapping[str, Sequence[str]]) -> list[str]:
    found = []
    everything = len(joined.ids) + joined.unscored_total
    if joined.unscored_total > _MANY_UNSCORED * everything:
        found.append(
            f"{joined.unscored_total:,} of {everything:,} ids are not scored; the verdict is about the others, and is "
            "no better than their choice"
        )
    if asked.metric is Metric.ACCURACY:
        for name, said in answers.items():
            strict, lax = (
                _mean(measure(metric, rights, said).scores) for metric in (Metric.ACCURACY, Metric.NORMALISED)
            )
            if lax - strict >= _LAX:
                found.append(
                    f"{100 * (lax - strict):.1f} % of the answers of {name} differ from the right ones only in case, "
                    "punctuation or white space; --metric normalised counts these as right"
                )
    if len(answers) > 2:
        found.append(
            f"{len(answers) - 1} candidates: with probability {asked.level:g} or more none is called non-inferior or "
            "superior falsely (Holm, Bonferroni); the same holds of all slices together"
        )
    return found


def _mean(scores: Any) -> float:
    return float(np.mean(scores))
