"""Registrations and outcomes as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierwright.core.experiment import Outcome, Registration
from tierwright.core.instants import to_us
from tierwright.store.rows.scalars import from_json, to_json, to_name

if TYPE_CHECKING:
    from tierwright.core.ids import EvaluationId


def registration_row(registration: Registration) -> dict[str, Any]:
    """The row of `experiments`."""
    return {
        "id": registration.id,
        "task_id": registration.task_id,
        "dataset_id": registration.dataset_id,
        "test_sha256": registration.test_sha256,
        "created_at_us": to_us(registration.created_at),
        "registration": to_json(registration),
    }


def registration_of(row: Any) -> Registration:
    """The registration in a row of `experiments`."""
    return from_json(row.registration, Registration)


def outcome_row(evaluation_id: EvaluationId, place: int, outcome: Outcome) -> dict[str, Any]:
    """The row of `outcomes`."""
    return {
        "evaluation_id": evaluation_id,
        "place": place,
        "example_id": to_name(outcome.example),
        "group_name": to_name(outcome.group),
        "confidence": outcome.confidence,
        "local": outcome.local,
        "counts": to_json(
            _Counts(
                candidate=outcome.candidate,
                baseline=outcome.baseline,
                candidate_slots=outcome.candidate_slots,
                baseline_slots=outcome.baseline_slots,
                slices=dict(outcome.slices),
            )
        ),
    }


def outcome_of(row: Any) -> Outcome:
    """The outcome in a row of `outcomes`."""
    counts = from_json(row.counts, _Counts)
    return Outcome(
        example=row.example_id,
        group=row.group_name,
        confidence=row.confidence,
        local=row.local,
        candidate=counts.candidate,
        baseline=counts.baseline,
        candidate_slots=counts.candidate_slots,
        baseline_slots=counts.baseline_slots,
        slices=counts.slices,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """The column `counts`."""

    candidate: tuple[float, ...]
    baseline: tuple[float, ...]
    candidate_slots: tuple[float, ...]
    baseline_slots: tuple[float, ...]
    slices: dict[str, str]
