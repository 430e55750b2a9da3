from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors as postgres_errors
from sqlalchemy import exc

from tierwright.core.errors import Conflict, NotFound, StoreError, StoreFull
from tierwright.store.faults import POSTGRES_FAULTS, SQLITE_FAULTS, translate

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "sqlite:///x.db"
SECRET = "text of a prompt"


def wrapped(cause: BaseException, kind: type[exc.DBAPIError] = exc.OperationalError) -> exc.DBAPIError:
    """A driver's exception as SQLAlchemy hands it on."""
    return kind("INSERT …", None, cause)


def sqlite_error(name: str) -> sqlite3.OperationalError:
    """The exception sqlite3 raises for a result code."""
    error = sqlite3.OperationalError(SECRET)
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


class TestTheMap:
    """`translate`."""

    @pytest.mark.parametrize(
        ("name", "kind", "says"),
        [
            ("SQLITE_FULL", StoreFull, "no space left"),
            ("SQLITE_IOERR_SHMSIZE", StoreFull, "no space left"),
            ("SQLITE_BUSY", StoreError, "locked by another process"),
            ("SQLITE_BUSY_SNAPSHOT", StoreError, "locked by another process"),
            ("SQLITE_LOCKED", StoreError, "locked by another process"),
            ("SQLITE_CORRUPT", StoreError, "damaged"),
            ("SQLITE_CORRUPT_INDEX", StoreError, "damaged"),
            ("SQLITE_NOTADB", StoreError, "no SQLite database"),
            ("SQLITE_READONLY", StoreError, "can't be written"),
            ("SQLITE_READONLY_DBMOVED", StoreError, "can't be written"),
            ("SQLITE_CANTOPEN", StoreError, "can't be opened"),
            ("SQLITE_IOERR_FSYNC", StoreError, "disk reports an error"),
            ("SQLITE_CONSTRAINT_UNIQUE", Conflict, "another row"),
            ("SQLITE_CONSTRAINT_PRIMARYKEY", Conflict, "another row"),
            ("SQLITE_CONSTRAINT_FOREIGNKEY", NotFound, "add that one first"),
            ("SQLITE_TOOBIG", StoreError, "can't hold"),
            ("SQLITE_ERROR", StoreError, "lacks tables or columns"),
            ("SQLITE_INTERNAL", StoreError, "doesn't know"),
        ],
    )
    def test_result_codes_of_sqlite(self, name: str, kind: type[StoreError], says: str) -> None:
        """Each result code has its class and its sentence, extended codes those of their primary one."""
        found = translate(wrapped(sqlite_error(name)), PLACE)
        assert type(found) is kind
        assert says in str(found)
        assert name in str(found)

    @pytest.mark.parametrize(
        ("cause", "kind", "says"),
        [
            (postgres_errors.DiskFull, StoreFull, "no space left"),
            (postgres_errors.OutOfMemory, StoreError, "connections or memory"),
            (postgres_errors.TooManyConnections, StoreError, "connections or memory"),
            (postgres_errors.ConnectionFailure, StoreError, "can't be reached"),
            (postgres_errors.AdminShutdown, StoreError, "can't be reached"),
            (postgres_errors.CannotConnectNow, StoreError, "can't be reached"),
            (postgres_errors.InvalidCatalogName, StoreError, "can't be reached"),
            (postgres_errors.InvalidPassword, StoreError, "refuses this user"),
            (postgres_errors.InsufficientPrivilege, StoreError, "refuses this user"),
            (postgres_errors.ReadOnlySqlTransaction, StoreError, "can't be written"),
            (postgres_errors.DeadlockDetected, StoreError, "try again"),
            (postgres_errors.SerializationFailure, StoreError, "try again"),
            (postgres_errors.LockNotAvailable, StoreError, "locked"),
            (postgres_errors.QueryCanceled, StoreError, "locked"),
            (postgres_errors.IoError, StoreError, "disk reports an error"),
            (postgres_errors.DataCorrupted, StoreError, "damaged"),
            (postgres_errors.UniqueViolation, Conflict, "another row"),
            (postgres_errors.ForeignKeyViolation, NotFound, "add that one first"),
            (postgres_errors.UndefinedTable, StoreError, "lacks tables or columns"),
            (postgres_errors.NumericValueOutOfRange, StoreError, "can't hold"),
            (postgres_errors.CharacterNotInRepertoire, StoreError, "can't hold"),
            (postgres_errors.InternalError_, StoreError, "doesn't know"),
        ],
    )
    def test_states_of_postgres(self, cause: type[psycopg.Error], kind: type[StoreError], says: str) -> None:
        """Each SQLSTATE has its class and its sentence, by itself or by its class."""
        found = translate(wrapped(cause(SECRET)), PLACE)
        assert type(found) is kind
        assert says in str(found)

    def test_every_exception_of_either_driver_is_explained(self) -> None:
        """Whatever a driver names becomes a StoreError that says where, and quotes nothing the driver said."""
        sqlite_names = [name for name in dir(sqlite3) if name.startswith("SQLITE_") and _is_result_code(name)]
        causes: list[BaseException] = [sqlite_error(name) for name in sqlite_names]
        causes += [
            kind(SECRET)
            for kind in vars(postgres_errors).values()
            if isinstance(kind, type) and issubclass(kind, psycopg.Error)
        ]
        assert len(causes) > 300
        for cause in causes:
            found = translate(wrapped(cause), PLACE)
            assert isinstance(found, StoreError)
            assert PLACE in str(found)
            assert SECRET not in str(found)

    def test_every_fault_says_what_to_do(self) -> None:
        """A sentence on what is wrong, and after a semicolon or a full stop one on what to do."""
        for kind, says in {*SQLITE_FAULTS.values(), *POSTGRES_FAULTS.values()}:
            assert issubclass(kind, StoreError)
            assert ";" in says

    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (exc.TimeoutError(SECRET), "connections"),
            (OverflowError(SECRET), "64 bits"),
            (UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET), "Unicode"),
            (exc.ArgumentError(SECRET), "doesn't know"),
            (wrapped(psycopg.OperationalError(SECRET)), "can't be reached"),
            (wrapped(sqlite3.InterfaceError(SECRET), exc.InterfaceError), "can't be reached"),
            (wrapped(psycopg.DataError(SECRET), exc.DataError), "can't hold"),
        ],
    )
    def test_exceptions_without_a_code(self, error: BaseException, says: str) -> None:
        """Those of SQLAlchemy itself, and of drivers that had no server to ask."""
        found = translate(error, PLACE)
        assert type(found) is StoreError
        assert says in str(found)
        assert SECRET not in str(found)


def _is_result_code(name: str) -> bool:
    families = ("SQLITE_DENY", "SQLITE_IGNORE", "SQLITE_LIMIT", "SQLITE_DBCONFIG")
    actions = ("SQLITE_CREATE", "SQLITE_DROP", "SQLITE_ALTER", "SQLITE_OK", "SQLITE_DONE", "SQLITE_ROW")
    return not name.startswith(families + actions) and isinstance(getattr(sqlite3, name), int)


class TestReally:
    """The map against exceptions that SQLite raises, not ones made here."""

    def test_a_file_opened_for_reading_only(self, tmp_path: Path) -> None:
        """Writing to it is explained as such."""
        path = tmp_path / "x.db"
        sqlite3.connect(path).close()
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("CREATE TABLE x (y)")
        connection.close()
        assert "can't be written" in str(translate(wrapped(caught.value), PLACE))
