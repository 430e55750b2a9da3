"""Permits that are out: who made them knows each, and each is good once.

Owns that register; refuses to decide what is permitted (a gate does).
"""

from __future__ import annotations

import hmac
from itertools import count
from typing import TYPE_CHECKING, Final

from tierwright.core.errors import PermitError
from tierwright.core.privacy import Permit

if TYPE_CHECKING:
    from tierwright.core.privacy import DataClass, Outgoing

#: Permits that are out at most; more can only be those whose bytes never left, and the oldest of them lapses.
_MOST: Final = 65_536


class Permits:
    """The permits of one gate; on one event loop."""

    def __init__(self) -> None:
        self._serials = count(1)
        self._out: dict[int, Permit] = {}

    def issue(
        self,
        outgoing: Outgoing,
        *,
        backend: str,
        data_class: DataClass | None = None,
        policy_sha256: str = "",
        entry: str = "",
    ) -> Permit:
        """A permit for these bytes and this backend."""
        permit = Permit(
            digest=outgoing.digest(backend),
            backend=backend,
            data_class=data_class,
            policy_sha256=policy_sha256,
            entry=entry,
            serial=next(self._serials),
        )
        self._out[permit.serial] = permit
        if len(self._out) > _MOST:
            del self._out[next(iter(self._out))]
        return permit

    def spend(self, permit: Permit, outgoing: Outgoing, *, backend: str) -> None:
        """As `Gate.check`."""
        # By identity: an equal permit that somebody else made is none.
        if self._out.pop(permit.serial, None) is not permit:
            raise PermitError(f"bytes for the backend '{backend}' stay here: their permit was spent, or is none")
        if permit.backend != backend or not hmac.compare_digest(permit.digest, outgoing.digest(backend)):
            raise PermitError(f"bytes for the backend '{backend}' stay here: their permit is for other ones")
