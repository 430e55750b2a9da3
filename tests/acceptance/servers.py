"""The two servers of the acceptance tests as processes of their own: `tierwright serve` and the replayed frontier."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

from tests.acceptance.conftest import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

KEY = "tw-acceptance-key"
FRONTIER = "replayed-frontier"


def settings(base_url: str, store: str = "sqlite:///tierwright.db") -> str:
    """The settings of a gateway with one caller; no holdout, so that every route is certain."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return f"""version = 1
[server]
port = 0
[store]
url = "{store}"
[[backends]]
name = "{FRONTIER}"
base_url = "{base_url}"
models = ["gpt-4o"]
[routing]
holdout_share = 0.0
poll_interval_s = 0.1
[training]
encoder = ""
[[callers]]
client_id = "shop"
key_sha256 = "{digest}"
"""


def eventually(holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Waits until something holds; fails where it does not."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


@contextmanager
def process(command: list[str], ready: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a file when it is ready; ended at the latest when this is left."""
    ready.unlink(missing_ok=True)
    # Appended to: reading it here must not move the place where the process writes.
    with (folder / f"{ready.name}.log").open("a+", encoding="utf-8") as said:
        running = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, text=True)
        try:
            eventually(lambda: ready.exists() or running.poll() is not None)
            said.seek(0)
            assert running.poll() is None, said.read()
            yield running
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@contextmanager
def replayed(log: Path, folder: Path, *, speedup: str) -> Iterator[str]:
    """The replayed frontier model; gives its base URL."""
    ready = folder / f"replay-{speedup}.ready"
    command = [sys.executable, "-m", "tierwright.app.demo.replay", "--log", str(log), "--speedup", speedup]
    with process([*command, "--ready-file", str(ready)], ready, folder):
        yield str(json.loads(ready.read_text(encoding="utf-8"))["url"])


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running `tierwright serve`."""

    process: subprocess.Popen[str]
    #: Without /v1.
    address: str
    client: openai.OpenAI

    def ask(self, request: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
        """The text of the answer to a logged request, and the response's headers."""
        raw = self.client.chat.completions.with_raw_response.create(**request)
        return raw.parse().choices[0].message.content, raw.headers

    def stream(self, request: Mapping[str, Any]) -> str:
        """The text of the streamed answer to a logged request."""
        pieces = self.client.chat.completions.create(**request, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices)

    def served_by(self, requests: list[dict[str, Any]]) -> list[str]:
        """Who answered each request."""
        return [self.ask(request)[1]["x-tierwright-served-by"] for request in requests]

    def readiness(self) -> dict[str, Any]:
        """What readiness says."""
        with urllib.request.urlopen(f"{self.address}/health/readiness", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def gateway(folder: Path, *, config: str = "tierwright.toml") -> Iterator[Gateway]:
    """`tierwright serve` with a settings file of a folder."""
    ready = folder / f"{config}.ready"
    command = [PROGRAM, "serve", "--config", config, "--ready-file", ready.name]
    with process(command, ready, folder) as running:
        address = ready.read_text(encoding="utf-8")
        with openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
            yield Gateway(running, address, client)


def logged(log: Path, key: Path) -> dict[str, list[tuple[dict[str, Any], str]]]:
    """Requests of the log with their answers, by the key's task."""
    task = {row["id"]: row["task"] for row in map(json.loads, gzip.decompress(key.read_bytes()).splitlines())}
    found: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for row in map(json.loads, gzip.decompress(log.read_bytes()).splitlines()):
        answer = row["response"]["choices"][0]["message"]["content"]
        found.setdefault(task[row["response"]["id"]], []).append((row["request"], answer))
    return found
