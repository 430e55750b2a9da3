"""The one schema, for SQLite and PostgreSQL alike.

Owns names, types, keys and indexes of the tables. Refuses to know how nouns become rows (`rows`) and how a database
gets from one version of the schema to the next (`migrations`); a test proves that both agree with what stands here.

Types, the same on both databases:

- Instants are integer microseconds since 1970 UTC: exact, sortable, and free of any database's idea of a time zone.
- Money is integer pico-dollars (1e-12 USD). Prices are quoted per million tokens, so that one pico-dollar per token
  is a millionth of a dollar in a price list: finer than any price there is. Integers add up exactly on both
  databases, which decimals do not on SQLite (it has binary floats and text, nothing between).
- Names and ids are text that compares by code point: on PostgreSQL by the collation "C", since a prefix search, an
  order or a page boundary must not depend on the language a server was installed in.
- Text out of prompts and answers is bytes (UTF-8): PostgreSQL's text can't hold the character NUL, and neither
  database's text can hold half a surrogate pair; a request can hold both.
- Nested values are JSON in text columns, pure ASCII; nothing queries inside them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

#: The migration this schema is the outcome of.
REVISION = "0012"
#: Where a database says which migration it has; not alembic's own name, so that a PostgreSQL schema can be shared.
VERSION_TABLE = "tierwright_schema"

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_NAME = Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")
_JSON = Text()

inferences = Table(
    "inferences",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("client_id", _NAME, nullable=False),
    Column("workload_id", _NAME),
    # No foreign key: a request that was recognised just before its task was removed must still be kept.
    Column("task_id", _NAME),
    Column("model", _NAME, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error_code", _NAME),
    Column("streamed", Boolean, nullable=False),
    Column("latency_ms", Double),
    Column("overhead_ms", Double),
    Column("route_reason", _NAME, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("deployment_id", _NAME),
    Column("confidence", Double),
    Column("threshold", Double),
    Column("endpoint", _NAME, nullable=False, server_default="chat.completions"),
    Column("key_id", _NAME),
    Column("content", _NAME, nullable=False, server_default="kept"),
    # Which of the calls the caller was answered by: follows from the calls, kept so that the ledger need not search.
    Column("answering_place", Integer),
    Column("data_class", _NAME),
    # Findings of the privacy gate: type and count, and never a value.
    Column("findings", _JSON),
    Column("detectors", _NAME),
    # Of the person it is about: a keyed hash.
    Column("subject", _NAME),
    PrimaryKeyConstraint("id"),
)
Index(None, inferences.c.created_at_us, inferences.c.id)
Index(None, inferences.c.task_id, inferences.c.created_at_us, inferences.c.id)
Index(None, inferences.c.key_id, inferences.c.created_at_us)
Index(None, inferences.c.subject)
# Retention by class would otherwise pass all that is kept longer, batch after batch.
Index(None, inferences.c.data_class, inferences.c.created_at_us)

# Apart from the ledger, so that content can be dropped and the ledger stays.
contents = Table(
    "contents",
    METADATA,
    Column("inference_id", _NAME, ForeignKey("inferences.id", ondelete="CASCADE"), nullable=False),
    Column("request", LargeBinary),
    Column("response", LargeBinary),
    PrimaryKeyConstraint("inference_id"),
)

model_calls = Table(
    "model_calls",
    METADATA,
    Column("inference_id", _NAME, ForeignKey("inferences.id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("role", _NAME, nullable=False),
    Column("backend", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("model_version_id", _NAME),
    Column("upstream_id", _NAME),
    Column("started_at_us", BigInteger, nullable=False),
    Column("latency_ms", Double),
    Column("status", Integer),
    Column("error_code", _NAME),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_estimated", Boolean, nullable=False, server_default=false()),
    Column("first_token_ms", Double),
    Column("cost_pico_usd", BigInteger),
    Column("answered", Boolean, nullable=False),
    PrimaryKeyConstraint("inference_id", "place"),
)

# What calls after the answer have said, apart from the calls: few calls have one, and it is content.
second_answers = Table(
    "second_answers",
    METADATA,
    Column("inference_id", _NAME, ForeignKey("inferences.id", ondelete="CASCADE"), nullable=False),
    # Of the call, among those of its inference.
    Column("place", Integer, nullable=False),
    # No foreign key: a version that was named has no deployment, and what is answered must be kept.
    Column("deployment_id", _NAME, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("confidence", Double),
    Column("output", LargeBinary),
    Column("agrees", Boolean),
    PrimaryKeyConstraint("inference_id", "place"),
)

feedback = Table(
    "feedback",
    METADATA,
    Column("id", _NAME, nullable=False),
    # No foreign key: a person's word may arrive before the inference is imported.
    Column("inference_id", _NAME, nullable=False),
    Column("output", LargeBinary, nullable=False),
    Column("author", _NAME),
    Column("created_at_us", BigInteger, nullable=False),
    Column("client_id", _NAME),
    PrimaryKeyConstraint("id"),
)
Index(None, feedback.c.inference_id)

scores = Table(
    "scores",
    METADATA,
    Column("id", _NAME, nullable=False),
    # No foreign key: as of feedback.
    Column("inference_id", _NAME, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("kind", _NAME, nullable=False),
    Column("number", Double),
    Column("text", LargeBinary),
    Column("comment", LargeBinary),
    Column("author", _NAME),
    Column("created_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
)
Index(None, scores.c.inference_id)

caller_keys = Table(
    "caller_keys",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("client_id", _NAME, nullable=False),
    Column("prefix", _NAME, nullable=False),
    Column("sha256", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger),
    Column("revoked_at_us", BigInteger),
    # Lists of names; null: any.
    Column("tasks", _JSON),
    Column("models", _JSON),
    Column("limits", _JSON, nullable=False),
    Column("keep_content", Boolean, nullable=False),
    Column("data_class", _NAME),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("sha256"),
)

tasks = Table(
    "tasks",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("contract", _JSON, nullable=False),
    Column("frames", _JSON, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("named_by_person", Boolean, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("name"),
)

# What people merged and split, until they undo it.
task_edits = Table(
    "task_edits",
    METADATA,
    Column("id", _NAME, nullable=False),
    # The revision it made: the order of edits, whatever the clocks of those who made them.
    Column("revision", BigInteger, nullable=False),
    Column("edit", _JSON, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("revision"),
)

datasets = Table(
    "datasets",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("contract", _JSON, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("sizes", _JSON, nullable=False),
    Column("excluded", _JSON, nullable=False),
    Column("data_class", _NAME),
    # How many of its examples come from inferences of which class; null: built before it was counted.
    Column("classes", _JSON),
    # Findings in what its examples come from: type and count, and never a value.
    Column("findings", _JSON),
    # Examples that were erased since.
    Column("erased", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("id"),
)
Index(None, datasets.c.task_id)

examples = Table(
    "examples",
    METADATA,
    Column("dataset_id", _NAME, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("id", _NAME, nullable=False),
    Column("input", LargeBinary, nullable=False),
    Column("output", LargeBinary, nullable=False),
    Column("source", _NAME, nullable=False),
    Column("incumbent_output", LargeBinary),
    Column("split", _NAME, nullable=False),
    Column("group_name", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("occurrences", BigInteger, nullable=False),
    PrimaryKeyConstraint("dataset_id", "place"),
)

# All inferences that an example comes from, the earliest too: equal inputs are one example.
example_sources = Table(
    "example_sources",
    METADATA,
    Column("dataset_id", _NAME, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # Of the example, which may have been erased since.
    Column("place", Integer, nullable=False),
    # No foreign key: the dataset outlives the request's retention.
    Column("inference_id", _NAME, nullable=False),
    PrimaryKeyConstraint("dataset_id", "place", "inference_id"),
)
Index(None, example_sources.c.inference_id)

model_versions = Table(
    "model_versions",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("dataset_id", _NAME, ForeignKey("datasets.id"), nullable=False),
    Column("recipe", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("path", _NAME, nullable=False),
    Column("encoder", _NAME),
    Column("threshold", Double),
    Column("seed", BigInteger, nullable=False),
    Column("train_seconds", Double, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("metrics", _JSON, nullable=False),
    PrimaryKeyConstraint("id"),
)
Index(None, model_versions.c.task_id)

evaluations = Table(
    "evaluations",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("dataset_id", _NAME, ForeignKey("datasets.id"), nullable=False),
    Column("candidate", _NAME, ForeignKey("model_versions.id"), nullable=False),
    Column("baseline", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("policy", _NAME, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("margin", Double, nullable=False),
    Column("metric", _NAME, nullable=False),
    Column("reference", _NAME, nullable=False),
    # The five Estimates, by the name of their field.
    Column("estimates", _JSON, nullable=False),
    Column("verdict", _NAME, nullable=False),
    # No foreign key: SQLite can't add one to a table that is there, and experiments are never removed.
    Column("experiment_id", _NAME),
    # Slices and slot errors; null: made before they were kept.
    Column("details", _JSON),
    PrimaryKeyConstraint("id"),
)
Index(None, evaluations.c.task_id)

experiments = Table(
    "experiments",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("dataset_id", _NAME, ForeignKey("datasets.id"), nullable=False),
    Column("test_sha256", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("registration", _JSON, nullable=False),
    PrimaryKeyConstraint("id"),
)
Index(None, experiments.c.task_id)

# What came out on each example of an evaluation: the evidence itself, without any text.
outcomes = Table(
    "outcomes",
    METADATA,
    Column("evaluation_id", _NAME, ForeignKey("evaluations.id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("example_id", _NAME, nullable=False),
    Column("group_name", _NAME, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("local", Boolean, nullable=False),
    # What the metric adds up, of both sides; the slices.
    Column("counts", _JSON, nullable=False),
    PrimaryKeyConstraint("evaluation_id", "place"),
)

certificates = Table(
    "certificates",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("dataset_id", _NAME, ForeignKey("datasets.id"), nullable=False),
    Column("model_version_id", _NAME, ForeignKey("model_versions.id"), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("risk", _NAME, nullable=False),
    Column("level", Double, nullable=False),
    Column("delta", Double, nullable=False),
    Column("threshold", Double),
    Column("n", BigInteger, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("reference", _NAME, nullable=False),
    # The two Estimates, by the name of their field.
    Column("estimates", _JSON, nullable=False),
    Column("labels_needed", BigInteger),
    Column("reason", _NAME, nullable=False),
    PrimaryKeyConstraint("id"),
)
Index(None, certificates.c.task_id)

deployments = Table(
    "deployments",
    METADATA,
    Column("id", _NAME, nullable=False),
    # The revision the decision made: the order of decisions, whatever the clocks of those who made them.
    Column("revision", BigInteger, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("model_version_id", _NAME, ForeignKey("model_versions.id"), nullable=False),
    Column("stage", _NAME, nullable=False),
    Column("share", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("evaluation_id", _NAME, ForeignKey("evaluations.id")),
    Column("approver", _NAME),
    Column("reason", _NAME, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("revision"),
)
Index(None, deployments.c.task_id, deployments.c.revision)

# Written by the monitor, once each: the order of entry is the order in which its tests have bet.
judged_outcomes = Table(
    "judged_outcomes",
    METADATA,
    Column("service_id", _NAME, ForeignKey("deployments.id"), nullable=False),
    Column("place", Integer, nullable=False),
    # No foreign key: the evidence outlives the request's retention.
    Column("inference_id", _NAME, nullable=False),
    Column("signal", _NAME, nullable=False),
    Column("reason", _NAME, nullable=False),
    Column("answered_at_us", BigInteger, nullable=False),
    Column("loss", Double),
    Column("weight", Double, nullable=False),
    PrimaryKeyConstraint("service_id", "place"),
    UniqueConstraint("service_id", "signal", "inference_id"),
)

incidents = Table(
    "incidents",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("task_id", _NAME, ForeignKey("tasks.id"), nullable=False),
    Column("deployment_id", _NAME, ForeignKey("deployments.id"), nullable=False),
    Column("service_id", _NAME, ForeignKey("deployments.id"), nullable=False),
    Column("model_version_id", _NAME, ForeignKey("model_versions.id"), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("signal", _NAME, nullable=False),
    # The error rate that was allowed; "limit" is a word of SQL.
    Column("allowed", Double, nullable=False),
    Column("allowed_from", _NAME, nullable=False),
    Column("e_value", Double, nullable=False),
    Column("delta", Double, nullable=False),
    Column("rate", _JSON, nullable=False),
    Column("first_at_us", BigInteger, nullable=False),
    Column("last_at_us", BigInteger, nullable=False),
    Column("examples", _JSON, nullable=False),
    Column("reports", BigInteger, nullable=False),
    Column("followed_by", _NAME, ForeignKey("deployments.id"), nullable=False),
    Column("summary", _NAME, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("deployment_id"),
)
Index(None, incidents.c.task_id)

# Calls that no request caused. No foreign key: what was paid stays paid when a task is gone.
expenses = Table(
    "expenses",
    METADATA,
    Column("id", _NAME, nullable=False),
    Column("kind", _NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("task_id", _NAME),
    Column("cost_pico_usd", BigInteger),
    PrimaryKeyConstraint("id"),
)
Index(None, expenses.c.at_us)

# What the tokens of conversations stand for, sealed: a digest, and bytes that nobody can read here.
pseudonyms = Table(
    "pseudonyms",
    METADATA,
    Column("conversation", _NAME, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("used_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("conversation"),
)
Index(None, pseudonyms.c.used_at_us)

# One row, made by the migration: how often tasks and deployments were changed.
revisions = Table(
    "revisions",
    METADATA,
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("value", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
)
