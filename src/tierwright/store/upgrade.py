"""Brings a database to the schema of this program.

Owns when migrations run and what is refused. Refuses to know what a migration does.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, inspect, select, table, text

from tierwright.core.errors import StoreError
from tierwright.store.schema import METADATA, REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from tierwright.store.database import Database

#: Number of the advisory lock under which PostgreSQL databases are upgraded.
_LOCK = int.from_bytes(hashlib.sha256(b"tierwright schema").digest()[:7], "big")


def upgrade(database: Database) -> None:
    """Applies the migrations that a database lacks, all or none; safe when several processes do it at once.

    Raises StoreError where the database was written by a newer version, or holds somebody else's tables.
    """
    with database.read() as connection:
        current = _revision(connection)
    if current == REVISION:
        return
    with database.write() as connection:
        if database.is_postgres:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        current = _revision(connection)
        if current == REVISION:
            return
        _refuse(connection, current, database.place)
        _migrate(connection)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, without a file: the migrations that travel in this package, on this connection."""
    # Imported here: opening a store that is up to date does not need alembic.
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar_one_or_none()
    return None if found is None else str(found)


def _refuse(connection: Connection, current: str | None, place: str) -> None:
    """Refuses what is not ours to change: a newer schema, or tables that no migration of ours made."""
    if current is not None and current > REVISION:
        raise StoreError(
            f"the store {place} was written by a newer version of Tierwright (schema {current}; this one knows "
            f"{REVISION}); upgrade Tierwright, or name another store"
        )
    if current is None:
        taken = sorted(set(inspect(connection).get_table_names()) & set(METADATA.tables))
        if taken:
            raise StoreError(
                f"the store {place} holds tables that Tierwright did not make ({', '.join(taken)}); "
                "give it a database or a schema of its own"
            )


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - as above

    command.upgrade(configuration(connection), "head")
