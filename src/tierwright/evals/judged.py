"""What a judge's verdicts say of candidate and baseline, corrected by people's labels where there are enough.

Owns the estimate, the trust in the judge and the reason where nothing follows. Refuses to know how the judge is asked
(`evals.judge`, app).

    people's labels of disagreements   the difference is
    at least `MIN_GOLD`                prediction-powered: people's labels, made more precise by the judge
    10 and more                        people's alone
    fewer                              the judge's alone: shown, never called accuracy, and nothing follows from it
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.evals.compare import verdict_of
from tierwright.evals.judge import Said
from tierwright.evals.label_sheet import MIN_LABELS
from tierwright.stats.agreement import agreement, cohen_kappa
from tierwright.stats.intervals import wilson
from tierwright.stats.prediction_powered import MIN_GOLD, ppi_of_disagreements
from tierwright.stats.sampling import disagreement_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.evaluation import Verdict
    from tierwright.evals.judge import Judged

#: Share of asked pairs without two verdicts above which the judge's words are not used at all.
MAX_UNUSABLE = 0.2


class Basis(StrEnum):
    """What a difference rests on."""

    PREDICTION_POWERED = "prediction_powered"
    LABELS = "labels"
    JUDGE_ALONE = "judge_alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTrust:
    """How far a judge can be trusted."""

    #: Same winner as people's labels, on disagreements both judged; None: no such pair.
    human_agreement: Estimate | None
    #: Cohen's kappa of the same; None: no such pair, or all of them alike.
    kappa: Estimate | None
    #: Pairs on which both orders have the same verdict; None: none is usable.
    steady: Estimate | None
    #: Of pairs whose verdict follows the order, those that go to the answer shown first; None: there is none.
    first_place: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedComparison:
    """Candidate against baseline by a judge."""

    #: Candidate minus baseline over all examples.
    difference: Estimate
    basis: Basis
    #: The judge's alone, its error not counted.
    by_judge: Estimate
    verdict: Verdict
    margin: float
    #: Whether the verdict may let a candidate answer real requests: never by the judge alone.
    allows_promotion: bool
    trust: JudgeTrust
    #: Examples that both answered, and those of them with two different answers.
    examples: int
    disagreements: int
    #: Disagreements the judge was asked about, and those with two verdicts.
    judged: int
    usable: int
    #: Questions, two for each pair: declined, and without a verdict.
    refused: int
    unreadable: int
    #: Disagreements that people labelled.
    labelled: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that is known. Raises InputError where it does not fit together."""

    #: Examples that both answered.
    examples: int
    #: Ids of those with two different answers.
    disagreements: frozenset[str]
    judged: Sequence[Judged]
    #: Candidate minus baseline by people's labels, -1, 0 or 1; a random sample of the disagreements.
    human: Mapping[str, float]
    #: Design effect of groups that count as copies.
    effect: float = 1.0

    def __post_init__(self) -> None:
        strangers = ({pair.id for pair in self.judged} | set(self.human)) - self.disagreements
        if strangers:
            raise InputError(
                f"{len(strangers)} judged or labelled pairs are none of the disagreements; judge the same answers that "
                "are compared"
            )
        if len({pair.id for pair in self.judged}) < len(self.judged):
            raise InputError("a pair was judged twice; each counts once")


def judged_comparison(material: Material, *, margin: float, level: float = 0.95) -> JudgedComparison:
    """What the verdicts come to. Raises NotEnoughData where nothing was judged or too many verdicts are missing."""
    if not 0.0 < margin < 1.0:
        raise InputError(f"the margin is {margin}; give a number between 0 and 1, for example 0.01")
    judged, differ, n = material.judged, len(material.disagreements), material.examples
    usable = [pair for pair in judged if pair.usable]
    refused, unreadable = _count(judged, Said.REFUSED), _count(judged, Said.UNREADABLE)
    if differ and not usable:
        raise NotEnoughData(
            f"the judge gave no verdict on any of {len(judged)} pairs ({refused} questions declined, {unreadable} "
            "answered with something else); ask another model"
        )
    if len(usable) < (1 - MAX_UNUSABLE) * len(judged):
        raise NotEnoughData(
            f"the judge gave two verdicts on only {len(usable)} of {len(judged)} pairs ({refused} questions declined, "
            f"{unreadable} answered with something else): what it passes over is not like the rest, so nothing is "
            f"concluded where more than {MAX_UNUSABLE:.0%} are missing; ask another model"
        )
    # A pair without a verdict has the cheap label 0: any fixed rule keeps the correction by people's labels valid.
    says = {pair.id: pair.difference if pair.usable else 0.0 for pair in judged}
    by_judge = _by_judge(says, differ, n, level=level, effect=material.effect)
    difference, basis = _best(material, says, by_judge, level)
    verdict = verdict_of(difference, margin)
    trusted = basis is not Basis.JUDGE_ALONE
    return JudgedComparison(
        difference=difference,
        basis=basis,
        by_judge=by_judge,
        verdict=verdict,
        margin=margin,
        allows_promotion=trusted and verdict.allows_promotion,
        trust=_trust(usable, material.human, level),
        examples=n,
        disagreements=differ,
        judged=len(judged),
        usable=len(usable),
        refused=refused,
        unreadable=unreadable,
        labelled=len(material.human),
        reason=_reason(basis, len(material.human), differ),
    )


def _best(material: Material, says: Mapping[str, float], by_judge: Estimate, level: float) -> tuple[Estimate, Basis]:
    """The difference by the best evidence there is."""
    human, differ, n = material.human, len(material.disagreements), material.examples
    both = [one for one in human if one in says]
    rest = [found for one, found in says.items() if one not in human]
    if differ == 0:
        found = disagreement_difference(0, 0, 0, disagreements=0, n=n, effect=material.effect, level=level)
        return found, Basis.LABELS
    if len(both) >= MIN_GOLD and rest and len(both) == len(human):
        powered = ppi_of_disagreements(
            [human[one] for one in both],
            [says[one] for one in both],
            rest,
            disagreements=differ,
            n=n,
            effect=material.effect,
            level=level,
        )
        return powered, Basis.PREDICTION_POWERED
    if len(human) >= min(MIN_LABELS, differ):
        alone = disagreement_difference(
            sum(change > 0 for change in human.values()),
            sum(change < 0 for change in human.values()),
            len(human),
            disagreements=differ,
            n=n,
            effect=material.effect,
            level=level,
        )
        return alone, Basis.LABELS
    return by_judge, Basis.JUDGE_ALONE


def _by_judge(says: Mapping[str, float], differ: int, n: int, *, level: float, effect: float) -> Estimate:
    """The judge's verdicts taken at their word, by normal approximation."""
    share = differ / n
    values = np.array(list(says.values()), dtype=np.float64)
    mean = float(values.mean()) if values.size else 0.0
    spread = float(values.var(ddof=1)) / values.size if values.size > 1 else 1.0
    variance = effect * (share**2 * spread + mean**2 * share * (1 - share) / n)
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(variance)
    return Estimate(
        value=share * mean,
        ci_low=max(-1.0, share * mean - half),
        ci_high=min(1.0, share * mean + half),
        level=level,
        n=values.size,
        method="judge alone, its error not counted",
    )


def _trust(usable: Sequence[Judged], human: Mapping[str, float], level: float) -> JudgeTrust:
    both = [pair for pair in usable if pair.id in human]
    says = [pair.winner for pair in both]
    people = [_winner(human[pair.id]) for pair in both]
    try:
        kappa = cohen_kappa(says, people, level=level)
    except NotEnoughData:
        kappa = None
    first = sum(pair.first is Said.CANDIDATE and pair.second is Said.BASELINE for pair in usable)
    second = sum(pair.first is Said.BASELINE and pair.second is Said.CANDIDATE for pair in usable)
    return JudgeTrust(
        human_agreement=agreement(says, people, level=level) if both else None,
        kappa=kappa,
        steady=wilson(sum(pair.steady for pair in usable), len(usable), level=level) if usable else None,
        first_place=wilson(first, first + second, level=level) if first + second else None,
    )


def _winner(difference: float) -> str:
    return "candidate" if difference > 0 else "baseline" if difference < 0 else "tie"


def _count(judged: Sequence[Judged], said: Said) -> int:
    return sum((pair.first is said) + (pair.second is said) for pair in judged)


def _reason(basis: Basis, labelled: int, disagreements: int) -> str:
    if disagreements == 0:
        return "both give the same answer to every example, so they differ in none: no judge and no label is needed"
    if basis is Basis.PREDICTION_POWERED:
        return f"people's labels of {labelled} disagreements, made more precise by the judge's verdicts on the others"
    if basis is Basis.LABELS:
        return (
            f"people's labels of {labelled} disagreements alone: a judge can add to them where at least {MIN_GOLD} are "
            "labelled and judged and others are judged besides"
        )
    return (
        f"the judge alone: people labelled {labelled} of {disagreements} disagreements, too few to know how often it "
        "is wrong. Read it as a hint; nothing is promoted by it. Draw a sheet with `tierwright eval labels`"
    )
