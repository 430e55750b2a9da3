"""What the tokens of conversations stand for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "pseudonyms",
        sa.Column("conversation", _NAME, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("used_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation", name="pk_pseudonyms"),
    )
    op.create_index("ix_pseudonyms_used_at_us", "pseudonyms", ["used_at_us"])
