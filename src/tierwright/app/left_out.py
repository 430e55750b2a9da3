"""What the figures of an audit leave out or rest on an estimate for, in counts by reason.

Owns the list of reasons; the counts are the ledger's. What an import set aside never came into the store: `traffic
import` counts it and names the file it is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tierwright.core.protocols import LedgerStore


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Counts of calls; every one of them counts as a request, whatever is not known of it."""

    #: Calls with tokens and without a price, by model, the most first: in no cost.
    unpriced_calls: Mapping[str, int]
    #: Calls without tokens, by model: in no cost and no mean of tokens.
    uncounted_calls: Mapping[str, int]
    #: Calls whose tokens are an estimate of ours, by model: in every figure, as an estimate.
    estimated_calls: Mapping[str, int]


def left_out(store: LedgerStore, *, since: datetime | None = None, until: datetime | None = None) -> LeftOut:
    """The counts of a period with since <= created_at < until; None: without that limit."""
    gaps = store.gaps(since=since, until=until)
    return LeftOut(
        unpriced_calls={gap.model: gap.unpriced_calls for gap in gaps if gap.unpriced_calls},
        uncounted_calls={gap.model: gap.uncounted_calls for gap in gaps if gap.uncounted_calls},
        estimated_calls={gap.model: gap.estimated_calls for gap in gaps if gap.estimated_calls},
    )
