"""What the tokens of conversations stand for, in SQL.

Owns the table `pseudonyms`. Refuses to know what is in it: a digest for a conversation, and sealed bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from tierwright.core.instants import to_us
from tierwright.store.rows.scalars import to_name
from tierwright.store.schema import pseudonyms

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.store.database import Database


class SqlPseudonyms:
    """The `PseudonymStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pseudonyms(self, conversation: str, *, since: datetime) -> bytes | None:
        """As `PseudonymStore.pseudonyms`."""
        statement = select(pseudonyms.c.sealed).where(
            pseudonyms.c.conversation == to_name(conversation), pseudonyms.c.used_at_us >= to_us(since)
        )
        with self._database.read() as connection:
            found = connection.execute(statement).scalar_one_or_none()
        return None if found is None else bytes(found)

    def put_pseudonyms(self, conversation: str, sealed: bytes, *, at: datetime) -> None:
        """As `PseudonymStore.put_pseudonyms`."""
        at_us = to_us(at)
        row = {
            "conversation": to_name(conversation),
            "sealed": sealed,
            "created_at_us": at_us,
            "used_at_us": at_us,
        }
        statement = (
            self._database.insert(pseudonyms)
            .values(row)
            .on_conflict_do_update(index_elements=["conversation"], set_={"sealed": sealed, "used_at_us": at_us})
        )
        with self._database.write() as connection:
            connection.execute(statement)

    def expire_pseudonyms(self, before: datetime) -> int:
        """As `PseudonymStore.expire_pseudonyms`."""
        with self._database.write() as connection:
            return connection.execute(delete(pseudonyms).where(pseudonyms.c.used_at_us < to_us(before))).rowcount
