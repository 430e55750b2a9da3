"""Takes a changed settings file while the gateway of this process answers.

All of it or nothing: a file that can't be taken changes nothing, is logged and shows in readiness.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tierwright.app.service import waits_for_restart
from tierwright.app.settings import load_settings
from tierwright.core.errors import TierwrightError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.app.service import Service
    from tierwright.app.settings import Settings

_LOG = logging.getLogger(__name__)


class Reloading:
    """Reads the settings file of a running gateway again, once for each time it is asked to."""

    def __init__(self, service: Service, environment: Mapping[str, str]) -> None:
        self._service = service
        self._environment = environment
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Begins to read it, on the event loop."""
        task = asyncio.create_task(self._reload(), name="tierwright-reload")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        service, metrics = self._service, self._service.app.metrics
        async with self._one_at_a_time:
            before = service.settings
            try:
                settings = load_settings(before.path, self._environment)
                change = await asyncio.to_thread(service.prepare, settings)
            except TierwrightError as error:
                note_refused(str(error))
                service.app.settings_error = str(error)
                metrics.settings_changed(taken=False)
                return
            service.adopt(change)
            service.app.settings_error = None
            metrics.settings_changed(taken=True)
            note_taken(before, settings)


def note_refused(why: str) -> None:
    """Says in the log that settings were not taken."""
    _LOG.error("the settings stay as they were: %s", why)


def note_taken(before: Settings, after: Settings) -> None:
    """Says in the log that settings were taken, and what of them was not."""
    _LOG.info("the settings of %s are in force", after.path)
    later = waits_for_restart(before, after)
    if later:
        _LOG.warning("of the changed settings %s hold from the next start on", ", ".join(later))
