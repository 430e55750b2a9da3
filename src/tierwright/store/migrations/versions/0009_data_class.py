"""How sensitive requests, callers and datasets are, and what was found in requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns; what was there before was seen by no privacy gate."""
    for table in ("inferences", "caller_keys", "datasets"):
        op.add_column(table, sa.Column("data_class", _NAME))
    op.add_column("inferences", sa.Column("findings", sa.Text()))
    op.add_column("inferences", sa.Column("detectors", _NAME))
