"""A month of a clinic's decisions, as a ledger would have them, and the evidence that a report is made from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tierwright.app.privacy_register import Keeping
from tierwright.app.privacy_report import Evidence
from tierwright.core.caller import CallerKey
from tierwright.core.ids import CallerKeyId
from tierwright.core.privacy import DataClass
from tierwright.gateway.config import CallerConfig
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import Promise, Promises
from tierwright.privacy.tally import tally

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 2, 8, tzinfo=UTC)
#: When the frontier's agreement ends: between the first and the last decision.
EXPIRES = START + timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry, as the ledger's readers give it."""

    kind: str
    at: datetime = START
    facts: dict[str, Any] = field(default_factory=dict)


def a_policy(**changes: Any) -> Policy:
    """A frontier with an agreement that ends, and machines of one's own."""
    frontier = Promises(
        baa=Promise(value=True, expires_at=EXPIRES, evidence="contract 12"),
        zero_retention=Promise(value=True, expires_at=datetime(2027, 1, 1, tzinfo=UTC), evidence="mail of 2026-01-05"),
        trains_on_data=Promise(value=False, expires_at=datetime(2027, 1, 1, tzinfo=UTC), evidence="terms, section 4"),
        region=Promise(value="us"),
        allowed=frozenset(DataClass),
    )
    own = Promises(self_hosted=Promise(value=True), region=Promise(value="eu"))
    return replace(Policy(backends={"frontier": frontier, "own": own}), **changes)


def a_decision(kind: str = "permit", *, days: float = 0, **facts: Any) -> Line:
    """A decision about a request of the clinic's, permitted to go to the frontier unless said otherwise."""
    said = {
        "request_id": "inf_1",
        "attempt": 1,
        "role": "primary",
        "backend": "frontier",
        "client_id": "clinic",
        "task_id": "task_1",
        "declared": "internal",
        "declared_by": "key",
        "class": "internal",
        "findings": {},
        "unread": [],
        "failed": [],
        "detectors": "rules/1 fields/1",
        "policy_sha256": a_policy().sha256,
        "bytes": 100,
        "excluded": {},
    }
    return Line(kind=kind, at=START + timedelta(days=days), facts={**said, **facts})


def a_month() -> list[Line]:
    """Permits, a reroute, blocks, parts nobody could read, an erasure and an export."""
    restricted = {"class": "restricted", "findings": {"us_ssn": 1}}
    policy = {"sha256": a_policy().sha256, "text": a_policy().text}
    return [
        Line(kind="start", facts={"version": "0.1"}),
        Line(kind="policy", at=START - timedelta(days=3), facts=policy),
        a_decision(),
        a_decision(days=1, **{"class": "confidential"}, findings={"email": 2}, bytes=300),
        a_decision(days=2, client_id="desk", task_id=None),
        a_decision(days=3, **restricted),
        a_decision(days=12, backend="own", excluded={"frontier": "baa expired 2026-03-11"}, **restricted),
        a_decision("deny", days=13, reason="class", **restricted),
        a_decision("refused", days=14, backend=None, reason="class", unread=["$.messages[0]"], **restricted),
        a_decision("deny", days=15, reason="class", failed=["presidio"], **{"class": "restricted"}),
        Line(kind="pseudonymised", at=START + timedelta(days=16), facts={"request_id": "i", "counts": {"email": 4}}),
        Line(
            kind="erase",
            at=START + timedelta(days=17),
            facts={"subject_hmac": "9f2c", "inferences": 7, "datasets": ["ds_1"], "models": ["mv_1", "mv_2"]},
        ),
        Line(
            kind="read",
            at=START + timedelta(days=18),
            facts={"who": "ops", "what": "dataset ds_1", "class": "restricted", "up_to": "restricted"},
        ),
    ]


def a_key(**changes: Any) -> CallerKey:
    """The clinic's key."""
    key = CallerKey(
        id=CallerKeyId("0a1b2c3d"),
        client_id="clinic",
        prefix="tw_live_0a1b2c3d",
        sha256="5e" * 32,
        created_at=START,
        data_class=DataClass.CONFIDENTIAL,
    )
    return replace(key, **changes)


def some_evidence(**changes: Any) -> Evidence:
    """All of the month, with a sound ledger."""
    chain = {
        "file": "20260301T000000-7-ab.jsonl",
        "entries": 13,
        "first": "2026-03-01T00:00:00.000000Z",
        "last": "2026-03-19T00:00:00.000000Z",
        "end": "ended",
        "break": None,
    }
    found = Evidence(
        since=START,
        until=None,
        at=NOW,
        tally=tally(a_month(), since=START),
        warnings=(),
        verdict={"sound": True, "entries": 13, "chains": [chain], "breaks": [], "keys": ["c0ffee"]},
        policy=a_policy(),
        detectors="rules/1 fields/1",
        task_names={"task_1": "triage"},
        keys=(a_key(), a_key(client_id="desk", expires_at=NOW - timedelta(days=1), data_class=None)),
        callers=(CallerConfig(client_id="batch", key_sha256="6f" * 32),),
        keeping=Keeping(
            content_days=30, class_days={"restricted": 7}, keep_content=True, encrypted=True, checkpoints=False
        ),
    )
    return replace(found, **changes)
