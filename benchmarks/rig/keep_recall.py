"""Keeps the recall that benchmarks/detectors.py measures where `tierwright report privacy` has it from.

    python benchmarks/detectors.py --json | python -m benchmarks.rig.keep_recall

Values of many countries or issuers are one figure for each type; the benchmark prints each of them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.rig.measured import figure, keep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.privacy.measured import Figure

_COMMAND = "python benchmarks/detectors.py"


def recall_figures(found: dict[str, Any]) -> Iterator[Figure]:
    """The figures in the benchmark's document."""
    for data, part in found.items():
        if isinstance(part, dict) and "recall" in part:
            for kind, counts in part["recall"].items():
                yield figure(kind, data, counts["hits"], counts["spans"], _COMMAND)
    joined: dict[str, list[int]] = {}
    for kind, (hits, made) in found["values"].items():
        counts = joined.setdefault(kind.partition(",")[0], [0, 0, 0])
        counts[0], counts[1], counts[2] = counts[0] + hits, counts[1] + made, counts[2] + 1
    for kind, (hits, made, kinds) in joined.items():
        yield figure(kind, f"drawn values, {kinds} kinds" if kinds > 1 else "drawn values", hits, made, _COMMAND)
    for language, (hits, made) in found["labels"].items():
        yield figure(f"numbers after a label, {language}", "sentences of our own", hits, made, _COMMAND)


if __name__ == "__main__":
    keep(list(recall_figures(json.load(sys.stdin))), _COMMAND)
