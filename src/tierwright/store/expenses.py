"""What was paid beside the requests, in SQL.

Owns what is written to the table `expenses`, once and never changed. Refuses to know what it was paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from tierwright.core.expense import ExpenseKind, ExpenseSum
from tierwright.core.ids import TaskId
from tierwright.core.instants import to_us
from tierwright.store.ledger import PART
from tierwright.store.rows.scalars import from_pico, to_name, to_name_or_none, to_pico
from tierwright.store.schema import expenses

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tierwright.core.expense import Expense
    from tierwright.store.database import Database


class SqlExpenses:
    """The `ExpenseStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_expenses(self, given: Iterable[Expense]) -> None:
        """As `ExpenseStore.add_expenses`: one transaction."""
        rows = [
            {
                "id": to_name(expense.id),
                "kind": expense.kind.value,
                "at_us": to_us(expense.at),
                "task_id": to_name_or_none(expense.task_id),
                "cost_pico_usd": None if expense.cost_usd is None else to_pico(expense.cost_usd),
            }
            for expense in given
        ]
        if not rows:
            return
        with self._database.write() as connection:
            connection.execute(self._database.insert(expenses).on_conflict_do_nothing(), rows)

    def expense_sums(self, *, since: datetime | None = None, until: datetime | None = None) -> list[ExpenseSum]:
        """As `ExpenseStore.expense_sums`, by kind and task; those of no task come last."""
        columns = expenses.c
        statement = select(
            columns.kind,
            columns.task_id,
            func.count(),
            func.coalesce(func.sum(columns.cost_pico_usd // PART), 0),
            func.coalesce(func.sum(columns.cost_pico_usd % PART), 0),
            func.sum(case((columns.cost_pico_usd.is_(None), 1), else_=0)),
        ).group_by(columns.kind, columns.task_id)
        if since is not None:
            statement = statement.where(columns.at_us >= to_us(since))
        if until is not None:
            statement = statement.where(columns.at_us < to_us(until))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        found = [
            ExpenseSum(
                kind=ExpenseKind(kind),
                task_id=None if task_id is None else TaskId(task_id),
                calls=int(calls),
                cost_usd=from_pico(int(parts) * PART + int(rest)),
                unpriced_calls=int(unpriced),
            )
            for kind, task_id, calls, parts, rest, unpriced in rows
        ]
        return sorted(found, key=lambda one: (one.task_id is None, one.task_id or "", one.kind.value))
