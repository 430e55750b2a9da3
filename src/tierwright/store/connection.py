"""Opens a store by its URL: engine, connection settings, schema.

Owns what a URL may say and how each connection is set up. Refuses to know what is stored.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from tierwright.core.errors import SettingsError
from tierwright.store.database import IMMEDIATE, Database
from tierwright.store.register import Register
from tierwright.store.seals import Seals
from tierwright.store.sql import SqlStore
from tierwright.store.upgrade import upgrade

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry

#: How long one process waits for another's write on SQLite before it gives up, in milliseconds.
_BUSY_MS = 30_000
#: The pause before asking again for what SQLite refused without waiting, in seconds.
_AGAIN_S = 0.01
#: Pages SQLite keeps in memory for each connection, in KiB.
_CACHE_KIB = 16_384
#: How long to wait for a PostgreSQL server to answer, in seconds.
_CONNECT_S = 10

_FORMS = "use sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"


def open_store(
    url: str, *, register_url: str | None = None, content_key: bytes | None = None, echo: bool = False
) -> SqlStore:
    """The store at a URL, its schema brought up to date; close it when done.

    `register_url`: of the database that keeps the keys of content and what was erased; None: nothing is sealed, and
    nothing can be erased. `content_key`: what wraps these keys, 32 bytes; None: content is kept as it is.

    `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql+psycopg://user:password@host:port/database`.
    A SQLite file is made where there is none; its directory is not. `echo` logs every statement, values hidden.
    Raises SettingsError where the URL can't be right, StoreError where the database can't be used.
    """
    database = _database(url, echo=echo)
    try:
        upgrade(database)
        register = None if register_url is None else _register(register_url, content_key, echo=echo)
    except BaseException:
        database.dispose()
        raise
    return SqlStore(database, Seals(register))


def _register(url: str, content_key: bytes | None, *, echo: bool) -> Register:
    database = _database(url, echo=echo)
    try:
        return Register(database, content_key)
    except BaseException:
        database.dispose()
        raise


def _database(url: str, *, echo: bool) -> Database:
    parsed = _parse(url)
    engine = _sqlite(parsed, echo=echo) if parsed.drivername == "sqlite" else _postgres(parsed, echo=echo)
    return Database(engine, parsed.render_as_string(hide_password=True))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"the store's URL can't be read; {_FORMS}") from error
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite+pysqlite":
        parsed = parsed.set(drivername="sqlite")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise SettingsError(f"the store's URL names {parsed.drivername!r}, which is not supported; {_FORMS}")
    return parsed


def _sqlite(url: URL, *, echo: bool) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise SettingsError(f"the store's URL names no file, and what is kept must survive the process; {_FORMS}")
    path = Path(url.database)
    if path.is_dir():
        raise SettingsError(f"the store {path} is a directory; name a file in it, for example {path / 'tierwright.db'}")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"the directory of the store {path} does not exist; make it, or name another path")
    engine = create_engine(
        url, echo=echo, hide_parameters=True, connect_args={"timeout": _BUSY_MS / 1000, "isolation_level": None}
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    _use_wal(connection)
    for pragma in (
        # Every commit is on the disk when it returns, also after a power cut; WAL's default gives that up.
        "synchronous = FULL",
        "foreign_keys = ON",
        # What is deleted is overwritten: content that has expired or was erased is not to be found in the file.
        "secure_delete = ON",
        f"cache_size = -{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Readers and the one writer don't wait for each other from here on.

    Two processes that open a file at the same moment can each hold what the other needs to change its mode, and a
    process that closes it as the last one holds it while it cleans up: SQLite then says SQLITE_BUSY at once, whatever
    the connection's timeout (https://sqlite.org/c3ref/busy_handler.html), so it is asked again until that has passed.
    """
    give_up = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can be refused half-way on SQLite; one that takes the lock at
    # its beginning waits for its turn instead.
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _postgres(url: URL, *, echo: bool) -> Engine:
    arguments: dict[str, Any] = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_S}
    try:
        return create_engine(url, echo=echo, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    except (ImportError, NoSuchModuleError) as error:
        raise SettingsError(
            "a store on PostgreSQL needs the driver psycopg, which is not installed; "
            "install the extra 'postgres': pip install 'tierwright[postgres]'"
        ) from error
