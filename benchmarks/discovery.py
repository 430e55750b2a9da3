"""How well the audit finds tasks in unlabelled traffic: agreement with the key of the shared log.

    python benchmarks/discovery.py [--log FILE --key FILE] [--json]

Prints the adjusted Rand index (Hubert and Arabie 1985), homogeneity and completeness (Rosenberg and Hirschberg 2007) of
the assignments against the key, on the whole log, on halves of it, and with its requests shuffled in time under other
clients' names, with the audit's seconds; for the latter three also the index against what the whole log gave.
Requests of no task are one cluster on both sides.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sklearn.metrics import adjusted_rand_score, completeness_score, homogeneity_score

from tierwright.curation.audit import audit
from tierwright.gateway.log_import import import_log
from tierwright.store.connection import open_store

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: The key's name for requests that are no task.
LONG_TAIL = "long-tail"


def measure(log: Path, key: dict[str, str], whole: dict[str, str] | None = None) -> dict[str, Any]:
    """One audit of one log; `whole` is what the audit of the whole log assigned."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/bench.db")
        begun = time.perf_counter()
        report = import_log(log, store, price=lambda *_: None, rejects=Path(folder) / "rejects.jsonl")
        imported = time.perf_counter()
        found = audit(store, seed=1)
        audited = time.perf_counter()
        store.close()
    wanted = [key[i] for i in found.assignments]
    got = [task or "-" for task in found.assignments.values()]
    before = None if whole is None else [whole[i] for i in found.assignments]
    tail = sum(key[i] == LONG_TAIL and task is not None for i, task in found.assignments.items())
    return {
        "requests": report.read,
        "tasks": len(found.tasks),
        "adjusted_rand_index": adjusted_rand_score(wanted, got),
        "homogeneity": homogeneity_score(wanted, got),
        "completeness": completeness_score(wanted, got),
        "long_tail_assigned": tail,
        "same_as_whole": 1.0 if before is None else adjusted_rand_score(before, got),
        "contracts": sorted(finding.task.contract.kind.value for finding in found.tasks),
        "import_s": imported - begun,
        "audit_s": audited - imported,
        "assigned": dict(zip(found.assignments, got, strict=True)),
    }


def shuffled(lines: list[bytes], *, seed: int = 1) -> list[bytes]:
    """The requests of a log at each other's times, under clients' names drawn anew."""
    rng, rows = random.Random(seed), [json.loads(line) for line in lines]
    times = [row["timestamp"] for row in rows]
    rng.shuffle(rows)
    return [
        json.dumps(row | {"timestamp": time, "client_id": f"client-{rng.randrange(5)}"}).encode() + b"\n"
        for row, time in zip(rows, times, strict=True)
    ]


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How well the audit finds tasks.")
    parser.add_argument("--log", type=Path, default=DATA / "traffic" / "support_30d.jsonl.gz")
    parser.add_argument("--key", type=Path, default=DATA / "traffic" / "support_30d.key.jsonl.gz")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.log.exists() or not given.key.exists():
        sys.exit(f"skipped: {given.log} or its key is not there; set TIERWRIGHT_DATA or give --log and --key")
    with gzip.open(given.key, "rt", encoding="utf-8") as lines:
        key = {row["id"]: row["task"] for row in map(json.loads, lines)}
    rows = {"whole": measure(given.log, key)}
    with tempfile.TemporaryDirectory() as folder, gzip.open(given.log, "rb") as lines:
        every = list(lines)
        parts = (
            ("first half", every[: len(every) // 2]),
            ("every second", every[::2]),
            ("shuffled, other clients", shuffled(every)),
        )
        for name, part in parts:
            log = Path(folder) / "part.jsonl"
            log.write_bytes(b"".join(part))
            rows[name] = measure(log, key, rows["whole"]["assigned"])
    for row in rows.values():
        del row["assigned"]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one run")
    for name, row in rows.items():
        print(
            f"{name:23} n={row['requests']:,} tasks={row['tasks']} ARI={row['adjusted_rand_index']:.4f} "
            f"homogeneity={row['homogeneity']:.4f} completeness={row['completeness']:.4f} "
            f"as whole={row['same_as_whole']:.4f} long tail assigned={row['long_tail_assigned']} "
            f"import {row['import_s']:.1f} s audit {row['audit_s']:.1f} s"
        )
    print(f"contracts, whole log: {', '.join(rows['whole']['contracts'])}")


if __name__ == "__main__":
    main()
