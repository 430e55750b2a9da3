"""How long it takes to make a dataset of labelled history, and how much memory.

    python benchmarks/labelled.py [--rows 100000] [--words 30] [--json]

Rows of made-up words, half of them near-duplicates of the other half (one word changed), 150 classes, as a CSV file
that is read, cleaned, grouped and split; nothing is stored. Seconds are of the wall clock but for those of the
processor, which count the writing of the file, too. One process, one thread.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import platform
import random
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tierwright.curation.labelled import LabelledColumns, read_labelled
from tierwright.curation.labelled_dataset import build_labelled


def write(path: Path, rows: int, words: int) -> None:
    """A CSV file of that many rows."""
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    weights = list(itertools.accumulate(1 / (place + 1) for place in range(len(vocabulary))))
    texts = [rng.choices(vocabulary, cum_weights=weights, k=words) for _ in range(rows - rows // 2)]
    for _ in range(rows // 2):
        near = list(texts[rng.randrange(rows - rows // 2)])
        near[rng.randrange(words)] = "zzz"
        texts.append(near)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([" ".join(text), f"class {rng.randrange(150)}"] for text in texts)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.csv"
        write(path, options.rows, options.words)
        begun = time.perf_counter()
        table = read_labelled(path, LabelledColumns(inputs=("text",), outputs=("label",)))
        read = time.perf_counter()
        built = build_labelled(table, name="bench", known=[], seed=1, at=datetime.now(UTC))
        ended = time.perf_counter()
    found = {
        "rows": options.rows,
        "groups": len({example.group for example in built.examples}),
        "read_seconds": round(read - begun, 1),
        "build_seconds": round(ended - read, 1),
        "processor_seconds": round(time.process_time(), 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        for name, value in found.items():
            print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
