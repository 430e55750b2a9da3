"""Who may answer: the cascade of specialist and frontier model, as a pure function.

Owns the split of traffic into holdout, share and rest, with its probabilities, so that a log of routes can be evaluated
afterwards. Refuses to know the request; `draw_of` makes its one random number reproducible.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tierwright.core.deployment import Stage
from tierwright.core.errors import SettingsError
from tierwright.core.inference import Route, RouteReason

if TYPE_CHECKING:
    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import TaskId

_REQUESTED = Route(reason=RouteReason.REQUESTED)


class CascadePolicy:
    """A deployed specialist is asked first, but for the holdout and what lies outside its share.

    The draw is cut into three intervals: [0, holdout), then the deployment's share of the rest, then what remains. A
    greater share therefore only adds conversations to a specialist, and the holdout stays the same.
    """

    def __init__(self, *, holdout_share: float) -> None:
        """Raises SettingsError where the share is outside [0, 1]."""
        if not 0 <= holdout_share <= 1:
            raise SettingsError("routing: holdout_share must lie between 0 and 1")
        self._holdout = holdout_share

    def decide(self, deployment: Deployment | None, *, draw: float) -> Route:
        """The route before the specialist is asked; reason SPECIALIST means it is to be asked."""
        if deployment is None or deployment.stage is Stage.RETIRED:
            return _REQUESTED
        share = (1 - self._holdout) * min(max(deployment.share, 0.0), 1.0)
        if draw < self._holdout:
            reason, propensity = RouteReason.HOLDOUT, self._holdout
        elif draw < self._holdout + share:
            reason, propensity = RouteReason.SPECIALIST, share
        else:
            reason, propensity = RouteReason.OUTSIDE_SHARE, 1 - self._holdout - share
        return Route(
            reason=reason,
            propensity=propensity,
            deployment_id=deployment.id,
            threshold=deployment.threshold,
        )


def draw_of(task_id: TaskId, unit: str) -> float:
    """A number in [0, 1), the same for the same task and unit: a conversation where it has a name, else the inference.

    The first 53 bits of SHA-256; tasks are drawn independently of each other.
    """
    digest = hashlib.sha256(b"%b\xff%b" % (task_id.encode(), unit.encode("utf-8", "surrogatepass"))).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
