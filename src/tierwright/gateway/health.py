"""Health, as it is asked for at the callers' address and at the operators': where, and what the status is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True, kw_only=True)
class MonitorState:
    """How looking after the specialists is doing."""

    #: Failures in a row from which it is trouble.
    patience: int
    #: Looks that succeeded, and that failed.
    looks: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    #: Specialists that were taken off.
    rolled_back: int = 0

    @property
    def trouble(self) -> bool:
        """Whether nobody has looked after the specialists for a while."""
        return self.failures_in_a_row >= self.patience

    def said(self) -> dict[str, object]:
        """What readiness says of it."""
        return {
            "looks": self.looks,
            "failures": self.failures,
            "failing": self.trouble,
            "rolled_back": self.rolled_back,
        }


LIVELINESS, READINESS = "/health/liveliness", "/health/readiness"
#: The body that says that a process answers.
ALIVE = b'{"status":"alive"}'


def readiness_status(state: Mapping[str, object]) -> int:
    """The HTTP status of what readiness says: 503 where no request would be answered."""
    return 503 if state["status"] == "not_ready" else 200
