"""The parts of `privacy check`, made from the settings or, where there are none, from the built-in policy.

Owns which settings hold for it; refuses to explain anything itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tierwright.app.privacy_check import Checker
from tierwright.app.privacy_gate import detectors_of, started
from tierwright.app.settings import load_settings
from tierwright.app.wiring import open_parts
from tierwright.core.privacy import DataClass, Declared
from tierwright.privacy.looking import Looker
from tierwright.privacy.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tierwright.app.privacy_check import Checked
    from tierwright.privacy.plugins.host import PluginDetector

#: What a detector has for a text where no settings say it, in seconds.
_TIMEOUT_S = 0.25
#: Of the key of a memory that lasts as long as the command.
_SECRET_BYTES = 32


class Checks:
    """A `Checker` for callers without an event loop."""

    def __init__(self, checker: Checker, runner: asyncio.Runner, *, gated: bool) -> None:
        self._checker, self._runner = checker, runner
        #: Whether the settings configure a gate.
        self.gated = gated

    def text(self, text: str) -> Checked:
        """As `Checker.text`."""
        return self._runner.run(self._checker.text(text))

    def lines(self, lines: Sequence[str]) -> list[Checked]:
        """As `Checker.line`, of each, one after another."""
        return self._runner.run(self._each(lines))

    async def _each(self, lines: Sequence[str]) -> list[Checked]:
        return [await self._checker.line(line) for line in lines]


@contextmanager
def checks(config: Path | None, declared: DataClass | None) -> Iterator[Checks]:
    """What explains by a settings file, with its detectors; None: by the built-in policy, which knows no backend.

    Raises SettingsError as `load_settings` does, and where a detector is none.
    """
    settings = None if config is None else load_settings(config, os.environ)
    privacy = None if settings is None else settings.privacy
    policy = Policy(backends={}) if privacy is None else privacy.policy
    detectors: list[PluginDetector] = []
    timeout_s = _TIMEOUT_S
    with ExitStack() as open_ones:
        if settings is not None and privacy is not None and privacy.detectors:
            detectors, timeout_s = detectors_of(privacy, open_ones.enter_context(open_parts(settings)))
        runner = open_ones.enter_context(asyncio.Runner())
        looker = Looker(detectors, timeout_s=timeout_s, secret=secrets.token_bytes(_SECRET_BYTES))
        open_ones.callback(lambda: runner.run(looker.aclose()))
        runner.run(started(detectors))
        ungated = None
        if settings is not None and privacy is None:
            ungated = frozenset(backend.name for backend in settings.backends)
        said = policy.undeclared if declared is None else Declared(data_class=declared, by="caller")
        checker = Checker(policy, looker, declared=said, clock=lambda: datetime.now(UTC), ungated=ungated)
        yield Checks(checker, runner, gated=ungated is None)
