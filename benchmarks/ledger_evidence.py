"""What the privacy ledger proves: damage that is found, and nothing that was sent without its entry.

    python benchmarks/ledger_evidence.py [--tamperings 1000] [--rounds 20] [--seed 7] [--json]

A ledger of three chains (of several files, of a killed process, begun later) is tampered with, one random change at a
time: a bit, lines taken out, swapped, doubled or forged, the end cut off. Each is to be found, at the first line that
differs. Then two processes at a time hand out permits and send, in one folder, and are killed at random moments: what
came out of them is held against the ledger. Ends with 1 where anything was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.integration.privacy.killing import AT_A_TIME, killed
from tests.unit.privacy.ledger.ledgers import written
from tests.unit.privacy.ledger.tampering import Kept, tampered


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tamperings", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20, help=f"of {AT_A_TIME} processes each")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        ledger = Kept(place / "ledger", place / "second")
        written(*ledger)
        damage = tampered(ledger, count=options.tamperings, seed=options.seed)
        folder, second = place / "kills", place / "kills-second"
        kills = killed(folder, second, rounds=options.rounds, seed=options.seed)
    found = {
        "tamperings": damage.done,
        "missed": damage.missed,
        "misnamed": damage.misnamed,
        "killed": options.rounds * AT_A_TIME,
        "sent": len(kills.sent),
        "sent_without_entry": len(kills.unknown),
        "entries": kills.verdict.entries,
        "breaks": len(kills.verdict.breaks),
    }
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        each = ", ".join(f"{what} {count}" for what, count in sorted(damage.done.items()))
        print(f"tamperings: {sum(damage.done.values()):,} ({each})")
        print(f"missed: {len(damage.missed)}; named at another line: {len(damage.misnamed)}")
        print(f"processes killed: {found['killed']}; sent: {found['sent']:,}; entries: {found['entries']:,}")
        print(f"sent without an entry: {found['sent_without_entry']}; breaks: {found['breaks']}")
    sys.exit(bool(damage.missed or damage.misnamed or kills.unknown or kills.verdict.breaks))


if __name__ == "__main__":
    main()
