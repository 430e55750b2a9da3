"""Starts and stops the demo's two servers: the replayed frontier model and the gateway, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierwright.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_START_S = 60.0
_STOP_S = 30.0


@contextmanager
def replayed_frontier(log: Path, *, speedup: float, workdir: Path) -> Iterator[str]:
    """The replayed frontier model on a free loopback port; gives its base URL."""
    ready = workdir / "replay.ready"
    command = ["-m", "tierwright.app.demo.replay", "--log", str(log), "--speedup", str(speedup)]
    with _process([*command, "--ready-file", str(ready)], ready, workdir / "replay.log", "the replayed frontier"):
        yield str(json.loads(ready.read_text(encoding="utf-8"))["url"])


@contextmanager
def gateway(config: Path, *, workdir: Path) -> Iterator[str]:
    """`tierwright serve` with these settings; gives its base URL. Its shutdown stores what was captured."""
    ready = workdir / "gateway.ready"
    command = ["-c", "from tierwright.app.cli.main import run; run()", "serve", "--config", str(config)]
    with _process([*command, "--ready-file", str(ready)], ready, workdir / "gateway.log", "the gateway"):
        yield f"{ready.read_text(encoding='utf-8').strip()}/v1"


@contextmanager
def _process(arguments: Sequence[str], ready: Path, log: Path, what: str) -> Iterator[None]:
    ready.unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
            [sys.executable, *arguments], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            _await(process, ready, log, what)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], ready: Path, log: Path, what: str) -> None:
    deadline = time.monotonic() + _START_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise ServiceError(f"{what} did not start: {said[-1] if said else 'it said nothing'} (more in {log})")
        time.sleep(0.05)
