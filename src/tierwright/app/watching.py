"""Looks after all specialists in service, again and again, beside the gateway or by itself.

Owns when they are looked at and what becomes of a look that fails. Fails safe: a look that fails takes nothing off,
costs no request anything, is logged and counted, and is made up for by the next one. After some failures in a row
readiness says so. Never in the path of a request: it reads the store from a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.errors import TierwrightError
from tierwright.gateway.health import MonitorState
from tierwright.lifecycle.monitor import Monitor, MonitorRules

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tierwright.app.evidence_settings import MonitorSection
    from tierwright.app.wiring import Parts
    from tierwright.core.incident import Incident
    from tierwright.core.protocols import Store
    from tierwright.core.task import Task
    from tierwright.lifecycle.monitor import Standing

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at everything came to."""

    standings: tuple[Standing, ...]
    #: Specialists that were taken off by this look.
    incidents: tuple[Incident, ...]


class Watch:
    """Looks after the services of a store."""

    def __init__(
        self,
        store: Store,
        section: MonitorSection,
        *,
        clock: Callable[[], datetime],
        entropy: Callable[[], bytes],
    ) -> None:
        """`entropy` gives 16 random bytes."""
        self._store = store
        self._section = section
        self._clock = clock
        self._entropy = entropy
        self._monitor = Monitor(store, monitor_rules(section))
        self._state = MonitorState(patience=section.patience)
        #: Failures that were logged last, so that each kind is logged once.
        self._said: str | None = None

    @property
    def state(self) -> MonitorState:
        """How the looking itself is doing."""
        return self._state

    def look(self) -> Look:
        """Looks once at every task with a specialist in service, and takes off what breaks its promise.

        A task that can't be looked at does not keep the others from it; the first such error is raised at the end.
        """
        standings: list[Standing] = []
        incidents: list[Incident] = []
        failed: TierwrightError | None = None
        for task in self._store.tasks():
            try:
                incident = self._look_at(task, standings)
            except TierwrightError as error:
                failed = failed or error
                continue
            if incident is not None:
                incidents.append(incident)
        self._state.rolled_back += len(incidents)
        if failed is not None:
            raise failed
        return Look(standings=tuple(standings), incidents=tuple(incidents))

    async def run(self) -> None:
        """Looks at once and then in every period, until it is cancelled."""
        while True:
            await asyncio.to_thread(self.look_safely)
            await asyncio.sleep(self._section.period_s)

    def look_safely(self) -> Look | None:
        """As `look`; what fails is logged and counted. None: it failed."""
        try:
            found = self.look()
        except TierwrightError as error:
            self._failed(error, str(error))
        except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: it goes on looking
            # Only our own messages are known to hold no text of anybody's.
            self._failed(error, "unexpected; please report it")
        else:
            self._state.looks += 1
            self._state.failures_in_a_row = 0
            self._said = None
            return found
        return None

    def _look_at(self, task: Task, standings: list[Standing]) -> Incident | None:
        standing = self._monitor.look(task, at=self._clock())
        if standing is None:
            return None
        standings.append(standing)
        incident = self._monitor.act(standing, at=self._clock(), entropy=self._entropy())
        if incident is not None:
            _LOG.error("the specialist of '%s' was taken off by %s", task.name, incident.summary)
        return incident

    def _failed(self, error: Exception, what: str) -> None:
        self._state.failures += 1
        self._state.failures_in_a_row += 1
        name = error.__class__.__name__
        if self._said != name:
            _LOG.error("the monitor could not look after the specialists, it tries again: %s (%s)", what, name)
        self._said = name


def monitor_rules(section: MonitorSection) -> MonitorRules:
    """What the settings say of what is watched for."""
    return MonitorRules(
        delta=section.delta,
        per_task=section.per_task,
        level=section.level,
        limit=section.limit,
    )


def watch(parts: Parts) -> Watch | None:
    """What looks after the specialists of a gateway; None: the settings want nobody to."""
    section = parts.settings.file.monitor
    if not section.enabled:
        return None
    return Watch(parts.store, section, clock=parts.clock, entropy=parts.entropy)
