"""The split of traffic between specialist and frontier model."""

from __future__ import annotations

import pytest

from tests.fakes import a_deployment
from tierwright.core.deployment import Stage
from tierwright.core.errors import SettingsError
from tierwright.core.ids import TaskId
from tierwright.core.inference import RouteReason
from tierwright.gateway.policy import CascadePolicy, draw_of


def test_no_deployment_means_the_model_asked_for() -> None:
    """Without a deployment, or with a retired one, the caller's own model answers."""
    policy = CascadePolicy(holdout_share=0.5)
    for deployment in (None, a_deployment(stage=Stage.RETIRED)):
        route = policy.decide(deployment, draw=0.0)
        assert (route.reason, route.propensity, route.deployment_id) == (RouteReason.REQUESTED, 1.0, None)


@pytest.mark.parametrize(
    ("draw", "reason", "propensity"),
    [
        (0.0, RouteReason.HOLDOUT, 0.1),
        (0.0999, RouteReason.HOLDOUT, 0.1),
        (0.1, RouteReason.SPECIALIST, 0.36),
        (0.4599, RouteReason.SPECIALIST, 0.36),
        (0.4601, RouteReason.OUTSIDE_SHARE, 0.54),
        (0.9999, RouteReason.OUTSIDE_SHARE, 0.54),
    ],
)
def test_draw_is_cut_into_holdout_share_and_rest(draw: float, reason: RouteReason, propensity: float) -> None:
    """A canary of 40 % beside a holdout of 10 % gets 36 % of all, and each route says how probable it was."""
    route = CascadePolicy(holdout_share=0.1).decide(a_deployment(stage=Stage.CANARY, share=0.4), draw=draw)
    assert route.reason is reason
    assert route.propensity == pytest.approx(propensity)
    assert route.threshold == 0.8
    assert route.deployment_id == "deployment-1"


def test_live_deployment_gets_all_but_the_holdout() -> None:
    """With a share of 1 nothing is outside it, up to the largest draw."""
    policy = CascadePolicy(holdout_share=0.01)
    assert policy.decide(a_deployment(), draw=1 - 2**-53).reason is RouteReason.SPECIALIST


def test_greater_share_only_adds_to_the_specialist() -> None:
    """Whoever had a specialist's answers at a share keeps having them when it grows, and the holdout never moves."""
    policy = CascadePolicy(holdout_share=0.05)
    draws = [draw_of(TaskId("t"), f"conversation-{number}") for number in range(2000)]
    reasons = {
        share: [policy.decide(a_deployment(share=share), draw=draw).reason for draw in draws] for share in (0.2, 0.7)
    }
    for small, large in zip(reasons[0.2], reasons[0.7], strict=True):
        assert (small is RouteReason.HOLDOUT) == (large is RouteReason.HOLDOUT)
        assert large is RouteReason.SPECIALIST or small is not RouteReason.SPECIALIST


def test_draws_are_sticky_uniform_and_independent_between_tasks() -> None:
    """The same conversation always draws the same; over many the draws fill [0, 1) evenly, differently by task."""
    units = [f"conversation-{number}" for number in range(4000)]
    first = [draw_of(TaskId("a"), unit) for unit in units]
    second = [draw_of(TaskId("b"), unit) for unit in units]
    assert first == [draw_of(TaskId("a"), unit) for unit in units]
    assert all(0 <= draw < 1 for draw in first)
    for tenth in range(10):
        # Four standard deviations of a binomial share of 0.1 among 4,000.
        assert sum(tenth / 10 <= draw < (tenth + 1) / 10 for draw in first) / 4000 == pytest.approx(0.1, abs=0.019)
    both = sum(x < 0.5 and y < 0.5 for x, y in zip(first, second, strict=True)) / 4000
    assert both == pytest.approx(0.25, abs=0.028)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_impossible_holdout_is_refused(share: float) -> None:
    """A share outside [0, 1] is a mistake in the settings."""
    with pytest.raises(SettingsError, match="holdout_share"):
        CascadePolicy(holdout_share=share)
