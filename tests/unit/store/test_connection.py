from __future__ import annotations

import builtins
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import an_inference
from tierwright.core.errors import SettingsError, StoreError
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "can't be read"),
        ("", "can't be read"),
        ("mysql://localhost/x", "'mysql', which is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////nowhere/at/all/x.db", "does not exist; make it"),
    ],
)
def test_a_url_that_cannot_be_right_is_refused(url: str, says: str) -> None:
    """As a mistake in the settings, with the forms a URL may have or what to do."""
    with pytest.raises(SettingsError, match=says):
        open_store(url)


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    """The message proposes a file in it."""
    with pytest.raises(SettingsError, match=r"is a directory; name a file in it.*tierwright\.db"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_file_that_another_process_is_changing_is_waited_for(tmp_path: Path) -> None:
    """Also where SQLite itself would not wait: when the file's mode is to be changed while another holds its lock."""
    path = tmp_path / "x.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with sqlite3.connect(path, timeout=30) as impatient, pytest.raises(sqlite3.OperationalError, match="locked"):
        impatient.execute("PRAGMA journal_mode = WAL")
    release = threading.Timer(0.3, other.rollback)
    release.start()
    open_store(f"sqlite:///{path}").close()
    release.join()
    other.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Whatever it is, it is not overwritten."""
    path = tmp_path / "x.db"
    path.write_bytes(b"certainly no database, but long enough to have a header of one" * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is no SQLite database"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_damaged_database_is_reported(tmp_path: Path) -> None:
    """Pages overwritten with rubbish are found out when they are read, as a StoreError."""
    path = tmp_path / "x.db"
    store = open_store(f"sqlite:///{path}")
    store.append([an_inference()])
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with pytest.raises(StoreError, match="damaged"):
        open_store(f"sqlite:///{path}").count()


def test_a_relative_path_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sqlite:///x.db` is x.db in the working directory."""
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///x.db").close()
    assert (tmp_path / "x.db").exists()


def test_sqlite_is_set_up_for_durability(tmp_path: Path) -> None:
    """Write-ahead log, a sync at every commit, foreign keys, patience: on every connection of the pool."""
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    engine = store._database._engine
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    store.close()


def test_a_store_that_is_up_to_date_opens_without_alembic(tmp_path: Path) -> None:
    """The second opening of a store does not pay for the migrations."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    open_store(url).close()
    program = (
        "import sys; from tierwright.store.connection import open_store; "
        f"open_store({url!r}).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the message says what to install."""
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **more: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "psycopg":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SettingsError, match=r"tierwright\[postgres\]"):
        open_store("postgresql+psycopg://localhost/x")


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    """The write-ahead log is folded into the database when the last connection goes."""
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    store.append([an_inference()])
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]
    connection = sqlite3.connect(tmp_path / "x.db")
    assert connection.execute("SELECT count(*) FROM inferences").fetchone() == (1,)
    connection.close()
