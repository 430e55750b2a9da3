"""The keys of callers, in SQL.

Owns the table `caller_keys`. Refuses to know how keys are made and what is refused to whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, update

from tierwright.core.errors import Conflict, NotFound
from tierwright.core.instants import to_us
from tierwright.store.ledger import PART, SECOND_ROLES
from tierwright.store.rows.key import KEY_COLUMNS, key_of, key_row
from tierwright.store.rows.scalars import from_pico, to_name
from tierwright.store.schema import caller_keys, inferences, model_calls
from tierwright.store.tasks import next_revision

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.caller import CallerKey
    from tierwright.core.ids import CallerKeyId
    from tierwright.store.database import Database


class SqlKeys:
    """The `KeyStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_key(self, key: CallerKey) -> None:
        """As `KeyStore.add_key`."""
        row = key_row(key)
        there = select(caller_keys.c.id).where(
            or_(caller_keys.c.id == row["id"], caller_keys.c.sha256 == row["sha256"])
        )
        with self._database.write() as connection:
            next_revision(connection)
            if connection.execute(there).first() is not None:
                raise Conflict(f"there is a key {key.id!r}, or one with the same hash, already; make a new one")
            connection.execute(caller_keys.insert().values(row))

    def revoke_key(self, key_id: CallerKeyId, at: datetime) -> None:
        """As `KeyStore.revoke_key`."""
        is_it = caller_keys.c.id == to_name(key_id)
        since = func.coalesce(caller_keys.c.revoked_at_us, to_us(at))
        with self._database.write() as connection:
            next_revision(connection)
            if not connection.execute(update(caller_keys).where(is_it).values(revoked_at_us=since)).rowcount:
                raise NotFound(f"there is no key {key_id!r}; `tierwright key list` shows those there are")

    def keys(self) -> list[CallerKey]:
        """As `KeyStore.keys`."""
        statement = select(*KEY_COLUMNS).order_by(caller_keys.c.created_at_us, caller_keys.c.id)
        with self._database.read() as connection:
            return [key_of(row) for row in connection.execute(statement).all()]

    def spent(self, key_id: CallerKeyId, since: datetime) -> Decimal:
        """As `KeyStore.spent`; calls without a price count as nothing, and so do shadows and audits.

        What these cost is spent by whoever runs the gateway.
        """
        statement = (
            select(
                func.coalesce(func.sum(model_calls.c.cost_pico_usd // PART), 0),
                func.coalesce(func.sum(model_calls.c.cost_pico_usd % PART), 0),
            )
            .join(inferences, inferences.c.id == model_calls.c.inference_id)
            .where(
                inferences.c.key_id == to_name(key_id),
                inferences.c.created_at_us >= to_us(since),
                model_calls.c.role.not_in(SECOND_ROLES),
            )
        )
        with self._database.read() as connection:
            parts, rest = connection.execute(statement).one()
        return from_pico(int(parts) * PART + int(rest))
