"""The whole store on one database: unites the parts by delegation and adds nothing but the connection's own life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from tierwright.store.certificates import SqlCertificates
from tierwright.store.deployments import SqlDeployments
from tierwright.store.edits import SqlTaskEdits
from tierwright.store.erasure import SqlErasure
from tierwright.store.evidence import SqlDatasets, SqlEvaluations, SqlExperiments, SqlModels
from tierwright.store.expenses import SqlExpenses
from tierwright.store.inferences import SqlInferences
from tierwright.store.keys import SqlKeys
from tierwright.store.ledger import SqlLedger
from tierwright.store.monitor import SqlMonitor
from tierwright.store.pseudonyms import SqlPseudonyms
from tierwright.store.retention import SqlRetention
from tierwright.store.schema import REVISION, inferences
from tierwright.store.scores import SqlScores
from tierwright.store.second import SqlSecondAnswers
from tierwright.store.tasks import SqlFeedback, SqlTasks
from tierwright.store.traffic import SqlTraffic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.caller import CallerKey
    from tierwright.core.certificate import Certificate
    from tierwright.core.dataset import Dataset, Example, Split
    from tierwright.core.deployment import Deployment
    from tierwright.core.edit import TaskEdit
    from tierwright.core.erasure import Erasure, Subject
    from tierwright.core.evaluation import Evaluation
    from tierwright.core.expense import Expense, ExpenseSum
    from tierwright.core.experiment import Outcome, Registration
    from tierwright.core.feedback import Feedback, Score
    from tierwright.core.ids import (
        CallerKeyId,
        DatasetId,
        DeploymentId,
        EvaluationId,
        ExperimentId,
        InferenceId,
        TaskEditId,
        TaskId,
    )
    from tierwright.core.incident import ArmTotals, Incident, JudgedAnswer, JudgedOutcome
    from tierwright.core.inference import CallRole, Inference, Wanted
    from tierwright.core.ledger import LedgerLine, ModelGap
    from tierwright.core.model import ModelVersion
    from tierwright.core.privacy import DataClass
    from tierwright.core.second import ComparedAnswer, SecondAnswer
    from tierwright.core.task import Task
    from tierwright.core.traffic import KeptContent, TrafficRow
    from tierwright.privacy.sealing import Envelope
    from tierwright.store.database import Database
    from tierwright.store.seals import Seals


class SqlStore:
    """`Store` on SQLite or PostgreSQL; made by `open_store`. Thread-safe; every method may raise StoreError.

    The promises are those of the protocols in `tierwright.core.protocols`; what a part adds is said there.
    """

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals
        self._inferences = SqlInferences(database, seals)
        self._traffic = SqlTraffic(database, seals)
        self._second = SqlSecondAnswers(database, seals)
        self._retention = SqlRetention(database, seals)
        self._erasure = SqlErasure(database, seals)
        self._feedback = SqlFeedback(database, seals)
        self._scores = SqlScores(database, seals)
        self._tasks = SqlTasks(database)
        self._edits = SqlTaskEdits(database)
        self._datasets = SqlDatasets(database, seals)
        self._models = SqlModels(database)
        self._experiments = SqlExperiments(database)
        self._evaluations = SqlEvaluations(database)
        self._certificates = SqlCertificates(database)
        self._deployments = SqlDeployments(database)
        self._monitor = SqlMonitor(database, seals)
        self._ledger = SqlLedger(database)
        self._expenses = SqlExpenses(database)
        self._keys = SqlKeys(database)
        self._pseudonyms = SqlPseudonyms(database)

    def envelope(self) -> Envelope | None:
        """What seals records that wait for this store; None: content is not sealed."""
        return self._seals.envelope()

    def append(self, inferences: Sequence[Inference]) -> int:
        """As `InferenceStore.append`."""
        return self._inferences.append(inferences)

    def get(self, inference_id: InferenceId) -> Inference:
        """As `InferenceStore.get`."""
        return self._inferences.get(inference_id)

    def found(self, inference_ids: Sequence[InferenceId]) -> dict[InferenceId, Inference]:
        """As `InferenceStore.found`."""
        return self._inferences.found(inference_ids)

    def scan(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        task_id: TaskId | None = None,
        batch: int = 1000,
    ) -> Iterator[Inference]:
        """As `InferenceStore.scan`."""
        return self._inferences.scan(since=since, until=until, task_id=task_id, batch=batch)

    def latest(
        self,
        limit: int,
        *,
        wanted: Wanted | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
        content: bool = False,
    ) -> list[Inference]:
        """As `InferenceStore.latest`."""
        return self._inferences.latest(limit, wanted=wanted, since=since, ended_since=ended_since, content=content)

    def assign(self, pairs: Iterable[tuple[InferenceId, TaskId | None]]) -> None:
        """As `InferenceStore.assign`."""
        self._inferences.assign(pairs)

    def known(self, inference_ids: Sequence[InferenceId]) -> set[InferenceId]:
        """As `InferenceStore.known`."""
        return self._inferences.known(inference_ids)

    def owners(self, inference_ids: Sequence[InferenceId]) -> dict[InferenceId, str]:
        """As `InferenceStore.owners`."""
        return self._inferences.owners(inference_ids)

    def count(self) -> int:
        """As `InferenceStore.count`."""
        return self._inferences.count()

    def incumbent(self, task_id: TaskId) -> str | None:
        """As `InferenceStore.incumbent`."""
        return self._inferences.incumbent(task_id)

    def traffic(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[TrafficRow]:
        """As `TrafficStore.traffic`."""
        return self._traffic.traffic(since=since, until=until)

    def contents(self, inference_ids: Iterable[InferenceId]) -> Iterator[KeptContent]:
        """As `TrafficStore.contents`."""
        return self._traffic.contents(inference_ids)

    def add_second_answers(self, given: Sequence[SecondAnswer]) -> set[InferenceId]:
        """As `SecondAnswerStore.add_second_answers`."""
        return self._second.add_second_answers(given)

    def second_answers(
        self,
        task_id: TaskId,
        *,
        role: CallRole | None = None,
        deployment_id: DeploymentId | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[ComparedAnswer]:
        """As `SecondAnswerStore.second_answers`."""
        return self._second.second_answers(task_id, role=role, deployment_id=deployment_id, since=since, until=until)

    def expire_content(
        self, before: datetime, *, classes: Collection[DataClass | None] | None = None, batch: int = 1000
    ) -> int:
        """As `RetentionStore.expire_content`."""
        return self._retention.expire_content(before, classes=classes, batch=batch)

    def expire_keys(self, before: datetime) -> int:
        """As `RetentionStore.expire_keys`."""
        return self._retention.expire_keys(before)

    def expire_inferences(self, before: datetime, *, batch: int = 1000) -> int:
        """As `RetentionStore.expire_inferences`."""
        return self._retention.expire_inferences(before, batch=batch)

    def rotate_content_key(self, content_key: bytes) -> int:
        """As `ErasureStore.rotate_content_key`."""
        return self._erasure.rotate_content_key(content_key)

    def clients(self) -> list[str]:
        """As `ErasureStore.clients`."""
        return self._erasure.clients()

    def erase(
        self, subjects: Sequence[Subject], requests: Sequence[InferenceId], *, at: datetime, dry_run: bool = False
    ) -> Erasure:
        """As `ErasureStore.erase`."""
        return self._erasure.erase(subjects, requests, at=at, dry_run=dry_run)

    def erase_again(self, *, at: datetime, dry_run: bool = False) -> Erasure:
        """As `ErasureStore.erase_again`."""
        return self._erasure.erase_again(at=at, dry_run=dry_run)

    def add_feedback(self, feedback: Sequence[Feedback]) -> int:
        """As `FeedbackStore.add_feedback`."""
        return self._feedback.add_feedback(feedback)

    def feedback_of_task(self, task_id: TaskId) -> Mapping[InferenceId, Feedback]:
        """As `FeedbackStore.feedback_of_task`."""
        return self._feedback.feedback_of_task(task_id)

    def add_scores(self, scores: Sequence[Score]) -> int:
        """As `FeedbackStore.add_scores`."""
        return self._scores.add_scores(scores)

    def scores_of(self, inference_ids: Sequence[InferenceId]) -> list[Score]:
        """As `FeedbackStore.scores_of`."""
        return self._scores.scores_of(inference_ids)

    def scores_of_task(self, task_id: TaskId) -> list[Score]:
        """As `FeedbackStore.scores_of_task`."""
        return self._scores.scores_of_task(task_id)

    def put_task(self, task: Task) -> None:
        """As `TaskStore.put_task`."""
        self._tasks.put_task(task)

    def task(self, name_or_id: str) -> Task:
        """As `TaskStore.task`."""
        return self._tasks.task(name_or_id)

    def tasks(self) -> list[Task]:
        """As `TaskStore.tasks`."""
        return self._tasks.tasks()

    def remove_task(self, task_id: TaskId) -> None:
        """As `TaskStore.remove_task`."""
        self._tasks.remove_task(task_id)

    def task_edits(self) -> list[TaskEdit]:
        """As `TaskEditStore.task_edits`."""
        return self._edits.task_edits()

    def edit_tasks(
        self,
        *,
        put: Sequence[Task],
        remove: Sequence[TaskId] = (),
        add: TaskEdit | None = None,
        drop: TaskEditId | None = None,
    ) -> None:
        """As `TaskEditStore.edit_tasks`."""
        self._edits.edit_tasks(put=put, remove=remove, add=add, drop=drop)

    def move_inferences(self, task_id: TaskId, to: TaskId) -> int:
        """As `TaskEditStore.move_inferences`."""
        return self._edits.move_inferences(task_id, to)

    def built_for(self, task_id: TaskId) -> list[str]:
        """As `TaskEditStore.built_for`."""
        return self._edits.built_for(task_id)

    def add_dataset(self, dataset: Dataset, examples: Sequence[Example], *, task: Task | None = None) -> None:
        """As `DatasetStore.add_dataset`."""
        self._datasets.add_dataset(dataset, examples, task=task)

    def dataset(self, dataset_id: DatasetId) -> Dataset:
        """As `DatasetStore.dataset`."""
        return self._datasets.dataset(dataset_id)

    def datasets(self, task_id: TaskId | None = None) -> list[Dataset]:
        """As `DatasetStore.datasets`."""
        return self._datasets.datasets(task_id)

    def examples(self, dataset_id: DatasetId, split: Split | None = None) -> list[Example]:
        """As `DatasetStore.examples`."""
        return self._datasets.examples(dataset_id, split)

    def add_version(self, version: ModelVersion) -> None:
        """As `ModelStore.add_version`."""
        self._models.add_version(version)

    def version(self, version_id: str) -> ModelVersion:
        """As `ModelStore.version`."""
        return self._models.version(version_id)

    def versions(self, task_id: TaskId | None = None) -> list[ModelVersion]:
        """As `ModelStore.versions`."""
        return self._models.versions(task_id)

    def add_experiment(self, registration: Registration) -> None:
        """As `ExperimentStore.add_experiment`."""
        self._experiments.add_experiment(registration)

    def experiment(self, experiment_id: ExperimentId) -> Registration:
        """As `ExperimentStore.experiment`."""
        return self._experiments.experiment(experiment_id)

    def experiments(self, task_id: TaskId | None = None) -> list[Registration]:
        """As `ExperimentStore.experiments`."""
        return self._experiments.experiments(task_id)

    def add_evaluation(self, evaluation: Evaluation, outcomes: Sequence[Outcome] = ()) -> None:
        """As `EvaluationStore.add_evaluation`."""
        self._evaluations.add_evaluation(evaluation, outcomes)

    def outcomes(self, evaluation_id: EvaluationId) -> list[Outcome]:
        """As `EvaluationStore.outcomes`."""
        return self._evaluations.outcomes(evaluation_id)

    def evaluation(self, evaluation_id: EvaluationId) -> Evaluation:
        """As `EvaluationStore.evaluation`."""
        return self._evaluations.evaluation(evaluation_id)

    def evaluations(self, task_id: TaskId | None = None) -> list[Evaluation]:
        """As `EvaluationStore.evaluations`."""
        return self._evaluations.evaluations(task_id)

    def add_certificate(self, certificate: Certificate) -> None:
        """As `CertificateStore.add_certificate`."""
        self._certificates.add_certificate(certificate)

    def certificates(self, task_id: TaskId | None = None) -> list[Certificate]:
        """As `CertificateStore.certificates`."""
        return self._certificates.certificates(task_id)

    def add_deployment(self, deployment: Deployment) -> None:
        """As `DeploymentStore.add_deployment`."""
        self._deployments.add_deployment(deployment)

    def deployments_in_force(self) -> list[Deployment]:
        """As `DeploymentStore.deployments_in_force`."""
        return self._deployments.deployments_in_force()

    def shadows_in_force(self) -> list[Deployment]:
        """As `DeploymentStore.shadows_in_force`."""
        return self._deployments.shadows_in_force()

    def deployments(self, task_id: TaskId | None = None) -> list[Deployment]:
        """As `DeploymentStore.deployments`."""
        return self._deployments.deployments(task_id)

    def revision(self) -> int:
        """As `DeploymentStore.revision`."""
        return self._deployments.revision()

    def judged_answers(
        self, deployment_ids: Sequence[DeploymentId], *, unless_entered_for: DeploymentId, since: datetime | None = None
    ) -> list[JudgedAnswer]:
        """As `MonitorStore.judged_answers`."""
        return self._monitor.judged_answers(deployment_ids, unless_entered_for=unless_entered_for, since=since)

    def enter_judged(self, outcomes: Sequence[JudgedOutcome]) -> bool:
        """As `MonitorStore.enter_judged`."""
        return self._monitor.enter_judged(outcomes)

    def judged_outcomes(self, service_id: DeploymentId, *, start: int = 0) -> list[JudgedOutcome]:
        """As `MonitorStore.judged_outcomes`."""
        return self._monitor.judged_outcomes(service_id, start=start)

    def arm_totals(self, deployment_id: DeploymentId) -> list[ArmTotals]:
        """As `MonitorStore.arm_totals`."""
        return self._monitor.arm_totals(deployment_id)

    def add_incident(self, incident: Incident, decision: Deployment) -> bool:
        """As `MonitorStore.add_incident`."""
        return self._monitor.add_incident(incident, decision)

    def incidents(self, task_id: TaskId | None = None) -> list[Incident]:
        """As `MonitorStore.incidents`."""
        return self._monitor.incidents(task_id)

    def ledger(self, *, since: datetime | None = None, until: datetime | None = None) -> list[LedgerLine]:
        """As `LedgerStore.ledger`."""
        return self._ledger.ledger(since=since, until=until)

    def gaps(self, *, since: datetime | None = None, until: datetime | None = None) -> list[ModelGap]:
        """As `LedgerStore.gaps`."""
        return self._ledger.gaps(since=since, until=until)

    def add_expenses(self, given: Iterable[Expense]) -> None:
        """As `ExpenseStore.add_expenses`."""
        self._expenses.add_expenses(given)

    def expense_sums(self, *, since: datetime | None = None, until: datetime | None = None) -> list[ExpenseSum]:
        """As `ExpenseStore.expense_sums`."""
        return self._expenses.expense_sums(since=since, until=until)

    def add_key(self, key: CallerKey) -> None:
        """As `KeyStore.add_key`."""
        self._keys.add_key(key)

    def revoke_key(self, key_id: CallerKeyId, at: datetime) -> None:
        """As `KeyStore.revoke_key`."""
        self._keys.revoke_key(key_id, at)

    def keys(self) -> list[CallerKey]:
        """As `KeyStore.keys`."""
        return self._keys.keys()

    def spent(self, key_id: CallerKeyId, since: datetime) -> Decimal:
        """As `KeyStore.spent`."""
        return self._keys.spent(key_id, since)

    def pseudonyms(self, conversation: str, *, since: datetime) -> bytes | None:
        """As `PseudonymStore.pseudonyms`."""
        return self._pseudonyms.pseudonyms(conversation, since=since)

    def put_pseudonyms(self, conversation: str, sealed: bytes, *, at: datetime) -> None:
        """As `PseudonymStore.put_pseudonyms`."""
        self._pseudonyms.put_pseudonyms(conversation, sealed, at=at)

    def expire_pseudonyms(self, before: datetime) -> int:
        """As `PseudonymStore.expire_pseudonyms`."""
        return self._pseudonyms.expire_pseudonyms(before)

    def ping(self) -> str:
        """As `Store.ping`."""
        name, version = ("PostgreSQL", "current_setting('server_version')")
        if not self._database.is_postgres:
            name, version = ("SQLite", "sqlite_version()")
        with self._database.read() as connection:
            release = connection.execute(text(f"SELECT {version}")).scalar_one()
            kept = connection.execute(select(func.count()).select_from(inferences)).scalar_one()
        return f"{name} {release} at {self._database.place}: {kept:,} inferences, schema {REVISION}"

    def close(self) -> None:
        """As `Store.close`."""
        self._database.dispose()
        if self._seals.register is not None:
            self._seals.register.close()
