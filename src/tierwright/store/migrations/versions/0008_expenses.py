"""What was paid beside the requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "expenses",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("task_id", _NAME),
        sa.Column("cost_pico_usd", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_expenses"),
    )
    op.create_index("ix_expenses_at_us", "expenses", ["at_us"])
