"""What `tierwright task audit` prints of the groups in the long tail."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tierwright.app.cli.output import percent
from tierwright.curation.figures import mean_cost_usd, volume

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.curation.audit import Audit
    from tierwright.curation.long_tail import ProposedGroup


def groups_json(found: Audit) -> list[dict[str, Any]]:
    """The member `proposed_groups` of the document."""
    return [
        {
            "name": group.name,
            "contract": group.kind.value,
            "requests": group.traffic.requests,
            "looked_at_share": group.looked_at,
            "stability": group.stability,
            "examples": list(group.examples),
            "monthly_cost_usd": _monthly_cost(group, found),
        }
        for group in found.proposed_groups
    ]


def tell_groups(console: Console, found: Audit) -> None:
    """The groups for people; nothing where there are none."""
    for group in found.proposed_groups:
        console.print(
            f"  {group.traffic.requests:,} of those looked at may be one job in free words: {group.name} "
            f"({group.kind.value}); it comes out of random halves again by {percent(group.stability)}; "
            f"see {', '.join(group.examples[:2])}"
        )


def _monthly_cost(group: ProposedGroup, found: Audit) -> Decimal | None:
    """What the group costs in a month, taken to be as large in what was not looked at; None: it has no price."""
    mean = mean_cost_usd(group.traffic)
    if mean is None:
        return None
    monthly = volume(group.traffic, found.period).monthly.value
    return mean * Decimal(repr(monthly)) / Decimal(repr(group.looked_at))
