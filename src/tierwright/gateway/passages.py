"""The way of a request to one model server, with tokens in the place of values where that server may not see these.

Owns the choice between both. Refuses to know how values are found and put back (`pseudonymising`), and to decide what
may leave: the gate looks at the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.gateway import problems
from tierwright.gateway.problems import Problem
from tierwright.gateway.pseudonymising.passage import RestoringPassage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.gateway.catalogue import ServedBackend
    from tierwright.gateway.clearance import Clearance
    from tierwright.gateway.dialects.dialect import Asked, Dialect, Passage
    from tierwright.gateway.pseudonymising.desk import Disguised, PseudonymDesk
    from tierwright.gateway.trail import Trail


class Passages:
    """The ways to the model servers of one gateway."""

    def __init__(self, clearance: Clearance, desk: PseudonymDesk | None) -> None:
        """`desk`: None: no request goes anywhere with tokens."""
        self._clearance = clearance
        self._desk = desk

    async def find(
        self,
        dialect: Dialect,
        asked: Asked,
        trail: Trail,
        served: ServedBackend,
        *,
        model: str,
        headers: Mapping[bytes, bytes],
    ) -> Passage | Problem:
        """As `Dialect.passage`; `headers` are the caller's."""
        created_at = int(trail.created_at.timestamp())
        back = dialect.passage(asked, served.kind, model=model, inference_id=trail.id, created_at=created_at)
        desk = self._desk
        if isinstance(back, Problem) or desk is None or not self._clearance.hides_from(served.backend.name, trail):
            return back
        try:
            disguised = await self._disguised(desk, asked, trail, headers)
        except RecursionError as error:
            return problems.unreadable(error)
        there = dialect.passage(disguised.asked, served.kind, model=model, inference_id=trail.id, created_at=created_at)
        if isinstance(there, Problem):
            return there
        return RestoringPassage(there, back, disguised.restorer)

    async def _disguised(
        self, desk: PseudonymDesk, asked: Asked, trail: Trail, headers: Mapping[bytes, bytes]
    ) -> Disguised:
        """The request with tokens; the same for all its attempts."""
        known = trail.disguised
        if known is not None and known.original is asked:
            return known
        found = await desk.disguised(asked, headers, trail.client_id)
        self._clearance.gate.pseudonymised(trail.id, found.counts)
        trail.disguised = found
        return found
