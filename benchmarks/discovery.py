"""How well the audit finds tasks in unlabelled traffic: agreement with the key of the shared log.

    python benchmarks/discovery.py [--log FILE --key FILE] [--json]

Prints the adjusted Rand index (Hubert and Arabie 1985), homogeneity and completeness (Rosenberg and Hirschberg 2007) of
the assignments against the key, on the whole log and on halves of it, with the audit's seconds. Requests of no task are
one cluster on both sides.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
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


def measure(log: Path, key: dict[str, str]) -> dict[str, Any]:
    """One audit of one log."""
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
    tail = sum(key[i] == LONG_TAIL and task is not None for i, task in found.assignments.items())
    return {
        "requests": report.read,
        "tasks": len(found.tasks),
        "adjusted_rand_index": adjusted_rand_score(wanted, got),
        "homogeneity": homogeneity_score(wanted, got),
        "completeness": completeness_score(wanted, got),
        "long_tail_assigned": tail,
        "import_s": imported - begun,
        "audit_s": audited - imported,
    }


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
        for name, part in (("first half", every[: len(every) // 2]), ("every second", every[::2])):
            half = Path(folder) / "half.jsonl"
            half.write_bytes(b"".join(part))
            rows[name] = measure(half, key)
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one run")
    for name, row in rows.items():
        print(
            f"{name:13} n={row['requests']:,} tasks={row['tasks']} ARI={row['adjusted_rand_index']:.4f} "
            f"homogeneity={row['homogeneity']:.4f} completeness={row['completeness']:.4f} "
            f"long tail assigned={row['long_tail_assigned']} "
            f"import {row['import_s']:.1f} s audit {row['audit_s']:.1f} s"
        )


if __name__ == "__main__":
    main()
