"""Second answers in SQL: calls that are added to inferences which are in the store already.

Owns the table `second_answers`, and writes of `model_calls` what was called after the answer. Refuses to know what a
second answer is good for.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from tierwright.core.chat import decode_answer
from tierwright.core.ids import DeploymentId, InferenceId, TaskId
from tierwright.core.inference import RouteReason
from tierwright.core.instants import to_us
from tierwright.core.second import ComparedAnswer, SecondAnswer
from tierwright.store.ledger import SECOND_ROLES
from tierwright.store.origins import origins_of
from tierwright.store.rows.inference import CALL_COLUMNS, CALL_INSERT, call_of, call_row
from tierwright.store.rows.scalars import from_bytes, from_us, to_bytes, to_name
from tierwright.store.schema import contents, deployments, inferences, model_calls, second_answers
from tierwright.store.seals import response_place, second_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from tierwright.core.inference import CallRole
    from tierwright.store.database import Database
    from tierwright.store.seals import Closer, Opener, Origin, Seals

#: Inferences in one transaction: short enough that capture need not wait long for its turn.
_MOST_AT_ONCE = 500
#: What `_compared` wants besides the columns of the call, in its order.
_COLUMNS = (
    inferences.c.created_at_us,
    inferences.c.task_id,
    inferences.c.client_id,
    inferences.c.latency_ms,
    inferences.c.route_reason,
    contents.c.response,
    deployments.c.threshold,
    second_answers.c.deployment_id,
    second_answers.c.propensity,
    second_answers.c.confidence,
    second_answers.c.output,
    second_answers.c.agrees,
    second_answers.c.place,
)


class SqlSecondAnswers:
    """The `SecondAnswerStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def add_second_answers(self, given: Sequence[SecondAnswer]) -> set[InferenceId]:
        """As `SecondAnswerStore.add_second_answers`: a transaction for every few hundred."""
        unknown: set[InferenceId] = set()
        rest = iter(given)
        while some := list(islice(rest, _MOST_AT_ONCE)):
            origins, closer = self._origins(some)
            with self._database.write() as connection:
                unknown |= _add(connection, some, origins, closer)
        return unknown

    def _origins(self, given: Sequence[SecondAnswer]) -> tuple[Mapping[str, Origin | None], Closer]:
        """Where the requests come from, and what seals the answers; nothing is looked up where nothing is sealed."""
        if self._seals.register is None:
            return {}, self._seals.closing((), 0)
        origins = origins_of(self._database, [to_name(second.inference_id) for second in given])
        labels = {origin.label for origin in origins.values() if origin is not None}
        newest = max((origin.at_us for origin in origins.values() if origin is not None), default=0)
        return origins, self._seals.closing(labels, newest)

    def second_answers(
        self,
        task_id: TaskId,
        *,
        role: CallRole | None = None,
        deployment_id: DeploymentId | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[ComparedAnswer]:
        """As `SecondAnswerStore.second_answers`; ties by the inference's id."""
        call = model_calls.c
        joined = (
            inferences.join(second_answers, second_answers.c.inference_id == inferences.c.id)
            .join(
                model_calls,
                and_(call.inference_id == second_answers.c.inference_id, call.place == second_answers.c.place),
            )
            .outerjoin(contents, contents.c.inference_id == inferences.c.id)
            .outerjoin(deployments, deployments.c.id == second_answers.c.deployment_id)
        )
        statement = (
            select(*CALL_COLUMNS, *_COLUMNS)
            .select_from(joined)
            .where(inferences.c.task_id == to_name(task_id))
            .order_by(inferences.c.created_at_us, inferences.c.id, call.place)
        )
        if role is not None:
            statement = statement.where(call.role == role.value)
        if deployment_id is not None:
            statement = statement.where(second_answers.c.deployment_id == to_name(deployment_id))
        if since is not None:
            statement = statement.where(inferences.c.created_at_us >= to_us(since))
        if until is not None:
            statement = statement.where(inferences.c.created_at_us < to_us(until))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        opener = self._seals.opening(cell for row in rows for cell in (row.response, row.output))
        return [_compared(row, opener) for row in rows]


def _add(
    connection: Connection, given: Sequence[SecondAnswer], origins: Mapping[str, Origin | None], closer: Closer
) -> set[InferenceId]:
    """Adds those whose inference is there; returns the inferences that are not.

    Of an answer to a request that was erased only the call is kept.
    """
    ids = {to_name(second.inference_id) for second in given}
    known = set(connection.execute(select(inferences.c.id).where(inferences.c.id.in_(ids))).scalars())
    call = model_calls.c
    taken = select(call.inference_id, func.max(call.place)).where(call.inference_id.in_(ids))
    places: defaultdict[str, int] = defaultdict(lambda: -1)
    places.update((key, int(place)) for key, place in connection.execute(taken.group_by(call.inference_id)))
    there = select(call.inference_id, call.role).where(call.inference_id.in_(ids), call.role.in_(SECOND_ROLES))
    done = {(key, role) for key, role in connection.execute(there)}
    calls: list[dict[str, object]] = []
    answers: list[dict[str, object]] = []
    for second in given:
        key, role = to_name(second.inference_id), second.call.role.value
        if key not in known or (key, role) in done:
            continue
        done.add((key, role))
        places[key] += 1
        row = call_row(key, places[key], second.call)
        calls.append(dict(zip((column.name for column in CALL_INSERT), row, strict=True)))
        answer = _row(key, places[key], second)
        origin = origins.get(key)
        if origin is not None:
            answer["output"] = closer.sealed(_output_of(second), origin.label, second_place(key, places[key]))
        elif key in origins:
            answer["output"] = None
        answers.append(answer)
    if calls:
        connection.execute(model_calls.insert(), calls)
        connection.execute(second_answers.insert(), answers)
    return {second.inference_id for second in given if to_name(second.inference_id) not in known}


def _row(key: str, place: int, second: SecondAnswer) -> dict[str, object]:
    return {
        "inference_id": key,
        "place": place,
        "deployment_id": to_name(second.deployment_id),
        "propensity": second.propensity,
        "confidence": second.confidence,
        "output": _output_of(second),
        "agrees": second.agrees,
    }


def _output_of(second: SecondAnswer) -> bytes | None:
    """What it says, as it is stored where nothing is sealed."""
    return None if second.output is None else to_bytes(second.output)


def _compared(row: Any, opener: Opener) -> ComparedAnswer:
    (
        created_at_us,
        task_id,
        client_id,
        latency_ms,
        reason,
        response,
        threshold,
        deployment_id,
        propensity,
        confidence,
        output,
        agrees,
        place,
    ) = row[len(CALL_COLUMNS) :]
    response = opener.opened(response, response_place(row[0]))
    output = opener.opened(output, second_place(row[0], place))
    return ComparedAnswer(
        created_at=from_us(created_at_us),
        task_id=TaskId(task_id),
        client_id=client_id,
        given=None if response is None else decode_answer(response).text,
        given_latency_ms=latency_ms,
        reason=RouteReason(reason),
        threshold=threshold,
        second=SecondAnswer(
            inference_id=InferenceId(row[0]),
            call=call_of(row[: len(CALL_COLUMNS)]),
            deployment_id=DeploymentId(deployment_id),
            propensity=propensity,
            confidence=confidence,
            output=None if output is None else from_bytes(output),
            agrees=agrees,
        ),
    )
