"""How many faults the gateway survives: each run plain and streamed, at so many seeds.

    python benchmarks/faults.py [--seeds 20] [--first-seed 0] [--only NAME] [--jobs 2] [--json]

The gateway is the real one, over loopback, with a real SQLite store; the upstream is scripted on the byte level and
keeps an invoice; the callers are scripted, too. A fault is survived when every invariant of tests/faults/invariants.py
holds in every run of it. Ends with 1 where one was not.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.faults.catalogue import FAULTS
from tests.faults.run import run_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.run import Outcome

#: Violations that are shown of one fault.
_SHOWN = 5


def run_one(place: int, seed: int, streamed: bool) -> Outcome:  # noqa: FBT001 - called by a pool, by position
    """One run, in a process of the pool."""
    # A store that fails on purpose is no news.
    logging.disable(logging.CRITICAL)
    return run_fault(FAULTS[place], seed=seed, streamed=streamed)


def main() -> int:
    """Runs, prints, and says whether all were survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", default="", help="faults whose name or number this is a part of")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    places = [at for at, fault in enumerate(FAULTS) if options.only in f"{fault.number} {fault.name}"]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    began = time.monotonic()
    reports = []
    with ProcessPoolExecutor(options.jobs) as pool:
        runs = {
            at: [pool.submit(run_one, at, seed, streamed) for seed in seeds for streamed in (False, True)]
            for at in places
        }
        for at in places:
            reports.append(report(at, [run.result() for run in runs[at]]))
            if not options.json:
                print("\n".join(lines(reports[-1])), flush=True)
    survived = sum(not one["violations"] for one in reports)
    seconds = time.monotonic() - began
    if options.json:
        print(json.dumps({"faults": reports, "survived": survived, "of": len(reports), "seconds": seconds}, indent=2))
    else:
        print(f"{sum(one['runs'] for one in reports)} runs in {seconds:.0f} s")
        print(f"faults survived {survived}/{len(reports)}")
    return 0 if survived == len(reports) else 1


def report(place: int, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """What is to be said of one fault."""
    fault = FAULTS[place]

    def usd(name: str) -> str:
        return format(sum((getattr(outcome.money, name) for outcome in outcomes), Decimal(0)).normalize(), "f")

    return {
        "number": fault.number,
        "name": fault.name,
        "runs": len(outcomes),
        "requests": sum(outcome.requests for outcome in outcomes),
        "billed_usd": usd("billed_usd"),
        "recorded_usd": usd("recorded_usd"),
        "untold_usd": usd("untold_usd"),
        "estimated_usd": usd("estimated_usd"),
        "largest_growth_mib": round(max(outcome.growth_bytes for outcome in outcomes) / 2**20, 1),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        "violations": [
            f"seed {outcome.seed} {'stream' if outcome.streamed else 'plain'}: {wrong}"
            for outcome in outcomes
            for wrong in outcome.wrong
        ],
    }


def lines(one: dict[str, object]) -> Iterator[str]:
    """One report as text."""
    violations = one["violations"]
    assert isinstance(violations, list)
    yield (
        f"{'survived' if not violations else 'FAILED':8} {one['number']:>2} {one['name']:<38} "
        f"{one['runs']} runs, {one['requests']} requests, billed {one['billed_usd']} recorded {one['recorded_usd']}, "
        f"untold {one['untold_usd']} estimated {one['estimated_usd']} USD, grew {one['largest_growth_mib']} MiB, "
        f"{one['seconds']} s"
    )
    yield from (f"         {violation}" for violation in violations[:_SHOWN])
    if len(violations) > _SHOWN:
        yield f"         and {len(violations) - _SHOWN} more"


if __name__ == "__main__":
    sys.exit(main())
