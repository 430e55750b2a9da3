"""The one-page report of an experiment: what was asked, what came out, and what would change the answer.

Owns the words and their order, for every form it is printed in. Refuses to know where it is printed.

As JSON: {"title", "verdict", "registration", "evaluation", "look", "looks_of_any_version",
"verdict_if_looks_share_the_error", "ratios": {name: estimate},
"sections": [{"title", "lines": [sentence], "columns": [name], "rows": [[cell]]}]}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource
from tierwright.core.estimate import as_points, in_points
from tierwright.core.evaluation import Verdict
from tierwright.evals.plan_report import plan_summary, registration_json
from tierwright.evals.report import estimate_json, power_of, report, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.estimate import Estimate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.experiment import Registration
    from tierwright.evals.registration import Looks
    from tierwright.evals.report import Json

_SAID = {
    Verdict.SUPERIOR: "Superior: the candidate is better.",
    Verdict.NON_INFERIOR: "Non-inferior: the candidate is not worse by the margin or more.",
    Verdict.INFERIOR: "Inferior: the candidate is worse by more than the margin.",
    Verdict.UNDECIDED: "Undecided: the interval holds minus the margin.",
}
#: Slices shown on the page.
_MOST_SLICES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times better something was, as measured."""

    #: In words, for example "cheaper a request, as served".
    name: str
    estimate: Estimate
    #: What it was measured on, and what of it was not measured.
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with sentences and, perhaps, a table; columns that begin with `>` are aligned to the right."""

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What the page is made from."""

    task: str
    registration: Registration
    evaluation: Evaluation
    looks: Looks
    #: The verdict if all looks at these test examples until this one shared the error; None: it is not known.
    shared: Verdict | None = None
    ratios: Sequence[Ratio] = ()
    #: What is said at the head of the page, for example that the incumbent is simulated.
    notes: Sequence[str] = ()
    #: Sentences on what was decided.
    decisions: Sequence[str] = field(default_factory=tuple)

    @property
    def title(self) -> str:
        """The page's title."""
        return f"{self.task}: {self.evaluation.candidate[:12]} against {self.evaluation.baseline}"


def sections(dossier: Dossier) -> list[Section]:
    """The page, from the top."""
    found = [
        Section(title="Verdict", lines=(_SAID[dossier.evaluation.verdict], *dossier.notes)),
        Section(title="Question", lines=_question(dossier)),
        Section(title="Registered beforehand", lines=_registered(dossier)),
        _numbers(dossier.evaluation),
        Section(title="Power", lines=_power(dossier)),
    ]
    if dossier.registration.slices:
        found.append(_slices(dossier.evaluation, dossier.registration))
    found.append(_ratios(dossier))
    found.append(Section(title="What would change the verdict", lines=_would_change(dossier)))
    if dossier.decisions:
        found.append(Section(title="Decided on it", lines=tuple(dossier.decisions)))
    return found


def dossier_json(dossier: Dossier) -> dict[str, Json]:
    """The document described at the head of this module."""
    return {
        "title": dossier.title,
        "verdict": dossier.evaluation.verdict.value,
        "registration": registration_json(dossier.registration),
        "evaluation": report(dossier.evaluation),
        "look": dossier.looks.number,
        "looks_of_any_version": len(dossier.looks.of_any) + 1,
        "verdict_if_looks_share_the_error": None if dossier.shared is None else dossier.shared.value,
        "ratios": {one.name: estimate_json(one.estimate) for one in dossier.ratios},
        "sections": [
            {
                "title": one.title,
                "lines": list(one.lines),
                "columns": list(one.columns),
                "rows": [list(row) for row in one.rows],
            }
            for one in sections(dossier)
        ],
    }


def _question(dossier: Dossier) -> tuple[str, ...]:
    evaluation, registration = dossier.evaluation, dossier.registration
    served = (
        "answering everything itself"
        if evaluation.threshold <= 0
        else f"answering itself from confidence {evaluation.threshold:.3f}, the rest left to the incumbent"
    )
    by = "people's labels" if evaluation.reference is LabelSource.HUMAN else "the incumbent's own answers"
    return (
        (
            f"Is {evaluation.candidate[:12]}, {served}, at most {in_points(registration.margin)} worse than "
            f"{evaluation.baseline} in {registration.metric}, by {by}?"
        ),
    )


def _registered(dossier: Dossier) -> tuple[str, ...]:
    one, looks = dossier.registration, dossier.looks
    how = "by the command that looked" if one.implicit else "before its result was seen"
    plans = {found.version: place for place, found in enumerate(one.candidates)}
    place = plans.get(dossier.evaluation.candidate, 0)
    planned = plan_summary(one.plans[place]) if place < len(one.plans) else "The power was not known beforehand."
    earlier = [
        f"Earlier: {found.created_at:%Y-%m-%d %H:%M}, {found.candidate[:12]} from confidence {found.threshold:.3f}, "
        f"margin {in_points(found.margin)}, {found.verdict.value}."
        for found in looks.of_any
    ]
    many = "" if len(one.candidates) == 1 else f", shared by {len(one.candidates)} candidates"
    return (
        (
            f"Experiment {one.id}, {one.created_at:%Y-%m-%d %H:%M} UTC, {how}. Margin {in_points(one.margin)}, "
            f"alpha {one.alpha:g}{many}, {one.sample_size} test examples with SHA-256 {one.test_sha256[:12]} of "
            f"dataset {one.dataset_id[:12]}, seed {one.seed}."
        ),
        planned,
        (
            f"This is experiment {looks.number} of this version on these test examples, and look "
            f"{len(looks.of_any) + 1} of any version at them."
        ),
        *earlier,
    )


def _numbers(evaluation: Evaluation) -> Section:
    rows = [
        ("candidate as served", _share(evaluation.candidate_score), evaluation.candidate_score.method),
        (evaluation.baseline, _share(evaluation.baseline_score), evaluation.baseline_score.method),
        ("difference", as_points(evaluation.difference, digits=2), evaluation.difference.method),
        ("answered by the candidate", _share(evaluation.local_share), evaluation.local_share.method),
    ]
    if evaluation.local_score is not None:
        rows.append(("candidate where it answers", _share(evaluation.local_score), evaluation.local_score.method))
    if evaluation.slot_difference is not None:
        rows.append(
            ("slot errors added", as_points(evaluation.slot_difference, digits=2), evaluation.slot_difference.method)
        )
    n, level = evaluation.difference.n, evaluation.difference.level
    return Section(
        title="Numbers",
        lines=(f"{evaluation.metric}, {n} independent examples, intervals at {100 * level:g} %.",),
        columns=("", ">value", "interval by"),
        rows=tuple(rows),
    )


def _power(dossier: Dossier) -> tuple[str, ...]:
    found = power_of(dossier.evaluation)
    enough = found.examples_for_80_percent
    wanted = "more than a million" if enough is None else f"about {enough}"
    return (
        (
            f"A comparison as precise as this one allows promotion {found.value:.0%} of the time if the true "
            f"difference is {100 * found.assumed_difference:+g} points; {wanted} examples would make that 80 %."
        ),
    )


def _slices(evaluation: Evaluation, registration: Registration) -> Section:
    ordered = sorted(evaluation.slices, key=lambda one: one.difference.ci_low)
    shown = [
        (
            f"{one.dimension}: {one.value}",
            str(one.difference.n),
            _share(one.candidate_score),
            _share(one.baseline_score),
            as_points(one.difference, digits=2),
        )
        for one in ordered[:_MOST_SLICES]
    ]
    left = len(ordered) - len(shown)
    worse = sum(one.difference.ci_high < 0 for one in ordered)
    return Section(
        title="Slices",
        lines=(
            f"{len(ordered)} slices of {registration.min_slice} examples or more, by {', '.join(registration.slices)}; "
            f"their intervals hold together. The candidate is shown to be worse in {worse} of them."
            + (f" The {left} that could be least bad are left out here." if left > 0 else ""),
        ),
        columns=("slice", ">n", ">candidate", ">baseline", ">difference"),
        rows=tuple(shown),
    )


def _ratios(dossier: Dossier) -> Section:
    if not dossier.ratios:
        return Section(title="Cost and latency", lines=("Not measured with this experiment.",))
    return Section(
        title="Cost and latency",
        columns=("", ">times", "measured on"),
        rows=tuple(
            (one.name, f"{one.estimate.value:.3g} [{one.estimate.ci_low:.3g}, {one.estimate.ci_high:.3g}]", one.basis)
            for one in dossier.ratios
        ),
    )


def _would_change(dossier: Dossier) -> tuple[str, ...]:
    evaluation, margin = dossier.evaluation, dossier.evaluation.margin
    found, difference = evaluation.verdict, evaluation.difference
    room = difference.ci_low + margin
    lines: list[str] = []
    if found.allows_promotion:
        lines.append(
            f"The lower end of the difference lies {100 * room:.2f} points above minus the margin. It would not be "
            f"promoted at a margin of {100 * max(0.0, -difference.ci_low):.2f} points or less."
            if difference.ci_low <= 0
            else f"The lower end of the difference lies {100 * difference.ci_low:.2f} points above zero: at any margin "
            "it would be promoted."
        )
        flips = _flips(room, difference.n)
        lines.append(f"About {flips} more of the {difference.n} examples lost to the baseline would make it undecided.")
    elif found is Verdict.UNDECIDED:
        lines.append(summary(evaluation))
        if difference.ci_low <= -margin:
            lines.append(
                f"A margin above {-100 * difference.ci_low:.2f} points would have allowed it, but a margin chosen now "
                "would be chosen by the result: that is a new experiment, on new labels."
            )
    else:
        lines.append("Only a better candidate, or labels that show these ones to be wrong.")
    if evaluation.reference is LabelSource.INCUMBENT:
        lines.append(
            "The incumbent's answers stand for the right ones: people's labels could show that the candidate mends its "
            "errors, which here count against it."
        )
    if len(dossier.looks.of_any) > 0:
        shared = "" if dossier.shared is None else f" If all looks shared the error it would be {dossier.shared.value}."
        lines.append(
            f"These test examples were looked at before; fresh labels would say more than the next look.{shared}"
        )
    return tuple(lines)


def _flips(room: float, n: int) -> int:
    """Examples that, each one point over n, use up the room; the interval moves with the difference."""
    return max(1, int(room * n) + 1)


def _share(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % [{100 * estimate.ci_low:.1f}, {100 * estimate.ci_high:.1f}]"
