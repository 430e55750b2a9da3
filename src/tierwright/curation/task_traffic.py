"""The traffic of one task, as what is measured of it reads it.

Owns the columns and the sample; refuses to say what they mean (`profile` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

    from tierwright.core.chat import ChatRequest

#: Requests of a task that are kept with their texts, at most; drawn uniformly.
SAMPLE = 4000
#: In a column of tokens: the provider did not say.
NOT_SAID = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRequest:
    """One request of the sample, with its texts."""

    #: Seconds since 1970, UTC.
    at: float
    request: ChatRequest
    #: The variable parts of the request, as a specialist would see them.
    input: str
    #: The answer's text.
    answer: str
    #: Index of its frame in `Task.frames`.
    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTraffic:
    """All requests of one task in columns of equal length, ascending by time, and a sample of them with texts."""

    #: Seconds since 1970, UTC.
    at: NDArray[np.float64]
    #: 64-bit digests of the inputs and of the canonical answers; 0: the content is gone.
    input_key: NDArray[np.uint64]
    answer_key: NDArray[np.uint64]
    #: NaN: not measured.
    latency_ms: NDArray[np.float32]
    #: `NOT_SAID` where the provider did not say; counts of the calls for the caller, not of second answers.
    prompt_tokens: NDArray[np.int64]
    completion_tokens: NDArray[np.int64]
    #: Cost of each request in billionths of a US dollar; -1: no call of it has a price.
    cost_nano_usd: NDArray[np.int64]
    #: The sum, exact; None: no call has a price.
    cost_usd: Decimal | None
    #: Calls without a price.
    unpriced_calls: int
    #: Requests by client, and by the model that answered.
    clients: dict[str, int]
    models: dict[str, int]
    #: Ascending by time.
    sample: tuple[SampledRequest, ...]

    @property
    def requests(self) -> int:
        """How many there are."""
        return len(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPeriod:
    """First and last request of all traffic looked at; both aware."""

    since: datetime
    until: datetime
