"""How much more two workers of the gateway take than one.

    python benchmarks/workers.py [--rounds 5] [--round-s 4] [--connections 32] [--nginx PROGRAM]

Two gateways (`tierwright serve`, see "switched_on" in the report) are asked in turn, round by round: one with a single
worker that may use one core, one with two that may use two cores. The load (wrk where it is installed) and a model
server that answers at once (nginx where it is installed) run on the last core of the machine; where that is one of the
two, which the report says, they take their share from the second worker. The processor time for one request tells how
much of what is missing to twice the rate is theirs. The ratio is taken within each round; intervals are bootstrapped
over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rig.contestants import add_options, find, start_upstream
from rig.figures import mean_of, shown, versions
from rig.load import hammer, load_program
from rig.processes import machine, two_cores
from rig.served import SWITCHED_ON, Served


def parse() -> argparse.Namespace:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5, help="at least 2")
    options.add_argument("--round-s", type=int, default=4)
    options.add_argument("--connections", type=int, default=32)
    add_options(options)
    return options.parse_args()


def main() -> None:
    """Prints the figures as one JSON document."""
    chosen = parse()
    found = find(chosen)
    allowed = sorted(os.sched_getaffinity(0))
    _, load_core = two_cores()
    before = machine()
    os.sched_setaffinity(0, {load_core})
    rates: dict[int, list[float]] = {1: [], 2: []}
    answered, processor_s, captured = dict.fromkeys(rates, 0), dict.fromkeys(rates, 0.0), {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        upstream = start_upstream(folder / "upstream", load_core, found.nginx)
        running.enter_context(upstream.program)
        gateways = {
            workers: running.enter_context(
                Served(
                    folder / f"workers-{workers}",
                    upstream=upstream.target.port,
                    cores=set(allowed[:workers]),
                    server=f"workers = {workers}",
                )
            )
            for workers in rates
        }
        for gateway in gateways.values():
            hammer(gateway.target, chosen.connections, 1)
        for _ in range(chosen.rounds):
            for workers, gateway in gateways.items():
                spent = gateway.program.processor_s
                hammered = hammer(gateway.target, chosen.connections, chosen.round_s)
                processor_s[workers] += gateway.program.processor_s - spent
                answered[workers] += hammered.answered
                rates[workers].append(hammered.per_second)
        for workers, gateway in gateways.items():
            gateway.program.stop()
            captured[workers] = gateway.captured()
    ratios = [two / one for one, two in zip(*rates.values(), strict=True)]
    report = {
        "ratio": shown(mean_of(ratios)),
        "workers": {
            str(workers): {
                "requests_per_second": shown(mean_of(each)),
                "rounds": [round(rate) for rate in each],
                "processor_us_per_request": round(processor_s[workers] / answered[workers] * 1e6, 1),
                "captured": captured[workers],
            }
            for workers, each in rates.items()
        },
        "load_shares_a_core_with_a_worker": load_core in allowed[:2],
        "connections": chosen.connections,
        "round_s": chosen.round_s,
        "load": load_program(),
        "upstream": upstream.name,
        "switched_on": SWITCHED_ON,
        "machine": {**before, "load_average_at_the_end": machine()["load_average"]},
        "versions": versions(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
