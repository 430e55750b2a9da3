"""How many permits a second the privacy ledger makes durable, beside what the disk does alone, in the same run.

    python benchmarks/ledger.py [--folder FOLDER] [--seconds 2] [--repeats 3] [--json]

So many requests at a time each ask for a permit's entry and wait until it is durable, again and again, on one event
loop: entries a second, and how long each waited, with checkpoints signed as in service. Beside it, for the same bytes
in groups of the same size: one write and one fdatasync after another, with nothing else going on, which no program
exceeds by more than it can group. Then all chains are verified. FOLDER lies on the disk that is measured; the default
is the current folder's. Median of the repeats, with the lowest and the highest. On a machine that does other things the
figures are lower bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tierwright.privacy.ledger.files import DISK
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Ledger
from tierwright.privacy.ledger.lines import GENESIS, line, members
from tierwright.privacy.ledger.verify import verify

#: Requests at a time.
AT_ONCE = (1, 16, 64, 256)
#: As a gate writes them.
PERMIT = {
    "request_id": "0193f7a1b2c37d4e8f90a1b2c3d4e5f6",
    "attempt": 1,
    "role": "primary",
    "backend": "frontier",
    "client_id": "helpdesk",
    "key_id": "1a2b3c4d",
    "task_id": "0f1e2d3c4b5a6978",
    "declared": "internal",
    "declared_by": "key",
    "class": "confidential",
    "findings": {"email": 2, "phone": 1},
    "unread": [],
    "failed": [],
    "detectors": "rules 1",
    "policy_sha256": "5f" * 32,
    "body_sha256": "a7" * 32,
    "bytes": 2048,
    "excluded": {"cheap": "no zero retention"},
}


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk that is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place) / "ledger"
        for at_once in AT_ONCE:
            pairs = [
                (asyncio.run(appended(folder, at_once, options.seconds)), alone(Path(place), at_once, options.seconds))
                for _ in range(options.repeats)
            ]
            rows.append(summary(at_once, pairs))
        began = time.perf_counter()
        verdict = verify(folder)
        took_s = time.perf_counter() - began
        size_bytes = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    assert verdict.sound
    found = {
        "hardware": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before",
        "versions": f"Python {platform.python_version()}, cryptography {version('cryptography')}",
        "entry_bytes": entry_bytes(),
        "repeats": options.repeats,
        "seconds": options.seconds,
        "rows": rows,
        "verified": {
            "entries": verdict.entries,
            "per_second": verdict.entries / took_s,
            "megabytes_per_second": size_bytes / took_s / 1e6,
        },
    }
    print(json.dumps(found, indent=2)) if options.json else report(found)


async def appended(folder: Path, at_once: int, seconds: float) -> dict[str, Any]:
    """Entries a second through a ledger, and the milliseconds that each waited."""
    ledger = Ledger(folder, key=SigningKey.of_folder(folder), about={"version": "benchmark"})
    await asyncio.to_thread(ledger.start)
    waits_ms: list[float] = []
    began, began_cpu = time.perf_counter(), time.process_time()
    until = began + seconds

    async def ask() -> None:
        while (asked := time.perf_counter()) < until:
            if await ledger.append("permit", PERMIT) is None:
                raise SystemExit(f"the ledger refuses: {ledger.refusal}")
            waits_ms.append((time.perf_counter() - asked) * 1000)

    await asyncio.gather(*(ask() for _ in range(at_once)))
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    await asyncio.to_thread(ledger.close)
    waits_ms.sort()
    return {
        "n": len(waits_ms),
        "per_second": len(waits_ms) / took_s,
        "cpu_us": cpu_s / len(waits_ms) * 1e6,
        "p50_ms": waits_ms[len(waits_ms) // 2],
        "p99_ms": waits_ms[len(waits_ms) * 99 // 100],
    }


def alone(folder: Path, group: int, seconds: float) -> dict[str, Any]:
    """Entries a second that the disk takes in groups of this size, and the milliseconds of a sync."""
    data = b"x" * (entry_bytes() * group)
    path = folder / "alone"
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC, 0o600)
    syncs_ms: list[float] = []
    began = time.perf_counter()
    while (asked := time.perf_counter()) < began + seconds:
        os.write(file, data)
        DISK.sync_file(file)
        syncs_ms.append((time.perf_counter() - asked) * 1000)
    took_s = time.perf_counter() - began
    os.close(file)
    path.unlink()
    syncs_ms.sort()
    return {"per_second": len(syncs_ms) * group / took_s, "sync_p50_ms": syncs_ms[len(syncs_ms) // 2]}


def entry_bytes() -> int:
    """Of one permit's line."""
    return len(line(100_000, b"2026-11-28T14:00:25.123456Z", members("permit", PERMIT), GENESIS)[0])


def summary(at_once: int, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """The median of each figure, and the range of the rate."""
    rates = [ours["per_second"] for ours, _ in pairs]
    return {
        "at_once": at_once,
        "n": sum(ours["n"] for ours, _ in pairs),
        "lowest": min(rates),
        "highest": max(rates),
        **{name: statistics.median(ours[name] for ours, _ in pairs) for name in ("per_second", "cpu_us")},
        **{name: statistics.median(ours[name] for ours, _ in pairs) for name in ("p50_ms", "p99_ms")},
        "disk_per_second": statistics.median(disk["per_second"] for _, disk in pairs),
        "disk_sync_p50_ms": statistics.median(disk["sync_p50_ms"] for _, disk in pairs),
    }


def report(found: dict[str, Any]) -> None:
    """The figures as a table."""
    print(f"{found['hardware']}\n{found['versions']}")
    print(f"entries of {found['entry_bytes']} bytes; median of {found['repeats']} runs of {found['seconds']:g} s\n")
    print(f"{'at once':>8}{'n':>10}{'entries/s [lowest, highest]':>32}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}", end="")
    print(f"{'disk alone/s':>14}{'sync p50 ms':>13}")
    for row in found["rows"]:
        rate = f"{row['per_second']:,.0f} [{row['lowest']:,.0f}, {row['highest']:,.0f}]"
        print(f"{row['at_once']:>8}{row['n']:>10,}{rate:>32}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}", end="")
        print(f"{row['cpu_us']:>9.1f}{row['disk_per_second']:>14,.0f}{row['disk_sync_p50_ms']:>13.2f}")
    checked = found["verified"]
    print(f"\nverified: n = {checked['entries']:,}, {checked['per_second']:,.0f} entries/s", end=", ")
    print(f"{checked['megabytes_per_second']:,.0f} MB/s")


if __name__ == "__main__":
    main()
