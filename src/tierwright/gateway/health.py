"""Health, as it is asked for at the callers' address and at the operators': where, and what the status is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIVELINESS, READINESS = "/health/liveliness", "/health/readiness"
#: The body that says that a process answers.
ALIVE = b'{"status":"alive"}'


def readiness_status(state: Mapping[str, object]) -> int:
    """The HTTP status of what readiness says: 503 where no request would be answered."""
    return 503 if state["status"] == "not_ready" else 200
