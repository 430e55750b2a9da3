"""What people merged and split."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "task_edits",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("edit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task_edits"),
        sa.UniqueConstraint("revision", name="uq_task_edits_revision"),
    )
