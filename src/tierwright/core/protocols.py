"""The seams: what may be replaced, and what every replacement promises.

Each has at least two implementations. A stage asks for the narrow store it needs; only `app` holds a `Store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
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
    from tierwright.core.inference import CallRole, Inference, Route, Wanted
    from tierwright.core.ledger import LedgerLine, ModelGap
    from tierwright.core.model import ModelVersion, Prediction
    from tierwright.core.privacy import (
        Assessment,
        DataClass,
        Declared,
        Denial,
        Found,
        Outgoing,
        Permit,
        Permitted,
        Sending,
    )
    from tierwright.core.second import ComparedAnswer, SecondAnswer
    from tierwright.core.task import Task
    from tierwright.core.traffic import KeptContent, TrafficRow


class Reply(Protocol):
    """A backend's answer, while it arrives."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers worth passing on, names in lower case."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it arrives; once. Raises BackendError where it stops half-way."""

    async def aclose(self) -> None:
        """Gives the connection back, or cuts it where the body was not read to its end."""


class Backend(Protocol):
    """A model server."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    async def send(self, outgoing: Outgoing, *, permit: Permit, timeout_s: float) -> Reply:
        """Posts a body and returns when the status is known; `timeout_s` bounds the whole call, besides its settings.

        Raises PermitError, and sends nothing, where the permit is not for these bytes and this backend;
        BackendUnavailable where nothing was sent, else BackendLost, BackendTimeout or BackendBroken. An error status
        is a Reply, not an exception.
        """

    async def ping(self) -> str:
        """One line on how the server is doing; raises BackendError where it is not."""

    async def aclose(self) -> None:
        """Closes its connections."""


class Detector(Protocol):
    """Looks for personal and secret data, beside the rules. It only adds to what they find."""

    @property
    def name(self) -> str:
        """Its name in settings and ledgers."""

    @property
    def version(self) -> str:
        """Changes whenever the same text may give other findings."""

    async def find(self, texts: Sequence[str]) -> Sequence[Sequence[Found]]:
        """What is in each text, in order. Raises where it can't tell; whoever asks bounds the time."""

    async def aclose(self) -> None:
        """Ends what it runs on."""


class Gate(Protocol):
    """Decides what may leave, and makes the permits without which nothing does. Fails closed."""

    async def assess(self, payload: object, *, declared: Declared, body: bytes | None = None) -> Assessment:
        """The class of a request, given as decoded JSON. Never raises for what is in it or in its detectors' hands.

        `body`: the bytes it was decoded from, which `permit` need not look at again where they leave as they came.
        """

    def permitted(self, data_class: DataClass) -> Permitted:
        """Which backends may see such data at this moment."""

    async def permit(
        self, outgoing: Outgoing, *, backend: str, assessment: Assessment | None, sending: Sending
    ) -> Permit | Denial:
        """Looks at the very bytes, decides, and returns when the decision is durable in the ledger.

        The class is what was declared in `assessment`, raised by what is seen in the bytes: those of a pseudonymised
        request show less than the request did. None: nobody declared anything, and the policy's default holds.
        """

    def refused(self, *, assessment: Assessment, sending: Sending, excluded: Mapping[str, str]) -> None:
        """Notes in the ledger that a request was sent to nobody, and why each backend may not see it.

        Returns at once: nothing has left, so that nobody waits for the disk. Never raises.
        """

    def pseudonymised(self, request_id: str, counts: Mapping[str, int]) -> None:
        """Notes that stretches of a request became tokens: how many, by type of finding.

        Returns at once; it stands in the ledger before the permit of the bytes that came of it.
        """

    def check(self, permit: Permit, outgoing: Outgoing, *, backend: str) -> None:
        """Spends a permit. Raises PermitError where it is not for these bytes and this backend, or was spent before."""


class Encoder(Protocol):
    """Turns texts into sentence embeddings; the array type is left to the packages that have arrays."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the embeddings could."""


class Predictor(Protocol):
    """A loaded specialist."""

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction for each input, in order. Thread-safe; any string is an answerable input."""


class SpecialistLoader(Protocol):
    """Loads what was trained, exactly as it was evaluated."""

    def load(self, version: ModelVersion) -> Predictor:
        """Raises ArtifactError where the artifact is damaged or something it needs is missing."""


class RoutePolicy(Protocol):
    """Decides who may answer. A pure function: `draw` in [0, 1) is the only randomness."""

    def decide(self, deployment: Deployment | None, *, draw: float) -> Route:
        """The route before the specialist is asked; reason SPECIALIST means it is to be asked."""


class Scorer(Protocol):
    """Compares an answer with the right one."""

    @property
    def name(self) -> str:
        """What it measures, as the field calls it."""

    def score(self, right: str, answer: str) -> float:
        """A number in [0, 1]."""


class InferenceStore(Protocol):
    """What was asked and answered."""

    def append(self, inferences: Sequence[Inference]) -> int:
        """Keeps those whose id is not yet known, all or none, durably on return; returns how many were new."""

    def get(self, inference_id: InferenceId) -> Inference:
        """Raises NotFound."""

    def found(self, inference_ids: Sequence[InferenceId]) -> Mapping[InferenceId, Inference]:
        """Those of them that there are, with their content."""

    def scan(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        task_id: TaskId | None = None,
        batch: int = 1000,
    ) -> Iterator[Inference]:
        """All with since <= created_at < until, by (created_at, id); never more than a batch in memory."""

    def latest(
        self,
        limit: int,
        *,
        wanted: Wanted | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
        content: bool = False,
    ) -> list[Inference]:
        """At most so many with created_at >= since and created_at + latency >= ended_since, the newest first.

        The order is that of (created_at, id). Without `content` requests and answers are left out, as if not kept.
        What is stored when an answer has ended is found by `ended_since`, however long the answer took.
        """

    def assign(self, pairs: Iterable[tuple[InferenceId, TaskId | None]]) -> None:
        """Says which task each inference belongs to; None: to none."""

    def known(self, inference_ids: Sequence[InferenceId]) -> set[InferenceId]:
        """Those of them that there are."""

    def owners(self, inference_ids: Sequence[InferenceId]) -> Mapping[InferenceId, str]:
        """The client of each of them that there is."""

    def count(self) -> int:
        """How many there are."""

    def incumbent(self, task_id: TaskId) -> str | None:
        """The model that callers asked for most in the newest inferences of a task; aliases don't count. None: none."""


class TrafficStore(Protocol):
    """The same, read in bulk: millions of inferences, a few columns of each."""

    def traffic(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[TrafficRow]:
        """One row for each with since <= created_at < until, by (created_at, id); never more than a page in memory."""

    def contents(self, inference_ids: Iterable[InferenceId]) -> Iterator[KeptContent]:
        """What was asked and answered, in the order of the ids; those of which nothing is kept are passed over."""


class SecondAnswerStore(Protocol):
    """What other models said to requests that had their answer already."""

    def add_second_answers(self, given: Sequence[SecondAnswer]) -> set[InferenceId]:
        """Adds each call to its inference, durably; returns the inferences that are not in the store (yet).

        A call of a role that the inference has already is left out.
        """

    def second_answers(
        self,
        task_id: TaskId,
        *,
        role: CallRole | None = None,
        deployment_id: DeploymentId | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[ComparedAnswer]:
        """Those of a task's requests with since <= created_at < until, the oldest first."""


class RetentionStore(Protocol):
    """What is kept for a time only; removed where it lies, and never read for it."""

    def expire_content(
        self, before: datetime, *, classes: Collection[DataClass | None] | None = None, batch: int = 1000
    ) -> int:
        """Removes the content of at most so many inferences made before an instant; returns of how many. 0: none left.

        Their ledger stays and says that the content expired; content that examples were built from stays in these.
        `classes`: only of inferences of these, None among them for those that have none; None: of all.
        """

    def expire_keys(self, before: datetime) -> int:
        """Destroys the keys of days that ended before an instant, and of nothing else; returns how many there were.

        The content they sealed is to have expired: it can't be read any more, in backups of the store either.
        """

    def expire_inferences(self, before: datetime, *, batch: int = 1000) -> int:
        """Removes at most so many inferences made before an instant, calls and content with them; returns how many."""


class ErasureStore(Protocol):
    """What somebody has a right to have removed."""

    def clients(self) -> list[str]:
        """The callers of all inferences, by name."""

    def erase(
        self, subjects: Sequence[Subject], requests: Sequence[InferenceId], *, at: datetime, dry_run: bool = False
    ) -> Erasure:
        """Removes all that people's requests until an instant, and the named requests, have left; for good.

        What comes again of it later, by a journal or a log, is kept without content. Examples go, their datasets stay
        and say how many are missing. `dry_run`: nothing is changed. Raises UsageError where nothing can be noted.
        """

    def rotate_content_key(self, content_key: bytes) -> int:
        """Wraps the keys of content by another content key, 32 bytes; returns how many keys there are.

        Content itself stays as it is. The settings are to name the new key from then on. Raises UsageError where
        nothing is sealed.
        """

    def erase_again(self, *, at: datetime, dry_run: bool = False) -> Erasure:
        """Removes all that was ever erased once more, after the store was restored from a backup."""


class FeedbackStore(Protocol):
    """What people said about answers."""

    def add_feedback(self, feedback: Sequence[Feedback]) -> int:
        """Keeps those whose id is not yet known; returns how many were new. Feedback may precede its inference."""

    def feedback_of_task(self, task_id: TaskId) -> Mapping[InferenceId, Feedback]:
        """The word on each inference of a task that has one: the operator's newest, else the callers' newest."""

    def add_scores(self, scores: Sequence[Score]) -> int:
        """Keeps those whose id is not yet known; returns how many were new. A score may precede its inference."""

    def scores_of(self, inference_ids: Sequence[InferenceId]) -> list[Score]:
        """All scores of some inferences, the oldest first."""

    def scores_of_task(self, task_id: TaskId) -> list[Score]:
        """All scores of a task's inferences, the oldest first."""


class TaskStore(Protocol):
    """The tasks known."""

    def put_task(self, task: Task) -> None:
        """Keeps or replaces a task. Raises Conflict where another task has its name."""

    def task(self, name_or_id: str) -> Task:
        """Raises NotFound."""

    def tasks(self) -> list[Task]:
        """All, by name."""

    def remove_task(self, task_id: TaskId) -> None:
        """Forgets a task that nothing was built for; its inferences belong to none. Raises Conflict otherwise."""


class TaskEditStore(Protocol):
    """What people merged and split."""

    def task_edits(self) -> list[TaskEdit]:
        """All that were not undone, in the order in which they were made."""

    def edit_tasks(
        self,
        *,
        put: Sequence[Task],
        remove: Sequence[TaskId] = (),
        add: TaskEdit | None = None,
        drop: TaskEditId | None = None,
    ) -> None:
        """Removes tasks, keeps others and notes an edit, or forgets one: all or nothing.

        The inferences of a task that is removed are left as they are: `move_inferences` gives them to another. Raises
        Conflict where a name is taken or something was built for a task to be removed, NotFound where an edit to be
        dropped is not there.
        """

    def move_inferences(self, task_id: TaskId, to: TaskId) -> int:
        """Gives all inferences of one task to another, a batch at a time; returns how many."""

    def built_for(self, task_id: TaskId) -> list[str]:
        """What was made for a task, in words: datasets, models, evaluations, deployments; empty: nothing."""


class DatasetStore(Protocol):
    """The datasets built; never changed."""

    def add_dataset(self, dataset: Dataset, examples: Sequence[Example], *, task: Task | None = None) -> None:
        """Keeps a dataset; one that is there already is left as it is.

        A task is kept with it, both or neither. Raises Conflict where another task has that task's name.
        """

    def dataset(self, dataset_id: DatasetId) -> Dataset:
        """Raises NotFound."""

    def datasets(self, task_id: TaskId | None = None) -> list[Dataset]:
        """All, newest first."""

    def examples(self, dataset_id: DatasetId, split: Split | None = None) -> list[Example]:
        """Those of one split, or all, in the dataset's order."""


class ModelStore(Protocol):
    """The model versions trained."""

    def add_version(self, version: ModelVersion) -> None:
        """Keeps a version; one that is there already is left as it is."""

    def version(self, version_id: str) -> ModelVersion:
        """By id or an unambiguous prefix of it. Raises NotFound."""

    def versions(self, task_id: TaskId | None = None) -> list[ModelVersion]:
        """All, newest first."""


class ExperimentStore(Protocol):
    """The experiments registered; never changed."""

    def add_experiment(self, registration: Registration) -> None:
        """Keeps a registration; one that is there already is left as it is."""

    def experiment(self, experiment_id: ExperimentId) -> Registration:
        """Raises NotFound."""

    def experiments(self, task_id: TaskId | None = None) -> list[Registration]:
        """All, newest first."""


class EvaluationStore(Protocol):
    """The comparisons made; never changed."""

    def add_evaluation(self, evaluation: Evaluation, outcomes: Sequence[Outcome] = ()) -> None:
        """Keeps an evaluation and what came out on each example, both or neither."""

    def outcomes(self, evaluation_id: EvaluationId) -> list[Outcome]:
        """What came out on each example of an evaluation, in order; none where it was not kept."""

    def evaluation(self, evaluation_id: EvaluationId) -> Evaluation:
        """Raises NotFound."""

    def evaluations(self, task_id: TaskId | None = None) -> list[Evaluation]:
        """All, newest first."""


class CertificateStore(Protocol):
    """The attempts to certify a threshold; never changed."""

    def add_certificate(self, certificate: Certificate) -> None:
        """Keeps a certificate. Raises Conflict where its id is there already and says something else."""

    def certificates(self, task_id: TaskId | None = None) -> list[Certificate]:
        """All, newest first."""


class DeploymentStore(Protocol):
    """The decisions about what serves; append-only."""

    def add_deployment(self, deployment: Deployment) -> None:
        """Keeps a decision; it is in force from now on."""

    def deployments_in_force(self) -> list[Deployment]:
        """The newest decision of each task that has one, retired ones too; shadows are none of these."""

    def shadows_in_force(self) -> list[Deployment]:
        """The newest decision of each task for which it is a shadow."""

    def deployments(self, task_id: TaskId | None = None) -> list[Deployment]:
        """All, newest first."""

    def revision(self) -> int:
        """Grows with every change to tasks, deployments and keys: cheap to ask, so that a gateway can watch it."""


class MonitorStore(Protocol):
    """What became known about the answers of specialists in service, and what was done about it."""

    def judged_answers(
        self, deployment_ids: Sequence[DeploymentId], *, unless_entered_for: DeploymentId, since: datetime | None = None
    ) -> list[JudgedAnswer]:
        """Answers under some decisions on which somebody has spoken since, in the order in which they spoke.

        Left out is what is entered for a service already, for the same signal.
        """

    def enter_judged(self, outcomes: Sequence[JudgedOutcome]) -> bool:
        """Keeps outcomes, all or none, durably; False: none, since another process has entered some there."""

    def judged_outcomes(self, service_id: DeploymentId, *, start: int = 0) -> list[JudgedOutcome]:
        """Those of a service from a place on, in the order of entry."""

    def arm_totals(self, deployment_id: DeploymentId) -> list[ArmTotals]:
        """Sums over the requests under a decision, by the arm they were drawn into; at most two."""

    def add_incident(self, incident: Incident, decision: Deployment) -> bool:
        """Keeps an incident and the decision that follows, both or neither; False where neither was kept.

        They are kept only while the decision that the incident is about is in force: two processes that see the same
        act once.
        """

    def incidents(self, task_id: TaskId | None = None) -> list[Incident]:
        """All, newest first."""


class LedgerStore(Protocol):
    """Sums over what was done, computed where the rows are."""

    def ledger(self, *, since: datetime | None = None, until: datetime | None = None) -> list[LedgerLine]:
        """One line for each task, answering backend and route reason."""

    def gaps(self, *, since: datetime | None = None, until: datetime | None = None) -> list[ModelGap]:
        """Models with calls that have no price, no tokens or estimated ones, the most unpriced first."""


class ExpenseStore(Protocol):
    """What was paid beside the requests."""

    def add_expenses(self, given: Iterable[Expense]) -> None:
        """Keeps those whose id is not yet known, all or none, durably on return."""

    def expense_sums(self, *, since: datetime | None = None, until: datetime | None = None) -> list[ExpenseSum]:
        """One for each kind and task with since <= at < until."""


class KeyStore(Protocol):
    """The keys of callers. Revoked ones stay: the ledger names them."""

    def add_key(self, key: CallerKey) -> None:
        """Keeps a key. Raises Conflict where its id or its hash is there already."""

    def revoke_key(self, key_id: CallerKeyId, at: datetime) -> None:
        """Has it refused from an instant on; one revoked before stays so since then. Raises NotFound."""

    def keys(self) -> list[CallerKey]:
        """All, oldest first, the expired and revoked too."""

    def spent(self, key_id: CallerKeyId, since: datetime) -> Decimal:
        """US dollars of all priced calls of the key's inferences with created_at >= since."""


class PseudonymStore(Protocol):
    """What the tokens of conversations stand for, sealed: nobody can read it here."""

    def pseudonyms(self, conversation: str, *, since: datetime) -> bytes | None:
        """What was put for a conversation at or after an instant; None: nothing."""

    def put_pseudonyms(self, conversation: str, sealed: bytes, *, at: datetime) -> None:
        """Keeps or replaces what is known of a conversation, durably."""

    def expire_pseudonyms(self, before: datetime) -> int:
        """Removes the conversations of which nothing was put since; returns how many."""


class Store(
    InferenceStore,
    TrafficStore,
    SecondAnswerStore,
    RetentionStore,
    ErasureStore,
    FeedbackStore,
    TaskStore,
    TaskEditStore,
    DatasetStore,
    ModelStore,
    ExperimentStore,
    EvaluationStore,
    CertificateStore,
    DeploymentStore,
    MonitorStore,
    LedgerStore,
    ExpenseStore,
    KeyStore,
    PseudonymStore,
    Protocol,
):
    """Everything; held only by `app`."""

    def close(self) -> None:
        """Gives back its connections."""

    def ping(self) -> str:
        """One line on how it is doing; raises StoreError where it is not."""


__all__ = [
    "Backend",
    "CertificateStore",
    "DatasetStore",
    "DeploymentStore",
    "Encoder",
    "ErasureStore",
    "EvaluationStore",
    "ExperimentStore",
    "FeedbackStore",
    "InferenceStore",
    "KeyStore",
    "LedgerStore",
    "ModelStore",
    "MonitorStore",
    "Predictor",
    "PseudonymStore",
    "Reply",
    "RetentionStore",
    "RoutePolicy",
    "Scorer",
    "SecondAnswerStore",
    "SpecialistLoader",
    "Store",
    "TaskEditStore",
    "TaskStore",
]
