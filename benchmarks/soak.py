"""Whether the gateway's memory stays flat under half of the load it can take.

    python benchmarks/soak.py [--minutes 1.5] [--connections 32] [--nginx PROGRAM]

The gateway (`tierwright serve`, see "switched_on" in the report) is pinned to one core; the load and a model server
that answers at once (nginx where it is installed) to another. What it can take is measured for five seconds with every
connection busy; then requests come at half that rate, whatever the answers take. Its resident memory, all processes
together, is read every second. The slope is the least-squares one of what was read after the first minute, or after the
first third of a shorter run; its interval is bootstrapped in ten blocks. Ten minutes take about 2 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from array import array
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import uvloop

from rig.contestants import add_options, find, start_upstream
from rig.figures import shown, slope, versions
from rig.load import Pool, at_rate, hammer, load_program
from rig.processes import machine, two_cores
from rig.served import SWITCHED_ON, Served

if TYPE_CHECKING:
    from rig.processes import Program
    from rig.wire import Target

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What happened during the soak."""

    #: Minutes and MiB, a row a second.
    resident: list[tuple[float, float]] = field(default_factory=list)
    #: Milliseconds that the answers took.
    took_ms: array[float] = field(default_factory=lambda: array("d"))
    #: How many requests were answered with each status; 0: not at all.
    statuses: Counter[int] = field(default_factory=Counter)


async def soak(target: Target, program: Program, rate: float, seconds: float) -> Soaked:
    """Asks at a fixed rate, and reads the memory every second."""
    soaked, pool, request = Soaked(), Pool(target.port), target.request()
    await pool.open(32)
    began = time.monotonic()

    async def ask(_: int) -> None:
        reply = await pool.ask(request)
        soaked.statuses[reply.status] += 1
        soaked.took_ms.append(reply.total_s * 1000)

    async def watch() -> None:
        while True:
            soaked.resident.append(((time.monotonic() - began) / 60, program.resident_bytes / MIB))
            await asyncio.sleep(1 - (time.monotonic() - began) % 1)

    watching = asyncio.create_task(watch())
    await at_rate(rate, int(rate * seconds), ask)
    watching.cancel()
    pool.close()
    return soaked


def main() -> None:
    """Prints the figures as one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=1.5)
    options.add_argument("--connections", type=int, default=32)
    add_options(options)
    chosen = options.parse_args()
    found = find(chosen)
    gateway_core, load_core = two_cores()
    before = machine()
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        upstream = start_upstream(folder / "upstream", {load_core}, found.nginx)
        running.enter_context(upstream.program)
        gateway = Served(folder / "tierwright", upstream=upstream.target.port, cores={gateway_core})
        running.enter_context(gateway)
        full = hammer(gateway.target, chosen.connections, 5)
        soaked = uvloop.run(soak(gateway.target, gateway.program, full.per_second / 2, chosen.minutes * 60))
        gateway.program.stop()
        captured = gateway.captured()
    resident = np.array(soaked.resident)
    steady = resident[resident[:, 0] >= min(1.0, chosen.minutes / 3)]
    p50, p99 = np.quantile(soaked.took_ms, (0.5, 0.99))
    report = {
        "slope_mib_per_minute": shown(slope(steady)),
        "resident_mib": {
            "at_the_start": round(float(resident[0, 1]), 1),
            "warm": round(float(steady[0, 1]), 1),
            "at_the_end": round(float(resident[-1, 1]), 1),
            "highest": round(float(resident[:, 1].max()), 1),
        },
        "minutes": chosen.minutes,
        "rate_per_second": round(full.per_second / 2),
        "requests": sum(soaked.statuses.values()),
        "errors": {str(status): count for status, count in soaked.statuses.items() if status != 200},
        "took_ms": {"p50": round(float(p50), 2), "p99": round(float(p99), 2)},
        "captured": {"answered": full.answered + sum(soaked.statuses.values()), "stored": captured},
        "load": load_program(),
        "upstream": upstream.name,
        "switched_on": SWITCHED_ON,
        "machine": {**before, "load_average_at_the_end": machine()["load_average"]},
        "versions": versions(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
