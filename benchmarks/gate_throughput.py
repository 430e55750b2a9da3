"""How many requests a second the gateway takes with the privacy gate on, beside the same gateway with it off.

    python benchmarks/gate_throughput.py --traffic FILE [--rounds 5] [--round-s 2] [--connections 32] [--nginx PROGRAM]

FILE is a log as `traffic import` takes it (.jsonl or .jsonl.gz). Its requests are sent in their order, each once to
each gateway, so that what the gate remembers is what an application repeats: instructions, lists of labels, tools.
With the gate on every request is looked at, and its permit is on the disk before it leaves; the one backend is the
operator's own, so that both gateways send all of them. They take turns on one core in front of a model server that
answers at once, under wrk; ratios are taken within each round, intervals bootstrapped over the rounds. Asked for: 0.70
or better.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rig.contestants import add_options, find, start_upstream
from rig.figures import mean_of, shown, versions
from rig.load import hammer, load_program
from rig.processes import machine, two_cores
from rig.served import SWITCHED_ON, Served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig.load import Hammered

#: What is not streamed: the model server has one answer.
_STREAMING = ("stream", "stream_options")
_GATE = """
[backends.privacy]
self_hosted = true

[privacy]
default_class = "internal"
"""
#: Requests of a turn at most, for a second of it.
_MOST_A_SECOND = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One gateway's turn."""

    hammered: Hammered
    #: Processor seconds that it used.
    processor_s: float

    @property
    def per_processor_second(self) -> float:
        """Answers for a second of its processor time."""
        return self.hammered.answered / self.processor_s


def bodies(path: Path) -> Iterator[str]:
    """The requests of a log that its model server can answer, one line each."""
    opening = gzip.open if path.suffix == ".gz" else open
    with opening(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)["request"]
            if "messages" in request:
                kept = {name: value for name, value in request.items() if name not in _STREAMING}
                yield json.dumps({**kept, "model": "gpt-4o"})


def take_turns(gateways: dict[str, Served], chosen: argparse.Namespace, folder: Path) -> dict[str, list[Turn]]:
    """Each gateway's turns on the same requests, the first of them not to be counted; stops where the log ends."""
    turns: dict[str, list[Turn]] = {name: [] for name in gateways}
    left = bodies(chosen.traffic)
    for number in range(chosen.rounds + 1):
        share = list(islice(left, chosen.per_round))
        if len(share) < chosen.per_round:
            break
        file = folder / f"bodies-{number}.jsonl"
        file.write_text("\n".join(share) + "\n", encoding="utf-8")
        for name, gateway in gateways.items():
            before = gateway.program.processor_s
            hammered = hammer(gateway.target, chosen.connections, chosen.round_s, bodies=file)
            turns[name].append(Turn(hammered=hammered, processor_s=gateway.program.processor_s - before))
    return {name: found[1:] for name, found in turns.items()}


def main() -> None:
    """Prints the figures as one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--traffic", type=Path, required=True)
    options.add_argument("--rounds", type=int, default=5, help="at least 2")
    options.add_argument("--round-s", type=int, default=2)
    options.add_argument("--per-round", type=int, default=_MOST_A_SECOND, help="requests sent in turn in a round")
    options.add_argument("--connections", type=int, default=32)
    add_options(options)
    chosen = options.parse_args()
    gateway_core, load_core = two_cores()
    before = machine()
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        upstream = start_upstream(folder / "upstream", {load_core}, find(chosen).nginx)
        running.enter_context(upstream.program)
        gateways = {
            state: running.enter_context(
                Served(folder / state, upstream=upstream.target.port, cores={gateway_core}, tables=tables)
            )
            for state, tables in (("off", ""), ("on", _GATE))
        }
        turns = take_turns(gateways, chosen, folder)
    pairs = list(zip(turns["on"], turns["off"], strict=True))
    report = {
        "gate": {
            state: {
                "requests_per_second": shown(mean_of([one.hammered.per_second for one in found])),
                "p50_ms": [round(one.hammered.p50_ms, 2) for one in found],
                "p99_ms": [round(one.hammered.p99_ms, 2) for one in found],
                "answered": [one.hammered.answered for one in found],
            }
            for state, found in turns.items()
        },
        "ratio": shown(mean_of([on.hammered.per_second / off.hammered.per_second for on, off in pairs])),
        "ratio_per_processor_second": shown(
            mean_of([on.per_processor_second / off.per_processor_second for on, off in pairs])
        ),
        "requests_in_a_round": chosen.per_round,
        "connections": chosen.connections,
        "round_s": chosen.round_s,
        "load": load_program(),
        "upstream": upstream.name,
        "switched_on": SWITCHED_ON,
        "versions": versions(),
        "machine": {**before, "load_average_at_the_end": machine()["load_average"]},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
