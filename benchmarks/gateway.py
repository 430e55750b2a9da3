"""How many requests a second the gateway takes on one core, beside others', and how much time it adds to one.

    python benchmarks/gateway.py [--rounds 5] [--round-s 2] [--connections 32] [--rate 500] [--paired-s 10]
        [--litellm PROGRAM]... [--portkey FOLDER] [--nginx PROGRAM] [--profile FILE]

A model server that answers at once (nginx where it is installed) and the load (wrk where it is installed) run on one
core of this machine, every gateway on another one, over loopback. Tierwright is run by `tierwright serve` and does what
it does in production: see "switched_on" in the report. Beside it, where they are found: the LiteLLM proxy (one worker,
master key, no database), Portkey's gateway (no authentication, no log) and nginx as a plain proxy; and the model server
itself, asked without a gateway. Programs are found by the options, by the variables TIERWRIGHT_BENCH_LITELLM,
TIERWRIGHT_BENCH_PORTKEY and TIERWRIGHT_BENCH_NGINX, and on the PATH; what is not found is left out, and named.

The contestants take turns in rounds, so that whatever else the machine does meets all of them; a ratio is taken within
each round. Intervals are bootstrapped over the rounds. The processor time of a gateway for one request depends less on
what else the machine does. Added time is paired: requests go through Tierwright and past it in turn, at a fixed rate;
its intervals are bootstrapped in blocks of one second. More requests are stored than answered: wrk leaves those under
way when a round ends.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from rig.contestants import Contestant, add_options, find, start_rivals, start_upstream
from rig.figures import added_ms, mean_of, shown, versions
from rig.load import hammer, in_pairs, load_program
from rig.processes import machine, two_cores
from rig.served import SWITCHED_ON, Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rig.load import Hammered


#: Seconds of the round that is not counted: long enough that the slowest answers something on a slow machine.
_FIRST_S = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One contestant's turn."""

    hammered: Hammered
    #: Processor seconds that its processes used.
    processor_s: float

    @property
    def per_processor_second(self) -> float:
        """Answers for a second of its processor time."""
        return self.hammered.answered / self.processor_s


def take_turns(
    contestants: Sequence[Contestant], rounds: int, round_s: int, connections: int
) -> dict[str, list[Round]]:
    """Each contestant's rounds, the first of them not to be counted: programs are slow at first."""
    turns: dict[str, list[Round]] = {contestant.name: [] for contestant in contestants}
    for seconds in (_FIRST_S, *[round_s] * rounds):
        for contestant in contestants:
            before = contestant.program.processor_s
            hammered = hammer(contestant.target, connections, seconds)
            spent = contestant.program.processor_s - before
            turns[contestant.name].append(Round(hammered=hammered, processor_s=spent))
    return turns


def summary(rounds: Sequence[Round]) -> dict[str, object]:
    """One contestant's figures."""
    answered = sum(each.hammered.answered for each in rounds)
    processor_s = sum(each.processor_s for each in rounds)
    return {
        "requests_per_second": shown(mean_of([each.hammered.per_second for each in rounds])),
        "rounds": [round(each.hammered.per_second) for each in rounds],
        "p50_ms": round(statistics.median(each.hammered.p50_ms for each in rounds), 2),
        "p99_ms": round(statistics.median(each.hammered.p99_ms for each in rounds), 2),
        "processor_us_per_request": round(processor_s / answered * 1e6, 1),
        "core_busy": round(processor_s / sum(each.hammered.seconds for each in rounds), 2),
    }


def ratios(ours: Sequence[Round], theirs: Sequence[Round]) -> dict[str, object]:
    """Our answers over theirs, round by round: for a second, and for a second of the gateway's processor time."""
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "per_second": shown(mean_of([mine.hammered.per_second / other.hammered.per_second for mine, other in pairs])),
        "per_processor_second": shown(
            mean_of([mine.per_processor_second / other.per_processor_second for mine, other in pairs])
        ),
    }


def added(gateway: Served, upstream: Contestant, rate: float, seconds: float) -> dict[str, Any]:
    """What Tierwright adds to a request at a fixed rate."""
    through, past = ((target.port, target.request()) for target in (gateway.target, upstream.target))
    pairs = uvloop.run(in_pairs(lambda _: (through, past), rate=rate, count=int(rate * seconds), first=False))
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    figures = {name: shown(added_ms(pairs, share, int(rate))) for name, share in quantiles.items()}
    return {"rate_per_second": rate, "pairs": len(pairs), **figures}


def parse() -> argparse.Namespace:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5, help="at least 2")
    options.add_argument("--round-s", type=int, default=2)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--rate", type=float, default=500)
    options.add_argument("--paired-s", type=float, default=10)
    options.add_argument("--profile", type=Path, help="write a cProfile of Tierwright here (slows it down)")
    add_options(options)
    return options.parse_args()


def main() -> None:
    """Prints the figures as one JSON document."""
    chosen = parse()
    found = find(chosen)
    gateway_core, load_core = two_cores()
    before = machine()
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        upstream = start_upstream(folder / "upstream", {load_core}, found.nginx)
        running.enter_context(upstream.program)
        ours = Served(
            folder / "tierwright", upstream=upstream.target.port, cores={gateway_core}, profile=chosen.profile
        )
        running.enter_context(ours)
        contestants = [Contestant(name="tierwright", program=ours.program, target=ours.target)]
        for rival in start_rivals(found, folder, gateway_core, upstream.target.port):
            running.enter_context(rival.program)
            contestants.append(rival)
        turns = take_turns([*contestants, upstream], chosen.rounds, chosen.round_s, chosen.connections)
        paired = added(ours, upstream, chosen.rate, chosen.paired_s)
        ours.program.stop()
        captured = ours.captured()
    answered = sum(each.hammered.answered for each in turns["tierwright"]) + paired["pairs"]
    turns = {name: counted for name, (_, *counted) in turns.items()}
    report = {
        "contestants": {name: summary(rounds) for name, rounds in turns.items()},
        "tierwright_to": {
            each.name: ratios(turns["tierwright"], turns[each.name])
            for each in contestants
            if each.name != "tierwright"
        },
        "left_out": found.left_out,
        "added_ms": paired,
        "captured": {"answered": answered, "stored": captured},
        "connections": chosen.connections,
        "round_s": chosen.round_s,
        "load": load_program(),
        "switched_on": SWITCHED_ON,
        "machine": {**before, "load_average_at_the_end": machine()["load_average"]},
        "versions": {**versions(), **found.versions},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
