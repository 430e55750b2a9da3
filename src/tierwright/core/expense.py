"""What was paid beside the requests themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.ids import TaskId


class ExpenseKind(StrEnum):
    """For what."""

    #: A language model compared two answers.
    JUDGE = "judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """One call that was paid for and that no request caused."""

    #: The same call has the same id, whenever it is told of.
    id: str
    kind: ExpenseKind
    at: datetime
    #: None: of no task in the store.
    task_id: TaskId | None
    #: US dollars; None: unpriced, which is counted and shown, and is not 0.
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseSum:
    """All expenses of one kind for one task."""

    kind: ExpenseKind
    #: None: of no task.
    task_id: TaskId | None
    calls: int
    #: Of those with a price.
    cost_usd: Decimal
    unpriced_calls: int
