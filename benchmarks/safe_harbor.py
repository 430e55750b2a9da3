"""How much of each of the 18 identifiers of HIPAA's Safe Harbor the detectors find, on values made up for it.

    python benchmarks/safe_harbor.py [--count N] [--seed S] [--json] [--write]

A hit is a value of which 90 % of the characters are covered by findings of any type; for pictures and sound, a
request that is known to be unread, and hence restricted. Intervals are Wilson's. What is not looked for (names,
addresses, dates, …) is measured all the same, so that the table says how little that is. Notes are in English and made
up: this measures forms and labels, not documents of real patients; and it is a development set, whose misses were
looked at while the rules were mended. `--write` keeps the figures in the package, for the report, and rewrites the
table of docs/privacy-evidence.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.identifiers import KINDS
from benchmarks.rig.measured import figure, keep
from benchmarks.rig.unreadable import SHAPES, requests

from tierwright.app.privacy_report import safe_harbor
from tierwright.app.privacy_sections import measured_recall
from tierwright.privacy.detector import scan
from tierwright.privacy.fields import read

if TYPE_CHECKING:
    from tierwright.privacy.measured import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "privacy-evidence.md"
#: Share of a value's characters from which it counts as found.
COVERED = 0.9
COMMAND = "python benchmarks/safe_harbor.py"


def measured(count: int, *, seed: int) -> list[Figure]:
    """The recall of each kind."""
    return [
        figure(
            f"{kind.letter} {kind.name}",
            "made-up notes, English",
            sum(_covered(text, value) for text, value in kind.samples(count, seed=seed)),
            count,
            COMMAND,
        )
        for kind in KINDS
    ] + [
        figure(
            subject,
            "made-up requests",
            sum(bool(read(request).unread) for request in requests(subject, count, seed=seed)),
            count,
            COMMAND,
        )
        for subject in SHAPES
    ]


def _covered(text: str, value: str) -> bool:
    start = text.index(value)
    end = start + len(value)
    places = {at for one in scan(text) for at in range(max(one.start, start), min(one.end, end))}
    return len(places) >= COVERED * len(value)


def rewrite_table() -> None:
    """Puts the rows of the table into the page, each in the place of the one of its letter."""
    rows = {
        row["letter"]: f"| {row['letter']} | {row['name']} | {row['coverage']} | {row['how']} | "
        f"{measured_recall(row['measured'])} |"
        for row in safe_harbor()
    }
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    told = [rows.get(line[2], line) if line[:2] == "| " and line[3:5] == " |" else line for line in lines]
    PAGE.write_text("\n".join(told) + "\n", encoding="utf-8")


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Recall on the identifiers of HIPAA's Safe Harbor.")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="keep the figures in the package")
    given = parser.parse_args()
    found = measured(given.count, seed=given.seed)
    if given.write:
        keep(found, COMMAND)
        rewrite_table()
    if given.json:
        print(json.dumps([{**one.document(), "recall": one.recall} for one in found], indent=2))
        return
    print(f"{given.count} made-up values of each kind, seed {given.seed}; recall with its 95 % interval (Wilson)")
    for one in found:
        print(f"{one.subject:36} {one.hits:4} of {one.n}  {one.recall:.3f} [{one.ci_low:.3f}, {one.ci_high:.3f}]")


if __name__ == "__main__":
    main()
