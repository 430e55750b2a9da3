"""The specialists that answer now: watches the deployments and swaps what serves in one step, without a restart.

Fails open: what can't be loaded leaves its task on the frontier model, is logged once and shown by readiness. Refuses
to decide about deployments (lifecycle) and to know how a specialist is loaded (`SpecialistLoader`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tierwright.core.deployment import Deployment, Stage
from tierwright.core.errors import StoreError, TierwrightError
from tierwright.core.ids import DeploymentId
from tierwright.core.protocols import SecondAnswerStore
from tierwright.gateway.batching import PredictionQueue
from tierwright.gateway.recognise import TaskIndex
from tierwright.gateway.tenancy.quota import period_start
from tierwright.gateway.wire import header_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.caller import CallerKey
    from tierwright.core.ids import CallerKeyId, ModelVersionId, TaskId
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import SpecialistLoader
    from tierwright.core.task import Task
    from tierwright.gateway.config import RoutingConfig
    from tierwright.gateway.local import SpecialistTerms

_LOG = logging.getLogger(__name__)
#: Looks at the deployments between two attempts to load what could not be loaded.
_RETRY_EVERY = 60
#: Versions that are kept loaded because callers named them.
_MOST_PINS = 8


class ServingStore(SecondAnswerStore, Protocol):
    """The little of a store that serving needs; every `core.protocols.Store` is one."""

    def tasks(self) -> list[Task]:
        """As `TaskStore.tasks`."""

    def version(self, version_id: str) -> ModelVersion:
        """As `ModelStore.version`."""

    def deployments_in_force(self) -> list[Deployment]:
        """As `DeploymentStore.deployments_in_force`."""

    def shadows_in_force(self) -> list[Deployment]:
        """As `DeploymentStore.shadows_in_force`."""

    def revision(self) -> int:
        """As `DeploymentStore.revision`."""

    def versions(self, task_id: TaskId | None = None) -> list[ModelVersion]:
        """As `ModelStore.versions`."""

    def incumbent(self, task_id: TaskId) -> str | None:
        """As `InferenceStore.incumbent`."""

    def keys(self) -> list[CallerKey]:
        """As `KeyStore.keys`."""

    def spent(self, key_id: CallerKeyId, since: datetime) -> Decimal:
        """As `KeyStore.spent`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSpecialist:
    """A deployment in force with its loaded model."""

    task: Task
    deployment: Deployment
    version: ModelVersion
    terms: SpecialistTerms
    queue: PredictionQueue

    @property
    def model(self) -> str:
        """What a ModelCall says was asked."""
        return f"{self.version.recipe}-{self.version.id[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a request's route depends on, of one moment; replaced as a whole."""

    #: The store's revision it was made from; None: none could be read yet.
    revision: int | None = None
    index: TaskIndex = field(default_factory=TaskIndex)
    specialists: Mapping[TaskId, LiveSpecialist] = field(default_factory=dict)
    #: Those on trial, which answer copies only.
    shadows: Mapping[TaskId, LiveSpecialist] = field(default_factory=dict)
    #: The tasks known, by name.
    tasks: Mapping[str, Task] = field(default_factory=dict)
    #: The callers' keys, revoked ones too.
    keys: Sequence[CallerKey] = ()
    #: What keys with a budget had spent since an instant, their period's begin, when this was read.
    spent: Mapping[CallerKeyId, tuple[datetime, Decimal]] = field(default_factory=dict)
    #: Task names as header values.
    labels: Mapping[TaskId, bytes] = field(default_factory=dict)
    #: Class of the error by task name, for deployments that could not be loaded.
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def live_tasks(self) -> list[str]:
        """Names of the tasks that have a specialist, sorted."""
        return sorted(live.task.name for live in self.specialists.values())


class SpecialistRegistry:
    """Holds the current snapshot and renews it when the store's revision grows."""

    def __init__(
        self,
        store: ServingStore,
        loader: SpecialistLoader,
        *,
        terms: Callable[[Deployment, ModelVersion], SpecialistTerms],
        config: RoutingConfig,
        clock: Callable[[], datetime],
        renewed: Callable[[Snapshot], None] = lambda _: None,
    ) -> None:
        """`terms` is asked once for each deployment, in a thread; it may raise any TierwrightError.

        `renewed` is told each new snapshot, on the event loop.
        """
        self._clock = clock
        self._renewed = renewed
        self._store = store
        self._loader = loader
        self._terms = terms
        self._config = config
        self._predicting = ThreadPoolExecutor(config.predict_threads, thread_name_prefix="tierwright-predict")
        # By themselves and behind everything else: what answers copies must not keep anybody waiting.
        self._trying = ThreadPoolExecutor(1, thread_name_prefix="tierwright-shadow", initializer=_stand_back)
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="tierwright-load")
        self._watching: asyncio.Task[None] | None = None
        #: Versions that callers named, the longest known first; used in the loading thread only.
        self._pins: dict[ModelVersionId, LiveSpecialist] = {}
        self._logged: set[tuple[DeploymentId, str]] = set()
        #: Class of the error of the last look at the store; None: it succeeded.
        self.store_error: str | None = None
        self.snapshot = Snapshot()
        #: Incumbents read for the snapshot beside them.
        self._incumbents: dict[TaskId, str | None] = {}
        self._incumbents_of = self.snapshot

    async def start(self) -> None:
        """Loads what is deployed and begins to watch; a store that can't be read is tried again later."""
        await self._look(retry=True)
        self._watching = asyncio.create_task(self._watch(), name="tierwright-watch-deployments")

    async def aclose(self) -> None:
        """Stops watching and predicting."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._loading.shutdown(wait=False, cancel_futures=True)
        self._predicting.shutdown(wait=False, cancel_futures=True)
        self._trying.shutdown(wait=False, cancel_futures=True)

    async def incumbent(self, task: Task) -> str | None:
        """The model that callers ask for, for a task; read once for each snapshot. None: it was never asked of one.

        Fails open: where the store can't be read it is None.
        """
        if self._incumbents_of is not self.snapshot:
            self._incumbents, self._incumbents_of = {}, self.snapshot
        found = self._incumbents
        if task.id not in found:
            try:
                loop = asyncio.get_running_loop()
                found[task.id] = await loop.run_in_executor(self._loading, self._store.incumbent, task.id)
            except StoreError as error:
                self._note_store_error(error, str(error))
                return None
        return found[task.id]

    async def pinned(self, task: Task, number: int) -> LiveSpecialist | None:
        """The task's version of that number, the oldest being 1, loaded if need be; None: there is none that loads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._loading, self._pinned_version, task, number)

    def _pinned_version(self, task: Task, number: int) -> LiveSpecialist | None:
        """Runs in the loading thread."""
        try:
            versions = sorted(self._store.versions(task.id), key=lambda version: (version.created_at, version.id))
            if number > len(versions):
                return None
            version = versions[number - 1]
            live = self.snapshot.specialists.get(task.id)
            found = live if live is not None and live.version.id == version.id else self._pins.get(version.id)
            if found is None:
                found = self._live(task, _pin(task, version), None)
                self._pins[version.id] = found
                while len(self._pins) > _MOST_PINS:
                    self._pins.pop(next(iter(self._pins)))
        except TierwrightError as error:
            _LOG.error("version %d of '%s' can't be loaded: %s", number, task.name, error)
            return None
        return found

    async def _watch(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(self._config.poll_interval_s)
            looks += 1
            await self._look(retry=looks % _RETRY_EVERY == 0)

    async def _look(self, *, retry: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            revision = await loop.run_in_executor(self._loading, self._store.revision)
            if revision != self.snapshot.revision or (retry and self.snapshot.failures):
                self.snapshot = await loop.run_in_executor(self._loading, self._load, revision, self.snapshot)
                self._renewed(self.snapshot)
            self.store_error = None
        except StoreError as error:
            self._note_store_error(error, str(error))
        except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: serving goes on with what there is
            self._note_store_error(error, "unexpected; please report it")

    def _note_store_error(self, error: Exception, what: str) -> None:
        name = error.__class__.__name__
        if self.store_error != name:
            _LOG.error("the deployments can't be read, serving goes on with those known: %s (%s)", what, name)
        self.store_error = name

    def _load(self, revision: int, before: Snapshot) -> Snapshot:
        """Runs in a thread. The revision was read first: what changes meanwhile is seen by the next look."""
        tasks = {task.id: task for task in self._store.tasks()}
        keys, now = self._store.keys(), self._clock()
        specialists: dict[TaskId, LiveSpecialist] = {}
        shadows: dict[TaskId, LiveSpecialist] = {}
        failures: dict[str, str] = {}
        for deployment in [*self._store.deployments_in_force(), *self._store.shadows_in_force()]:
            task = tasks.get(deployment.task_id)
            if task is None or deployment.stage is Stage.RETIRED:
                continue
            is_shadow = deployment.stage is Stage.SHADOW
            found, known = (shadows, before.shadows) if is_shadow else (specialists, before.specialists)
            try:
                found[task.id] = self._live(task, deployment, known.get(task.id))
            except Exception as error:  # noqa: BLE001 - a worker's loop: one broken artifact must not stop the others
                failures[f"{task.name} (shadow)" if is_shadow else task.name] = error.__class__.__name__
                self._log_once(task, deployment, error)
        return Snapshot(
            revision=revision,
            index=TaskIndex(tasks.values()),
            specialists=specialists,
            shadows=shadows,
            tasks={task.name: task for task in tasks.values()},
            keys=keys,
            spent={
                key.id: (begun, self._store.spent(key.id, begun))
                for key in keys
                if key.limits.budget_usd is not None
                for begun in (period_start(key.limits.budget_period, now),)
            },
            labels={task.id: header_text(task.name) for task in tasks.values()},
            failures=failures,
        )

    def _live(self, task: Task, deployment: Deployment, before: LiveSpecialist | None) -> LiveSpecialist:
        version = self._store.version(deployment.model_version_id)
        terms = self._terms(deployment, version)
        if before is not None and before.version.id == version.id:
            queue = before.queue
        else:
            predictor = self._loader.load(version)
            # The first prediction is the slowest, and one that fails should fail here.
            predictor.predict([""])
            queue = PredictionQueue(
                predictor,
                name=task.name,
                executor=self._trying if deployment.stage is Stage.SHADOW else self._predicting,
                timeout_s=self._config.specialist_timeout_s,
                limit=self._config.predict_batch_limit,
            )
        return LiveSpecialist(task=task, deployment=deployment, version=version, terms=terms, queue=queue)

    def _log_once(self, task: Task, deployment: Deployment, error: Exception) -> None:
        key = (deployment.id, error.__class__.__name__)
        if key not in self._logged:
            self._logged.add(key)
            # Only our own messages are known to hold no text of anybody's.
            what = str(error) if isinstance(error, TierwrightError) else "unexpected; please report it"
            then = "nothing is shadowed" if deployment.stage is Stage.SHADOW else "the frontier model answers"
            _LOG.error(
                "the specialist of '%s' can't be loaded, %s: %s (%s)",
                task.name,
                then,
                what,
                error.__class__.__name__,
            )


def _stand_back() -> None:
    """Puts the calling thread behind the others of this machine, where the system can."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _pin(task: Task, version: ModelVersion) -> Deployment:
    """What stands for the deployment of a version that was named and need not be deployed."""
    return Deployment(
        id=DeploymentId(f"pin-{version.id[:12]}"),
        task_id=task.id,
        model_version_id=version.id,
        stage=Stage.RETIRED,
        share=0.0,
        threshold=0.0,
        created_at=version.created_at,
        evaluation_id=None,
    )
