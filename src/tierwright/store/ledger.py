"""Sums over inferences and their calls, made by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, not_, or_, select

from tierwright.core.ids import TaskId
from tierwright.core.inference import CallRole, RouteReason
from tierwright.core.instants import to_us
from tierwright.core.ledger import LedgerLine, ModelGap
from tierwright.store.rows.scalars import from_pico
from tierwright.store.schema import inferences, model_calls

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from tierwright.store.database import Database

#: Pico-dollars are summed in two parts. SQLite's sum of integers fails beyond 64 bits, which is 9.2 million dollars;
#: millions of them and the rest below a million stay far from it for as long as there are dollars.
PART = 1_000_000
#: Roles of calls that are made after the answer.
SECOND_ROLES = tuple(role.value for role in CallRole if role.is_second)


class SqlLedger:
    """The `LedgerStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ledger(self, *, since: datetime | None = None, until: datetime | None = None) -> list[LedgerLine]:
        """As `LedgerStore.ledger`, by task, backend, model and reason; requests of no task come last."""
        with self._database.read() as connection:
            rows = connection.execute(_within(_sums(), since, until)).all()
        return sorted((_line(row) for row in rows), key=_order)

    def gaps(self, *, since: datetime | None = None, until: datetime | None = None) -> list[ModelGap]:
        """As `LedgerStore.gaps`; ties by name."""
        with self._database.read() as connection:
            rows = connection.execute(_within(_gaps(), since, until)).all()
        found = [
            ModelGap(model=model, unpriced_calls=unpriced, uncounted_calls=uncounted, estimated_calls=estimated)
            for model, unpriced, uncounted, estimated in rows
        ]
        return sorted(found, key=lambda gap: (-gap.unpriced_calls, -gap.estimated_calls, gap.model))


def _within(statement: Select[Any], since: datetime | None, until: datetime | None) -> Select[Any]:
    if since is not None:
        statement = statement.where(inferences.c.created_at_us >= to_us(since))
    if until is not None:
        statement = statement.where(inferences.c.created_at_us < to_us(until))
    return statement


def _gaps() -> Select[Any]:
    """One row for each model with calls whose cost or tokens are not known for certain."""
    call = model_calls.c
    no_cost = call.cost_pico_usd.is_(None)
    return (
        select(
            call.model,
            _how_many(and_(no_cost, call.prompt_tokens.is_not(None))),
            _how_many(and_(no_cost, call.prompt_tokens.is_(None))),
            _how_many(call.usage_estimated),
        )
        .select_from(model_calls.join(inferences, inferences.c.id == call.inference_id))
        .where(or_(no_cost, call.usage_estimated))
        .group_by(call.model)
    )


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _sums() -> Select[Any]:
    """One row for each task, answering call's backend and model, and reason.

    Every call of an inference is joined to it, so an inference is counted at its first call, or where it has none.
    """
    call, answer = model_calls.alias("call"), model_calls.alias("answer")
    is_second = call.c.role.in_(SECOND_ROLES)
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
            _how_many(call.c.usage_estimated),
            *_cost_where(call, is_second),
            *_cost_where(call, call.c.role == CallRole.AUDIT.value),
            *_cost_where(call, and_(call.c.model_version_id.is_not(None), not_(is_second))),
        )
        .select_from(
            inferences.outerjoin(call, call.c.inference_id == inferences.c.id).outerjoin(
                answer,
                and_(answer.c.inference_id == inferences.c.id, answer.c.place == inferences.c.answering_place),
            )
        )
        .group_by(*lines)
    )


def _cost_where(call: Any, condition: ColumnElement[bool]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """The cost of some calls, in two parts."""
    pico = call.c.cost_pico_usd
    return (
        func.coalesce(func.sum(case((condition, pico // PART))), 0),
        func.coalesce(func.sum(case((condition, pico % PART))), 0),
    )


def _line(row: Any) -> LedgerLine:
    (
        task_id,
        backend,
        model,
        reason,
        requests,
        parts,
        rest,
        unpriced,
        prompt,
        completion,
        estimated,
        second_parts,
        second_rest,
        audit_parts,
        audit_rest,
        machine_parts,
        machine_rest,
    ) = row
    return LedgerLine(
        task_id=None if task_id is None else TaskId(task_id),
        backend=backend,
        model=model,
        reason=RouteReason(reason),
        requests=int(requests),
        cost_usd=from_pico(int(parts) * PART + int(rest)),
        second_usd=from_pico(int(second_parts) * PART + int(second_rest)),
        audit_usd=from_pico(int(audit_parts) * PART + int(audit_rest)),
        machine_usd=from_pico(int(machine_parts) * PART + int(machine_rest)),
        unpriced_calls=int(unpriced),
        prompt_tokens=int(prompt),
        completion_tokens=int(completion),
        estimated_calls=int(estimated),
    )


def _order(line: LedgerLine) -> tuple[bool, str, str, str, str]:
    return (line.task_id is None, line.task_id or "", line.backend or "", line.model or "", line.reason.value)
