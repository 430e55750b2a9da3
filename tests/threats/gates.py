"""Gates for tests: one that knows a canary when it sees one, and one that breaks where it is told to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.core.privacy import Assessment, DataClass, Denial, Permitted, Seen
from tierwright.privacy.permits import Permits

if TYPE_CHECKING:
    from tierwright.core.privacy import Declared, Outgoing, Permit, Sending


@dataclass
class CanaryGate:
    """A `Gate` that lets nothing out that holds the canary, and remembers what it let out."""

    canary: str
    #: Where it raises: "assess", "permitted", "permit" or "check"; empty: nowhere.
    broken: str = ""
    #: The bytes that were permitted.
    permitted_bytes: list[bytes] = field(default_factory=list)
    _permits: Permits = field(default_factory=Permits)

    async def assess(self, payload: object, *, declared: Declared) -> Assessment:
        """As `Gate.assess`: restricted where the canary is anywhere in the request."""
        self._break("assess")
        seen = self._seen(json.dumps(payload, ensure_ascii=False))
        return Assessment(declared=declared, seen=seen, detectors="canary 1")

    def permitted(self, data_class: DataClass) -> Permitted:
        """As `Gate.permitted`: everything but what is restricted."""
        self._break("permitted")
        if data_class is DataClass.RESTRICTED:
            return Permitted(backends=frozenset(), excluded={"frontier": "it may not see restricted data"})
        return Permitted(backends=frozenset({"frontier", "second"}))

    async def permit(
        self, outgoing: Outgoing, *, backend: str, assessment: Assessment | None, sending: Sending
    ) -> Permit | Denial:
        """As `Gate.permit`."""
        self._break("permit")
        sent = " ".join((outgoing.path, *outgoing.headers.values())).encode() + outgoing.body
        if self._seen(sent.decode("utf-8", "replace")).data_class is DataClass.RESTRICTED:
            return Denial(data_class=DataClass.RESTRICTED, reason="class", advice="ask a self-hosted model")
        self.permitted_bytes.append(outgoing.body)
        return self._permits.issue(outgoing, backend=backend, data_class=DataClass.INTERNAL)

    def check(self, permit: Permit, outgoing: Outgoing, *, backend: str) -> None:
        """As `Gate.check`."""
        self._break("check")
        self._permits.spend(permit, outgoing, backend=backend)

    def _break(self, where: str) -> None:
        if self.broken == where:
            raise RuntimeError("the detector died")

    def _seen(self, text: str) -> Seen:
        found = text.count(self.canary)
        return Seen(data_class=DataClass.RESTRICTED, counts={"canary": found}) if found else Seen()
