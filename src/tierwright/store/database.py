"""One database: transactions to read and to write in, and the statements the two dialects spell apart.

Owns the boundary where a driver's exceptions become ours. Refuses to know any table.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from tierwright.store.faults import FOREIGN, translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, Table

#: Execution option by which a transaction on SQLite takes the write lock when it begins.
IMMEDIATE = "tierwright_immediate"

_Insert = sqlite.Insert | postgresql.Insert


class Database:
    """An engine whose errors are ours. Thread-safe: each transaction has a connection of its own."""

    def __init__(self, engine: Engine, place: str) -> None:
        """`place` is what messages call the database; it holds no password."""
        self.place = place
        self._engine = engine
        self._reading = engine
        if self.is_postgres:
            # As on SQLite, all that one transaction reads is then of one moment.
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ")
        self._writing = engine.execution_options(**{IMMEDIATE: True})

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL; otherwise SQLite."""
        return self._engine.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees the database as of one moment and changes nothing. Raises StoreError."""
        with self._mapped(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is kept as a whole when the block ends, durably, or not at all. Raises StoreError."""
        with self._mapped(), self._writing.begin() as connection:
            yield connection

    def insert(self, table: Table) -> _Insert:
        """An INSERT that can say what to do on a conflict."""
        return postgresql.insert(table) if self.is_postgres else sqlite.insert(table)

    def forget_log(self) -> bool:
        """Empties SQLite's write-ahead log, in which what was deleted still stands.

        False: others are reading, and it is emptied when they have read; or it is PostgreSQL, whose log is its own.
        """
        if self.is_postgres:
            return False
        with self._mapped(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy

    def dispose(self) -> None:
        """Closes all connections that are not in use."""
        with self._mapped():
            self._engine.dispose()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            raise translate(error, self.place) from error
