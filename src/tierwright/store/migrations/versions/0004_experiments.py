"""Experiments that are registered before they are made, and what came out on each example."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds two tables, and two columns that are empty in old rows."""
    op.add_column("evaluations", sa.Column("experiment_id", _NAME))
    op.add_column("evaluations", sa.Column("details", sa.Text()))
    op.create_table(
        "experiments",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("task_id", _NAME, nullable=False),
        sa.Column("dataset_id", _NAME, nullable=False),
        sa.Column("test_sha256", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_experiments_task_id"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_experiments_dataset_id"),
    )
    op.create_index("ix_experiments_task_id", "experiments", ["task_id"])
    op.create_table(
        "outcomes",
        sa.Column("evaluation_id", _NAME, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("example_id", _NAME, nullable=False),
        sa.Column("group_name", _NAME, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("evaluation_id", "place", name="pk_outcomes"),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name="fk_outcomes_evaluation_id", ondelete="CASCADE"
        ),
    )
