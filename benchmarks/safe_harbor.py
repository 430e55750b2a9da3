"""How much of each of the 18 identifiers of HIPAA's Safe Harbor the detectors find, on values made up for it.

    python benchmarks/safe_harbor.py [--count N] [--seed S] [--json] [--write]

A hit is a value of which 90 % of the characters are covered by findings of any type; intervals are Wilson's. What is
not looked for (names, addresses, dates, …) is measured all the same, so that the table says how little that is. Notes
are in English and made up: this measures forms and labels, not documents of real patients. `--write` puts the figures
where the report and docs/privacy-evidence.md have them from.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.identifiers import KINDS
from benchmarks.rig.measured import keep

from tierwright.privacy.detector import VERSION, scan
from tierwright.privacy.measured import Figure
from tierwright.stats.intervals import wilson

#: Share of a value's characters from which it counts as found.
COVERED = 0.9
COMMAND = "python benchmarks/safe_harbor.py"


def measured(count: int, *, seed: int) -> list[Figure]:
    """The recall of each kind."""
    figures = []
    for kind in KINDS:
        hits = sum(_covered(text, value) for text, value in kind.samples(count, seed=seed))
        share = wilson(hits, count)
        figures.append(
            Figure(
                subject=f"{kind.letter} {kind.name}",
                data="made-up notes, English",
                hits=hits,
                n=count,
                ci_low=share.ci_low,
                ci_high=share.ci_high,
                detectors=f"rules/{VERSION}",
                command=COMMAND,
            )
        )
    return figures


def _covered(text: str, value: str) -> bool:
    start = text.index(value)
    end = start + len(value)
    places = {at for one in scan(text) for at in range(max(one.start, start), min(one.end, end))}
    return len(places) >= COVERED * len(value)


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
    if given.json:
        print(json.dumps([{**one.document(), "recall": one.recall} for one in found], indent=2))
        return
    print(f"{given.count} made-up values of each kind, seed {given.seed}; recall with its 95 % interval (Wilson)")
    for one in found:
        print(f"{one.subject:36} {one.hits:4} of {one.n}  {one.recall:.3f} [{one.ci_low:.3f}, {one.ci_high:.3f}]")


if __name__ == "__main__":
    main()
