"""The gate where the settings have no table [privacy]: nobody looks, and everything is permitted.

Permits are bound to bytes all the same, so that what sends needs to know one way only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.privacy import Assessment, Permitted, Seen
from tierwright.privacy.permits import Permits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierwright.core.privacy import DataClass, Declared, Denial, Outgoing, Permit, Sending


class Ungated:
    """A `Gate` that permits everything and writes nothing down."""

    def __init__(self, backends: Iterable[str] = ()) -> None:
        self._backends = frozenset(backends)
        self._permits = Permits()

    async def assess(
        self,
        payload: object,  # noqa: ARG002 - nobody looks
        *,
        declared: Declared,
        body: bytes | None = None,  # noqa: ARG002 - as above
    ) -> Assessment:
        """As `Gate.assess`: what was declared."""
        return Assessment(declared=declared, seen=Seen(), detectors="")

    def permitted(self, data_class: DataClass) -> Permitted:  # noqa: ARG002 - whatever it is
        """As `Gate.permitted`: all."""
        return Permitted(backends=self._backends)

    async def permit(
        self,
        outgoing: Outgoing,
        *,
        backend: str,
        assessment: Assessment | None,  # noqa: ARG002 - nobody looks
        sending: Sending,  # noqa: ARG002 - nothing is written down
    ) -> Permit | Denial:
        """As `Gate.permit`: always a permit."""
        return self._permits.issue(outgoing, backend=backend)

    def refused(self, *, assessment: Assessment, sending: Sending, excluded: Mapping[str, str]) -> None:
        """As `Gate.refused`: nothing is written down."""

    def check(self, permit: Permit, outgoing: Outgoing, *, backend: str) -> None:
        """As `Gate.check`."""
        self._permits.spend(permit, outgoing, backend=backend)
