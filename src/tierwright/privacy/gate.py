"""The gate that the settings describe: looks at what is to leave, decides by the policy, and writes it down first.

Owns the order: look, decide, make the decision durable, and only then permit. Fails closed: whatever goes wrong on the
way is a denial. Refuses to know rules (`policy`), detectors (`looking`) and disks (the ledger's).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

from tierwright.core.privacy import Assessment, DataClass, Denial, Seen
from tierwright.privacy.fields import read, read_bytes
from tierwright.privacy.permits import Permits
from tierwright.privacy.policy import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tierwright.core.privacy import Declared, Outgoing, Permit, Permitted, Sending
    from tierwright.privacy.fields import Fields
    from tierwright.privacy.looking import Looker
    from tierwright.privacy.policy import Policy

_LOG = logging.getLogger(__name__)
#: Reasons of a denial.
CLASS, LEDGER = "class", "ledger"
#: Who could not tell where it was no detector.
_GATE: Final = "gate"
#: Bodies whose findings are remembered: those of requests that are under way.
_BODIES: Final = 4096
#: Bodies whose digests are remembered: one that leaves as it came is digested once.
_DIGESTED: Final = 256
#: And how long they are at most, since they are kept for that.
_SHORT_BYTES: Final = 64 * 1024
#: Nobody could look: what that makes of a request.
_BLIND: Final = Seen(data_class=DataClass.RESTRICTED, failed=(_GATE,))


class Book(Protocol):
    """Where decisions are written down."""

    @property
    def refusal(self) -> str | None:
        """Why nothing can be made durable; None: it can."""

    def append(self, kind: str, facts: Mapping[str, object]) -> asyncio.Future[str | None]:
        """Keeps an entry; the future has its name once it is durable, None where it could not be made so."""


class ConfiguredGate:
    """A `Gate` with a policy, detectors and a ledger. On one event loop."""

    def __init__(
        self, policy: Policy, looker: Looker, book: Book, *, clock: Callable[[], datetime], digest_key: bytes
    ) -> None:
        """`digest_key` keys the digests of bodies in the ledger, so that they say nothing about short ones."""
        #: The rules.
        self.policy = policy
        #: What looks.
        self.looker = looker
        self._book = book
        self._clock = clock
        # Copied for each body: setting up a key takes longer than most bodies do.
        self._mac = hmac.new(digest_key, digestmod=hashlib.sha256)
        #: By where the bodies are in memory, which is theirs as long as they are kept here.
        self._digests: dict[int, tuple[bytes, str]] = {}
        self._permits = Permits()
        self._policy: asyncio.Future[str | None] | None = None
        #: What was seen in bodies of late, by who looked and their digests.
        self._bodies: OrderedDict[tuple[str, str], Seen] = OrderedDict()

    @property
    def refusal(self) -> str | None:
        """Why nothing is permitted at all; None: what the policy allows is."""
        return self._book.refusal

    async def assess(self, payload: object, *, declared: Declared, body: bytes | None = None) -> Assessment:
        """As `Gate.assess`. What nobody declared has the policy's default class, whatever `declared` says then."""
        if declared.by == "default":
            declared = self.policy.undeclared
        if body is None:
            seen = await self._seen(lambda: read(payload))
        else:
            seen = await self._seen_in(body, {}, self._digest(body), payload)
        return Assessment(declared=declared, seen=seen, detectors=self.looker.versions)

    def permitted(self, data_class: DataClass) -> Permitted:
        """As `Gate.permitted`."""
        return self.policy.permitted(data_class, self._clock())

    async def permit(
        self, outgoing: Outgoing, *, backend: str, assessment: Assessment | None, sending: Sending
    ) -> Permit | Denial:
        """As `Gate.permit`."""
        declared = self.policy.undeclared if assessment is None else assessment.declared
        digest = self._digest(outgoing.body)
        seen = await self._seen_in(outgoing.body, outgoing.headers, digest)
        data_class = max(declared.data_class, seen.data_class)
        permitted = self.policy.permitted(data_class, self._clock())
        why_not = None if backend in permitted.backends else permitted.excluded.get(backend, UNKNOWN)
        facts = {
            **_about(sending),
            "backend": backend,
            **_findings(declared, seen, data_class),
            "detectors": self.looker.versions,
            "policy_sha256": self.policy.sha256,
            "body_sha256": digest,
            "bytes": len(outgoing.body),
            "excluded": dict(permitted.excluded),
        }
        if why_not is not None:
            facts |= {"reason": CLASS}
        entry = await self._written("deny" if why_not else "permit", facts)
        if entry is None:
            return Denial(data_class=data_class, reason=LEDGER, advice=self._ledger_advice())
        if why_not is not None:
            return Denial(data_class=data_class, reason=CLASS, advice=advice(backend, why_not, declared, seen))
        return self._permits.issue(
            outgoing, backend=backend, data_class=data_class, policy_sha256=self.policy.sha256, entry=entry
        )

    def check(self, permit: Permit, outgoing: Outgoing, *, backend: str) -> None:
        """As `Gate.check`."""
        self._permits.spend(permit, outgoing, backend=backend)

    def refused(self, *, assessment: Assessment, sending: Sending, excluded: Mapping[str, str]) -> None:
        """As `Gate.refused`."""
        facts = {
            **_about(sending),
            **_findings(assessment.declared, assessment.seen, assessment.data_class),
            "detectors": assessment.detectors,
            "policy_sha256": self.policy.sha256,
            "excluded": dict(excluded),
        }
        try:
            self._policy_entry()
            self._book.append("refused", facts)
        except Exception as error:  # noqa: BLE001 - nothing has left, and the caller gets its refusal all the same
            _LOG.error("a refusal can't be written down (%s)", error.__class__.__name__)

    def pseudonymised(self, request_id: str, counts: Mapping[str, int]) -> None:
        """As `Gate.pseudonymised`."""
        self._book.append("pseudonymised", {"request_id": request_id, "counts": dict(counts)})

    def _digest(self, body: bytes) -> str:
        known = self._digests.get(id(body))
        if known is not None:
            return known[1]
        mac = self._mac.copy()
        mac.update(body)
        digest = mac.hexdigest()
        if len(body) <= _SHORT_BYTES:
            self._digests[id(body)] = body, digest
            if len(self._digests) > _DIGESTED:
                del self._digests[next(iter(self._digests))]
        return digest

    async def _seen_in(self, body: bytes, headers: Mapping[str, str], digest: str, payload: object = None) -> Seen:
        """What is in bytes; those of a body that goes out as it came, or once more, are looked at once."""
        key = (self.looker.versions, digest)
        known = None if headers else self._bodies.get(key)
        if known is not None:
            return known
        seen = await self._seen(lambda: read_bytes(body, headers, payload=payload))
        # Whoever failed may be able to tell the next time.
        if not headers and not seen.failed and self.looker.versions == key[0]:
            self._bodies[key] = seen
            if len(self._bodies) > _BODIES:
                self._bodies.popitem(last=False)
        return seen

    async def _seen(self, fields: Callable[[], Fields]) -> Seen:
        """What is in a request, or that nobody could look."""
        try:
            return await self.looker.see(fields(), self.policy.class_of)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, nothing was shown to be harmless
            _LOG.error("a request can't be looked at (%s): it is restricted", error.__class__.__name__)
            return _BLIND

    async def _written(self, kind: str, facts: Mapping[str, object]) -> str | None:
        """Where the ledger has a decision, now that it is durable; None: it is not, or the policy it names is not."""
        if self._book.refusal is not None:
            return None
        try:
            policy, entry = self._policy_entry(), self._book.append(kind, facts)
            if (policy.result() if policy.done() else await asyncio.shield(policy)) is None:
                self._policy = None
                return None
            return await entry
        except Exception as error:  # noqa: BLE001 - a decision that may not be written down is none
            _LOG.error("a decision can't be written down (%s): nothing leaves", error.__class__.__name__)
            return None

    def _policy_entry(self) -> asyncio.Future[str | None]:
        """The entry that tells the policy, which stands before the first decision by it."""
        if self._policy is None:
            self._policy = self._book.append("policy", {"sha256": self.policy.sha256, "text": self.policy.text})
        return self._policy

    def _ledger_advice(self) -> str:
        why = self._book.refusal or "the disk did not take it"
        return (
            f"the privacy ledger can't be written ({why}), so nothing may leave; its operator has to see to the folder "
            "of privacy.ledger"
        )


def advice(backend: str, why_not: str, declared: Declared, seen: Seen) -> str:
    """Why a backend may not see a request, how its class came about, and what to change; types, never values."""
    data_class = max(declared.data_class, seen.data_class)
    return (
        f"the request is {data_class.label} ({because(declared, seen)}), which the backend '{backend}' may not see: "
        f"{why_not}; take that out of the request, ask a model whose backend may see it, or change "
        f"[backends.privacy] of '{backend}'"
    )


def because(declared: Declared, seen: Seen) -> str:
    """How the class of a request came about, in words; types, never values."""
    if declared.data_class >= seen.data_class:
        return f"declared by {declared.by}" if declared.by != "default" else "the default of what nobody declares"
    reasons = [f"found: {', '.join(sorted(seen.counts))}"] if seen.counts else []
    if seen.unread:
        reasons.append(f"can't be read: {', '.join(seen.unread[:3])}")
    if seen.failed:
        reasons.append(f"out of order: {', '.join(seen.failed)}")
    return "; ".join(reasons)


def _about(sending: Sending) -> dict[str, object]:
    return {
        "request_id": sending.request_id,
        "attempt": sending.attempt,
        "role": sending.role,
        "client_id": sending.client_id,
        "key_id": sending.key_id,
        "task_id": sending.task_id,
    }


def _findings(declared: Declared, seen: Seen, data_class: DataClass) -> dict[str, object]:
    return {
        "declared": declared.data_class.label,
        "declared_by": declared.by,
        "class": data_class.label,
        "findings": dict(seen.counts),
        "unread": list(seen.unread),
        "failed": list(seen.failed),
    }
