"""Bytes on their way out: each time with a permit of their own.

Owns the one order there is: ask the gate, then send exactly what it has permitted. Refuses to know who is asked next
where it says no.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import PermitError
from tierwright.core.privacy import Denial
from tierwright.gateway.clearance import sending_of

if TYPE_CHECKING:
    from tierwright.core.inference import CallRole
    from tierwright.core.privacy import DataClass, Outgoing, Permit
    from tierwright.core.protocols import Backend, Reply
    from tierwright.gateway.clearance import Clearance
    from tierwright.gateway.trail import Trail

#: Why a permit was refused where the decision was made for other bytes, or was used before.
NOT_THESE_BYTES = "permit"
#: The backend may not see what is in the bytes.
CLASS = "class"


class Denied(Exception):  # noqa: N818 - what became of it
    """Bytes that stay here; nobody was asked."""

    def __init__(self, reason: str, data_class: DataClass | None) -> None:
        """`reason`: as `Denial` has it, or `NOT_THESE_BYTES`; `data_class`: of the bytes, None: nobody knows."""
        super().__init__(reason)
        self.reason = reason
        self.data_class = data_class


class Egress:
    """The way out of one gateway."""

    def __init__(self, clearance: Clearance) -> None:
        self._gate = clearance.gate
        self._state = clearance.state

    async def permit(self, trail: Trail, role: CallRole, outgoing: Outgoing, *, backend: str, attempt: int) -> Permit:
        """A permit for these bytes, when it is durable in the ledger; raises Denied where there is none."""
        decided = await self._gate.permit(
            outgoing,
            backend=backend,
            assessment=trail.assessment,
            sending=sending_of(trail, role, attempt=attempt),
        )
        if isinstance(decided, Denial):
            self._state.denials[backend, decided.reason] += 1
            raise Denied(decided.reason, decided.data_class)
        if decided.data_class is not None:
            self._state.permits[backend, decided.data_class.label] += 1
        return decided

    async def send(self, backend: Backend, outgoing: Outgoing, permit: Permit, *, timeout_s: float) -> Reply:
        """As `Backend.send`; raises Denied where the permit does not hold for these bytes at that backend."""
        try:
            return await backend.send(outgoing, permit=permit, timeout_s=timeout_s)
        except PermitError as error:
            self._state.denials[backend.name, NOT_THESE_BYTES] += 1
            raise Denied(NOT_THESE_BYTES, permit.data_class) from error
