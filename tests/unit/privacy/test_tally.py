"""A ledger's sums: nothing is left out, nothing is counted twice, and the order of entries does not matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tierwright.privacy.tally import Block, Kept, Tally, Way, tally

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry, as the ledger's readers give it."""

    kind: str
    at: datetime = START
    facts: dict[str, Any] = field(default_factory=dict)


def decision(kind: str = "permit", *, hours: float = 0, **facts: Any) -> Line:
    """A decision about a request of the shop's."""
    said = {
        "request_id": "inf_1",
        "attempt": 1,
        "role": "primary",
        "backend": "frontier",
        "client_id": "shop",
        "task_id": "task_1",
        "declared": "internal",
        "declared_by": "key",
        "class": "internal",
        "findings": {},
        "unread": [],
        "failed": [],
        "detectors": "rules 1",
        "policy_sha256": "ab" * 32,
        "bytes": 100,
        "excluded": {},
    }
    return Line(kind=kind, at=START + timedelta(hours=hours), facts={**said, **facts})


def test_permits_and_denials_are_counted_by_way() -> None:
    """Each combination of class, backend, client, task and role has its counts, bytes and ends."""
    found = tally(
        [
            decision(hours=2),
            decision(hours=1, attempt=2),
            decision("deny", hours=3, reason="class", **{"class": "restricted"}, findings={"card": 2}),
        ]
    )
    sent = found.ways[Way("internal", "frontier", "shop", "task_1", "primary")]
    assert (sent.permits.count, sent.bytes, sent.denials.count) == (2, 200, 0)
    assert (sent.permits.first_at, sent.permits.last_at) == (START + timedelta(hours=1), START + timedelta(hours=2))
    denied = found.ways[Way("restricted", "frontier", "shop", "task_1", "primary")]
    assert (denied.permits.count, denied.bytes, denied.denials.count) == (0, 0, 1)
    assert found.blocks[Block("restricted", "class", "frontier")].count == 1
    assert found.raised == 1
    assert found.findings == {"card": 2}


def test_what_was_kept_from_a_backend_is_counted() -> None:
    """A permitted attempt names the backends that may not see it; a denied one is a block and not a reroute."""
    excluded = {"frontier": "no baa"}
    found = tally(
        [
            decision(backend="own", excluded=excluded, **{"class": "restricted"}),
            decision("refused", backend=None, excluded=excluded, reason="class", **{"class": "restricted"}),
        ]
    )
    assert {kept: span.count for kept, span in found.kept_from.items()} == {Kept("restricted", "frontier", "no baa"): 1}
    assert found.blocks[Block("restricted", "class", "")].count == 1


def test_unread_failed_and_replaced_are_counted() -> None:
    """Parts nobody could read once a decision, each failed detector by its name, replaced findings by type."""
    found = tally(
        [
            decision(unread=["messages[0]", "messages[1]"], failed=["presidio"]),
            decision(failed=["presidio", "rules"]),
            Line(kind="pseudonymised", facts={"request_id": "inf_1", "counts": {"email": 3}}),
        ]
    )
    assert found.unread == 1
    assert found.failed == {"presidio": 2, "rules": 1}
    assert (found.pseudonymised, found.replaced) == (1, {"email": 3})


def test_the_period_ends_where_it_is_said_to() -> None:
    """`since` is in, `until` is not; a policy from before the period is known with its text."""
    lines = [
        Line(kind="policy", at=START - timedelta(days=9), facts={"sha256": "ab" * 32, "text": "{}"}),
        decision(hours=-1),
        decision(hours=0),
        decision(hours=24),
        Line(kind="erase", at=START + timedelta(hours=1), facts={"inferences": 3}),
        Line(kind="read", at=START + timedelta(hours=25), facts={"who": "ops"}),
    ]
    found = tally(lines, since=START, until=START + timedelta(days=1))
    assert sum(one.permits.count for one in found.ways.values()) == 1
    policy = found.policies["ab" * 32]
    assert (policy.text, policy.since, policy.decisions.count) == ("{}", START - timedelta(days=9), 1)
    assert [event.facts for event in found.erasures] == [{"inferences": 3}]
    assert found.reads == []


def test_a_decision_without_members_is_counted() -> None:
    """What an unknown version wrote may lack members, or have others: it counts, under empty names."""
    found = tally([Line(kind="permit", facts={"findings": None, "excluded": [], "bytes": "many"}), Line(kind="new")])
    assert found.ways[Way("", "", "", "", "")].permits.count == 1
    assert found.entries == 2


LINES = st.lists(
    st.builds(
        decision,
        st.sampled_from(["permit", "deny", "refused"]),
        hours=st.integers(0, 48),
        client_id=st.sampled_from(["shop", "desk"]),
        backend=st.sampled_from(["frontier", "own", None]),
        findings=st.dictionaries(st.sampled_from(["card", "email"]), st.integers(0, 5)),
        excluded=st.dictionaries(st.sampled_from(["frontier"]), st.sampled_from(["no baa", "not allowed"])),
        bytes=st.integers(0, 1000),
    ),
    max_size=30,
)


def _plain(found: Tally) -> object:
    return (
        {way: (one.permits, one.denials, one.bytes, one.findings) for way, one in found.ways.items()},
        *(found.blocks, found.kept_from, found.findings, found.raised, found.entries),
    )


@given(LINES, st.randoms(use_true_random=False))
def test_order_does_not_matter(lines: Sequence[Line], random: Any) -> None:
    """Chains are read one after another, and their entries are not in the order of time: the sums are the same."""
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert _plain(tally(lines)) == _plain(tally(shuffled))


@given(LINES)
def test_every_decision_is_in_one_way(lines: Sequence[Line]) -> None:
    """Permits and denials over all ways are all decisions; bytes are those of the permits."""
    found = tally(lines)
    permits = [line for line in lines if line.kind == "permit"]
    assert sum(one.permits.count for one in found.ways.values()) == len(permits)
    assert sum(one.denials.count for one in found.ways.values()) == len(lines) - len(permits)
    assert sum(span.count for span in found.blocks.values()) == len(lines) - len(permits)
    assert sum(one.bytes for one in found.ways.values()) == sum(line.facts["bytes"] for line in permits)
