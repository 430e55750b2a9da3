"""The register of processing, as GDPR art. 30 asks for one: purposes, categories, recipients, regions, retention.

Owns what of it settings and ledger can tell; what only people know (the controller, legal bases, whose data these are)
is left to them, and the report says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.privacy.tally import Tally

#: Days of a setting that mean "for ever".
_FOR_EVER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long what is kept, and how."""

    #: Days that requests and answers are kept; 0: for ever.
    content_days: int
    #: By the labels of classes, where it is shorter.
    class_days: Mapping[str, int] = field(default_factory=dict)
    #: Whether requests and answers are kept at all.
    keep_content: bool
    #: Whether they are encrypted.
    encrypted: bool
    #: Whether signed checkpoints of the ledger are kept in a second place.
    checkpoints: bool

    def days(self, data_class: str) -> int:
        """Days that content of a class is kept; 0: for ever."""
        bounds = [self.content_days, self.class_days.get(data_class, _FOR_EVER)]
        return min((days for days in bounds if days != _FOR_EVER), default=_FOR_EVER)


def register(
    tally: Tally, providers: Sequence[Mapping[str, Any]], task_names: Mapping[str, str], keeping: Keeping
) -> dict[str, Any]:
    """One row for each purpose, class and recipient, and what is done to protect the data."""
    joined: dict[tuple[str, str, str], Counter[str]] = {}
    for way, traffic in tally.ways.items():
        if traffic.permits.count:
            purpose = task_names.get(way.task_id) or way.task_id or "(no task)"
            joined.setdefault((purpose, way.data_class, way.backend), Counter()).update(traffic.findings)
    facts = {provider["backend"]: _facts(provider) for provider in providers}
    return {
        "processing": [
            {
                "purpose": purpose,
                "categories": f"{data_class}: {', '.join(sorted(findings)) or 'nothing found'}",
                "recipient": f"{backend} ({_party(facts.get(backend, {}))})",
                "region": facts.get(backend, {}).get("region") or "not said",
                "kept_for": _kept(keeping, data_class),
            }
            for (purpose, data_class, backend), findings in sorted(joined.items())
        ],
        "measures": _measures(keeping),
    }


def _facts(provider: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a backend now, or was said last."""
    return {
        fact["name"]: fact["value"] for fact in provider["facts"] if fact["holds_now"] or fact["held_then"] == "yes"
    }


def _party(facts: Mapping[str, Any]) -> str:
    return "own machines" if facts.get("self_hosted") is True else "third party"


def _kept(keeping: Keeping, data_class: str) -> str:
    if not keeping.keep_content:
        return "content is not kept"
    days = keeping.days(data_class)
    return "content for ever" if days == _FOR_EVER else f"content {days} days"


def _measures(keeping: Keeping) -> list[str]:
    return [
        "Requests and answers at rest are encrypted with a key for each data subject."
        if keeping.encrypted
        else "Requests and answers at rest are not encrypted: privacy.content_key is not set.",
        "Every decision is in a ledger with hash chains, before the first byte leaves; signed checkpoints are kept "
        + (
            "in a second place."
            if keeping.checkpoints
            else "beside it only: name a second place in privacy.checkpoints."
        ),
    ]
