"""In what order the deployments of a model are asked.

Owns weights and priorities; refuses to know how the deployments are doing. Every order is a pure function of one draw
in [0, 1), so that a conversation that always draws the same stays where it is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierwright.gateway.upstreams.alarm import KeyAlarm
    from tierwright.gateway.upstreams.config import DeploymentConfig
    from tierwright.gateway.upstreams.health import Health
    from tierwright.gateway.upstreams.limiter import ConcurrencyLimiter

#: The largest draw there is.
_BELOW_ONE = 1 - 2**-53


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Upstream:
    """A deployment with its state and the places of its backend."""

    config: DeploymentConfig
    #: Its own.
    health: Health
    #: Shared with the other deployments of its backend.
    limiter: ConcurrencyLimiter
    #: As above.
    alarm: KeyAlarm


class Peers:
    """Deployments of one model and one priority: they share its traffic by their weights."""

    __slots__ = ("_bounds", "members")

    def __init__(self, members: Iterable[Upstream]) -> None:
        self.members = tuple(members)
        self._bounds = list(accumulate(member.config.weight for member in self.members))

    def first(self, draw: float) -> Upstream:
        """Who is asked first."""
        if len(self.members) == 1:
            return self.members[0]
        return self.members[min(bisect_right(self._bounds, draw * self._bounds[-1]), len(self.members) - 1)]

    def order(self, draw: float) -> list[Upstream]:
        """All: the first is drawn by weight, the next by weight among the others, and so on.

        Where a draw falls within the interval of the one drawn is as random as the draw was, and is the next draw: when
        one deployment is out, only its own conversations move, and they spread over the others by their weights.
        """
        left = list(self.members)
        found = []
        while left:
            bounds = list(accumulate(member.config.weight for member in left))
            point = draw * bounds[-1]
            at = min(bisect_right(bounds, point), len(left) - 1)
            weight = left[at].config.weight
            draw = min(max(0.0, (point - (bounds[at] - weight)) / weight), _BELOW_ONE)
            found.append(left.pop(at))
        return found


class ModelRoute(NamedTuple):
    """All who serve a model, lowest priority number first."""

    #: As callers name it.
    model: str
    classes: tuple[Peers, ...]

    def first(self, draw: float) -> Upstream:
        """Who is asked first while all is well."""
        return self.classes[0].first(draw)

    def members(self) -> list[Upstream]:
        """All, in no order that matters."""
        return [member for peers in self.classes for member in peers.members]


def among(routes: Iterable[ModelRoute], backends: frozenset[str]) -> tuple[ModelRoute, ...]:
    """The same routes through these backends alone; a model that none of them serves is left out."""
    found = []
    for route in routes:
        members = [upstream for upstream in route.members() if upstream.config.backend in backends]
        if members:
            found.append(ModelRoute(route.model, by_priority(members)))
    return tuple(found)


def by_priority(upstreams: Iterable[Upstream]) -> tuple[Peers, ...]:
    """The deployments of one model, those of equal priority together."""
    ordered = sorted(upstreams, key=_priority)
    return tuple(Peers(members) for _, members in groupby(ordered, key=_priority))


def _priority(upstream: Upstream) -> int:
    return upstream.config.priority
