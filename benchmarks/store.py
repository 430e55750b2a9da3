"""How fast the store takes, gives and imports traffic on SQLite, and on PostgreSQL where a URL is given.

    python benchmarks/store.py [--log FILE] [--inferences 20000] [--repeats 5] [--postgres URL] [--json]

Appends are batches of 200 inferences with 2 KB of content each, one durable transaction a batch; a scan reads all of
them back whole; an import reads a gzipped log, prices each record and stores it. FILE is a log in the import format;
without it one is made up from a seed. Every figure is the median of the repeats, each on a database of its own, with
the lowest and the highest beside it, and the figure for one second of processor time: on a machine that does other
things the first one is a lower bound. PostgreSQL's own processor time is not in it. URL names an empty database.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import create_engine, text

from tierwright.core.chat import Usage
from tierwright.core.ids import InferenceId, TaskId
from tierwright.core.inference import CallRole, Inference, ModelCall, Route, RouteReason
from tierwright.economics.prices import PriceList
from tierwright.gateway.log_import import import_log
from tierwright.gateway.log_lines import LineReader
from tierwright.store.connection import open_store
from tierwright.store.schema import METADATA, VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.store.sql import SqlStore

BATCH = 200
REQUEST_BYTES, RESPONSE_BYTES = 1500, 548
START = datetime(2025, 9, 1, tzinfo=UTC)


class Rate(NamedTuple):
    """Rows a second, of the clock and of the processor."""

    wall: float
    processor: float


def main() -> None:
    """Measures and prints."""
    options = parse(sys.argv[1:])
    found: dict[str, Any] = {"hardware": hardware(), "versions": versions(), "repeats": options.repeats}
    with tempfile.TemporaryDirectory() as folder:
        log = options.log or made_up_log(Path(folder) / "log.jsonl.gz", options.inferences)
        found["inferences"], found["log_records"] = options.inferences, sum(1 for _ in LineReader(log))
        rejects = Path(folder) / "rejects.jsonl"
        urls = [f"sqlite:///{folder}/{number}.db" for number in range(2 * options.repeats)]
        found["sqlite"] = measure(urls, log, rejects, traffic(options.inferences))
        if options.postgres:
            urls = [options.postgres] * (2 * options.repeats)
            found["postgres"] = measure(urls, log, rejects, traffic(options.inferences))
    if options.json:
        print(json.dumps(found, indent=2))
        return
    report(found, log.name if options.log else "a made-up log")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--inferences", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--postgres")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def measure(
    urls: Sequence[str], log: Path, rejects: Path, inferences: Sequence[Inference]
) -> dict[str, dict[str, list[float]]]:
    """All rates on one kind of database: two empty databases for each repeat."""
    prices = PriceList()
    # The price list is loaded with the first question; that is no part of an import.
    prices.cost("gpt-4o", Usage(prompt_tokens=1, completion_tokens=1), START)
    records = sum(1 for _ in LineReader(log))
    pairs = [(inference.id, TaskId("task")) for inference in inferences]
    rates: dict[str, list[Rate]] = {"append": [], "scan": [], "assign": [], "import": []}
    for first, second in zip(urls[::2], urls[1::2], strict=True):
        with closing(fresh(first)) as store:
            rates["append"].append(timed(len(inferences), partial(append, store, inferences)))
            rates["scan"].append(timed(len(inferences), partial(count, store)))
            rates["assign"].append(timed(len(inferences), partial(store.assign, pairs)))
        with closing(fresh(second)) as store:
            work = partial(import_log, log, store, price=prices.cost, rejects=rejects)
            rates["import"].append(timed(records, work))
    return {
        name: {"wall": [rate.wall for rate in some], "processor": [rate.processor for rate in some]}
        for name, some in rates.items()
    }


def fresh(url: str) -> SqlStore:
    """An empty store; on PostgreSQL, whatever an earlier repeat left is dropped."""
    if not url.startswith("sqlite"):
        engine = create_engine(url)
        METADATA.drop_all(engine)
        with engine.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))
        engine.dispose()
    return open_store(url)


def count(store: SqlStore) -> int:
    """Reads everything."""
    return sum(1 for _ in store.scan())


def timed(rows: int, work: Callable[[], object]) -> Rate:
    """Rows a second."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return Rate(rows / (time.perf_counter() - wall), rows / (time.process_time() - processor))


def append(store: SqlStore, inferences: Sequence[Inference]) -> None:
    """One transaction for each batch."""
    for start in range(0, len(inferences), BATCH):
        store.append(inferences[start : start + BATCH])


def traffic(count: int) -> list[Inference]:
    """Inferences with random ids, as providers give them."""
    draw = random.Random(1)
    return [an_inference(f"chatcmpl-{draw.getrandbits(112):028x}", START + timedelta(seconds=n)) for n in range(count)]


def an_inference(name: str, at: datetime) -> Inference:
    """One priced call with 2 KB of content."""
    call = ModelCall(
        role=CallRole.PRIMARY,
        backend="openai",
        model="gpt-4o",
        upstream_id=name,
        started_at=at,
        latency_ms=812.5,
        status=200,
        prompt_tokens=350,
        completion_tokens=5,
        cached_tokens=0,
        cost_usd=Decimal("0.000925"),
    )
    return Inference(
        id=InferenceId(name),
        created_at=at,
        client_id="helpdesk",
        model="gpt-4o",
        status=200,
        latency_ms=815.0,
        overhead_ms=2.5,
        route=Route(reason=RouteReason.REQUESTED),
        calls=(call,),
        request=b"x" * REQUEST_BYTES,
        response=b"y" * RESPONSE_BYTES,
    )


def made_up_log(path: Path, records: int) -> Path:
    """A gzipped log whose requests have 1.5 KB."""
    draw = random.Random(2)
    words = [f"{draw.getrandbits(24):x}" for _ in range(500)]
    with gzip.open(path, "wt", compresslevel=6) as file:
        for number in range(records):
            system, user = " ".join(words[:150]), " ".join(draw.choices(words, k=60))
            messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
            answer = {"message": {"role": "assistant", "content": draw.choice(words)}, "finish_reason": "stop"}
            line = {
                "timestamp": 1_756_684_940.004 + number,
                "client_id": "helpdesk",
                "request": {"model": "gpt-4o", "messages": messages, "temperature": 0},
                "response": {
                    "id": f"chatcmpl-{draw.getrandbits(112):028x}",
                    "model": "gpt-4o",
                    "choices": [answer],
                    "usage": {"prompt_tokens": 350, "completion_tokens": 5},
                },
                "latency_ms": 812.5,
            }
            file.write(json.dumps(line) + "\n")
    return path


def hardware() -> str:
    """The processor and how much of it there is."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), name
        )
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before"


def versions() -> str:
    """Of what does the work."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("sqlalchemy", "msgspec"))
    return f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"


def report(found: dict[str, Any], log: str) -> None:
    """The figures as a table."""
    print(f"{found['hardware']}\n{found['versions']}")
    print(f"median of {found['repeats']} runs [lowest, highest], a second")
    print(f"append, scan, assign: n = {found['inferences']:,}", end=" ")
    print(f"with 2 KB of content, batches of {BATCH}; import: {log}, n = {found['log_records']:,}\n")
    print(f"{'':10}{'':8}{'of the clock':>32}{'of the processor':>32}")
    for kind in ("sqlite", "postgres"):
        for name, rates in found.get(kind, {}).items():
            cells = [
                f"{statistics.median(some):,.0f} [{min(some):,.0f}, {max(some):,.0f}]"
                for some in (rates["wall"], rates["processor"])
            ]
            print(f"{kind:10}{name:8}{cells[0]:>32}{cells[1]:>32}")


if __name__ == "__main__":
    main()
