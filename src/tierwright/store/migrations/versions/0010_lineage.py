"""Whom requests are about, which requests examples come from, and how much of a dataset was erased."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns and a table; of datasets that were there only the earliest request of each example is known."""
    op.add_column("inferences", sa.Column("subject", _NAME))
    op.create_index("ix_inferences_subject", "inferences", ["subject"])
    op.create_index("ix_inferences_data_class_created_at_us", "inferences", ["data_class", "created_at_us"])
    op.add_column("datasets", sa.Column("classes", sa.Text()))
    op.add_column("datasets", sa.Column("findings", sa.Text()))
    op.add_column("datasets", sa.Column("erased", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "example_sources",
        sa.Column(
            "dataset_id",
            _NAME,
            sa.ForeignKey("datasets.id", name="fk_example_sources_dataset_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("inference_id", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "place", "inference_id", name="pk_example_sources"),
    )
    op.create_index("ix_example_sources_inference_id", "example_sources", ["inference_id"])
    # Labelled history names lines there, which no request has for an id.
    op.execute(
        "INSERT INTO example_sources (dataset_id, place, inference_id) SELECT dataset_id, place, id FROM examples"
    )
