"""The parts of `privacy check`, made from the settings or, where there are none, from the built-in policy.

Owns which settings hold for it; refuses to explain anything itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tierwright.app.privacy_check import Checker
from tierwright.app.settings import load_settings
from tierwright.core.privacy import DataClass, Declared
from tierwright.privacy.looking import Looker
from tierwright.privacy.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tierwright.app.privacy_check import Checked

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
    """What explains by a settings file; None: by the built-in policy, which knows no backend.

    Raises SettingsError as `load_settings` does.
    """
    settings = None if config is None else load_settings(config, os.environ)
    privacy = None if settings is None else settings.privacy
    policy = Policy(backends={}) if privacy is None else privacy.policy
    looker = Looker(
        class_of=policy.class_of,
        timeout_s=_TIMEOUT_S if privacy is None else privacy.detector_timeout_s,
        secret=secrets.token_bytes(_SECRET_BYTES),
    )
    ungated = None
    if settings is not None and privacy is None:
        ungated = frozenset(backend.name for backend in settings.backends)
    said = Declared(data_class=policy.default_class) if declared is None else Declared(data_class=declared, by="caller")
    checker = Checker(policy, looker, declared=said, clock=lambda: datetime.now(UTC), ungated=ungated)
    with asyncio.Runner() as runner:
        try:
            yield Checks(checker, runner, gated=ungated is None)
        finally:
            runner.run(looker.aclose())
