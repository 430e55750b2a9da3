"""An evaluation for people and programs: what it says, and how likely it was to say anything.

Owns the shape of the document and the statement of power; refuses to know where it is printed.

The shape, all of it JSON types; an *estimate* is `{"value", "ci_low", "ci_high", "n", "level", "method"}`:

    {"id", "task_id", "dataset_id", "candidate", "baseline", "created_at" (ISO 8601), "policy", "threshold", "margin",
     "metric" ("accuracy" | "agreement" | "span_f1" | "chrf" | "bleu"), "reference" ("human" | "incumbent"),
     "candidate_score": estimate, "baseline_score": estimate, "difference": estimate,
     "local_share": estimate, "local_score": estimate | null, "slot_difference": estimate | null,
     "slices": [{"dimension", "value", "candidate_score", "baseline_score", "difference"}],
     "experiment_id": string | null,
     "verdict", "allows_promotion": bool,
     "power": {"value", "assumed_difference", "examples", "examples_for_80_percent"},
     "summary": one sentence}
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from scipy.special import ndtr, ndtri

from tierwright.core.dataset import LabelSource
from tierwright.core.estimate import as_points, in_points
from tierwright.core.evaluation import Verdict
from tierwright.stats.bounds import bounded_rate_power

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.estimate import Estimate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.experiment import SliceFinding

#: A value of a JSON document.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

#: The power that counts as enough.
_ENOUGH = 0.8
#: Examples beyond which nobody is told to label more.
_MOST_EXAMPLES = 1_000_000
_VERDICTS = {
    Verdict.SUPERIOR: "better than the incumbent",
    Verdict.NON_INFERIOR: "not worse than the incumbent by more than the margin",
    Verdict.INFERIOR: "worse than the incumbent by more than the margin",
    Verdict.UNDECIDED: "undecided: more labelled examples are needed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerStatement:
    """How likely a comparison as precise as this one allows promotion, if the candidate is as good as assumed."""

    value: float
    #: Candidate minus baseline that is assumed: 0 by people's labels; minus half the margin by agreement, since a
    #: specialist that never changes an answer would be none.
    assumed_difference: float
    #: Independent examples compared.
    examples: int
    #: Independent examples that would raise the probability to 80 %; None: more than a million.
    examples_for_80_percent: int | None


def power_of(evaluation: Evaluation) -> PowerStatement:
    """The statement of power of an evaluation.

    By people's labels: from the width of the interval, as if both were equally good. By agreement: exact binomial.
    """
    n, margin, level = evaluation.difference.n, evaluation.margin, evaluation.difference.level
    if evaluation.reference is LabelSource.INCUMBENT:
        one_sided = 0.5 + level / 2
        rate = margin / 2
        return PowerStatement(
            value=bounded_rate_power(n, rate=rate, limit=margin, level=one_sided).value,
            assumed_difference=-rate,
            examples=n,
            examples_for_80_percent=_examples_for_agreement(margin, one_sided),
        )
    critical = float(ndtri(0.5 + level / 2))
    spread = (evaluation.difference.ci_high - evaluation.difference.ci_low) / (2 * critical)
    needed = n * ((critical + float(ndtri(_ENOUGH))) * spread / margin) ** 2
    return PowerStatement(
        value=float(ndtr(margin / spread - critical)),
        assumed_difference=0.0,
        examples=n,
        examples_for_80_percent=math.ceil(needed) if needed <= _MOST_EXAMPLES else None,
    )


def report(evaluation: Evaluation) -> dict[str, Json]:
    """The document described at the head of this module."""
    power = power_of(evaluation)
    return {
        "id": evaluation.id,
        "task_id": evaluation.task_id,
        "dataset_id": evaluation.dataset_id,
        "candidate": evaluation.candidate,
        "baseline": evaluation.baseline,
        "created_at": evaluation.created_at.isoformat(),
        "policy": evaluation.policy,
        "threshold": evaluation.threshold,
        "margin": evaluation.margin,
        "metric": evaluation.metric,
        "reference": evaluation.reference.value,
        "candidate_score": estimate_json(evaluation.candidate_score),
        "baseline_score": estimate_json(evaluation.baseline_score),
        "difference": estimate_json(evaluation.difference),
        "local_share": estimate_json(evaluation.local_share),
        "local_score": None if evaluation.local_score is None else estimate_json(evaluation.local_score),
        "slot_difference": None if evaluation.slot_difference is None else estimate_json(evaluation.slot_difference),
        "slices": slices_json(evaluation.slices),
        "experiment_id": evaluation.experiment_id,
        "verdict": evaluation.verdict.value,
        "allows_promotion": evaluation.verdict.allows_promotion,
        "power": {
            "value": power.value,
            "assumed_difference": power.assumed_difference,
            "examples": power.examples,
            "examples_for_80_percent": power.examples_for_80_percent,
        },
        "summary": summary(evaluation),
    }


def slices_json(slices: Sequence[SliceFinding]) -> list[Json]:
    """Slices as JSON types."""
    return [
        {
            "dimension": one.dimension,
            "value": one.value,
            "candidate_score": estimate_json(one.candidate_score),
            "baseline_score": estimate_json(one.baseline_score),
            "difference": estimate_json(one.difference),
        }
        for one in slices
    ]


def estimate_json(estimate: Estimate) -> dict[str, Json]:
    """An estimate as JSON types."""
    return asdict(estimate)


def summary(evaluation: Evaluation) -> str:
    """The evaluation in one sentence, with its reference said."""
    difference = evaluation.difference
    power = power_of(evaluation)
    by = (
        f"people's labels of {difference.n} examples"
        if evaluation.reference is LabelSource.HUMAN
        else f"agreement with {evaluation.baseline} on {difference.n} examples (no judgement of who is right)"
    )
    sentence = (
        f"By {by}: {_VERDICTS[evaluation.verdict]} (margin {in_points(evaluation.margin)}); difference "
        f"{as_points(difference)}, {evaluation.local_share.value:.0%} answered locally."
    )
    if evaluation.verdict is not Verdict.UNDECIDED:
        return sentence
    enough = power.examples_for_80_percent
    wanted = "more than a million" if enough is None else f"about {enough}"
    return (
        f"{sentence} A comparison of this size allows promotion {power.value:.0%} of the time if the true difference "
        f"is {100 * power.assumed_difference:+.1f} points; {wanted} examples would make that 80%."
    )


def _examples_for_agreement(margin: float, one_sided: float) -> int | None:
    """The power saws up and down with n; bisection finds one crossing, which is near enough to plan with."""
    low, high = 1, 2
    while bounded_rate_power(high, rate=margin / 2, limit=margin, level=one_sided).value < _ENOUGH:
        low, high = high, 2 * high
        if high > _MOST_EXAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if bounded_rate_power(middle, rate=margin / 2, limit=margin, level=one_sided).value < _ENOUGH:
            low = middle
        else:
            high = middle
    return high
