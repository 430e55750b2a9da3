"""How often a specialist in service may be wrong before its promise is broken.

Owns where the limit comes from. Refuses to know how often it is wrong.

The evaluation measured the specialist on the examples it answers itself: so often was it wrong, and so often did it
answer otherwise than the incumbent. The upper end of that interval is the most that the evidence allows for. To it the
margin is added, which was given away beforehand: as long as the rate among its answers is at most the margin above what
was measured, all answers together have lost at most the margin. Where the threshold was certified, the certified level
is the limit of the rate that it is about: that was promised. Errors and disagreements are two different rates with a
limit each: a specialist that is right where the incumbent errs disagrees and is no worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.certificate import Risk
from tierwright.core.dataset import LabelSource
from tierwright.core.incident import Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.certificate import Certificate
    from tierwright.core.deployment import Deployment
    from tierwright.core.estimate import Estimate
    from tierwright.core.evaluation import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The rate that is allowed."""

    #: In (0, 1).
    value: float
    #: Where it comes from, in words.
    source: str


def limit_of(
    signal: Signal, evaluation: Evaluation | None, certificate: Certificate | None = None, *, fixed: float = 0.0
) -> Limit | None:
    """The rate allowed by what a signal says; None: nothing says how often, so that no rate breaks a promise.

    `fixed`, where it is above 0, is the limit whatever the evidence says. A certificate is about exactly the version
    and threshold in service.
    """
    found: Limit | None = None
    if signal is not Signal.REPORT and fixed > 0.0:
        found = Limit(value=fixed, source="the settings: monitor.limit")
    elif certificate is not None and _is_about(certificate, signal):
        found = Limit(value=certificate.level, source=f"certificate {certificate.id}")
    elif signal is not Signal.REPORT and evaluation is not None:
        found = _evaluated(signal, evaluation)
    return found


def certificate_of(certificates: Sequence[Certificate], deployment: Deployment) -> Certificate | None:
    """Of a task's certificates, newest first, that of what is in service: errors among its own answers; None: none."""
    return next(
        (
            one
            for one in certificates
            if one.risk is Risk.ERROR
            and (one.model_version_id, one.threshold) == (deployment.model_version_id, deployment.threshold)
        ),
        None,
    )


def _is_about(certificate: Certificate, signal: Signal) -> bool:
    """Whether what was certified is the rate of a signal: errors by people's labels, or other answers."""
    by_people = certificate.reference is LabelSource.HUMAN
    return signal is (Signal.LABEL if by_people else Signal.AUDIT)


def _evaluated(signal: Signal, evaluation: Evaluation) -> Limit | None:
    measured, name = _measured(signal, evaluation)
    if measured is None:
        return None
    value = 1.0 - measured.ci_low + evaluation.margin
    if not 0.0 < value < 1.0:
        return None
    return Limit(
        value=value,
        source=(
            f"evaluation {evaluation.id}: {name} in {1.0 - measured.value:.1%} of {measured.n} answers of its own, at "
            f"most {1.0 - measured.ci_low:.1%}, and the margin of {evaluation.margin:.1%}"
        ),
    )


def _measured(signal: Signal, evaluation: Evaluation) -> tuple[Estimate | None, str]:
    """The share of right or equal answers among the specialist's own, and what to call the rest."""
    by_people = evaluation.reference is LabelSource.HUMAN
    if signal is Signal.LABEL:
        return (evaluation.local_score if by_people else None), "wrong"
    if evaluation.local_agreement is not None or by_people:
        return evaluation.local_agreement, "other than the incumbent"
    return evaluation.local_score, "other than the incumbent"
