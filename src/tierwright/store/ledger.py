"""Sums over inferences and their calls, made by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, or_, select

from tierwright.core.ids import TaskId
from tierwright.core.inference import RouteReason
from tierwright.core.ledger import LedgerLine
from tierwright.store.rows.scalars import from_pico, to_us
from tierwright.store.schema import inferences, model_calls

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select

    from tierwright.store.database import Database

#: Pico-dollars are summed in two parts. SQLite's sum of integers fails beyond 64 bits, which is 9.2 million dollars;
#: millions of them and the rest below a million stay far from it for as long as there are dollars.
PART = 1_000_000


class SqlLedger:
    """The `LedgerStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ledger(self, *, since: datetime | None = None, until: datetime | None = None) -> list[LedgerLine]:
        """As `LedgerStore.ledger`, by task, backend, model and reason; requests of no task come last."""
        statement = _sums()
        if since is not None:
            statement = statement.where(inferences.c.created_at_us >= to_us(since))
        if until is not None:
            statement = statement.where(inferences.c.created_at_us < to_us(until))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return sorted((_line(row) for row in rows), key=_order)


def _sums() -> Select[Any]:
    """One row for each task, answering call's backend and model, and reason.

    Every call of an inference is joined to it, so an inference is counted at its first call, or where it has none.
    """
    call, answer = model_calls.alias("call"), model_calls.alias("answer")
    is_answer = call.c.place == inferences.c.answering_place
    lines = (inferences.c.task_id, answer.c.backend, answer.c.model, inferences.c.route_reason)
    return (
        select(
            *lines,
            func.sum(case((or_(call.c.place.is_(None), call.c.place == 0), 1), else_=0)),
            func.coalesce(func.sum(call.c.cost_pico_usd // PART), 0),
            func.coalesce(func.sum(call.c.cost_pico_usd % PART), 0),
            func.sum(case((and_(call.c.place.is_not(None), call.c.cost_pico_usd.is_(None)), 1), else_=0)),
            func.coalesce(func.sum(case((is_answer, call.c.prompt_tokens))), 0),
            func.coalesce(func.sum(case((is_answer, call.c.completion_tokens))), 0),
        )
        .select_from(
            inferences.outerjoin(call, call.c.inference_id == inferences.c.id).outerjoin(
                answer,
                and_(answer.c.inference_id == inferences.c.id, answer.c.place == inferences.c.answering_place),
            )
        )
        .group_by(*lines)
    )


def _line(row: Any) -> LedgerLine:
    task_id, backend, model, reason, requests, parts, rest, unpriced, prompt, completion = row
    return LedgerLine(
        task_id=None if task_id is None else TaskId(task_id),
        backend=backend,
        model=model,
        reason=RouteReason(reason),
        requests=int(requests),
        cost_usd=from_pico(int(parts) * PART + int(rest)),
        unpriced_calls=int(unpriced),
        prompt_tokens=int(prompt),
        completion_tokens=int(completion),
    )


def _order(line: LedgerLine) -> tuple[bool, str, str, str, str]:
    return (line.task_id is None, line.task_id or "", line.backend or "", line.model or "", line.reason.value)
