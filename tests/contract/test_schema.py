"""The schema that migrations make is the schema the program uses, on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from tierwright.core.errors import StoreError
from tierwright.store.connection import open_store
from tierwright.store.schema import METADATA, REVISION, VERSION_TABLE
from tierwright.store.upgrade import configuration

if TYPE_CHECKING:
    from pathlib import Path


def _differences(url: str) -> list[object]:
    engine = create_engine(url)
    with engine.connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "version_table": VERSION_TABLE,
        }
        found = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    engine.dispose()
    return list(found)


def _run(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_migrations_make_the_schema_in_use(store_url: str) -> None:
    """Alembic's own comparison finds nothing to add, remove or change."""
    open_store(store_url).close()
    assert _differences(store_url) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DROP INDEX ix_feedback_inference_id",
        "ALTER TABLE inferences ADD COLUMN surplus TEXT",
        "DROP TABLE contents",
    ],
)
def test_the_comparison_sees_a_difference(store_url: str, damage: str) -> None:
    """The comparison this module rests on would fail where the schemas differ."""
    open_store(store_url).close()
    _run(store_url, damage)
    assert _differences(store_url) != []


def test_names_compare_by_code_point_on_postgres(postgres_url: str) -> None:
    """Every name column has the collation "C", which Alembic does not compare."""
    open_store(postgres_url).close()
    engine = create_engine(postgres_url)
    inspector = inspect(engine)
    other = {
        f"{table}.{column['name']}"
        for table in METADATA.tables
        for column in inspector.get_columns(table)
        if column["type"].python_type is str and getattr(column["type"], "collation", None) != "C"
    }
    engine.dispose()
    assert other == {
        "tasks.contract",
        "tasks.frames",
        "task_edits.edit",
        "inferences.findings",
        "datasets.contract",
        "datasets.classes",
        "datasets.findings",
        "datasets.sizes",
        "datasets.excluded",
        "model_versions.metrics",
        "caller_keys.tasks",
        "caller_keys.models",
        "caller_keys.limits",
        "evaluations.estimates",
        "evaluations.details",
        "experiments.registration",
        "outcomes.counts",
        "incidents.examples",
        "incidents.rate",
        "certificates.estimates",
    }


def test_the_newest_migration_is_the_one_the_schema_names(tmp_path: Path) -> None:
    """`schema.REVISION` is the head of the scripts, and the scripts are one line without forks."""
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(configuration(connection))
    engine.dispose()
    assert scripts.get_heads() == [REVISION]
    numbers = [script.revision for script in scripts.walk_revisions()]
    # `upgrade` tells newer from older by comparing the numbers as text.
    assert numbers == sorted(numbers, reverse=True)
    assert all(len(number) == 4 and number.isdigit() for number in numbers)


def test_a_database_of_a_newer_version_is_refused(store_url: str) -> None:
    """It is left alone, and the message says to upgrade."""
    open_store(store_url).close()
    _run(store_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"schema 9999.*upgrade Tierwright"):
        open_store(store_url)


def test_somebody_elses_tables_are_left_alone(store_url: str) -> None:
    """A database that holds a table of our name but not our version is refused and not touched."""
    _run(store_url, "CREATE TABLE tasks (what TEXT)")
    with pytest.raises(StoreError, match=r"did not make \(tasks\)"):
        open_store(store_url)
    engine = create_engine(store_url)
    assert inspect(engine).get_table_names() == ["tasks"]
    engine.dispose()


def test_other_tables_beside_ours_do_no_harm(store_url: str) -> None:
    """A schema may be shared with a program whose tables have other names, its alembic_version included."""
    _run(store_url, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    _run(store_url, "INSERT INTO alembic_version VALUES ('abcdef')")
    store = open_store(store_url)
    assert store.count() == 0
    store.close()
