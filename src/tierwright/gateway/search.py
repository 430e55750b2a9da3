"""Who is asked next for one request, among those who may see it.

Owns what a denied permit leads to: the next server that may see the request, the model that stands in, or a refusal.
Refuses to know how classes come about (`clearance`) and in what order servers are asked (`upstreams`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.gateway import privacy_problems, problems
from tierwright.gateway.clearance import Closed, Ways, raised
from tierwright.gateway.egress import CLASS

if TYPE_CHECKING:
    from tierwright.gateway.clearance import Clearance
    from tierwright.gateway.egress import Denied
    from tierwright.gateway.problems import Problem
    from tierwright.gateway.trail import Trail
    from tierwright.gateway.upstreams.attempts import Attempts
    from tierwright.gateway.upstreams.lease import Lease, Refused
    from tierwright.gateway.upstreams.upstreams import Upstreams


class Search:
    """The attempts of one request; used by one task."""

    __slots__ = (
        "_attempts",
        "_clearance",
        "_deadline",
        "_denied",
        "_model",
        "_over",
        "_sticky",
        "_trail",
        "_upstreams",
    )

    def __init__(
        self,
        clearance: Clearance,
        upstreams: Upstreams,
        model: str,
        trail: Trail,
        *,
        deadline: float,
        sticky: float | None,
    ) -> None:
        """`deadline` and `sticky`: as `Upstreams.attempts`."""
        self._clearance = clearance
        self._upstreams = upstreams
        self._model = model
        self._trail = trail
        self._deadline = deadline
        self._sticky = sticky
        #: Those under way, with the model that is asked for; None: nobody was asked yet.
        self._attempts: tuple[str, Attempts] | None = None
        #: Backends that were denied these bytes.
        self._denied: frozenset[str] = frozenset()
        #: What ends it, whoever could be asked; None: nothing.
        self._over: Closed | Problem | None = None

    async def next(self) -> Lease | Refused | Closed | Problem:
        """The next attempt, or why there is none.

        Closed: nobody may see the request; a Problem is what its caller is to be told. Otherwise as `Attempts.next`.
        """
        if self._attempts is None and self._over is None:
            self._go_by(self._clearance.ways(self._model, self._trail))
        if self._over is not None:
            return self._over
        assert self._attempts is not None
        return await self._attempts[1].next()

    def denied(self, lease: Lease, why: Denied) -> None:
        """The last attempt was not made: its backend may not see these bytes, or nobody may see any."""
        assert self._attempts is not None
        self._attempts[1].withdraw()
        if why.reason != CLASS:
            self._over = privacy_problems.unavailable()
            return
        self._trail.assessment = raised(self._trail.assessment, why.data_class)
        self._denied |= {lease.deployment.backend}
        self._go_by(self._clearance.ways(self._model, self._trail, without=self._denied))

    def _go_by(self, ways: Ways | Closed) -> None:
        """Goes on with those who may see the request."""
        if isinstance(ways, Closed):
            self._over = ways
        elif self._attempts is not None and self._attempts[0] == ways.model:
            if ways.allowed is None:
                # A gate that says no, and settings that know of none: who was denied would be asked again for ever.
                self._over = privacy_problems.unavailable()
            else:
                self._attempts[1].narrow(ways.allowed)
        else:
            found = self._upstreams.attempts(
                ways.model, deadline=self._deadline, sticky=self._sticky, allowed=ways.allowed
            )
            if found is None:
                self._over = problems.model_not_found(ways.model)
            else:
                self._attempts = (ways.model, found)
