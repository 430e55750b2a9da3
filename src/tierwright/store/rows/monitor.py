"""Outcomes and incidents as rows."""

from __future__ import annotations

from typing import Any

from tierwright.core.estimate import Estimate
from tierwright.core.ids import DeploymentId, IncidentId, InferenceId, ModelVersionId, TaskId
from tierwright.core.incident import Incident, JudgedOutcome, Signal
from tierwright.core.inference import RouteReason
from tierwright.core.instants import to_us
from tierwright.store.rows.scalars import from_json, from_us, to_json, to_name


def outcome_row(outcome: JudgedOutcome) -> dict[str, Any]:
    """The row of `judged_outcomes`."""
    return {
        "service_id": outcome.service_id,
        "place": outcome.place,
        "inference_id": to_name(outcome.inference_id),
        "signal": outcome.signal.value,
        "reason": outcome.reason.value,
        "answered_at_us": to_us(outcome.answered_at),
        "loss": outcome.loss,
        "weight": outcome.weight,
    }


def outcome_of(row: Any) -> JudgedOutcome:
    """The outcome in a row of `judged_outcomes`."""
    return JudgedOutcome(
        service_id=DeploymentId(row.service_id),
        place=row.place,
        inference_id=InferenceId(row.inference_id),
        signal=Signal(row.signal),
        reason=RouteReason(row.reason),
        answered_at=from_us(row.answered_at_us),
        loss=row.loss,
        weight=row.weight,
    )


def incident_row(incident: Incident) -> dict[str, Any]:
    """The row of `incidents`."""
    return {
        "id": incident.id,
        "task_id": incident.task_id,
        "deployment_id": incident.deployment_id,
        "service_id": incident.service_id,
        "model_version_id": incident.model_version_id,
        "created_at_us": to_us(incident.created_at),
        "signal": incident.signal.value,
        "allowed": incident.limit,
        "allowed_from": to_name(incident.limit_from),
        "e_value": incident.e_value,
        "delta": incident.delta,
        "rate": to_json(incident.rate),
        "first_at_us": to_us(incident.first_at),
        "last_at_us": to_us(incident.last_at),
        "examples": to_json(list(incident.examples)),
        "reports": incident.reports,
        "followed_by": incident.followed_by,
        "summary": to_name(incident.summary),
    }


def incident_of(row: Any) -> Incident:
    """The incident in a row of `incidents`."""
    return Incident(
        id=IncidentId(row.id),
        task_id=TaskId(row.task_id),
        deployment_id=DeploymentId(row.deployment_id),
        service_id=DeploymentId(row.service_id),
        model_version_id=ModelVersionId(row.model_version_id),
        created_at=from_us(row.created_at_us),
        signal=Signal(row.signal),
        limit=row.allowed,
        limit_from=row.allowed_from,
        e_value=row.e_value,
        delta=row.delta,
        rate=from_json(row.rate, Estimate),
        first_at=from_us(row.first_at_us),
        last_at=from_us(row.last_at_us),
        examples=tuple(InferenceId(one) for one in from_json(row.examples, list[str])),
        reports=row.reports,
        followed_by=DeploymentId(row.followed_by),
        summary=row.summary,
    )
