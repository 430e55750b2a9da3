"""Datasets, model versions, experiments and evaluations, in SQL.

Owns the tables `datasets`, `examples`, `example_sources`, `model_versions`, `experiments`, `evaluations` and
`outcomes`: written once, and changed by nothing but an erasure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from tierwright.core.errors import Conflict, NotFound
from tierwright.core.instants import to_us
from tierwright.store.origins import origins_of
from tierwright.store.rows.evidence import (
    dataset_of,
    dataset_row,
    evaluation_of,
    evaluation_row,
    example_of,
    example_row,
    source_rows,
    version_of,
    version_row,
)
from tierwright.store.rows.experiment import outcome_of, outcome_row, registration_of, registration_row
from tierwright.store.rows.scalars import to_name
from tierwright.store.schema import (
    datasets,
    evaluations,
    example_sources,
    examples,
    experiments,
    model_versions,
    outcomes,
)
from tierwright.store.seals import dataset_label, example_place
from tierwright.store.tasks import keep_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Row, Table

    from tierwright.core.dataset import Dataset, Example, Split
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.experiment import Outcome, Registration
    from tierwright.core.ids import DatasetId, EvaluationId, ExperimentId, TaskId
    from tierwright.core.model import ModelVersion
    from tierwright.core.task import Task
    from tierwright.store.database import Database
    from tierwright.store.seals import Closer, Seals

#: Examples that are rows in memory at a time.
_BATCH = 5000
#: How many versions a message names that begin with the same digits.
_NAMED = 5


class SqlDatasets:
    """The `DatasetStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def add_dataset(self, dataset: Dataset, given: Sequence[Example], *, task: Task | None = None) -> None:
        """As `DatasetStore.add_dataset`: one transaction. A Conflict, too, where a source was erased meanwhile."""
        self._check_sources(given)
        statement = self._database.insert(datasets).on_conflict_do_nothing().returning(datasets.c.id)
        labels, closer = self._labels(dataset, given)
        with self._database.write() as connection:
            if task is not None:
                keep_task(self._database, connection, task)
            is_new = connection.execute(statement, dataset_row(dataset)).first() is not None
            for begin in range(0, len(given) if is_new else 0, _BATCH):
                batch = list(enumerate(given[begin : begin + _BATCH], begin))
                rows = [_sealed(example_row(dataset.id, place, one), labels, closer) for place, one in batch]
                connection.execute(insert(examples), rows)
                if sources := [row for place, one in batch for row in source_rows(dataset.id, place, one)]:
                    connection.execute(insert(example_sources), sources)

    def _check_sources(self, given: Sequence[Example]) -> None:
        register = self._seals.register
        if register is not None and register.erased_requests({to_name(s) for one in given for s in one.sources}):
            raise Conflict("requests that examples come from were erased while the dataset was built; build it again")

    def _labels(self, dataset: Dataset, given: Sequence[Example]) -> tuple[Mapping[str, str], Closer]:
        """What each example is sealed under, by its id, and what seals it."""
        if not self._seals.active:
            return {}, self._seals.closing((), 0)
        origins = origins_of(self._database, [to_name(one.id) for one in given])
        people = {name: origin.subject for name, origin in origins.items() if origin and origin.subject}
        own = dataset_label(dataset.id)
        labels = {name: people.get(name, own) for name in (to_name(one.id) for one in given)}
        return labels, self._seals.closing(set(labels.values()), to_us(dataset.created_at))

    def dataset(self, dataset_id: DatasetId) -> Dataset:
        """As `DatasetStore.dataset`."""
        with self._database.read() as connection:
            row = connection.execute(select(datasets).where(datasets.c.id == dataset_id)).first()
        if row is None:
            raise NotFound(f"there is no dataset {dataset_id!r}; `tierwright dataset build` makes one")
        return dataset_of(row)

    def datasets(self, task_id: TaskId | None = None) -> list[Dataset]:
        """As `DatasetStore.datasets`."""
        return [dataset_of(row) for row in _newest_first(self._database, datasets, task_id)]

    def examples(self, dataset_id: DatasetId, split: Split | None = None) -> list[Example]:
        """As `DatasetStore.examples`; none where there is no such dataset."""
        statement = select(examples).where(examples.c.dataset_id == dataset_id).order_by(examples.c.place)
        if split is not None:
            statement = statement.where(examples.c.split == split.value)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        opener = self._seals.opening(cell for row in rows for cell in (row.input, row.output, row.incumbent_output))
        return [example_of(row, opener) for row in rows if not opener.erased(row.input)]


def _sealed(row: dict[str, Any], labels: Mapping[str, str], closer: Closer) -> dict[str, Any]:
    """A row of `examples` with its texts sealed."""
    if closer:
        for name in ("input", "output", "incumbent_output"):
            place = example_place(row["dataset_id"], row["place"], name)
            row[name] = closer.sealed(row[name], labels[row["id"]], place)
    return row


class SqlModels:
    """The `ModelStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_version(self, version: ModelVersion) -> None:
        """As `ModelStore.add_version`."""
        row = version_row(version)
        with self._database.write() as connection:
            connection.execute(self._database.insert(model_versions).values(row).on_conflict_do_nothing())

    def version(self, version_id: str) -> ModelVersion:
        """As `ModelStore.version`."""
        wanted = to_name(version_id)
        ids = model_versions.c.id
        # A range, not LIKE: LIKE ignores case on SQLite and reads % and _ on both. No text that begins with the
        # prefix comes after the prefix followed by the last of all characters.
        among = select(model_versions).where(ids >= wanted, ids <= f"{wanted}\U0010ffff").order_by(ids).limit(_NAMED)
        with self._database.read() as connection:
            rows = connection.execute(among).all()
        if not wanted or not rows:
            raise NotFound(f"there is no model version {version_id!r}; `tierwright model list` shows those there are")
        if len(rows) > 1 and rows[0].id != wanted:
            named = ", ".join(row.id for row in rows)
            raise NotFound(f"several model versions begin with {version_id!r} ({named}); give more digits")
        return version_of(rows[0])

    def versions(self, task_id: TaskId | None = None) -> list[ModelVersion]:
        """As `ModelStore.versions`."""
        return [version_of(row) for row in _newest_first(self._database, model_versions, task_id)]


class SqlEvaluations:
    """The `EvaluationStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_evaluation(self, evaluation: Evaluation, found: Sequence[Outcome] = ()) -> None:
        """As `EvaluationStore.add_evaluation`; the same one again is left as it is, another of its id is a Conflict."""
        row = evaluation_row(evaluation)
        statement = self._database.insert(evaluations).on_conflict_do_nothing().returning(evaluations.c.id)
        with self._database.write() as connection:
            if connection.execute(statement, row).first() is not None:
                for begin in range(0, len(found), _BATCH):
                    batch = enumerate(found[begin : begin + _BATCH], begin)
                    rows = [outcome_row(evaluation.id, place, one) for place, one in batch]
                    connection.execute(insert(outcomes), rows)
                return
            kept = connection.execute(select(evaluations).where(evaluations.c.id == evaluation.id)).one()
        if kept._asdict() != row:
            raise Conflict(f"evaluation {evaluation.id} is in the store already and says something else")

    def evaluation(self, evaluation_id: EvaluationId) -> Evaluation:
        """As `EvaluationStore.evaluation`."""
        with self._database.read() as connection:
            row = connection.execute(select(evaluations).where(evaluations.c.id == evaluation_id)).first()
        if row is None:
            raise NotFound(f"there is no evaluation {evaluation_id!r}; `tierwright eval run` makes one")
        return evaluation_of(row)

    def evaluations(self, task_id: TaskId | None = None) -> list[Evaluation]:
        """As `EvaluationStore.evaluations`."""
        return [evaluation_of(row) for row in _newest_first(self._database, evaluations, task_id)]

    def outcomes(self, evaluation_id: EvaluationId) -> list[Outcome]:
        """As `EvaluationStore.outcomes`."""
        statement = select(outcomes).where(outcomes.c.evaluation_id == evaluation_id).order_by(outcomes.c.place)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [outcome_of(row) for row in rows]


class SqlExperiments:
    """The `ExperimentStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_experiment(self, registration: Registration) -> None:
        """As `ExperimentStore.add_experiment`."""
        row = registration_row(registration)
        with self._database.write() as connection:
            connection.execute(self._database.insert(experiments).values(row).on_conflict_do_nothing())

    def experiment(self, experiment_id: ExperimentId) -> Registration:
        """As `ExperimentStore.experiment`."""
        with self._database.read() as connection:
            row = connection.execute(select(experiments).where(experiments.c.id == experiment_id)).first()
        if row is None:
            raise NotFound(f"there is no experiment {experiment_id!r}; `tierwright eval plan` registers one")
        return registration_of(row)

    def experiments(self, task_id: TaskId | None = None) -> list[Registration]:
        """As `ExperimentStore.experiments`."""
        return [registration_of(row) for row in _newest_first(self._database, experiments, task_id)]


def _newest_first(database: Database, table: Table, task_id: TaskId | None) -> Sequence[Row[Any]]:
    statement = select(table).order_by(table.c.created_at_us.desc(), table.c.id.desc())
    if task_id is not None:
        statement = statement.where(table.c.task_id == task_id)
    with database.read() as connection:
        return connection.execute(statement).all()
