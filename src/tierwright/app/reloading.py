"""Takes a changed settings file while a gateway answers, whether one process does or several.

All of it or nothing: a file that can't be taken changes nothing, is logged and shows in readiness.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from tierwright.app.service import waits_for_restart
from tierwright.app.settings import load_settings
from tierwright.core.errors import TierwrightError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.app.settings import Settings

_LOG = logging.getLogger(__name__)


class Reloadable(Protocol):
    """A gateway whose settings can change."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    async def change(self, settings: Settings) -> None:
        """Answers by other settings from now on. Raises TierwrightError where it can't, and has changed nothing."""

    def changed(self, error: str | None) -> None:
        """Told what became of a change: why it was refused, None: it was taken."""


class Reloading:
    """Reads the settings file of a running gateway again, once for each time it is asked to."""

    def __init__(self, gateway: Reloadable, environment: Mapping[str, str]) -> None:
        self._gateway = gateway
        self._environment = environment
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Begins to read it, on the event loop."""
        task = asyncio.create_task(self._reload(), name="tierwright-reload")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        gateway = self._gateway
        async with self._one_at_a_time:
            before = gateway.settings
            try:
                settings = load_settings(before.path, self._environment)
                await gateway.change(settings)
            except TierwrightError as error:
                _LOG.error("the settings stay as they were: %s", error)
                gateway.changed(str(error))
                return
            gateway.changed(None)
            _LOG.info("the settings of %s are in force", settings.path)
            later = waits_for_restart(before, settings)
            if later:
                _LOG.warning("of the changed settings %s hold from the next start on", ", ".join(later))
