"""Removal by age, in SQL: each batch in a transaction of its own, so that capture waits for a moment at most.

Refuses to read what it removes: the database finds the rows by index and deletes them, whatever their size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select, update

from tierwright.core.inference import Content
from tierwright.core.instants import to_us
from tierwright.store.schema import contents, inferences, model_calls, second_answers

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from tierwright.core.privacy import DataClass
    from tierwright.store.database import Database
    from tierwright.store.seals import Seals


class SqlRetention:
    """The `RetentionStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def expire_content(
        self, before: datetime, *, classes: Collection[DataClass | None] | None = None, batch: int = 1000
    ) -> int:
        """As `RetentionStore.expire_content`."""
        due = inferences.c.created_at_us < to_us(before)
        if classes is not None:
            labels = [one.label for one in classes if one is not None]
            column = inferences.c.data_class
            due &= or_(column.in_(labels), column.is_(None)) if None in classes else column.in_(labels)
        oldest = (
            select(inferences.c.id)
            .join(contents, contents.c.inference_id == inferences.c.id)
            .where(due)
            .order_by(inferences.c.created_at_us, inferences.c.id)
            .limit(batch)
        )
        oldest_second = (
            select(second_answers.c.inference_id)
            .join(inferences, inferences.c.id == second_answers.c.inference_id)
            .where(due, second_answers.c.output.is_not(None))
            .limit(batch)
        )
        with self._database.write() as connection:
            marked = connection.execute(
                update(inferences).where(inferences.c.id.in_(oldest)).values(content=Content.EXPIRED.value)
            )
            removed = connection.execute(delete(contents).where(contents.c.inference_id.in_(oldest)))
            # By themselves: an inference whose own content was dropped may have had a second answer that was kept.
            emptied = connection.execute(
                update(second_answers).where(second_answers.c.inference_id.in_(oldest_second)).values(output=None)
            )
        assert marked.rowcount == removed.rowcount
        return int(removed.rowcount or emptied.rowcount)

    def expire_keys(self, before: datetime) -> int:
        """As `RetentionStore.expire_keys`."""
        register = self._seals.register
        return 0 if register is None else register.expire_days(to_us(before))

    def expire_inferences(self, before: datetime, *, batch: int = 1000) -> int:
        """As `RetentionStore.expire_inferences`."""
        oldest = (
            select(inferences.c.id)
            .where(inferences.c.created_at_us < to_us(before))
            .order_by(inferences.c.created_at_us, inferences.c.id)
            .limit(batch)
        )
        with self._database.write() as connection:
            # Named, though the schema cascades: the rows of a batch are then as many as it says.
            connection.execute(delete(contents).where(contents.c.inference_id.in_(oldest)))
            connection.execute(delete(second_answers).where(second_answers.c.inference_id.in_(oldest)))
            connection.execute(delete(model_calls).where(model_calls.c.inference_id.in_(oldest)))
            return int(connection.execute(delete(inferences).where(inferences.c.id.in_(oldest))).rowcount)
