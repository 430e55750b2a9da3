"""Which caller said what the right answer would have been."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds the column; what was said before counts as the operator's own word, as it did."""
    op.add_column("feedback", sa.Column("client_id", _NAME))
