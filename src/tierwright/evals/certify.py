"""Which share of a task may be answered locally at a certified risk: the guarantee, on labelled examples.

Owns the way from answers and right answers to a certified threshold, alone or for each group, and what makes examples
unfit. Refuses to know where the answers are from (`app`) and what is done with the threshold (`lifecycle`).

What holds, with probability 1 - delta over the drawing of the labelled examples, is said in `stats.risk_control`. It
needs examples that are independent draws from the requests the threshold will meet, and scores that have not seen their
labels. Of examples that come in groups (near-duplicates, turns of one conversation) one member is drawn at random, with
a recorded seed: what is certified is then the risk of a group's random member.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.certificate import Certificate, Risk
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.ids import CertificateId, digest
from tierwright.evals.arms import choose_arms, gold_needed
from tierwright.evals.scorers import ExactAnswer
from tierwright.stats.inputs import group_codes
from tierwright.stats.risk_control import Outcomes, certify
from tierwright.stats.thresholds import error_plan, grid_of, own_grid, regret_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.core.dataset import Dataset, Example, LabelSource
    from tierwright.core.model import ModelVersion, Prediction
    from tierwright.stats.inputs import Groups
    from tierwright.stats.risk_control import Certified
    from tierwright.stats.thresholds import Grid

#: Confidences of unlabelled examples from which on the grid is made of those.
_FEWEST_UNLABELLED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to be certified, written down before a label is seen. Raises InputError for numbers out of range."""

    risk: Risk
    #: The risk to stay below.
    level: float
    #: The accepted probability of a wrong certificate.
    delta: float = 0.05
    #: Of the member drawn from each group, and of the plan.
    seed: int = 0
    #: Level of the intervals shown; the guarantee does not depend on it.
    interval_level: float = 0.95

    def __post_init__(self) -> None:
        for name, value in (("level", self.level), ("delta", self.delta), ("interval level", self.interval_level)):
            if not 0.0 < value < 1.0:
                raise InputError(f"the {name} is {value}; give a number between 0 and 1, for example 0.05")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Labelled examples: qualities in [0, 1] and confidences, all of n."""

    confidence: Sequence[float] | NDArray[np.float64]
    candidate: Sequence[float] | NDArray[np.float64]
    #: None: not known, and regret can't be certified.
    baseline: Sequence[float] | NDArray[np.float64] | None
    #: Equal names are not independent; None: all are.
    groups: Groups | None = None
    #: Confidences of examples of the same kind without a label: they make the grid.
    unlabelled: Sequence[float] | NDArray[np.float64] = ()


def certify_threshold(material: Material, goal: Goal) -> tuple[Certified, int]:
    """The lowest certified threshold and the number of independent examples it rests on.

    Raises InputError for NaN, unequal lengths and a missing baseline, NotEnoughData for no example.
    """
    outcomes = _independent(material, goal)
    generator = np.random.default_rng([goal.seed, 1])
    n = outcomes.scores.size
    grid = _grid(material, outcomes)
    if goal.risk is Risk.REGRET:
        plan = regret_plan(grid)
    else:
        confidences = _confidences(material, outcomes)
        plan = error_plan(grid, n, goal.level, goal.delta, confidences=confidences, generator=generator)
    found = certify(outcomes, plan, limit=goal.level, delta=goal.delta, generator=generator, level=goal.interval_level)
    return found, n


def certify_groups(
    materials: Mapping[str, Material], goal: Goal, *, family_wise: bool
) -> dict[str, tuple[Certified, int]]:
    """One certificate for each group, such as a tenant or a task; each with a plan of its own.

    Each holds with probability 1 - delta by itself. With `family_wise` all hold together with that probability: delta
    is split evenly, and the part of a group that may answer everything goes to the others, as in Holm's procedure
    (Bretz and others 2009). Raises as `certify_threshold`.
    """
    if not family_wise:
        return {name: certify_threshold(material, goal) for name, material in materials.items()}
    share = goal.delta / len(materials)
    levels = dict.fromkeys(materials, share)
    found = {name: certify_threshold(one, replace(goal, delta=levels[name])) for name, one in materials.items()}
    open_, finished = set(materials), True
    while finished and open_:
        done = {name for name in open_ if _is_complete(found[name][0])}
        finished = bool(done) and len(done) < len(open_)
        passed_on = sum(found[name][0].tested_at for name in done)
        open_ -= done
        for name in sorted(open_) if finished else ():
            levels[name] += passed_on / len(open_)
            found[name] = certify_threshold(materials[name], replace(goal, delta=levels[name]))
    return found


def certify_version(
    version: ModelVersion,
    dataset: Dataset,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    goal: Goal,
    *,
    min_gold: int,
    at: datetime,
) -> Certificate:
    """The certificate of a trained version on the test examples of its dataset, with its predictions in that order.

    By people's labels where there are enough, otherwise by the incumbent's answers, as `evals.arms` says; by the latter
    an error is an answer that differs from the incumbent's. The examples it was fitted on or calibrated with won't do:
    it has learned from both. Raises as `choose_arms`; NotEnoughData where regret is wanted and no example has the
    incumbent's answer.
    """
    regret = goal.risk is Risk.REGRET
    needed = min_gold if regret else gold_needed(examples, min_gold)
    arms = choose_arms(examples, predictions, min_gold=needed, need_incumbent=regret)
    scorer = ExactAnswer(dataset.contract)
    pairs = list(zip(arms.right, arms.predictions, strict=True))
    labelled = {example.id for example in arms.examples}
    rest = [p.confidence for e, p in zip(examples, predictions, strict=True) if e.id not in labelled]
    material = Material(
        confidence=[prediction.confidence for _, prediction in pairs],
        candidate=[scorer.score(right, prediction.output) for right, prediction in pairs],
        baseline=[
            scorer.score(right, example.incumbent_output or "")
            for right, example in zip(arms.right, arms.examples, strict=True)
        ]
        if regret
        else None,
        groups=arms.groups,
        unlabelled=rest,
    )
    found, n = certify_threshold(material, goal)
    return certificate(version, goal, found, n=n, reference=arms.reference, at=at)


def certificate(
    version: ModelVersion, goal: Goal, found: Certified, *, n: int, reference: LabelSource, at: datetime
) -> Certificate:
    """What was found of a version by n independent examples of its dataset."""
    return Certificate(
        id=CertificateId(digest(version.id, version.dataset_id, repr(goal), at.isoformat(), repr(found), length=32)),
        task_id=version.task_id,
        dataset_id=version.dataset_id,
        model_version_id=version.id,
        created_at=at,
        risk=goal.risk,
        level=goal.level,
        delta=goal.delta,
        threshold=found.threshold,
        n=n,
        seed=goal.seed,
        reference=reference,
        coverage=found.coverage,
        realised_risk=found.realised_risk,
        labels_needed=found.labels_needed,
        reason=found.reason,
    )


def _independent(material: Material, goal: Goal) -> Outcomes:
    """The outcomes of one random member of each group."""
    if goal.risk is Risk.REGRET and material.baseline is None:
        raise InputError("regret (R2) is measured against a baseline, and there is none; give one, or choose R1")
    if not len(material.confidence):
        raise NotEnoughData("there are no labelled examples to certify on; label some first")
    outcomes = Outcomes.of(
        np.asarray(material.confidence, dtype=np.float64),
        material.candidate,
        material.baseline if goal.risk is Risk.REGRET else None,
    )
    if material.groups is None:
        return outcomes
    codes = group_codes(material.groups, outcomes.scores.size)
    shuffled = np.random.default_rng([goal.seed, 0]).permutation(codes.size)
    _, first = np.unique(codes[shuffled], return_index=True)
    kept = np.sort(shuffled[first])
    baseline = outcomes.baseline
    return Outcomes(
        scores=outcomes.scores[kept],
        candidate=outcomes.candidate[kept],
        baseline=None if baseline is None else baseline[kept],
    )


def _grid(material: Material, outcomes: Outcomes) -> Grid:
    if len(material.unlabelled) >= _FEWEST_UNLABELLED:
        return grid_of(np.asarray(material.unlabelled, dtype=np.float64))
    return own_grid(outcomes.scores)


def _confidences(material: Material, outcomes: Outcomes) -> NDArray[np.float64] | None:
    """What the grid was made of, where it can be read as probabilities."""
    grid = np.asarray(material.unlabelled, dtype=np.float64)
    found = grid if grid.size >= _FEWEST_UNLABELLED else outcomes.scores
    return found if found.min() >= 0 and found.max() <= 1 else None


def _is_complete(found: Certified) -> bool:
    """Whether everything may be answered, so that nothing is left to test."""
    return found.coverage is not None and found.coverage.value == 1.0
