"""Who is drawn for a second answer."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest, spearmanr

from tierwright.core.ids import InferenceId, TaskId
from tierwright.core.inference import CallRole
from tierwright.gateway.policy import draw_of
from tierwright.gateway.second import second_draw

TASK = TaskId("task-1")
NAMES = [InferenceId(f"chatcmpl-{number:06d}") for number in range(4_000)]


def test_draws_are_uniform_and_always_the_same() -> None:
    """A share of the requests is drawn, whatever their ids look like, and the same ones again."""
    for role in (CallRole.SHADOW, CallRole.AUDIT):
        draws = [second_draw(role, TASK, name) for name in NAMES]
        assert draws == [second_draw(role, TASK, name) for name in NAMES]
        assert kstest(draws, "uniform").pvalue > 0.001


def test_draws_of_each_kind_say_nothing_about_the_others() -> None:
    """Who is shadowed, who is audited and who answers are independent, so that none selects for another."""
    kinds = np.array(
        [
            [second_draw(CallRole.SHADOW, TASK, name) for name in NAMES],
            [second_draw(CallRole.AUDIT, TASK, name) for name in NAMES],
            [draw_of(TASK, name) for name in NAMES],
        ]
    )
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert spearmanr(kinds[first], kinds[second]).pvalue > 0.001


def test_a_greater_share_only_adds_requests() -> None:
    """Raising the share of a shadow keeps those that were drawn before."""
    small, large = (
        {name for name in NAMES if second_draw(CallRole.SHADOW, TASK, name) < share} for share in (0.1, 0.3)
    )
    assert small < large
    assert abs(len(small) / len(NAMES) - 0.1) < 0.02
