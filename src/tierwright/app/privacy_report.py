"""What an auditor asks of a period, as the document of `report privacy --json`.

Owns how the ledger's sums, the policies it holds, the settings of today and the store's keys become one document.
Refuses to know how it is shown. Holds types, counts, names and digests, and no value that was ever found.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tierwright.app.privacy_register import register
from tierwright.core.privacy import DataClass
from tierwright.privacy.measured import figures
from tierwright.privacy.safe_harbor import SAFE_HARBOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.app.privacy_register import Keeping
    from tierwright.core.caller import CallerKey
    from tierwright.gateway.config import CallerConfig
    from tierwright.privacy.policy import Policy
    from tierwright.privacy.tally import Policy as PolicyInForce
    from tierwright.privacy.tally import Span, Tally, Traffic

    _Json = dict[str, Any]

#: Facts about a backend, as policies' texts name them.
_FACTS = ("self_hosted", "region", "baa", "zero_retention", "trains_on_data")
#: What is said where nothing is looked at.
NO_GATE = (
    "No privacy gate is configured: nobody looks at what leaves, every backend may get everything, and nothing is "
    "written down. Add a table [privacy] to the settings, as `tierwright init` writes it."
)
NO_LEDGER = "There is no privacy ledger at {folder}: nothing shows what left, and under which policy."
BROKEN = "The ledger is broken: what is said below may not be all that happened. See `tierwright privacy verify`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the report is made from."""

    since: datetime | None
    until: datetime | None
    at: datetime
    tally: Tally
    #: What is wrong, for the top of the report.
    warnings: Sequence[str]
    #: The document of `privacy verify --json`; None: there is no ledger.
    verdict: Mapping[str, Any] | None
    #: In force now; None: no gate is configured.
    policy: Policy | None
    #: Versions of what looks now; empty: nothing does.
    detectors: str
    #: By id.
    task_names: Mapping[str, str]
    keys: Sequence[CallerKey]
    #: Those whose keys stand in the settings.
    callers: Sequence[CallerConfig]
    keeping: Keeping


def privacy_document(found: Evidence) -> _Json:
    """The document."""
    tally = found.tally
    providers = _providers(found)
    return {
        "period": {
            "since": _iso(found.since or _first(tally)),
            "until": _iso(found.until),
            "made_at": _iso(found.at),
        },
        "warnings": list(found.warnings),
        "gate": found.policy is not None,
        "decisions": _decisions(tally),
        "classes": _classes(tally),
        "ways": _ways(tally, found.task_names),
        "blocked": [
            {"class": block.data_class, "backend": block.backend, "reason": block.reason, **_span(span)}
            for block, span in sorted(tally.blocks.items())
        ],
        "rerouted": [
            {"class": kept.data_class, "backend": kept.backend, "why": kept.why, **_span(span)}
            for kept, span in sorted(tally.kept_from.items())
        ],
        "providers": providers,
        "policies": [
            _policy(sha256, policy, found.policy)
            for sha256, policy in sorted(tally.policies.items(), key=lambda pair: _iso(pair[1].since) or "")
        ],
        "detectors": [
            {"versions": versions, "decisions": span.count, **_ends(span)} for versions, span in tally.detectors.items()
        ],
        "detectors_now": found.detectors,
        "measured": [one.document() | {"recall": one.recall} for one in figures()],
        "safe_harbor": safe_harbor(),
        "erasures": [_erasure(event.at, event.facts) for event in sorted(tally.erasures, key=lambda one: one.at)],
        "reads": [
            {"at": _iso(event.at), **{name: _said(event.facts, name) for name in ("who", "what", "class", "up_to")}}
            for event in sorted(tally.reads, key=lambda one: one.at)
        ],
        "key_holders": [*(_key(key, found.at) for key in found.keys), *map(_caller, found.callers)],
        "register": register(tally, providers, found.task_names, found.keeping),
        "ledger": None if found.verdict is None else dict(found.verdict),
    }


def safe_harbor() -> list[_Json]:
    """HIPAA's eighteen identifiers, each with what was measured of it."""
    measured = [one.document() | {"recall": one.recall} for one in figures()]
    return [
        {
            "letter": category.letter,
            "name": category.name,
            "coverage": category.coverage.value,
            "how": category.how,
            "types": list(category.types),
            "measured": [one for one in measured if one["subject"].startswith(f"{category.letter} ")],
        }
        for category in SAFE_HARBOR
    ]


def _decisions(tally: Tally) -> _Json:
    return {
        "entries": tally.entries,
        "permits": sum(traffic.permits.count for traffic in tally.ways.values()),
        "denials": sum(traffic.denials.count for traffic in tally.ways.values()),
        "raised": tally.raised,
        "unread": tally.unread,
        "failed": dict(tally.failed),
        "declared_by": dict(tally.declared_by),
        "findings": dict(tally.findings.most_common()),
        "pseudonymised": tally.pseudonymised,
        "replaced": dict(tally.replaced.most_common()),
    }


def _classes(tally: Tally) -> list[_Json]:
    """Permits by class and backend, the highest class first."""
    joined: dict[tuple[str, str], list[Traffic]] = {}
    for way, traffic in tally.ways.items():
        if traffic.permits.count:
            joined.setdefault((way.data_class, way.backend), []).append(traffic)
    return [
        {
            "class": data_class,
            "backend": backend,
            "permits": sum(one.permits.count for one in parts),
            "bytes": sum(one.bytes for one in parts),
            "first_at": _iso(min(one.permits.first_at for one in parts if one.permits.first_at)),
            "last_at": _iso(max(one.permits.last_at for one in parts if one.permits.last_at)),
            "findings": dict(sum((one.findings for one in parts), Counter()).most_common()),
        }
        for (data_class, backend), parts in sorted(joined.items(), key=lambda pair: (-_rank(pair[0][0]), pair[0][1]))
    ]


def _ways(tally: Tally, task_names: Mapping[str, str]) -> list[_Json]:
    return [
        {
            "client": way.client_id,
            "task_id": way.task_id,
            "task": task_names.get(way.task_id),
            "class": way.data_class,
            "backend": way.backend,
            "role": way.role,
            "permits": traffic.permits.count,
            "denials": traffic.denials.count,
            "bytes": traffic.bytes,
            "first_at": _iso(min(_instants(traffic.permits.first_at, traffic.denials.first_at))),
            "last_at": _iso(max(_instants(traffic.permits.last_at, traffic.denials.last_at))),
            "findings": dict(traffic.findings.most_common()),
        }
        for way, traffic in sorted(tally.ways.items(), key=lambda pair: pair[0][2:] + pair[0][:2])
    ]


def _providers(found: Evidence) -> list[_Json]:
    """What is and was said of each backend, by the policies that decided in the period and by the one of today."""
    said: dict[str, dict[tuple[str, str], _Json]] = {}
    for policy in found.tally.policies.values():
        if policy.decisions.count and policy.text is not None:
            _tell(said, json.loads(policy.text)["backends"], then=policy.decisions, now=None)
    if found.policy is not None:
        _tell(said, json.loads(found.policy.text)["backends"], then=None, now=found.at)
    return [
        {
            "backend": name,
            "facts": sorted(facts.values(), key=lambda fact: _FACTS.index(fact["name"])),
            **_sight(found.policy, name, found.at),
        }
        for name, facts in sorted(said.items())
    ]


def _tell(
    said: dict[str, dict[tuple[str, str], _Json]],
    backends: Mapping[str, Mapping[str, Any]],
    *,
    then: Span | None,
    now: datetime | None,
) -> None:
    """Adds what one policy says of its backends."""
    for name, facts in backends.items():
        rows = said.setdefault(name, {})
        for fact in _FACTS:
            promise: Mapping[str, Any] = facts.get(fact) or {}
            row = rows.setdefault(
                (fact, json.dumps(promise, sort_keys=True)),
                {
                    "name": fact,
                    "value": promise.get("value"),
                    "expires": promise.get("expires"),
                    "evidence": promise.get("evidence") or None,
                    "held_then": None,
                    "holds_now": False,
                },
            )
            if then is not None:
                row["held_then"] = _held(promise, then)
            if now is not None:
                row["holds_now"] = bool(promise) and _held_at(promise, now)


def _held(promise: Mapping[str, Any], then: Span) -> str:
    """Whether a promise held when a policy decided: at the first decision, at the last one."""
    if not promise or then.first_at is None or then.last_at is None:
        return "no"
    ends = {_held_at(promise, then.first_at), _held_at(promise, then.last_at)}
    return "partly" if len(ends) > 1 else "yes" if ends == {True} else "no"


def _held_at(promise: Mapping[str, Any], at: datetime) -> bool:
    expires = promise.get("expires")
    return expires is None or at < datetime.fromisoformat(expires)


def _sight(policy: Policy | None, backend: str, at: datetime) -> _Json:
    """What a backend may see now, and why not the rest."""
    if policy is None:
        return {"may_see": [one.label for one in DataClass], "may_not_see": {}}
    lacks = {one.label: policy.why_not(backend, one, at) for one in DataClass}
    return {
        "may_see": [label for label, why in lacks.items() if why is None],
        "may_not_see": {label: why for label, why in lacks.items() if why is not None},
    }


def _policy(sha256: str, policy: PolicyInForce, now: Policy | None) -> _Json:
    return {
        "sha256": sha256,
        "since": _iso(policy.since),
        "decisions": policy.decisions.count,
        **_ends(policy.decisions),
        "in_ledger": policy.text is not None,
        "now": now is not None and now.sha256 == sha256,
    }


def _erasure(at: datetime, facts: Mapping[str, Any]) -> _Json:
    requests = facts.get("request_ids")
    subject = _said(facts, "subject_hmac")
    return {
        "at": _iso(at),
        "who": _said(facts, "who"),
        "of": f"subject {subject}" if subject else f"{_count(requests) or 0} requests",
        "inferences": _count(facts.get("inferences")),
        "datasets": _names(facts.get("datasets")),
        "models": _names(facts.get("models")),
    }


def _key(key: CallerKey, at: datetime) -> _Json:
    expired = key.expires_at is not None and key.expires_at <= at
    return {
        "client": key.client_id,
        "prefix": key.prefix,
        "class": None if key.data_class is None else key.data_class.label,
        "created_at": _iso(key.created_at),
        "expires_at": _iso(key.expires_at),
        "revoked_at": _iso(key.revoked_at),
        "state": "revoked" if key.revoked_at is not None else "expired" if expired else "good",
    }


def _caller(caller: CallerConfig) -> _Json:
    """A key of the settings: it does not end, and nobody knows since when it is there."""
    return {
        "client": caller.client_id,
        "prefix": "(in the settings)",
        "class": None if caller.data_class is None else caller.data_class.label,
        "created_at": None,
        "expires_at": None,
        "revoked_at": None,
        "state": "good",
    }


def _span(span: Span) -> _Json:
    return {"count": span.count, **_ends(span)}


def _ends(span: Span) -> _Json:
    return {"first_at": _iso(span.first_at), "last_at": _iso(span.last_at)}


def _first(tally: Tally) -> datetime | None:
    ends = [span.first_at for one in tally.ways.values() for span in (one.permits, one.denials) if span.first_at]
    return min(ends, default=None)


def _instants(*ends: datetime | None) -> list[datetime]:
    return [end for end in ends if end is not None]


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def _rank(label: str) -> int:
    """Of a class by its label; one that nobody knows stands above all."""
    ranks = {one.label: int(one) for one in DataClass}
    return ranks.get(label, len(ranks))


def _said(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else len(value) if isinstance(value, list) else None


def _names(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [] if value is None else [str(value)]
