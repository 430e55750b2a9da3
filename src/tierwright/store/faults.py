"""What a database or its driver raises, as the errors of `tierwright.core.errors`.

Owns the one map from foreign exceptions to our own. Refuses to quote a driver's message where it could hold a value:
no text of a prompt or an answer leaves through an exception.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy import exc

from tierwright.core.errors import Conflict, NotFound, StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Mapping

_Fault = tuple[type[StoreError], str]

#: Everything a statement, a commit or a checkout of a connection raises that is the database's doing, or the doing of
#: a value no database can hold (an integer of more than 64 bits, half a surrogate pair).
FOREIGN = (exc.SQLAlchemyError, sqlite3.Error, OverflowError, UnicodeError)

_FULL: _Fault = (
    StoreFull,
    (
        "has no space left; nothing of the last write was kept, everything before it was. Free or add disk space, "
        "then repeat what was being done"
    ),
)
_LOCKED: _Fault = (
    StoreError,
    "is locked by another process that has been writing for too long; find the process that holds it, or try again",
)
_CORRUPT: _Fault = (
    StoreError,
    "is damaged, or is no SQLite database at all; restore it from a backup, or name another file in the settings",
)
_READ_ONLY: _Fault = (
    StoreError,
    "can't be written to; give this user the right to write to the file and its directory, or to the tables",
)
_CANT_OPEN: _Fault = (
    StoreError,
    "can't be opened; check that the path exists, is a file and not a directory, and is readable by this user",
)
_DISK: _Fault = (
    StoreError,
    "can't be read or written: the disk reports an error; check the disk, then restore from a backup if need be",
)
_UNREACHABLE: _Fault = (
    StoreError,
    "can't be reached; check that the server is running and that host, port and database name in the URL are right",
)
_REFUSED: _Fault = (
    StoreError,
    "refuses this user; check the user, the password and the user's rights in the URL",
)
_BUSY_SERVER: _Fault = (
    StoreError,
    "has run out of connections or memory; allow it more, or run fewer processes against it",
)
_CONTENTION: _Fault = (
    StoreError,
    "gave up this transaction because others were changing the same rows; try again",
)
_NO_PARENT: _Fault = (
    NotFound,
    "lacks a row that the new one names (its task, dataset, model version or evaluation); add that one first",
)
_CONFLICT: _Fault = (
    Conflict,
    "holds another row with the same key already; nothing was changed",
)
_WRONG_SCHEMA: _Fault = (
    StoreError,
    (
        "lacks tables or columns that this version of Tierwright expects; restore it from a backup, or start "
        "with an empty database"
    ),
)
_UNFIT: _Fault = (
    StoreError,
    (
        "can't hold one of the values: a number of more than 64 bits, a value of more than 1 GB, or text that is no "
        "Unicode; nothing of this write was kept"
    ),
)
_OTHER: _Fault = (
    StoreError,
    "failed in a way Tierwright doesn't know; look at the cause below and at the database's own log",
)

#: By SQLite's result code: the extended one first, then the primary one (its low byte).
SQLITE_FAULTS: Mapping[int, _Fault] = {
    sqlite3.SQLITE_FULL: _FULL,
    # What a full disk says to the first process that opens a WAL database: the shared-memory file can't be made.
    sqlite3.SQLITE_IOERR_SHMSIZE: _FULL,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_AUTH: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _CANT_OPEN,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: _NO_PARENT,
    sqlite3.SQLITE_CONSTRAINT: _CONFLICT,
    sqlite3.SQLITE_TOOBIG: _UNFIT,
    sqlite3.SQLITE_MISMATCH: _UNFIT,
    sqlite3.SQLITE_SCHEMA: _WRONG_SCHEMA,
    sqlite3.SQLITE_ERROR: _WRONG_SCHEMA,
    sqlite3.SQLITE_NOMEM: _BUSY_SERVER,
}

#: By PostgreSQL's SQLSTATE: all five characters first, then its class (the first two).
POSTGRES_FAULTS: Mapping[str, _Fault] = {
    "53100": _FULL,
    "53400": _FULL,
    "53": _BUSY_SERVER,
    "08": _UNREACHABLE,
    "3D": _UNREACHABLE,
    "57P01": _UNREACHABLE,
    "57P02": _UNREACHABLE,
    "57P03": _UNREACHABLE,
    "57P05": _UNREACHABLE,
    "28": _REFUSED,
    "42501": _REFUSED,
    "25006": _READ_ONLY,
    "40": _CONTENTION,
    "55": _LOCKED,
    "57": _LOCKED,
    "58": _DISK,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
    "23503": _NO_PARENT,
    "23": _CONFLICT,
    "42": _WRONG_SCHEMA,
    "3F": _WRONG_SCHEMA,
    "22": _UNFIT,
    "54": _UNFIT,
}


def translate(error: BaseException, place: str) -> StoreError:
    """Our own error for a foreign one (any of `FOREIGN`) that the database at `place` raised."""
    kind, says = _fault_of(error)
    return kind(f"the store {place} {says}{_cause(error)}.")


def _fault_of(error: BaseException) -> _Fault:
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int):
        return SQLITE_FAULTS.get(code) or SQLITE_FAULTS.get(code & 0xFF) or _OTHER
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str):
        return POSTGRES_FAULTS.get(state) or POSTGRES_FAULTS.get(state[:2]) or _OTHER
    if isinstance(cause, (OverflowError, UnicodeError)):
        return _UNFIT
    if isinstance(error, exc.TimeoutError):
        return _BUSY_SERVER
    # psycopg has no SQLSTATE where there was no server to give one.
    if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return _UNREACHABLE
    return _UNFIT if isinstance(error, exc.DataError) else _OTHER


def _cause(error: BaseException) -> str:
    """What may be quoted: codes and the driver's names for them, never a message that could hold a value."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return f" ({code})" if isinstance(code, str) else f" ({type(cause).__name__})"
