"""What sealing content costs: microseconds for each inference written and read, on SQLite, and of an erasure.

    python benchmarks/content_at_rest.py [--inferences 5000] [--people 500] [--bytes 1200]

Each way is measured in turn, in batches of 500 as the capture writes them; the best of three rounds is printed, with
the sizes of store and register. Everything is written durably (`synchronous = FULL`).
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tierwright.core.erasure import Subject
from tierwright.core.ids import InferenceId
from tierwright.core.inference import CallRole, Inference, ModelCall, Route, RouteReason
from tierwright.store.connection import open_store

_BATCH = 500
_ROUNDS = 3
_START = datetime(2025, 9, 1, tzinfo=UTC)


def an_inference(number: int, people: int, size: int) -> Inference:
    """One of many, of one of several people."""
    at = _START + timedelta(seconds=number)
    person = f'"user":"person-{number % people}",' if people else ""
    call = ModelCall(role=CallRole.PRIMARY, backend="b", model="m", started_at=at, latency_ms=800.0, status=200)
    return Inference(
        id=InferenceId(f"chatcmpl-{number:08d}"),
        created_at=at,
        client_id="desk",
        model="m",
        status=200,
        latency_ms=800.0,
        route=Route(reason=RouteReason.REQUESTED),
        calls=(call,),
        request=b'{"model":"m",%b"messages":[{"role":"user","content":"%b"}]}' % (person.encode(), b"x" * size),
        response=b'{"choices":[{"message":{"role":"assistant","content":"%b"}}]}' % (b"y" * (size // 4)),
    )


def measured(rows: list[Inference], folder: Path, *, register: bool, key: bytes | None) -> dict[str, float]:
    """Microseconds for each inference, and MiB of the files."""
    where = f"sqlite:///{folder / 'keys.db'}" if register else None
    with closing(open_store(f"sqlite:///{folder / 'store.db'}", register_url=where, content_key=key)) as store:
        begun = time.perf_counter()
        for begin in range(0, len(rows), _BATCH):
            store.append(rows[begin : begin + _BATCH])
        written = time.perf_counter()
        read = sum(1 for _ in store.scan())
        scanned = time.perf_counter()
        assert read == len(rows)
        found = {"write us": (written - begun) / read * 1e6, "read us": (scanned - written) / read * 1e6}
        if register:
            begun = time.perf_counter()
            store.erase([Subject(client_id="desk", name="person-0")], [], at=_START + timedelta(days=9))
            found["erase ms"] = (time.perf_counter() - begun) * 1e3
    found["store MiB"] = sum(path.stat().st_size for path in folder.glob("store.db*")) / 2**20
    found["register MiB"] = sum(path.stat().st_size for path in folder.glob("keys.db*")) / 2**20
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=5000)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--bytes", type=int, default=1200)
    asked = parser.parse_args()
    ways = {
        "as it is": (False, None, asked.people),
        "register alone": (True, None, asked.people),
        "sealed, people named": (True, os.urandom(32), asked.people),
        "sealed, nobody named": (True, os.urandom(32), 0),
    }
    best: dict[str, dict[str, float]] = {}
    for _ in range(_ROUNDS):
        for name, (register, key, people) in ways.items():
            rows = [an_inference(number, people, asked.bytes) for number in range(asked.inferences)]
            with tempfile.TemporaryDirectory() as folder:
                found = measured(rows, Path(folder), register=register, key=key)
            before = best.get(name, found)
            best[name] = {what: min(value, before[what]) for what, value in found.items()}
    print(f"{asked.inferences:,} inferences of {asked.bytes:,} bytes, {asked.people:,} people; {platform.platform()}")
    for name, found in best.items():
        print(f"  {name:<22}" + "  ".join(f"{what} {value:8.1f}" for what, value in found.items()))


if __name__ == "__main__":
    main()
