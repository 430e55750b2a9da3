"""How many times as many requests two workers take as one.

    python benchmarks/workers.py [--rounds 10] [--round-s 3] [--connections 64] [--workers 2] [--nginx PROGRAM]

Two gateways, alike but for `[server] workers`, take turns in front of a model server that answers at once (nginx where
it is installed), under wrk where it is installed. On a machine of two cores the gateways, the load and the model server
all run on both, so that the load takes from the workers what it needs itself: "load_share" says how much of both cores
that was, and what two workers can be at most is less than twice one. With more cores, the gateways have as many as
there are workers and the rest is the load's. One worker takes somewhat more than a core, since the store writes beside
the event loop. Whether workers cost each other anything is said by the ratio of answers for a second of the gateway's
processor time: 1 is no cost. Ratios are taken within each round; intervals are bootstrapped over the rounds.

That limits and budgets hold exactly over the workers is no matter of speed: tests/acceptance/test_workers.py.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from rig.contestants import add_options, find, start_upstream
from rig.figures import mean_of, shown, versions
from rig.load import hammer, load_program
from rig.processes import machine
from rig.served import SWITCHED_ON, Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rig.contestants import Contestant


def parse() -> argparse.Namespace:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=10, help="at least 2")
    options.add_argument("--round-s", type=int, default=3)
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--workers", type=int, default=2)
    add_options(options)
    return options.parse_args()


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One gateway's turn."""

    per_second: float
    #: Of all cores, the share that the gateway used, and the one that load and model server used.
    gateway_share: float
    load_share: float

    @property
    def per_processor_second(self) -> float:
        """Answers for as much of the gateway's processor time as all cores have in a second."""
        return self.per_second / self.gateway_share


def turn(gateway: Served, upstream: Contestant, connections: int, seconds: int, cores: int) -> Round:
    """Keeps a gateway busy for a while."""
    of_gateway, of_upstream, of_load = gateway.program.processor_s, upstream.program.processor_s, _ended_children_s()
    hammered = hammer(gateway.target, connections, seconds)
    load_s = _ended_children_s() - of_load + upstream.program.processor_s - of_upstream
    return Round(
        per_second=hammered.per_second,
        gateway_share=(gateway.program.processor_s - of_gateway) / hammered.seconds / cores,
        load_share=load_s / hammered.seconds / cores,
    )


def summary(rounds: Sequence[Round]) -> dict[str, object]:
    """One gateway's figures."""
    return {
        "requests_per_second": shown(mean_of([each.per_second for each in rounds])),
        "gateway_share": round(mean(each.gateway_share for each in rounds), 3),
        "load_share": round(mean(each.load_share for each in rounds), 3),
    }


def main() -> None:
    """Prints the figures as one JSON document."""
    chosen = parse()
    found = find(chosen)
    usable = sorted(os.sched_getaffinity(0))
    apart = len(usable) > chosen.workers
    for_gateway = set(usable[: chosen.workers])
    for_load = set(usable[chosen.workers :]) if apart else set(usable)
    before = machine()
    os.sched_setaffinity(0, for_load)
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        upstream = start_upstream(folder / "upstream", for_load, found.nginx)
        running.enter_context(upstream.program)
        gateways = {
            workers: running.enter_context(
                Served(
                    folder / f"workers-{workers}",
                    upstream=upstream.target.port,
                    cores=for_gateway,
                    server=f"workers = {workers}",
                )
            )
            for workers in (1, chosen.workers)
        }
        turns: dict[int, list[Round]] = {workers: [] for workers in gateways}
        # The first round is not counted: programs are slow at first.
        for _ in range(chosen.rounds + 1):
            for workers, gateway in gateways.items():
                turns[workers].append(turn(gateway, upstream, chosen.connections, chosen.round_s, len(usable)))
    turns = {workers: rounds[1:] for workers, rounds in turns.items()}
    pairs = list(zip(turns[chosen.workers], turns[1], strict=True))
    report = {
        "workers": {str(workers): summary(rounds) for workers, rounds in turns.items()},
        "ratio": shown(mean_of([many.per_second / one.per_second for many, one in pairs])),
        "ratio_per_processor_second": shown(
            mean_of([many.per_processor_second / one.per_processor_second for many, one in pairs])
        ),
        "cores": {"usable": len(usable), "load_apart": apart},
        "connections": chosen.connections,
        "round_s": chosen.round_s,
        "load": load_program(),
        "upstream": upstream.name,
        "switched_on": SWITCHED_ON,
        "machine": {**before, "load_average_at_the_end": machine()["load_average"]},
        "versions": {**versions(), **found.versions},
    }
    print(json.dumps(report, indent=2))


def _ended_children_s() -> float:
    """Processor seconds that ended children, load programs that is, have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
