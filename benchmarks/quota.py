"""What a key's limits cost a request: admission, headers and settlement, in microseconds of processor time.

python benchmarks/quota.py [ROUNDS]
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tierwright.core.caller import CallerKey, Limits
from tierwright.core.ids import CallerKeyId
from tierwright.gateway.tenancy.quota import Quotas, Reservation

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMES = 2000
_NOW = datetime(2025, 9, 1, 12, tzinfo=UTC)
_COST_USD = Decimal("0.00123")


def key(limits: Limits) -> CallerKey:
    """A key with limits."""
    return CallerKey(
        id=CallerKeyId("benchmark"), client_id="benchmark", prefix="", sha256="", created_at=_NOW, limits=limits
    )


def rounds_us(quotas: Quotas, caller: CallerKey, rounds: int, *, headers: bool) -> list[float]:
    """Microseconds of one request in each round."""
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(_TIMES):
            held = quotas.admit(caller, tokens=500, cost_usd=_COST_USD, now=_NOW)
            if not isinstance(held, Reservation):
                raise SystemExit(f"a limit that should be out of reach was reached: {held.message}")
            if headers:
                held.headers(_NOW)
            held.settle(tokens=300, cost_usd=_COST_USD)
        found.append((time.process_time() - begun) / _TIMES * 1e6)
    return found


def main(arguments: Sequence[str]) -> None:
    """Prints one line for each way of keeping the counts."""
    rounds = int(arguments[0]) if arguments else 15
    every = Limits(
        requests_per_minute=10**9, tokens_per_minute=10**12, concurrent_requests=100, budget_usd=Decimal(10**6)
    )
    sys.stdout.write(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ")
    sys.stdout.write(f"{rounds} rounds of {_TIMES} requests, all four limits; fastest and median round\n")
    with tempfile.TemporaryDirectory() as directory:
        for place, path in (("shared file", Path(directory) / "quota"), ("one process' memory", None)):
            quotas = Quotas(path)
            for what, headers in (("admit + settle", False), ("admit + headers + settle", True)):
                found = rounds_us(quotas, key(every), rounds, headers=headers)
                sys.stdout.write(f"{place}: {what} {min(found):.1f} µs, {median(found):.1f} µs\n")
            quotas.close()


if __name__ == "__main__":
    main(sys.argv[1:])
