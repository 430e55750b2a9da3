"""A specialist in service that starts to fail is taken off by itself, and no caller loses an answer."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.test_second_answers import an_audit
from tests.fakes import a_dataset, a_deployment, a_task, a_version, an_estimate, an_evaluation, an_example
from tests.integration.gateway.conftest import Running, eventually
from tests.integration.gateway.test_specialists import MESSAGES, seen
from tierwright.app.evidence_settings import MonitorSection
from tierwright.app.watching import Watch
from tierwright.core.deployment import Stage
from tierwright.core.errors import StoreError
from tierwright.core.ids import InferenceId
from tierwright.core.incident import Signal
from tierwright.core.model import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierwright.core.task import Task
    from tierwright.store.sql import SqlStore

PERIOD_S = 0.5
RIGHT, WRONG = "card_arrival", "card_lost"


@dataclass
class Permutable:
    """A specialist whose labels can be permuted behind the gateway's back."""

    permuted: bool = False

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """As sure as ever."""
        return [Prediction(output=WRONG if self.permuted else RIGHT, confidence=0.99) for _ in inputs]


def put_live(gateway: Running, specialist: Permutable) -> None:
    """On an evaluation by which at most 6 % of its own answers may be wrong, and at most 6 % differ."""
    version = a_version()
    gateway.shelf.predictors[version.id] = specialist
    gateway.store.put_task(a_task())
    gateway.store.add_dataset(a_dataset(), [an_example()])
    gateway.store.add_version(version)
    gateway.store.add_evaluation(an_evaluation(local_agreement=an_estimate(0.97)))
    gateway.store.add_deployment(a_deployment(created_at=datetime.now(UTC)))
    seen(gateway)


@contextmanager
def watched(gateway: Running, **changes: Any) -> Iterator[Watch]:
    """Something that looks after the gateway's specialists on an event loop of its own, as `tierwright serve` does."""
    watching = Watch(
        gateway.store,
        MonitorSection(**{"period_s": PERIOD_S, **changes}),
        clock=lambda: datetime.now(UTC),
        entropy=lambda: os.urandom(16),
    )
    loop = asyncio.new_event_loop()
    task = loop.create_task(watching.run())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watching
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        assert not thread.is_alive()


@dataclass
class Callers:
    """Real clients that ask all the time; a quarter of the answers, drawn at random, is labelled by a person."""

    gateway: Running
    sent: int = 0
    #: Who served each answer and what it was, in the order in which they came.
    answers: list[tuple[str, str]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    #: When the label of a wrong answer was stored.
    wrong_labels: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def asking(self, callers: int = 3) -> Iterator[None]:
        """Asks while the block runs."""
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(30)

    def served_by(self) -> list[str]:
        """Who served each answer so far."""
        return [served for served, _ in self.answers]

    def _ask(self, seed: int) -> None:
        client, drawn = self.gateway.client(), random.Random(seed)
        while not self._stop.is_set():
            with self._lock:
                self.sent += 1
            try:
                raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
                answer = raw.parse()
                said = answer.choices[0].message.content
                with self._lock:
                    self.answers.append((raw.headers["x-tierwright-served-by"], said))
                if drawn.random() < 0.25:
                    client.post(
                        "/feedback",
                        body={"inference_id": answer.id, "output": RIGHT, "author": "audit:eva"},
                        cast_to=object,
                    )
                    if said != RIGHT:
                        self.wrong_labels.append(time.monotonic())
            except Exception as error:  # noqa: BLE001 - whatever it is, a request was lost
                self.errors.append(error)


@pytest.mark.slow
def test_labels_permuted_behind_the_gateways_back(gateway: Running) -> None:
    """Good for hundreds of answers, then all wrong: rolled back within a period, every request answered."""
    specialist = Permutable()
    put_live(gateway, specialist)
    callers = Callers(gateway)
    with watched(gateway) as watching, callers.asking():
        eventually(lambda: len(callers.answers) > 300 and watching.state.looks >= 3)
        assert gateway.store.incidents() == []
        assert set(callers.served_by()) == {"specialist"}
        specialist.permuted = True
        eventually(lambda: len(gateway.store.incidents()) == 1, within_s=30)
        rolled_back = time.monotonic()
        eventually(lambda: callers.served_by()[-20:] == ["frontier"] * 20)
    assert callers.errors == []
    assert len(callers.answers) == callers.sent
    assert len(gateway.captured(callers.sent)) == callers.sent
    assert {said for served, said in callers.answers if served == "frontier"} == {RIGHT}

    (incident,) = gateway.store.incidents()
    assert incident.signal is Signal.LABEL
    assert incident.limit == pytest.approx(0.06)
    assert incident.e_value >= 1 / incident.delta
    by_id = {kept.id: kept for kept in gateway.store.scan()}
    assert incident.examples
    assert all(WRONG in str(by_id[wrong].response) for wrong in incident.examples)
    (now,) = gateway.store.deployments_in_force()
    assert (now.id, now.stage, now.approver) == (incident.followed_by, Stage.RETIRED, None)
    # When it was looked at before, the evidence was not there: the fifth wrong label had not come.
    assert rolled_back - callers.wrong_labels[4] < PERIOD_S + 1.5
    assert watching.state.rolled_back == 1


def test_audits_that_differ_take_it_off(gateway: Running) -> None:
    """What the frontier model said to a sample of requests is enough, without a person; twice looked, once acted."""
    put_live(gateway, Permutable(permuted=True))
    client = gateway.client()
    ids = [client.chat.completions.create(model="gpt-4o", messages=MESSAGES).id for _ in range(12)]
    gateway.captured(12)
    gateway.store.add_second_answers([an_audit(InferenceId(one), agrees=False) for one in ids])
    sections = [MonitorSection(), MonitorSection()]
    watches = [
        Watch(gateway.store, section, clock=lambda: datetime.now(UTC), entropy=lambda: os.urandom(16))
        for section in sections
    ]
    looks = [watch.look() for watch in watches]
    assert [len(look.incidents) for look in looks] == [1, 0]
    (incident,) = gateway.store.incidents()
    assert incident.signal is Signal.AUDIT
    assert incident.examples == tuple(ids)
    seen(gateway)
    assert gateway.readiness()["specialists"]["live"] == []


class Broken:
    """A store that fails when it is looked at, for a while."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.broken = True

    def tasks(self) -> list[Task]:
        """Fails."""
        if self.broken:
            raise StoreError("the database is away; try again")
        return self._store.tasks()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_monitor_that_fails_costs_nothing(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Requests are answered, readiness says degraded after some failures and ready again, one line is logged."""
    put_live(gateway, Permutable())
    store = Broken(gateway.store)
    watching = Watch(
        store,  # type: ignore[arg-type]  # the little of a store that is needed
        MonitorSection(patience=2),
        clock=lambda: datetime.now(UTC),
        entropy=lambda: os.urandom(16),
    )
    gateway.app.watched_by(watching.state)
    states: list[str] = []
    for _ in range(3):
        assert watching.look_safely() is None
        states.append(gateway.readiness()["status"])
    assert states == ["ready", "degraded", "degraded"]
    assert gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES).choices
    assert gateway.readiness()["monitor"] == {"looks": 0, "failures": 3, "failing": True, "rolled_back": 0}
    assert [record.message for record in caplog.records if "monitor" in record.message] == [
        "the monitor could not look after the specialists, it tries again: the database is away; try again (StoreError)"
    ]
    store.broken = False
    assert watching.look_safely() is not None
    assert gateway.readiness()["status"] == "ready"
    page = gateway.app.metrics.render().decode()
    assert 'tierwright_monitor_looks_total{outcome="failed"} 3.0' in page
    assert "tierwright_monitor_failing 0.0" in page
