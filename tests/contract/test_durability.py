"""What survives a process that is killed and a disk that is full."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, event, text

from tests.contract.append_forever import BATCH
from tests.fakes import a_request, an_inference, inferences
from tierwright.core.errors import StoreError, StoreFull
from tierwright.core.ids import InferenceId
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from tierwright.store.sql import SqlStore

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("acknowledged", [1, 7, 15])
def test_a_kill_loses_nothing_acknowledged_and_leaves_nothing_half(store_url: str, acknowledged: int) -> None:
    """After kill -9 amid appends every acknowledged batch is there, whole, and no other one is there in part."""
    open_store(store_url).close()
    command = [sys.executable, "-m", "tests.contract.append_forever", store_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        heard = [int(process.stdout.readline()) for _ in range(acknowledged)]
        os.kill(process.pid, signal.SIGKILL)
        heard += [int(line) for line in process.stdout if line.endswith("\n")]
    store = open_store(store_url)
    found = list(store.scan())
    sizes = Counter(inference.id.split("-")[0] for inference in found)
    assert set(sizes.values()) == {BATCH}
    assert {f"{number:06d}" for number in heard} <= set(sizes)
    assert all(inference.calls and inference.request and inference.response for inference in found)
    assert store.append(inferences(BATCH, prefix="after")) == BATCH
    store.close()


@pytest.fixture
def small_store(tmp_path: Path) -> SqlStore:
    """A SQLite store that may grow to half a megabyte, as on a disk that is nearly full."""
    store = open_store(f"sqlite:///{tmp_path / 'small.db'}")
    _limit(store, pages=128)
    return store


def _limit(store: SqlStore, *, pages: int) -> None:
    """Lets the file have that many pages of 4 KiB: SQLite then answers as it does on a full disk."""

    def hold(connection: sqlite3.Connection, _entry: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    engine = store._database._engine
    engine.dispose()
    event.listen(engine, "connect", hold)


def test_a_full_disk_keeps_what_was_acknowledged(small_store: SqlStore) -> None:
    """The append that no longer fits is refused as a whole, reading goes on, and room makes it fit again."""
    acknowledged: list[int] = []

    def fill() -> None:
        for number in range(100):
            batch = inferences(20, prefix=f"{number:06d}", request=a_request("x" * 2000))
            acknowledged.append(small_store.append(batch))

    with pytest.raises(StoreFull, match=r"no space left.*disk space"):
        fill()
    kept = sum(acknowledged)
    assert kept > 0
    assert small_store.count() == kept == len(list(small_store.scan()))
    _limit(small_store, pages=10_000)
    assert small_store.append(inferences(20, prefix="more")) == 20
    small_store.close()


def test_a_writer_that_blocks_for_too_long_is_reported(tmp_path: Path) -> None:
    """Where another process holds the write lock beyond the patience of ours, the message says so; reads go on."""
    path = tmp_path / "busy.db"
    store = open_store(f"sqlite:///{path}")

    def impatient(connection: sqlite3.Connection, _entry: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50").close()

    engine = store._database._engine
    engine.dispose()
    event.listen(engine, "connect", impatient)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another process"):
        store.append([an_inference()])
    assert store.count() == 0
    other.execute("COMMIT")
    other.close()
    assert store.append([an_inference()]) == 1
    store.close()


def test_a_postgres_server_that_drops_connections_is_survived(postgres_url: str) -> None:
    """After the server cut every connection, the next request gets a new one."""
    store = open_store(postgres_url)
    store.append([an_inference()])
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        cut = connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}")).all()
    admin.dispose()
    assert cut
    assert store.get(InferenceId("chatcmpl-1")) == an_inference()
    store.close()


def test_an_unreachable_postgres_server_is_reported() -> None:
    """The message says what to check, and the password is not in it."""
    with pytest.raises(StoreError, match="can't be reached") as caught:
        open_store("postgresql://someone:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)


def test_a_missing_postgres_database_is_reported(postgres_server: str) -> None:
    """A server that is there without the database is told like one that is not there: check the URL."""
    with pytest.raises(StoreError, match="can't be reached"):
        open_store(postgres_server.format("no_such_database"))
