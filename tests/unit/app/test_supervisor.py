"""What the supervisor tells its workers when it is asked to end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tierwright.app import supervisor
from tierwright.app.settings import load_settings
from tierwright.app.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class DrainingWorker:
    """A worker whose answers under way take a moment after it is asked to end."""

    page = b""

    def __init__(self) -> None:
        self.told: list[int] = []
        self._drained = asyncio.Event()
        self.process = SimpleNamespace(wait=self._wait)

    def signal(self, number: int) -> None:
        """Notes the signal; the answers end a moment after the first."""
        self.told.append(number)
        asyncio.get_running_loop().call_later(0.2, self._drained.set)

    def close(self) -> None:
        """Nothing is held."""

    async def _wait(self) -> int:
        await self._drained.wait()
        return 0


def test_one_request_to_end_is_one_signal_to_each_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second signal would cut the answers under way, so that a worker that is quick must not be sent it."""
    path = tmp_path / "tierwright.toml"
    path.write_text(
        '[server]\nport = 0\nworkers = 2\n[admin]\nport = 0\n[capture]\nspool = "spool"\n'
        '[[backends]]\nname = "b"\nbase_url = "http://127.0.0.1:9/v1"\n',
        encoding="utf-8",
    )
    workers: list[DrainingWorker] = []

    async def begun(_start: Any) -> DrainingWorker:
        workers.append(DrainingWorker())
        return workers[-1]

    monkeypatch.setattr(supervisor._Worker, "begun", begun)
    monkeypatch.setattr(supervisor.Ledger, "ended", lambda *_: None)

    def end(_address: str) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    Supervisor(load_settings(path, {}), environment={}, announce=end).run()
    assert [worker.told for worker in workers] == [[signal.SIGTERM], [signal.SIGTERM]]
