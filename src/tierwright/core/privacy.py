"""How sensitive a request is, what was seen in it, and the permit without which none of its bytes may leave.

Holds types, counts and digests, and never a value that was found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class DataClass(IntEnum):
    """How sensitive data are; the greater of two is the class of both together."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3

    @property
    def label(self) -> str:
        """As settings, headers, ledgers and stores spell it."""
        return _LABELS[self]

    @classmethod
    def of(cls, label: str) -> DataClass:
        """The class so spelled; raises ValueError, which names all of them, where there is none."""
        for one in cls:
            if one.label == label:
                return one
        raise ValueError(f"there is no data class {label[:40]!r}; there is {', '.join(one.label for one in cls)}")


_LABELS: Final = tuple(one.name.lower() for one in DataClass)


class PrivacyMode(StrEnum):
    """What becomes of a request whose class a backend may not see."""

    #: It is refused.
    BLOCK = "block"
    #: It goes to a backend that may see it; it is refused where there is none.
    ROUTE = "route"
    #: What was found in it is replaced by tokens, and put back into the answer. It goes to the backend if what is then
    #: left to be found, and what was declared, allow it.
    PSEUDONYMISE = "pseudonymise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One stretch of a text that is, or looks like, personal or secret data: type and place, never the value."""

    #: One of the types of docs/detectors.md.
    type: str
    #: Offsets into the text that was looked at: start <= place < end.
    start: int
    end: int
    #: The rule that fired.
    detector: str
    #: Whether a checksum or a registry confirmed it; False: its form or the words around it.
    validated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What people say of a request's class."""

    data_class: DataClass
    #: Who: "header", "key", "task", or "default" where nobody did.
    by: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What detectors say of a request, or of the bytes that are to leave for it."""

    #: The class that follows from the rest; PUBLIC where nothing was seen.
    data_class: DataClass = DataClass.PUBLIC
    #: Findings by type.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Paths of members that nobody could read: pictures, sound, files, references. Each makes a request RESTRICTED.
    unread: tuple[str, ...] = ()
    #: Detectors that raised, hung or were not there. Each makes a request RESTRICTED.
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The class of a request, and why."""

    declared: Declared
    seen: Seen
    #: The versions of everything that looked, as one line.
    detectors: str

    @property
    def data_class(self) -> DataClass:
        """What was declared, raised by what was seen; nothing lowers it."""
        return max(self.declared.data_class, self.seen.data_class)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Exactly what is to be sent to a backend, besides the headers that its settings say."""

    path: str
    body: bytes
    #: Headers of the caller's that go with it.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: SHA-256 of the body, which never changes: it is asked for when a permit is made, and again when it is spent.
    _body_sha256: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Digests the body."""
        object.__setattr__(self, "_body_sha256", hashlib.sha256(self.body).digest())

    def digest(self, backend: str) -> bytes:
        """SHA-256 of the backend's name and of all that is sent, each part with its length before it.

        The body is in it by its own SHA-256.
        """
        digest = hashlib.sha256(b"%d:%b%d:%b" % (len(backend), backend.encode(), len(self.path), self.path.encode()))
        for name, value in self.headers.items():
            digest.update(b"%d:%b%d:%b" % (len(name), name.encode("latin-1"), len(value), value.encode("latin-1")))
        digest.update(self._body_sha256)
        return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What bytes are to leave for, as the ledger names it."""

    #: Of the request; empty: it belongs to none (a judge's question).
    request_id: str
    #: From 1.
    attempt: int
    #: A `CallRole`, or "judge".
    role: str
    client_id: str
    key_id: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Says that certain bytes may be sent to a certain backend, once. Made by a gate and good at that gate alone."""

    #: `Outgoing.digest` of the bytes and the backend.
    digest: bytes
    backend: str
    #: None: no gate is configured, and nobody looked.
    data_class: DataClass | None
    #: Of the policy that allowed it, lower-case hex; empty: no gate is configured.
    policy_sha256: str
    #: Where the ledger has the decision, "CHAIN:SEQ"; empty: no gate is configured.
    entry: str
    #: By which the gate finds it among those it made.
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why bytes may not be sent."""

    data_class: DataClass
    #: Stable: "class" (the backend may not see this class), "ledger" (the decision could not be made durable).
    reason: str
    #: For people: what to change.
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Which backends may see a request as it is."""

    backends: frozenset[str]
    #: The others, and why not, in few words.
    excluded: Mapping[str, str] = field(default_factory=dict)
