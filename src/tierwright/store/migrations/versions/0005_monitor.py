"""What the monitor has seen of specialists in service, and what was done about it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "judged_outcomes",
        sa.Column("service_id", _NAME, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("inference_id", _NAME, nullable=False),
        sa.Column("signal", _NAME, nullable=False),
        sa.Column("reason", _NAME, nullable=False),
        sa.Column("answered_at_us", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Double()),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("service_id", "place", name="pk_judged_outcomes"),
        sa.UniqueConstraint(
            "service_id", "signal", "inference_id", name="uq_judged_outcomes_service_id_signal_inference_id"
        ),
        sa.ForeignKeyConstraint(["service_id"], ["deployments.id"], name="fk_judged_outcomes_service_id"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("task_id", _NAME, nullable=False),
        sa.Column("deployment_id", _NAME, nullable=False),
        sa.Column("service_id", _NAME, nullable=False),
        sa.Column("model_version_id", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("signal", _NAME, nullable=False),
        sa.Column("allowed", sa.Double(), nullable=False),
        sa.Column("allowed_from", _NAME, nullable=False),
        sa.Column("e_value", sa.Double(), nullable=False),
        sa.Column("delta", sa.Double(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("first_at_us", sa.BigInteger(), nullable=False),
        sa.Column("last_at_us", sa.BigInteger(), nullable=False),
        sa.Column("examples", sa.Text(), nullable=False),
        sa.Column("reports", sa.BigInteger(), nullable=False),
        sa.Column("followed_by", _NAME, nullable=False),
        sa.Column("summary", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("deployment_id", name="uq_incidents_deployment_id"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_incidents_task_id"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name="fk_incidents_deployment_id"),
        sa.ForeignKeyConstraint(["service_id"], ["deployments.id"], name="fk_incidents_service_id"),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name="fk_incidents_model_version_id"),
        sa.ForeignKeyConstraint(["followed_by"], ["deployments.id"], name="fk_incidents_followed_by"),
    )
    op.create_index("ix_incidents_task_id", "incidents", ["task_id"])
