"""The first schema: traffic, feedback, tasks, and the evidence for what serves them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes every table."""
    _traffic()
    _tasks_and_evidence()


def _traffic() -> None:
    op.create_table(
        "inferences",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("client_id", _NAME, nullable=False),
        sa.Column("workload_id", _NAME),
        sa.Column("task_id", _NAME),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("error_code", _NAME),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("overhead_ms", sa.Double()),
        sa.Column("route_reason", _NAME, nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("deployment_id", _NAME),
        sa.Column("confidence", sa.Double()),
        sa.Column("threshold", sa.Double()),
        sa.Column("answering_place", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_inferences"),
    )
    op.create_index("ix_inferences_created_at_us_id", "inferences", ["created_at_us", "id"])
    op.create_index("ix_inferences_task_id_created_at_us_id", "inferences", ["task_id", "created_at_us", "id"])

    op.create_table(
        "contents",
        sa.Column(
            "inference_id",
            _NAME,
            sa.ForeignKey("inferences.id", name="fk_contents_inference_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("request", sa.LargeBinary()),
        sa.Column("response", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("inference_id", name="pk_contents"),
    )

    op.create_table(
        "model_calls",
        sa.Column(
            "inference_id",
            _NAME,
            sa.ForeignKey("inferences.id", name="fk_model_calls_inference_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("role", _NAME, nullable=False),
        sa.Column("backend", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("model_version_id", _NAME),
        sa.Column("upstream_id", _NAME),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("status", sa.Integer()),
        sa.Column("error_code", _NAME),
        sa.Column("prompt_tokens", sa.BigInteger()),
        sa.Column("completion_tokens", sa.BigInteger()),
        sa.Column("cached_tokens", sa.BigInteger()),
        sa.Column("cost_pico_usd", sa.BigInteger()),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("inference_id", "place", name="pk_model_calls"),
    )

    op.create_table(
        "feedback",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("inference_id", _NAME, nullable=False),
        sa.Column("output", sa.LargeBinary(), nullable=False),
        sa.Column("author", _NAME),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_inference_id", "feedback", ["inference_id"])


def _tasks_and_evidence() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("frames", sa.Text(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("named_by_person", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sa.UniqueConstraint("name", name="uq_tasks_name"),
    )

    op.create_table(
        "datasets",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("task_id", _NAME, sa.ForeignKey("tasks.id", name="fk_datasets_task_id"), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("sizes", sa.Text(), nullable=False),
        sa.Column("excluded", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    op.create_index("ix_datasets_task_id", "datasets", ["task_id"])

    op.create_table(
        "examples",
        sa.Column(
            "dataset_id",
            _NAME,
            sa.ForeignKey("datasets.id", name="fk_examples_dataset_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("id", _NAME, nullable=False),
        sa.Column("input", sa.LargeBinary(), nullable=False),
        sa.Column("output", sa.LargeBinary(), nullable=False),
        sa.Column("source", _NAME, nullable=False),
        sa.Column("incumbent_output", sa.LargeBinary()),
        sa.Column("split", _NAME, nullable=False),
        sa.Column("group_name", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "place", name="pk_examples"),
    )

    op.create_table(
        "model_versions",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("task_id", _NAME, sa.ForeignKey("tasks.id", name="fk_model_versions_task_id"), nullable=False),
        sa.Column(
            "dataset_id", _NAME, sa.ForeignKey("datasets.id", name="fk_model_versions_dataset_id"), nullable=False
        ),
        sa.Column("recipe", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("path", _NAME, nullable=False),
        sa.Column("encoder", _NAME),
        sa.Column("threshold", sa.Double()),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("train_seconds", sa.Double(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
    )
    op.create_index("ix_model_versions_task_id", "model_versions", ["task_id"])

    op.create_table(
        "evaluations",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("task_id", _NAME, sa.ForeignKey("tasks.id", name="fk_evaluations_task_id"), nullable=False),
        sa.Column("dataset_id", _NAME, sa.ForeignKey("datasets.id", name="fk_evaluations_dataset_id"), nullable=False),
        sa.Column(
            "candidate", _NAME, sa.ForeignKey("model_versions.id", name="fk_evaluations_candidate"), nullable=False
        ),
        sa.Column("baseline", _NAME, nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("policy", _NAME, nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("metric", _NAME, nullable=False),
        sa.Column("reference", _NAME, nullable=False),
        sa.Column("estimates", sa.Text(), nullable=False),
        sa.Column("verdict", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
    )
    op.create_index("ix_evaluations_task_id", "evaluations", ["task_id"])

    op.create_table(
        "deployments",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("task_id", _NAME, sa.ForeignKey("tasks.id", name="fk_deployments_task_id"), nullable=False),
        sa.Column(
            "model_version_id",
            _NAME,
            sa.ForeignKey("model_versions.id", name="fk_deployments_model_version_id"),
            nullable=False,
        ),
        sa.Column("stage", _NAME, nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("evaluation_id", _NAME, sa.ForeignKey("evaluations.id", name="fk_deployments_evaluation_id")),
        sa.Column("approver", _NAME),
        sa.Column("reason", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.UniqueConstraint("revision", name="uq_deployments_revision"),
    )
    op.create_index("ix_deployments_task_id_revision", "deployments", ["task_id", "revision"])

    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
    )
    op.execute("INSERT INTO revisions (id, value) VALUES (1, 0)")
