"""Certificates in SQL: append-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tierwright.core.errors import Conflict
from tierwright.store.rows.certificate import certificate_of, certificate_row
from tierwright.store.schema import certificates

if TYPE_CHECKING:
    from tierwright.core.certificate import Certificate
    from tierwright.core.ids import TaskId
    from tierwright.store.database import Database


class SqlCertificates:
    """The `CertificateStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_certificate(self, certificate: Certificate) -> None:
        """As `CertificateStore.add_certificate`; the same one again is left as it is."""
        row = certificate_row(certificate)
        statement = self._database.insert(certificates).on_conflict_do_nothing().returning(certificates.c.id)
        with self._database.write() as connection:
            if connection.execute(statement, row).first() is not None:
                return
            kept = connection.execute(select(certificates).where(certificates.c.id == certificate.id)).one()
        if kept._asdict() != row:
            raise Conflict(f"certificate {certificate.id} is in the store already and says something else")

    def certificates(self, task_id: TaskId | None = None) -> list[Certificate]:
        """As `CertificateStore.certificates`."""
        statement = select(certificates).order_by(certificates.c.created_at_us.desc(), certificates.c.id.desc())
        if task_id is not None:
            statement = statement.where(certificates.c.task_id == task_id)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [certificate_of(row) for row in rows]
