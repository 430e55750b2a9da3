"""Deployments in SQL: append-only, in the order of the revisions they made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tierwright.core.deployment import Stage
from tierwright.core.errors import Conflict
from tierwright.store.rows.evidence import deployment_of, deployment_row
from tierwright.store.schema import deployments, revisions
from tierwright.store.tasks import next_revision

if TYPE_CHECKING:
    from sqlalchemy import Select

    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import TaskId
    from tierwright.store.database import Database


class SqlDeployments:
    """The `DeploymentStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_deployment(self, deployment: Deployment) -> None:
        """As `DeploymentStore.add_deployment`; the same one again changes nothing, another of its id is a Conflict."""
        row = deployment_row(deployment)
        with self._database.write() as connection:
            revision = next_revision(connection)
            kept = connection.execute(select(deployments).where(deployments.c.id == deployment.id)).first()
            if kept is None:
                connection.execute(deployments.insert().values(row | {"revision": revision}))
            elif deployment_of(kept) != deployment:
                raise Conflict(f"deployment {deployment.id} is in the store already and says something else")

    def deployments_in_force(self) -> list[Deployment]:
        """As `DeploymentStore.deployments_in_force`, by task."""
        return self._newest(_newest().where(deployments.c.stage != Stage.SHADOW.value))

    def shadows_in_force(self) -> list[Deployment]:
        """As `DeploymentStore.shadows_in_force`, by task."""
        return [found for found in self._newest(_newest()) if found.stage is Stage.SHADOW]

    def _newest(self, newest: Select[Any]) -> list[Deployment]:
        statement = select(deployments).where(deployments.c.revision.in_(newest)).order_by(deployments.c.task_id)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [deployment_of(row) for row in rows]

    def deployments(self, task_id: TaskId | None = None) -> list[Deployment]:
        """As `DeploymentStore.deployments`."""
        statement = select(deployments).order_by(deployments.c.revision.desc())
        if task_id is not None:
            statement = statement.where(deployments.c.task_id == task_id)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [deployment_of(row) for row in rows]

    def revision(self) -> int:
        """As `DeploymentStore.revision`."""
        with self._database.read() as connection:
            return int(connection.execute(select(revisions.c.value)).scalar_one())


def _newest() -> Select[Any]:
    """The revision of each task's newest decision."""
    return select(func.max(deployments.c.revision)).group_by(deployments.c.task_id)
