"""Task traffic for tests, without a store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from tierwright.curation.task_traffic import TaskTraffic


def task_traffic(requests: int = 100, **changes: Any) -> TaskTraffic:
    """So many requests, one an hour from 2026-01-01 on, each with another input and the same answer, at $0.001."""
    fields: dict[str, Any] = {
        "at": 1_767_225_600.0 + 3600.0 * np.arange(requests),
        "input_key": np.arange(1, requests + 1, dtype=np.uint64),
        "answer_key": np.ones(requests, dtype=np.uint64),
        "latency_ms": np.full(requests, 500.0, dtype=np.float32),
        "prompt_tokens": np.full(requests, 100, dtype=np.int64),
        "completion_tokens": np.full(requests, 10, dtype=np.int64),
        "cost_nano_usd": np.full(requests, 1_000_000, dtype=np.int64),
        "cost_usd": Decimal("0.001") * requests if requests else None,
        "unpriced_calls": 0,
        "clients": {"client": requests} if requests else {},
        "models": {"gpt-4o": requests} if requests else {},
        "sample": (),
    }
    return TaskTraffic(**fields | changes)
