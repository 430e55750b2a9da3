"""How long a specialist has been in service, as the decisions tell it.

Owns which decisions belong together. A canary whose share grows, and that goes live, is one service: the same model at
the same threshold gives the same answers, and what was learned about them stays. Another version, another threshold,
or the same ones after something else, begin a new one: what was learned before says nothing about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.deployment import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import DeploymentId

#: Stages in which callers are answered.
SERVING = (Stage.CANARY, Stage.LIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A version at a threshold, from the decision that put it into service until now."""

    #: Newest first; never empty.
    decisions: tuple[Deployment, ...]
    #: How many services the task has had, this one included.
    number: int

    @property
    def id(self) -> DeploymentId:
        """Of its first decision."""
        return self.decisions[-1].id

    @property
    def deployment(self) -> Deployment:
        """The decision in force."""
        return self.decisions[0]


def service_of(newest_first: Sequence[Deployment]) -> Service | None:
    """The service of a task in which a specialist is now, from all the task's decisions; None: in none."""
    decisions = [row for row in newest_first if row.stage in (*SERVING, Stage.RETIRED)]
    if not decisions or decisions[0].stage is Stage.RETIRED:
        return None
    services: list[list[Deployment]] = []
    before: Deployment | None = None
    for row in reversed(decisions):
        if row.stage is not Stage.RETIRED:
            if before is None or not _same(before, row):
                services.append([])
            services[-1].insert(0, row)
        before = row if row.stage is not Stage.RETIRED else None
    return Service(decisions=tuple(services[-1]), number=len(services))


def _same(first: Deployment, second: Deployment) -> bool:
    return (first.model_version_id, first.threshold) == (second.model_version_id, second.threshold)
