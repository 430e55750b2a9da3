"""What a gateway in production keeps besides: endpoints, keys, finer counts of tokens, scores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns that old rows fill with what was true of them, and two tables."""
    op.add_column("inferences", sa.Column("endpoint", _NAME, nullable=False, server_default="chat.completions"))
    op.add_column("inferences", sa.Column("key_id", _NAME))
    op.add_column("inferences", sa.Column("content", _NAME, nullable=False, server_default="kept"))
    op.create_index("ix_inferences_key_id_created_at_us", "inferences", ["key_id", "created_at_us"])
    op.add_column("model_calls", sa.Column("cache_write_tokens", sa.BigInteger()))
    op.add_column("model_calls", sa.Column("reasoning_tokens", sa.BigInteger()))
    op.add_column("model_calls", sa.Column("usage_estimated", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("model_calls", sa.Column("first_token_ms", sa.Double()))
    op.create_table(
        "scores",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("inference_id", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("number", sa.Double()),
        sa.Column("text", sa.LargeBinary()),
        sa.Column("comment", sa.LargeBinary()),
        sa.Column("author", _NAME),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scores"),
    )
    op.create_index("ix_scores_inference_id", "scores", ["inference_id"])
    op.create_table(
        "caller_keys",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("client_id", _NAME, nullable=False),
        sa.Column("prefix", _NAME, nullable=False),
        sa.Column("sha256", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger()),
        sa.Column("revoked_at_us", sa.BigInteger()),
        sa.Column("tasks", sa.Text()),
        sa.Column("models", sa.Text()),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("keep_content", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_caller_keys"),
        sa.UniqueConstraint("sha256", name="uq_caller_keys_sha256"),
    )
