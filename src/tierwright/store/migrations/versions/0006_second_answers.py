"""What shadows and audits have said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "second_answers",
        sa.Column("inference_id", _NAME, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("deployment_id", _NAME, nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double()),
        sa.Column("output", sa.LargeBinary()),
        sa.Column("agrees", sa.Boolean()),
        sa.PrimaryKeyConstraint("inference_id", "place", name="pk_second_answers"),
        sa.ForeignKeyConstraint(
            ["inference_id"], ["inferences.id"], name="fk_second_answers_inference_id", ondelete="CASCADE"
        ),
    )
