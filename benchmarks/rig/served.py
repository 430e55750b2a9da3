"""Tierwright as its users run it: `tierwright serve`, all switched on, 200 tasks in its store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rig.processes import Program, free_port
from rig.wire import INSTRUCTION, Target
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.ids import FrameId, TaskId
from tierwright.core.task import Frame, Task, Template
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from typing import Self

TASKS = 200
#: What every request goes through, for the reports.
SWITCHED_ON = (
    f"the caller's key with limits on requests, tokens, concurrency and US dollars, the task among {TASKS}, routing, "
    "pricing, the journal, capture of request and answer in SQLite, metrics"
)
#: Limits that are counted and never reached.
_LIMITS = ("--rpm", "1000000000", "--tpm", "1000000000000", "--concurrent", "100000", "--budget-usd", "4000000")
_PROGRAM = Path(sys.executable).with_name("tierwright")
_SETTINGS = """\
version = 1

[server]
port = 0
{server}

[admin]
port = {admin}

[[backends]]
name = "frontier"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "env:BENCH_UPSTREAM_KEY"
models = ["gpt-4o"]
max_connections = {connections}
{tables}
"""
_UPSTREAM_KEY = {"BENCH_UPSTREAM_KEY": "sk-bench-upstream"}


class Served:
    """A running gateway; left as a context it is stopped, and its capture is whole."""

    def __init__(
        self,
        folder: Path,
        *,
        upstream: int,
        cores: set[int],
        server: str = "",
        connections: int = 512,
        tables: str = "",
        profile: Path | None = None,
    ) -> None:
        """Starts it in front of the model server on a port, and waits until it takes requests.

        `server` is more of the settings' table of that name, `tables` are further ones. `connections` are
        held to the model server at most.
        `profile` is where cProfile writes what it found, which slows everything.
        """
        folder.mkdir(parents=True)
        self._store_url = f"sqlite:///{folder / 'tierwright.db'}"
        self._put_tasks()
        settings = _SETTINGS.format(
            server=server,
            upstream=upstream,
            connections=connections,
            tables=tables,
            admin=free_port(),
        )
        (folder / "tierwright.toml").write_text(settings, encoding="utf-8")
        key = _created_key(folder)
        ready = folder / "ready"
        profiler = [] if profile is None else ["-m", "cProfile", "-o", str(profile.resolve())]
        self.program = Program(
            [sys.executable, *profiler, str(_PROGRAM), "serve", "--ready-file", str(ready)],
            cores=cores,
            folder=folder,
            environment=_UPSTREAM_KEY,
        )
        try:
            self.program.wait_until(ready.exists)
        except BaseException:
            self.program.stop()
            raise
        port = int(ready.read_text(encoding="utf-8").rsplit(":", 1)[1])
        self.target = Target(port=port, key=key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.stop()

    def captured(self) -> int:
        """Inferences in its store, once it is stopped."""
        store = open_store(self._store_url)
        try:
            return store.count()
        finally:
            store.close()

    def _put_tasks(self) -> None:
        store = open_store(self._store_url)
        try:
            for number in range(TASKS):
                store.put_task(_task(number))
        finally:
            store.close()


def _created_key(folder: Path) -> str:
    """A new caller's key with limits."""
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), "key", "create", "--client", "bench", *_LIMITS, "--json"],
        cwd=folder,
        env={**os.environ, **_UPSTREAM_KEY},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return str(json.loads(done.stdout)["key"])


def _task(number: int) -> Task:
    system = f"{INSTRUCTION}Task {number}."
    frame = Frame(id=FrameId(f"frame-{number}"), system=Template(literals=(system,)), user=Template(literals=("", "")))
    return Task(
        id=TaskId(f"task-{number}"),
        name=f"intent-{number}",
        contract=OutputContract(kind=ContractKind.LABEL, labels=("card_arrival", "card_lost")),
        frames=(frame,),
        created_at=datetime.now(UTC),
    )
