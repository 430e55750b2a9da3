"""What became known about specialists in service, in SQL.

Owns the tables `judged_outcomes` and `incidents`: written once, never changed. Refuses to know what a loss is and
what breaks a promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, exists, func, literal, null, or_, select

from tierwright.core.chat import decode_answer
from tierwright.core.errors import InputError
from tierwright.core.ids import InferenceId
from tierwright.core.incident import RANDOM_AUTHOR, ArmTotals, JudgedAnswer, Signal
from tierwright.core.inference import CallRole, RouteReason
from tierwright.core.instants import to_us
from tierwright.store.rows.evidence import deployment_row
from tierwright.store.rows.monitor import incident_of, incident_row, outcome_of, outcome_row
from tierwright.store.rows.scalars import from_bytes, from_us, to_name
from tierwright.store.schema import (
    contents,
    deployments,
    feedback,
    incidents,
    inferences,
    judged_outcomes,
    model_calls,
    second_answers,
)
from tierwright.store.seals import feedback_place, response_place, second_place
from tierwright.store.tasks import next_revision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import DeploymentId, TaskId
    from tierwright.core.incident import Incident, JudgedOutcome
    from tierwright.store.database import Database
    from tierwright.store.seals import Opener, Seals

#: Arms by the reasons that requests are drawn into.
_SPECIALIST = (RouteReason.SPECIALIST, RouteReason.LOW_CONFIDENCE, RouteReason.SPECIALIST_FAILED)
_FRONTIER = (RouteReason.HOLDOUT, RouteReason.OUTSIDE_SHARE)
_PICO = 1e-12


class SqlMonitor:
    """The `MonitorStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def judged_answers(
        self, deployment_ids: Sequence[DeploymentId], *, unless_entered_for: DeploymentId, since: datetime | None = None
    ) -> list[JudgedAnswer]:
        """As `MonitorStore.judged_answers`; of several words with one signal on an answer the first counts."""
        names = [to_name(one) for one in deployment_ids]
        begin = None if since is None else to_us(since)
        with self._database.read() as connection:
            rows = [
                row
                for statement in (_words(names, begin), _audits(names, begin))
                for row in connection.execute(statement.where(~_entered(statement, unless_entered_for)))
            ]
        first: dict[tuple[str, str], Any] = {}
        for row in sorted(rows, key=lambda row: (row.said_at_us, row.inference_id)):
            first.setdefault((row.signal, row.inference_id), row)
        opener = self._seals.opening(cell for row in first.values() for cell in (row.response, row.wanted))
        return [_judged(row, opener) for row in first.values() if not opener.erased(row.wanted)]

    def enter_judged(self, given: Sequence[JudgedOutcome]) -> bool:
        """As `MonitorStore.enter_judged`: one transaction."""
        if not given:
            return True
        service = given[0].service_id
        statement = self._database.insert(judged_outcomes).on_conflict_do_nothing().returning(judged_outcomes.c.place)
        newest = select(func.coalesce(func.max(judged_outcomes.c.place), -1)).where(
            judged_outcomes.c.service_id == service
        )
        with self._database.write() as connection:
            if connection.execute(newest).scalar_one() != given[0].place - 1:
                return False
            written = connection.execute(statement, [outcome_row(one) for one in given]).all()
            if len(written) < len(given):
                connection.rollback()
                return False
        return True

    def judged_outcomes(self, service_id: DeploymentId, *, start: int = 0) -> list[JudgedOutcome]:
        """As `MonitorStore.judged_outcomes`."""
        statement = (
            select(judged_outcomes)
            .where(judged_outcomes.c.service_id == service_id, judged_outcomes.c.place >= start)
            .order_by(judged_outcomes.c.place)
        )
        with self._database.read() as connection:
            return [outcome_of(row) for row in connection.execute(statement)]

    def arm_totals(self, deployment_id: DeploymentId) -> list[ArmTotals]:
        """As `MonitorStore.arm_totals`, the specialist's first."""
        with self._database.read() as connection:
            rows = connection.execute(_arms(to_name(deployment_id))).all()
        return sorted((_arm(row) for row in rows), key=lambda arm: not arm.specialist)

    def add_incident(self, incident: Incident, decision: Deployment) -> bool:
        """As `MonitorStore.add_incident`: one transaction, under the lock of the revisions."""
        in_force = (
            select(deployments.c.id)
            .where(deployments.c.task_id == incident.task_id, deployments.c.stage != "shadow")
            .order_by(deployments.c.revision.desc())
            .limit(1)
        )
        with self._database.write() as connection:
            revision = next_revision(connection)
            if connection.execute(in_force).scalar_one_or_none() != incident.deployment_id:
                connection.rollback()
                return False
            connection.execute(deployments.insert().values(deployment_row(decision) | {"revision": revision}))
            connection.execute(incidents.insert().values(incident_row(incident)))
        return True

    def incidents(self, task_id: TaskId | None = None) -> list[Incident]:
        """As `MonitorStore.incidents`."""
        statement = select(incidents).order_by(incidents.c.created_at_us.desc(), incidents.c.id.desc())
        if task_id is not None:
            statement = statement.where(incidents.c.task_id == task_id)
        with self._database.read() as connection:
            return [incident_of(row) for row in connection.execute(statement)]


def _words(names: Sequence[str], begin: int | None) -> Select[Any]:
    """People's words; one on a random answer is told by its author."""
    at_random = or_(feedback.c.author == RANDOM_AUTHOR, feedback.c.author.startswith(f"{RANDOM_AUTHOR}:"))
    statement = (
        select(
            inferences.c.id.label("inference_id"),
            case((at_random, Signal.LABEL.value), else_=Signal.REPORT.value).label("signal"),
            inferences.c.route_reason,
            inferences.c.created_at_us,
            contents.c.response,
            feedback.c.output.label("wanted"),
            feedback.c.id.label("word"),
            null().label("place"),
            null().label("agrees"),
            literal(1.0).label("propensity"),
            feedback.c.created_at_us.label("said_at_us"),
        )
        .select_from(
            feedback.join(inferences, inferences.c.id == feedback.c.inference_id).outerjoin(
                contents, contents.c.inference_id == inferences.c.id
            )
        )
        .where(inferences.c.deployment_id.in_(names))
    )
    return statement if begin is None else statement.where(feedback.c.created_at_us >= begin)


def _audits(names: Sequence[str], begin: int | None) -> Select[Any]:
    """The frontier model's answers to requests that a specialist answered."""
    call = model_calls.c
    statement = (
        select(
            inferences.c.id.label("inference_id"),
            literal(Signal.AUDIT.value).label("signal"),
            inferences.c.route_reason,
            inferences.c.created_at_us,
            contents.c.response,
            second_answers.c.output.label("wanted"),
            null().label("word"),
            second_answers.c.place,
            second_answers.c.agrees,
            second_answers.c.propensity,
            call.started_at_us.label("said_at_us"),
        )
        .select_from(
            second_answers.join(
                model_calls,
                and_(call.inference_id == second_answers.c.inference_id, call.place == second_answers.c.place),
            )
            .join(inferences, inferences.c.id == second_answers.c.inference_id)
            .outerjoin(contents, contents.c.inference_id == inferences.c.id)
        )
        .where(inferences.c.deployment_id.in_(names), call.role == CallRole.AUDIT.value)
    )
    return statement if begin is None else statement.where(call.started_at_us >= begin)


def _entered(statement: Select[Any], service_id: DeploymentId) -> ColumnElement[bool]:
    """Whether a row's answer is entered for a service, for the row's signal."""
    signal = next(column for column in statement.selected_columns if column.name == "signal")
    return exists().where(
        judged_outcomes.c.service_id == service_id,
        judged_outcomes.c.signal == signal,
        judged_outcomes.c.inference_id == inferences.c.id,
    )


def _judged(row: Any, opener: Opener) -> JudgedAnswer:
    said_at = second_place(row.inference_id, row.place) if row.word is None else feedback_place(row.word)
    wanted = opener.opened(row.wanted, said_at)
    return JudgedAnswer(
        inference_id=InferenceId(row.inference_id),
        signal=Signal(row.signal),
        reason=RouteReason(row.route_reason),
        answered_at=from_us(row.created_at_us),
        given=_text(opener.opened(row.response, response_place(row.inference_id))),
        wanted=None if wanted is None else from_bytes(wanted),
        agrees=row.agrees,
        propensity=row.propensity,
    )


def _text(response: bytes | None) -> str | None:
    """What a kept answer says; None where it says nothing that is text."""
    if response is None:
        return None
    try:
        return decode_answer(response).text
    except InputError:
        return None


def _arms(deployment_id: str) -> Select[Any]:
    """One row for each arm, over one row for each request."""
    call = model_calls.c
    costs = (
        select(
            call.inference_id,
            func.sum(call.cost_pico_usd).label("pico"),
            func.sum(case((call.cost_pico_usd.is_(None), 1), else_=0)).label("unpriced"),
        )
        .join(inferences, inferences.c.id == call.inference_id)
        .where(inferences.c.deployment_id == deployment_id)
        .group_by(call.inference_id)
        .subquery()
    )
    is_specialist = inferences.c.route_reason.in_([reason.value for reason in _SPECIALIST])
    usd = case((costs.c.unpriced == 0, costs.c.pico * _PICO))
    latency = inferences.c.latency_ms
    arm = case((is_specialist, 1), else_=0)
    return (
        select(
            arm.label("arm"),
            func.count(),
            func.sum(case((inferences.c.status >= 400, 1), else_=0)),
            func.count(usd),
            func.coalesce(func.sum(usd), 0.0),
            func.coalesce(func.sum(usd * usd), 0.0),
            func.count(latency),
            func.coalesce(func.sum(latency), 0.0),
            func.coalesce(func.sum(latency * latency), 0.0),
        )
        .select_from(inferences.outerjoin(costs, costs.c.inference_id == inferences.c.id))
        .where(
            inferences.c.deployment_id == deployment_id,
            inferences.c.route_reason.in_([reason.value for reason in (*_SPECIALIST, *_FRONTIER)]),
        )
        .group_by(arm)
    )


def _arm(row: Any) -> ArmTotals:
    arm, requests, failed, priced, cost, cost_squares, timed, latency, latency_squares = row
    return ArmTotals(
        specialist=bool(arm),
        requests=int(requests),
        failed=int(failed),
        priced=int(priced),
        cost_usd=float(cost),
        cost_squares=float(cost_squares),
        timed=int(timed),
        latency_ms=float(latency),
        latency_squares=float(latency_squares),
    )
