"""Looking after specialists: when, and what becomes of a look that fails."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import a_deployment, a_task, after
from tests.unit.lifecycle.test_monitor import Memory
from tierwright.app.evidence_settings import MonitorSection
from tierwright.app.settings import parse_settings
from tierwright.app.supervisor import Supervisor
from tierwright.app.watching import Watch, monitor_rules
from tierwright.core.errors import SettingsError, StoreError
from tierwright.core.ids import TaskId

if TYPE_CHECKING:
    from tierwright.core.task import Task

OTHER = a_task(id=TaskId("task-2"), name="refund")


class Tasks(Memory):
    """A store of two tasks; what is asked of the first fails if told to."""

    fails: Exception | None = None

    def tasks(self) -> list[Task]:
        """Both."""
        return [a_task(), OTHER]

    def deployments(self, task_id: TaskId | None = None) -> Any:
        """Those of a task."""
        if self.fails is not None and task_id == a_task().id:
            raise self.fails
        return [row for row in super().deployments() if row.task_id == task_id]


def a_watch(store: Memory, **changes: Any) -> Watch:
    """What looks after a store."""
    return Watch(
        store,  # type: ignore[arg-type]  # the little of a store that is needed
        MonitorSection(**changes),
        clock=lambda: after(100),
        entropy=lambda: bytes(range(16)),
    )


def test_a_task_that_fails_does_not_keep_the_others_from_being_looked_at() -> None:
    """The second task's specialist is taken off though the first can't be read, and the failure is counted."""
    store = Tasks(a_deployment(task_id=OTHER.id))
    store.fails = StoreError("away")
    store.say(30, right=False)
    watching = a_watch(store)
    assert watching.look_safely() is None
    assert len(store.kept) == 1
    state = watching.state
    assert (state.looks, state.failures, state.rolled_back) == (0, 1, 1)
    store.fails = None
    assert watching.look_safely() is not None
    assert (state.looks, state.failures, state.failures_in_a_row) == (1, 1, 0)


def test_what_nobody_expected_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """A defect of ours may hold anybody's words: its class is logged, once, and the looking goes on."""
    store = Tasks()
    store.fails = RuntimeError("where is my card?")
    watching = a_watch(store, patience=2)
    assert [watching.look_safely() for _ in range(3)] == [None] * 3
    assert watching.state.trouble
    (line,) = [record.message for record in caplog.records]
    assert "RuntimeError" in line
    assert "card" not in line


def test_it_looks_again_in_every_period() -> None:
    """At once, and then every so many seconds, until it is cancelled."""
    watching = a_watch(Tasks(), period_s=0.01)

    async def some_looks() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(watching.run(), 1.0)

    asyncio.run(some_looks())
    assert watching.state.looks >= 3


def test_a_supervisor_says_how_the_looking_goes() -> None:
    """Readiness and metrics of several workers hold what their supervisor's own looking has come to."""
    text = b'[server]\nworkers = 2\n[[backends]]\nname = "b"\nbase_url = "http://127.0.0.1:9/v1"\n'
    settings = parse_settings(text, Path("tierwright.toml"), {})
    watching = a_watch(Tasks())
    watching.look_safely()
    supervisor = Supervisor(settings, environment={}, announce=lambda _: None, watching=watching)
    state = asyncio.run(supervisor.readiness())
    assert state["monitor"] == {"looks": 1, "failures": 0, "failing": False, "rolled_back": 0}
    page = asyncio.run(supervisor.metrics()).decode()
    assert 'tierwright_monitor_looks_total{outcome="done"} 1.0' in page


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("period_s = 0", "period_s must be above 0"),
        ("patience = 0", "patience at least 1"),
        ("delta = 0", "monitor.delta must lie between"),
        ("level = 1", "monitor.level must lie between"),
        ("limit = 1.0", "monitor.limit"),
        ("limit = -0.1", "monitor.limit"),
        ("limit = nan", "monitor.limit"),
        ("often = true", "often"),
    ],
)
def test_settings_that_make_no_sense_are_refused(line: str, said: str) -> None:
    """Each says which key it is."""
    with pytest.raises(SettingsError, match=said):
        parse_settings(f"[monitor]\n{line}\n".encode(), Path("tierwright.toml"), {})


def test_settings_say_what_is_watched_for() -> None:
    """Each key reaches the rules."""
    found = monitor_rules(MonitorSection(delta=0.01, per_task=True, level=0.9, limit=0.2))
    assert (found.delta, found.per_task, found.level, found.limit) == (0.01, True, 0.9, 0.2)
