"""The evidence a deployment needs.

Owns the rules by which an evaluation allows a specialist to answer real requests. Refuses to know how evaluations are
made and what is deployed now. Fails closed: what is missing, unclear or about something else is an objection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.dataset import LabelSource
from tierwright.core.estimate import in_points

if TYPE_CHECKING:
    from tierwright.core.certificate import Certificate
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.model import ModelVersion
    from tierwright.economics.cascade import CascadeCost

#: The policy the gateway serves by, hence the one that must have been evaluated.
_SERVED_POLICY = "cascade"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What evidence is good enough."""

    #: Whether agreement with the incumbent may stand in for people's labels.
    accept_agreement: bool = True
    #: Largest margin of an evaluation by people's labels.
    max_margin: float = 0.01
    #: Largest margin of an evaluation by agreement with the incumbent.
    max_agreement_margin: float = 0.01
    #: Smallest share of examples it must answer itself to be worth running.
    min_local_share: float = 0.05
    #: Whether exactly this version and threshold must have been certified.
    require_certificate: bool = False


def uncertified(
    certificate: Certificate | None, *, version: ModelVersion, threshold: float, rules: GateRules
) -> tuple[str, ...]:
    """What speaks against a threshold where a certificate is required; () if nothing does, or none is required."""
    if not rules.require_certificate:
        return ()
    run = f"run `tierwright eval certify {version.id[:12]}`"
    if certificate is None or certificate.model_version_id != version.id:
        return (f"this version has no certificate, and the settings require one: {run}",)
    if certificate.threshold is None:
        return (f"certificate {certificate.id} refuses a threshold: {certificate.reason}",)
    if threshold != certificate.threshold:
        about = f"certificate {certificate.id} is about the threshold {certificate.threshold!r} and not {threshold!r}"
        return (f"{about}: serve at the certified one, or certify again",)
    return ()


def objections(
    evaluation: Evaluation | None, *, version: ModelVersion, threshold: float, rules: GateRules
) -> tuple[str, ...]:
    """What speaks against serving a version at a threshold, each point in words with what to do; () if nothing does.

    A foreign evaluation (of another version, task, dataset, policy or threshold) is not looked at any further.
    """
    if evaluation is None:
        return ("there is no evaluation of this version: run the controlled experiment first (tierwright eval run)",)
    foreign = _foreign(evaluation, version, threshold)
    if foreign:
        return foreign
    found: list[str] = []
    if not evaluation.verdict.allows_promotion:
        found.append(
            f"the verdict is {evaluation.verdict.value}: {_difference(evaluation)}; train a better version, raise the "
            "threshold and evaluate again, or collect more labelled examples"
        )
    elif not evaluation.difference.ci_low > -evaluation.margin:
        found.append(
            f"the verdict {evaluation.verdict.value} does not follow from its own interval: {_difference(evaluation)}; "
            "evaluate again"
        )
    by_agreement = evaluation.reference is LabelSource.INCUMBENT
    if by_agreement and not rules.accept_agreement:
        found.append(
            "the evaluation measures agreement with the incumbent, and this gate wants people's labels: add feedback "
            "on answers of this task and evaluate again"
        )
    limit = rules.max_agreement_margin if by_agreement else rules.max_margin
    # Written so that NaN, which compares as false, is an objection too.
    if not evaluation.margin <= limit:
        found.append(
            f"the evaluation gives away up to {in_points(evaluation.margin)}, this gate at most {100 * limit:g}: "
            "evaluate again with a margin that was agreed on"
        )
    if not evaluation.local_share.value >= rules.min_local_share:
        found.append(
            f"it would answer only {evaluation.local_share.value:.1%} itself, less than the "
            f"{rules.min_local_share:.0%} from which it is worth running: keep the task where it is"
        )
    return tuple(found)


def cost_objections(cost: CascadeCost) -> tuple[str, ...]:
    """What speaks against asking the specialist first, since it does not pay; () where it does."""
    if cost.pays:
        return ()
    found, share = cost.cascade_usd, cost.local_share
    objection = (
        f"a request to it costs {found.value:.3g} US dollars [{found.low:.3g}, {found.high:.3g}], what it passes on to "
        f"the frontier model included, and {cost.frontier_usd:.3g} at the frontier model alone: it answers "
        f"{share.value:.1%} itself, at {cost.local_usd:.3g} each; take a smaller model or a lower threshold, or keep "
        "the task where it is"
    )
    return (objection,)


def _foreign(evaluation: Evaluation, version: ModelVersion, threshold: float) -> tuple[str, ...]:
    pairs = (
        ("version", evaluation.candidate, version.id),
        ("task", evaluation.task_id, version.task_id),
        ("dataset", evaluation.dataset_id, version.dataset_id),
        ("policy", evaluation.policy, _SERVED_POLICY),
        ("threshold", evaluation.threshold, threshold),
    )
    return tuple(
        f"evaluation {evaluation.id} is about another {name}, {had} and not {wanted}: evaluate exactly what is to serve"
        for name, had, wanted in pairs
        if had != wanted
    )


def _difference(evaluation: Evaluation) -> str:
    found = evaluation.difference
    return (
        f"{evaluation.metric} differs from {evaluation.baseline} by {100 * found.value:+.2f} points "
        f"[{100 * found.ci_low:+.2f}, {100 * found.ci_high:+.2f}] with a margin of {100 * evaluation.margin:g}"
    )
