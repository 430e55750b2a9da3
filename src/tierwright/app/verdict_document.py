"""The verdict on a ledger as `privacy verify --json` prints it and as the privacy report holds it.

Owns that form alone.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tierwright.privacy.ledger.verdict import End

if TYPE_CHECKING:
    from tierwright.privacy.ledger.verdict import Verdict


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """The verdict in JSON types."""
    return {
        "sound": verdict.sound,
        "entries": verdict.entries,
        "chains": [
            {
                "file": chain.files[0],
                "files": len(chain.files),
                "entries": chain.entries,
                "first": chain.first_at,
                "last": chain.last_at,
                "end": chain.end.value,
                "ended": chain.end is End.ENDED,
                "torn": chain.torn,
                "checkpoints": chain.checkpoints,
                "signed_seq": chain.signed_seq,
                "second_seq": chain.second_seq,
                "break": None if chain.broken is None else asdict(chain.broken),
            }
            for chain in verdict.chains
        ],
        "breaks": [asdict(one) for one in verdict.breaks],
        "keys": list(verdict.keys),
    }
