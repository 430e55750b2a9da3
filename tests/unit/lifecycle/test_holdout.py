"""What the arms say of quality, cost and latency."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import after
from tierwright.core.ids import DeploymentId, InferenceId
from tierwright.core.incident import ArmTotals, JudgedOutcome, Signal
from tierwright.core.inference import RouteReason
from tierwright.lifecycle.holdout import realised


def an_arm(*, specialist: bool, costs: list[float], latencies: list[float], requests: int = 0) -> ArmTotals:
    """The sums over some requests."""
    return ArmTotals(
        specialist=specialist,
        requests=requests or len(costs),
        failed=0,
        priced=len(costs),
        cost_usd=sum(costs),
        cost_squares=sum(cost * cost for cost in costs),
        timed=len(latencies),
        latency_ms=sum(latencies),
        latency_squares=sum(latency * latency for latency in latencies),
    )


def outcomes(right: int, wrong: int, reason: RouteReason, **changes: Any) -> list[JudgedOutcome]:
    """Labelled answers of an arm."""
    return [
        JudgedOutcome(
            service_id=DeploymentId("d"),
            place=place,
            inference_id=InferenceId(f"{reason}-{place}"),
            signal=changes.get("signal", Signal.LABEL),
            reason=reason,
            answered_at=after(place),
            loss=float(place >= right),
        )
        for place in range(right + wrong)
    ]


def test_cost_and_latency_are_compared_by_means() -> None:
    """The specialist's arm costs a tenth with its escalations in; what has no price is counted."""
    ours = an_arm(specialist=True, costs=[1.0, 1.0, 1.0, 5.0], latencies=[10, 20, 10, 400], requests=6)
    theirs = an_arm(specialist=False, costs=[20.0, 18.0, 22.0], latencies=[800, 900, 1000])
    found = realised([ours, theirs], [])
    assert (found.specialist, found.frontier) == (6, 3)
    assert (found.cost_usd.specialist, found.cost_usd.frontier) == (2.0, 20.0)
    assert found.saved is not None
    assert found.saved.value == pytest.approx(0.9)
    assert found.saved.ci_low < 0.9 < found.saved.ci_high
    assert found.cost_usd.difference is not None
    assert found.cost_usd.difference.value == -18.0
    assert found.cost_usd.difference.ci_high < 0
    assert found.cost_usd.unknown == 2
    assert found.latency_ms.difference is not None
    assert found.latency_ms.difference.value == pytest.approx(110 - 900)


def test_quality_is_compared_by_labels_of_random_answers_alone() -> None:
    """Newcombe's first example: 56 of 70 against 48 of 80; audits and complaints don't count."""
    said = [
        *outcomes(50, 10, RouteReason.SPECIALIST),
        *outcomes(6, 4, RouteReason.LOW_CONFIDENCE),
        *outcomes(48, 32, RouteReason.HOLDOUT),
        *outcomes(0, 500, RouteReason.SPECIALIST, signal=Signal.AUDIT),
        *outcomes(0, 500, RouteReason.SPECIALIST, signal=Signal.REPORT),
    ]
    found = realised([], said).quality
    assert found.difference is not None
    assert (found.difference.ci_low, found.difference.ci_high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found.specialist, found.frontier) == (pytest.approx(0.8), pytest.approx(0.6))


def test_with_nothing_to_compare_nothing_is_claimed() -> None:
    """No arm, one arm, one request: means as far as there are any, and no difference."""
    nothing = realised([], [])
    assert (nothing.quality.difference, nothing.cost_usd.difference, nothing.saved) == (None, None, None)
    one = realised([an_arm(specialist=True, costs=[1.0], latencies=[5.0])], [])
    assert (one.cost_usd.specialist, one.cost_usd.frontier, one.cost_usd.difference) == (1.0, None, None)
