"""How many requests a second the gateway takes on one core, and how much time it adds to one.

    python benchmarks/gateway.py [--seconds 10] [--connections 32] [--rate 500]

A model server that answers at once, the load and the gateway run on this machine over loopback: the gateway pinned to
one core, everything else to another. The gateway does what it does in production: it checks the caller's key, looks
the task up among 200, prices the answer and stores every request and answer in SQLite. Requests a second are measured
by wrk where it is installed, otherwise by a client of our own (slower: the figure is then a lower bound, and says
so); the processor time of the gateway for one request is given beside it, since that depends less on what else the
machine does. Added time is paired: requests go through the gateway and past it in turn, at a fixed rate; intervals
are bootstrapped in blocks of one second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "bench-key"
BODY = json.dumps(
    {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Name the intent of the customer's message. " * 12 + "Task 77."},
            {"role": "user", "content": "I have been waiting for my card for two weeks now, where is it?"},
        ],
        "temperature": 0,
    }
).encode()
ANSWER = json.dumps(
    {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion",
        "created": 1_756_684_940,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "card_arrival", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 132, "completion_tokens": 4, "total_tokens": 136},
        "system_fingerprint": "fp_44709d6fcb",
    }
).encode()
ROUNDS = 1000


class StaticUpstream(asyncio.Protocol):
    """Answers every request at once with the same completion."""

    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins with nothing received."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answers each complete request."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = int(re.search(rb"(?i)content-length: (\d+)", self.buffer[:end])[1])  # type: ignore[index]
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.transport.write(self.reply)


class Client(asyncio.Protocol):
    """One keep-alive connection that sends a request when it is told to."""

    def __init__(self, host: str) -> None:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        self.request = head.encode() + BODY
        self.buffer = b""
        self.done: asyncio.Future[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is ready."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Ends the request when its answer is complete."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = int(re.search(rb"(?i)content-length: (\d+)", self.buffer[:end])[1])  # type: ignore[index]
        if len(self.buffer) >= end + 4 + length:
            assert self.buffer.startswith(b"HTTP/1.1 200"), self.buffer[:300]
            self.buffer = b""
            assert self.done is not None
            self.done.set_result(time.perf_counter() - self.sent_at)

    def ask(self) -> asyncio.Future[float]:
        """Seconds until the answer is complete."""
        self.done = asyncio.get_running_loop().create_future()
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)
        return self.done


async def connect(port: int, count: int) -> list[Client]:
    """That many open connections."""
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Client(f"127.0.0.1:{port}"), "127.0.0.1", port) for _ in range(count)]
    return [client for _, client in pairs]


async def hammer(port: int, connections: int, seconds: float) -> float:
    """Answers a second with every connection always busy."""
    clients = await connect(port, connections)
    until = time.perf_counter() + seconds
    answered = 0

    async def busy(client: Client) -> None:
        nonlocal answered
        while time.perf_counter() < until:
            await client.ask()
            answered += 1

    began = time.perf_counter()
    await asyncio.gather(*(busy(client) for client in clients))
    return answered / (time.perf_counter() - began)


async def paired(gateway: int, upstream: int, rate: float, seconds: float) -> list[tuple[float, float]]:
    """Seconds through the gateway and past it, in turn, `rate` of each a second, whatever the answers take."""
    idle = {port: await connect(port, 64) for port in (gateway, upstream)}
    found: dict[int, list[float]] = {gateway: [], upstream: []}

    async def one(port: int) -> None:
        client = idle[port].pop()
        found[port].append(await client.ask())
        idle[port].append(client)

    began = time.perf_counter()
    tasks: list[asyncio.Task[None]] = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        order = (gateway, upstream) if number % 2 else (upstream, gateway)
        tasks += [asyncio.ensure_future(one(port)) for port in order]
    await asyncio.gather(*tasks)
    return list(zip(found[gateway], found[upstream], strict=True))


def added(pairs: Sequence[tuple[float, float]], share: float, block: int) -> tuple[float, float, float]:
    """Milliseconds that the gateway adds at a percentile, with a 95 % interval (bootstrap of blocks)."""

    def difference(chosen: Sequence[tuple[float, float]]) -> float:
        through, past = (sorted(values) for values in zip(*chosen, strict=True))
        place = min(len(chosen) - 1, int(share * len(chosen)))
        return (through[place] - past[place]) * 1000

    draw = random.Random(1)
    blocks = [pairs[at : at + block] for at in range(0, len(pairs), block)]
    drawn = sorted(
        difference([pair for chosen in draw.choices(blocks, k=len(blocks)) for pair in chosen]) for _ in range(ROUNDS)
    )
    return difference(pairs), drawn[int(0.025 * ROUNDS)], drawn[int(0.975 * ROUNDS)]


def run_upstream() -> None:
    """The process of the model server: prints its port."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(StaticUpstream, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    uvloop.run(main())


def run_gateway(upstream: int, profile: str | None) -> None:
    """The process of the gateway: prints its port."""
    from gateway_under_test import build  # noqa: PLC0415 - only this process needs what it imports

    from tierwright.gateway.config import ServerConfig  # noqa: PLC0415 - as above
    from tierwright.gateway.serving import serve  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as folder:
        server = ServerConfig(port=0)
        app = build(f"http://127.0.0.1:{upstream}/v1", Path(folder), KEY, server)

        def announce(address: str) -> None:
            print(address.rsplit(":", 1)[1], flush=True)

        if profile is None:
            serve(app, server, announce=announce)
            return
        import cProfile  # noqa: PLC0415 - as above

        profiler = cProfile.Profile()
        profiler.runcall(serve, app, server, announce=announce)
        profiler.dump_stats(profile)


def start(core: int, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """A process of this file on one core, and the port it printed."""
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - no threads here yet
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def with_wrk(port: int, connections: int, seconds: int) -> float:
    """Answers a second as wrk counts them; fails where any was no 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method='POST'\nwrk.body={json.dumps(BODY.decode())}\n")
        script.write(f"wrk.headers['Authorization']='Bearer {KEY}'\nwrk.headers['Content-Type']='application/json'\n")
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name]
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        out = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]


def spent(process: subprocess.Popen[str]) -> float:
    """Processor seconds of a process, all its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor()


def main() -> None:
    """Prints the figures as one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--rate", type=float, default=500)
    options.add_argument("--profile", help="write a cProfile of the gateway here (slows it down)")
    options.add_argument("--role", choices=["upstream", "gateway"], help=argparse.SUPPRESS)
    options.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.role == "upstream":
        run_upstream()
        return
    if chosen.role == "gateway":
        run_gateway(chosen.upstream, chosen.profile)
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    upstream, upstream_port = start(cores[-1], "--role", "upstream")
    more = ["--profile", chosen.profile] if chosen.profile else []
    gateway, port = start(cores[0], "--role", "gateway", "--upstream", str(upstream_port), *more)
    try:
        uvloop.run(hammer(port, chosen.connections, 2))
        wrk = shutil.which("wrk") is not None
        rates, busy_us = [], []
        for _ in range(3):
            before = spent(gateway)
            if wrk:
                rates.append(with_wrk(port, chosen.connections, chosen.seconds))
            else:
                rates.append(uvloop.run(hammer(port, chosen.connections, chosen.seconds)))
            busy_us.append((spent(gateway) - before) / (rates[-1] * chosen.seconds) * 1e6)
        pairs = uvloop.run(paired(port, upstream_port, chosen.rate, chosen.seconds))
    finally:
        gateway.terminate()
        gateway.wait(60)
        upstream.terminate()
        upstream.wait(60)
    p50, p99 = (added(pairs, share, int(chosen.rate)) for share in (0.5, 0.99))
    report = {
        "requests_per_second": {"median": round(statistics.median(rates)), "runs": [round(rate) for rate in rates]},
        "processor_us_per_request": round(statistics.median(busy_us)),
        "connections": chosen.connections,
        "seconds_per_run": chosen.seconds,
        "load": "wrk" if wrk else "own client (a lower bound)",
        "added_ms": {
            "rate_per_second": chosen.rate,
            "n": len(pairs),
            "p50": dict(zip(("value", "ci_low", "ci_high"), (round(x, 3) for x in p50), strict=True)),
            "p99": dict(zip(("value", "ci_low", "ci_high"), (round(x, 3) for x in p99), strict=True)),
        },
        "with": "authentication, task lookup among 200, pricing, capture in SQLite",
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load_average": os.getloadavg()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tierwright", "aiohttp", "uvicorn", "uvloop", "httptools", "msgspec")},
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
