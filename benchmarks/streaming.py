"""How long the gateway keeps back the first token of a stream, and whether 1,000 streams at once come through whole.

    python benchmarks/streaming.py [--streams 1000] [--chunks 200] [--repeats 3] [--rate 50] [--paired-s 20]

The model server, the client and the gateway run on this machine over loopback, the gateway (`tierwright serve`, see
"switched_on" in the report) pinned to one core, the others to another. The time to the first token is paired: streams
of 20 chunks, one a millisecond, are asked for through the gateway and past it in turn, at a fixed rate; its intervals
are bootstrapped in blocks of one second.

Then all streams are asked for at once, through the gateway and past it in turn; the model server sends nothing before
all have been asked for, then sends as fast as it is let. Every chunk carries its stream's number and its own; a stream
counts as faulty that is not exactly its chunks in order, each an event of its own, then the finish and [DONE]. A rate
is chunks over the seconds from the first byte of the first stream to the last of the last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from rig.contestants import start_own_upstream
from rig.figures import added_ms, mean_of, shown, versions
from rig.load import Pool, in_pairs
from rig.processes import machine, two_cores
from rig.served import SWITCHED_ON, Served
from rig.wire import StreamOrder

if TYPE_CHECKING:
    from rig.wire import Target

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What came of many streams at once."""

    #: Seconds from the first byte of the first stream to the last of the last.
    seconds: float
    #: Seconds from the first request.
    with_begin_s: float
    #: How many streams were not whole, by what was wrong.
    faults: Counter[str]


async def flood(target: Target, streams: int, chunks: int) -> Flood:
    """Asks for all streams at once, and checks them."""
    orders = [StreamOrder(number=number, together=streams, chunks=chunks, pause_ms=0) for number in range(streams)]
    pool = Pool(target.port)
    await pool.open(streams)
    began = time.perf_counter()
    async with asyncio.timeout(300):
        replies = await asyncio.gather(*(pool.ask(target.request(order.body)) for order in orders))
    ended = time.perf_counter()
    pool.close()
    faults = Counter(
        fault
        for order, reply in zip(orders, replies, strict=True)
        if (fault := order.fault(reply.body) if reply.status == 200 else f"status {reply.status}") is not None
    )
    # All were sent at practically the same time.
    first_s = min(reply.first_s for reply in replies)
    return Flood(seconds=ended - began - first_s, with_begin_s=ended - began, faults=faults)


def first_token(gateway: Target, upstream: Target, rate: float, seconds: float) -> dict[str, object]:
    """What the gateway adds to the time to the first token."""

    def requests(number: int) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
        body = StreamOrder(number=number, together=1, chunks=20, pause_ms=1).body
        return (gateway.port, gateway.request(body)), (upstream.port, upstream.request(body))

    pairs = uvloop.run(in_pairs(requests, rate=rate, count=int(rate * seconds), first=True))
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    figures = {name: shown(added_ms(pairs, share, int(rate))) for name, share in quantiles.items()}
    return {"rate_per_second": rate, "pairs": len(pairs), **figures}


def floods(gateway: Served, upstream: Target, streams: int, chunks: int, repeats: int) -> dict[str, object]:
    """Through the gateway and past it, in turn."""
    through: list[Flood] = []
    past: list[Flood] = []
    resting = gateway.program.resident_bytes
    processor_s = 0.0
    for _ in range(repeats):
        before = gateway.program.processor_s
        through.append(uvloop.run(flood(gateway.target, streams, chunks)))
        processor_s += gateway.program.processor_s - before
        past.append(uvloop.run(flood(upstream, streams, chunks)))
    total = streams * chunks
    return {
        "streams": streams,
        "chunks": chunks,
        "repeats": repeats,
        "faulty": dict(sum((each.faults for each in through), Counter())),
        "faulty_past_the_gateway": dict(sum((each.faults for each in past), Counter())),
        "chunks_per_second": shown(mean_of([total / each.seconds for each in through])),
        "chunks_per_second_past_the_gateway": shown(mean_of([total / each.seconds for each in past])),
        "wall_s": [round(each.with_begin_s, 2) for each in through],
        "gateway_processor_s": round(processor_s / repeats, 2),
        "gateway_processor_us_per_chunk": round(processor_s / repeats / total * 1e6, 1),
        "resident_mib": {
            "before": round(resting / MIB, 1),
            "peak": round(gateway.program.peak_resident_bytes / MIB, 1),
            "after": round(gateway.program.resident_bytes / MIB, 1),
        },
    }


def main() -> None:
    """Prints the figures as one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--streams", type=int, default=1000)
    options.add_argument("--chunks", type=int, default=200)
    options.add_argument("--repeats", type=int, default=3, help="at least 2")
    options.add_argument("--rate", type=float, default=50)
    options.add_argument("--paired-s", type=float, default=20)
    chosen = options.parse_args()
    gateway_core, load_core = two_cores()
    before = machine()
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        upstream = start_own_upstream(folder / "upstream", {load_core})
        running.enter_context(upstream.program)
        gateway = Served(
            folder / "tierwright",
            upstream=upstream.target.port,
            cores={gateway_core},
            connections=chosen.streams + 64,
        )
        running.enter_context(gateway)
        first = first_token(gateway.target, upstream.target, chosen.rate, chosen.paired_s)
        together = floods(gateway, upstream.target, chosen.streams, chosen.chunks, chosen.repeats)
        gateway.program.stop()
        captured = gateway.captured()
    report = {
        "first_token_added_ms": first,
        "together": together,
        "captured": {"asked": first["pairs"] + chosen.streams * chosen.repeats, "stored": captured},
        "switched_on": SWITCHED_ON,
        "machine": {**before, "load_average_at_the_end": machine()["load_average"]},
        "versions": versions(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
