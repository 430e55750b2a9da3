"""Certificates as rows."""

from __future__ import annotations

from typing import Any

from tierwright.core.certificate import Certificate, Risk
from tierwright.core.dataset import LabelSource
from tierwright.core.estimate import Estimate
from tierwright.core.ids import CertificateId, DatasetId, ModelVersionId, TaskId
from tierwright.core.instants import to_us
from tierwright.store.rows.scalars import from_json, from_us, to_json, to_name


def certificate_row(certificate: Certificate) -> dict[str, Any]:
    """The row of `certificates`."""
    return {
        "id": certificate.id,
        "task_id": certificate.task_id,
        "dataset_id": certificate.dataset_id,
        "model_version_id": certificate.model_version_id,
        "created_at_us": to_us(certificate.created_at),
        "risk": certificate.risk.value,
        "level": certificate.level,
        "delta": certificate.delta,
        "threshold": certificate.threshold,
        "n": certificate.n,
        "seed": certificate.seed,
        "reference": certificate.reference.value,
        "estimates": to_json({"coverage": certificate.coverage, "realised_risk": certificate.realised_risk}),
        "labels_needed": certificate.labels_needed,
        "reason": to_name(certificate.reason),
    }


def certificate_of(row: Any) -> Certificate:
    """The certificate in a row of `certificates`."""
    estimates = from_json(row.estimates, dict[str, Estimate | None])
    return Certificate(
        id=CertificateId(row.id),
        task_id=TaskId(row.task_id),
        dataset_id=DatasetId(row.dataset_id),
        model_version_id=ModelVersionId(row.model_version_id),
        created_at=from_us(row.created_at_us),
        risk=Risk(row.risk),
        level=row.level,
        delta=row.delta,
        threshold=row.threshold,
        n=row.n,
        seed=row.seed,
        reference=LabelSource(row.reference),
        coverage=estimates["coverage"],
        realised_risk=estimates["realised_risk"],
        labels_needed=row.labels_needed,
        reason=row.reason,
    )
