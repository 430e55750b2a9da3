"""What a ledger says happened in a period, added up.

Owns the sums; refuses to know files, chains and settings. Holds one row for each combination of class, backend, caller,
task and role, whatever the number of entries: a year of decisions fits into memory. A decision that lacks a member is
counted under an empty name, never left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

#: Kinds of entries that decide about bytes; "refused" is a request of which no attempt was made.
PERMIT, DENY, REFUSED = "permit", "deny", "refused"
_DECISIONS = frozenset({PERMIT, DENY, REFUSED})


class Entry(Protocol):
    """An entry of a ledger, as it is read."""

    @property
    def at(self) -> datetime:
        """When it was written, by the clock of its process."""

    @property
    def kind(self) -> str:
        """Of what it tells."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it tells."""


@dataclass(slots=True, kw_only=True)
class Span:
    """How often something was, and from when to when."""

    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, at: datetime) -> None:
        """Once more; instants need not come in order."""
        self.count += 1
        self.first_at = at if self.first_at is None or at < self.first_at else self.first_at
        self.last_at = at if self.last_at is None or at > self.last_at else self.last_at


class Way(NamedTuple):
    """From whom what went where."""

    data_class: str
    #: Empty: of a request that was refused before one was chosen.
    backend: str
    client_id: str
    task_id: str
    role: str


@dataclass(slots=True, kw_only=True)
class Traffic:
    """What became of the attempts on one way."""

    permits: Span = field(default_factory=Span)
    denials: Span = field(default_factory=Span)
    #: Bytes that were permitted to leave, and what was found in them, by type.
    bytes: int = 0
    findings: Counter[str] = field(default_factory=Counter)


class Block(NamedTuple):
    """Why something was not sent."""

    data_class: str
    #: As `Denial.reason`.
    reason: str
    #: Empty: no backend was chosen.
    backend: str


class Kept(NamedTuple):
    """Which backend may not see requests that another one got."""

    data_class: str
    backend: str
    why: str


@dataclass(slots=True, kw_only=True)
class Policy:
    """One policy, by its SHA-256."""

    #: As the ledger has it; None: the ledger names it only.
    text: str | None = None
    #: When it was written down first.
    since: datetime | None = None
    #: Decisions of the period that were made by it.
    decisions: Span = field(default_factory=Span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something rare enough to be listed."""

    at: datetime
    facts: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Tally:
    """The sums of a period."""

    entries: int = 0
    ways: dict[Way, Traffic] = field(default_factory=dict)
    blocks: dict[Block, Span] = field(default_factory=dict)
    #: Requests sent, at least once, past a backend that may not see them; a retry counts once more.
    kept_from: dict[Kept, Span] = field(default_factory=dict)
    #: Findings of all decisions, by type.
    findings: Counter[str] = field(default_factory=Counter)
    #: Decisions by who declared the class.
    declared_by: Counter[str] = field(default_factory=Counter)
    #: Decisions whose class is above what was declared.
    raised: int = 0
    #: Decisions about requests with members that nobody could read, and detectors that did not answer.
    unread: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    #: Requests of which findings were replaced, and findings replaced by type.
    pseudonymised: int = 0
    replaced: Counter[str] = field(default_factory=Counter)
    policies: dict[str, Policy] = field(default_factory=dict)
    detectors: dict[str, Span] = field(default_factory=dict)
    erasures: list[Event] = field(default_factory=list)
    #: Reads of content, exports above the settings' class among them.
    reads: list[Event] = field(default_factory=list)


def tally(entries: Iterable[Entry], *, since: datetime | None = None, until: datetime | None = None) -> Tally:
    """The sums over entries of `since` (inclusive) to `until` (exclusive).

    The policies in force at the beginning are known from entries before it: give them, too.
    """
    found = Tally()
    for entry in entries:
        if until is not None and entry.at >= until:
            continue
        if entry.kind == "policy":
            _policy(found, entry)
        if since is None or entry.at >= since:
            found.entries += 1
            _add(found, entry)
    return found


def _add(found: Tally, entry: Entry) -> None:
    if entry.kind in _DECISIONS:
        _decision(found, entry)
    elif entry.kind == "pseudonymised":
        found.pseudonymised += 1
        found.replaced.update(_counts(entry.facts.get("counts")))
    elif entry.kind == "erase":
        found.erasures.append(Event(at=entry.at, facts=entry.facts))
    elif entry.kind == "read":
        found.reads.append(Event(at=entry.at, facts=entry.facts))


def _policy(found: Tally, entry: Entry) -> None:
    policy = found.policies.setdefault(_text(entry.facts, "sha256"), Policy())
    text = entry.facts.get("text")
    policy.text = policy.text if text is None else str(text)
    policy.since = entry.at if policy.since is None or entry.at < policy.since else policy.since


def _decision(found: Tally, entry: Entry) -> None:
    facts, at = entry.facts, entry.at
    data_class, backend = _text(facts, "class"), _text(facts, "backend")
    way = Way(data_class, backend, _text(facts, "client_id"), _text(facts, "task_id"), _text(facts, "role"))
    traffic = found.ways.setdefault(way, Traffic())
    counts = _counts(facts.get("findings"))
    found.findings.update(counts)
    if entry.kind == PERMIT:
        traffic.permits.add(at)
        size = facts.get("bytes")
        traffic.bytes += size if isinstance(size, int) else 0
        traffic.findings.update(counts)
        for name, why in _members(facts.get("excluded")).items():
            found.kept_from.setdefault(Kept(data_class, name, str(why)), Span()).add(at)
    else:
        traffic.denials.add(at)
        found.blocks.setdefault(Block(data_class, _text(facts, "reason"), backend), Span()).add(at)
    found.declared_by[_text(facts, "declared_by")] += 1
    found.raised += _text(facts, "declared") != data_class
    found.unread += bool(facts.get("unread"))
    found.failed.update(str(name) for name in facts.get("failed") or ())
    found.policies.setdefault(_text(facts, "policy_sha256"), Policy()).decisions.add(at)
    found.detectors.setdefault(_text(facts, "detectors"), Span()).add(at)


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return "" if value is None else str(value)


def _counts(value: object) -> dict[str, int]:
    return {name: count for name, count in _members(value).items() if isinstance(count, int)}


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
