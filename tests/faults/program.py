"""The gateway under test as a process that can be killed: python -m tests.faults.program FOLDER UPSTREAM [COPIES].

With COPIES it acknowledges what is durable, and keeps there what that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.disk import Remembering
from tests.faults.gateway import Clock, Plan, build, server_config
from tierwright.gateway.serving import serve
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.run import Scene

#: Milliseconds that a record waits for others, so that a kill finds some that are not in the store.
_CAPTURE_DELAY_MS = 200.0


class Program:
    """A running one."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self._process.kill()
        await self._process.wait()

    async def terminate(self, limit_s: float = 20.0) -> int | None:
        """SIGTERM; its exit code, None where it did not end in time."""
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._process.wait(), limit_s)
        return None


@contextlib.asynccontextmanager
async def program(scene: Scene, *, copies: Path | None = None) -> AsyncIterator[Program]:
    """Takes the place of the gateway in this process, on its store; that one goes on when this is left.

    `copies`: where a disk that remembers keeps what is durable; None: what is in the journal is acknowledged.
    """
    gateway = scene.gateway
    await gateway.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.program",
        str(gateway.folder),
        scene.upstream.url,
        *([] if copies is None else [str(copies)]),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        running = Program(process, int(line))
        scene.port = running.port
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        scene.port = None
        await asyncio.to_thread(gateway.start)


def main(folder: str, upstream_url: str, copies: str = "") -> None:
    """Serves until it is stopped, or killed."""
    store = open_store(f"sqlite:///{Path(folder) / 'store.db'}")
    disk = Remembering(Path(folder), Path(copies)) if copies else None
    plan = Plan(capture_delay_ms=_CAPTURE_DELAY_MS, disk=disk)
    server = server_config(plan)
    app = build(
        folder=Path(folder),
        upstream_url=upstream_url,
        plan=plan,
        server=server,
        stores=(store, store),
        clock=Clock(),
    )
    serve(app, server, announce=lambda address: print(address.rpartition(":")[2], flush=True))  # noqa: T201 - is read
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
