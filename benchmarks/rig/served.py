"""Tierwright as its users run it: `tierwright serve`, a settings file, a caller's key, 200 tasks in its store."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rig.processes import Program
from rig.wire import INSTRUCTION, KEY, Target
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.ids import FrameId, TaskId
from tierwright.core.task import Frame, Task, Template
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from typing import Self

TASKS = 200
#: What every request goes through, for the reports.
SWITCHED_ON = f"the caller's key, the task among {TASKS}, routing, pricing, capture of request and answer in SQLite"
_PROGRAM = Path(sys.executable).with_name("tierwright")
_SETTINGS = """\
version = 1

[server]
port = 0
{server}

[[backends]]
name = "frontier"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "env:BENCH_UPSTREAM_KEY"
models = ["gpt-4o"]
max_connections = {connections}

[[callers]]
client_id = "bench"
key_sha256 = "{key_sha256}"
"""


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
        profile: Path | None = None,
    ) -> None:
        """Starts it in front of the model server on a port, and waits until it takes requests.

        `server` is more of the settings' table of that name. `connections` are held to the model server at most.
        `profile` is where cProfile writes what it found, which slows everything.
        """
        folder.mkdir(parents=True)
        self._store_url = f"sqlite:///{folder / 'tierwright.db'}"
        self._put_tasks()
        settings = _SETTINGS.format(
            server=server,
            upstream=upstream,
            connections=connections,
            key_sha256=hashlib.sha256(KEY.encode()).hexdigest(),
        )
        (folder / "tierwright.toml").write_text(settings, encoding="utf-8")
        ready = folder / "ready"
        profiler = [] if profile is None else ["-m", "cProfile", "-o", str(profile.resolve())]
        self.program = Program(
            [sys.executable, *profiler, str(_PROGRAM), "serve", "--ready-file", str(ready)],
            cores=cores,
            folder=folder,
            environment={"BENCH_UPSTREAM_KEY": "sk-bench-upstream"},
        )
        try:
            self.program.wait_until(ready.exists)
        except BaseException:
            self.program.stop()
            raise
        self.target = Target(port=int(ready.read_text(encoding="utf-8").rsplit(":", 1)[1]))

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
