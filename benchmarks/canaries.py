"""Whether any byte of a canary reaches a third party, whatever fails: 10,000 requests, and one answer to each.

    python benchmarks/canaries.py [--requests 10000] [--seed 0] [--only MODE] [--json]

Valid-looking personal data and secrets, one for each request, are planted in every field and name of requests to every
endpoint, plain and streamed, and in the headers that would go along. The gateway is the real one, over loopback, with
real rules, policy, ledger and store; two third parties' servers answer with errors or cut connections four times in
ten, so that there are retries and fallbacks; a specialist that is half sure escalates, is audited, and another one is
trial; a judge is asked, too. A detector in a process of its own does its work, is killed over and over, hangs, or
raises, or third parties get tokens in the place of what is found: each with and without a model of one's own that
stands in. Ends with 1 where a canary has reached a third party or a request was not answered.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.canaries.run import MODES, Found, run


def main() -> int:
    """Runs, prints, and says whether nothing has leaked and nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000, help="over all modes together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=MODES, help="one state of the detector")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # What fails on purpose is no news.
    logging.disable(logging.CRITICAL)
    modes = [options.only] if options.only else list(MODES)
    plans = [(mode, route) for mode in modes for route in (False, True)]
    reports = []
    for number, (mode, route) in enumerate(plans):
        count = options.requests // len(plans) + (number < options.requests % len(plans))
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = run(count, seed=options.seed + number, mode=mode, route=route, folder=Path(folder))
        reports.append(_report(mode, found, time.monotonic() - began, route=route))
        if not options.json:
            print(_line(reports[-1]), flush=True)
    leaked = sum(len(one["leaks"]) for one in reports)
    unanswered = sum(len(one["unanswered"]) for one in reports)
    total = {
        "sent": sum(one["sent"] for one in reports),
        "canary_bytes_at_third_parties": leaked,
        "unanswered": unanswered,
        "requests_at_third_parties": sum(one["third_party"] for one in reports),
    }
    print(json.dumps({"runs": reports, **total}, indent=1) if options.json else json.dumps(total))
    return 1 if leaked or unanswered else 0


def _report(mode: str, found: Found, seconds: float, *, route: bool) -> dict[str, object | int | list[str]]:
    return {
        "detector": mode,
        "route_model": route,
        "sent": found.sent,
        "statuses": dict(sorted(found.statuses.items())),
        "judge": dict(found.judged),
        "third_party": found.third_party,
        "house": found.house,
        "leaks": found.leaks,
        "unanswered": found.unanswered,
        "ledger": dict(found.ledger),
        "second": dict(found.second),
        "seconds": round(seconds, 1),
    }


def _line(report: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in report.items())


if __name__ == "__main__":
    sys.exit(main())
