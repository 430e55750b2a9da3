"""Certificates: the attempts to certify a threshold."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "certificates",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("task_id", _NAME, nullable=False),
        sa.Column("dataset_id", _NAME, nullable=False),
        sa.Column("model_version_id", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("risk", _NAME, nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("delta", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double()),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("reference", _NAME, nullable=False),
        sa.Column("estimates", sa.Text(), nullable=False),
        sa.Column("labels_needed", sa.BigInteger()),
        sa.Column("reason", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_certificates"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_certificates_task_id"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_certificates_dataset_id"),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name="fk_certificates_model_version_id"),
    )
    op.create_index("ix_certificates_task_id", "certificates", ["task_id"])
