"""A registered experiment for people and programs: what it will decide, and how likely it is to.

Owns the shape of the document; refuses to know where it is printed. The shape, JSON types, *estimate* as in
`evals.report`:

    {"id", "task_id", "dataset_id", "test_sha256", "created_at" (ISO 8601), "implicit": bool,
     "candidates": [{"version", "threshold", "plan": plan | null}], "baseline", "policy", "metric", "reference",
     "margin", "slot_margin": number | null, "alpha", "level" (of each candidate's interval), "min_effect": number |
     null, "sample_size", "slices": [name], "min_slice", "min_gold", "seed", "summary": sentences}

    plan: {"examples" (independent), "assumed_difference", "spread": {name: estimate},
           "odds": {verdict: estimate}, "examples_for_80_percent": int | null,
           "steps": [{"examples", "promoted", "undecided"}]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource
from tierwright.core.estimate import in_points
from tierwright.evals.report import estimate_json

if TYPE_CHECKING:
    from tierwright.core.estimate import Estimate
    from tierwright.core.experiment import Plan, Registration
    from tierwright.evals.report import Json


#: What the calibration examples said, by the name of the spread.
_SPREADS = {
    "discordance": "On calibration examples exactly one of the two is right in {}. ",
    "changed": "On calibration examples the answer changes in {}. ",
}


def registration_json(registration: Registration) -> dict[str, Json]:
    """The document described at the head of this module."""
    plans: list[Plan | None] = [*registration.plans]
    plans += [None] * (len(registration.candidates) - len(plans))
    return {
        "id": registration.id,
        "task_id": registration.task_id,
        "dataset_id": registration.dataset_id,
        "test_sha256": registration.test_sha256,
        "created_at": registration.created_at.isoformat(),
        "implicit": registration.implicit,
        "candidates": [
            {"version": one.version, "threshold": one.threshold, "plan": None if found is None else plan_json(found)}
            for one, found in zip(registration.candidates, plans, strict=True)
        ],
        "baseline": registration.baseline,
        "policy": registration.policy,
        "metric": registration.metric,
        "reference": registration.reference.value,
        "margin": registration.margin,
        "slot_margin": registration.slot_margin,
        "alpha": registration.alpha,
        "level": registration.level,
        "min_effect": registration.min_effect,
        "sample_size": registration.sample_size,
        "slices": list(registration.slices),
        "min_slice": registration.min_slice,
        "min_gold": registration.min_gold,
        "seed": registration.seed,
        "summary": registration_summary(registration),
    }


def plan_json(plan: Plan) -> dict[str, Json]:
    """A plan as JSON types."""
    return {
        "examples": plan.examples,
        "assumed_difference": plan.assumed_difference,
        "spread": {name: estimate_json(found) for name, found in plan.spread.items()},
        "odds": {name: estimate_json(found) for name, found in plan.odds.items()},
        "examples_for_80_percent": plan.examples_for_80_percent,
        "steps": [
            {"examples": step.examples, "promoted": step.promoted, "undecided": step.undecided} for step in plan.steps
        ],
    }


def registration_summary(registration: Registration) -> str:
    """What is compared, by what, and how likely it is to tell, in sentences."""
    by = "people's labels" if registration.reference is LabelSource.HUMAN else "the incumbent's answers"
    many = len(registration.candidates)
    slots = "" if registration.slot_margin is None else f", slot errors by {in_points(registration.slot_margin)}"
    begun = (
        f"{'The candidate' if many == 1 else f'{many} candidates'} against {registration.baseline} on "
        f"{registration.sample_size} test examples, {registration.metric} by {by}: may be worse by less than "
        f"{in_points(registration.margin)}{slots}; intervals at {100 * registration.level:g} %."
    )
    if not registration.plans:
        return (
            f"{begun} How likely it is to tell is not known: the calibration examples can't say how far the two differ."
        )
    return " ".join([begun, *(plan_summary(found) for found in registration.plans)])


def plan_summary(plan: Plan) -> str:
    """How likely each verdict is, in a sentence or two."""
    undecided = plan.odds["undecided"]
    promoted = 1 - undecided.value - plan.odds["inferior"].value
    enough = plan.examples_for_80_percent
    wanted = (
        "no number of labels makes a verdict that allows promotion 80 % likely"
        if enough is None
        else f"about {enough} independent labels make a verdict that allows promotion 80 % likely"
    )
    apart = "".join(_SPREADS[name].format(_share(found)) for name, found in plan.spread.items() if name in _SPREADS)
    often = f"{undecided.value:.0%} of the time [{undecided.ci_low:.0%}, {undecided.ci_high:.0%}]"
    return (
        f"{apart}If the true difference is {100 * plan.assumed_difference:+g} points, {plan.examples} independent "
        f"labels come out undecided {often} and allow promotion {promoted:.0%}; {wanted}."
    )


def _share(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % [{100 * estimate.ci_low:.1f}, {100 * estimate.ci_high:.1f}]"
