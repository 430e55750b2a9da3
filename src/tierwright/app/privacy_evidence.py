"""Gathers what the privacy report is made from: the ledger and its verdict, the settings of today, the store's keys.

Owns what is missing or wrong and how it is said; refuses to add anything up (`privacy.tally` does) and to show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.app.privacy_register import Keeping
from tierwright.app.privacy_report import BROKEN, NO_GATE, NO_LEDGER, Evidence
from tierwright.app.verdict_document import verdict_document
from tierwright.core.errors import LedgerError
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.verify import verify
from tierwright.privacy.looking import RULES_VERSIONS
from tierwright.privacy.tally import Tally, tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tierwright.app.privacy_settings import PrivacySettings
    from tierwright.app.settings import Settings
    from tierwright.app.wiring import Parts
    from tierwright.privacy.ledger.entries import Entry
    from tierwright.privacy.ledger.verdict import Verdict

    #: Told of a stage, and of how much of it is done.
    _Progress = Callable[[str, int, int | None], None]


def gathered(parts: Parts, *, since: datetime | None, until: datetime | None, progress: _Progress) -> Evidence:
    """The evidence of a period. Reads all of the ledger twice, as it goes; a broken one is said and costs no report."""
    settings, privacy = parts.settings, parts.settings.privacy
    warnings: list[str] = []
    verdict: Verdict | None = None
    sums = Tally()
    if privacy is None:
        warnings.append(NO_GATE)
    elif not privacy.ledger.is_dir():
        warnings.append(NO_LEDGER.format(folder=privacy.ledger))
    else:
        verdict = verify(
            privacy.ledger,
            checkpoints=privacy.checkpoints,
            progress=lambda done, total: progress("bytes of the ledger verified", done, total),
        )
        if not verdict.sound:
            warnings.append(BROKEN)
        progress("adding up the ledger", 0, None)
        sums = tally(_read(privacy.ledger, until, warnings), since=since, until=until)
    return Evidence(
        since=since,
        until=until,
        at=parts.clock(),
        tally=sums,
        warnings=warnings,
        verdict=None if verdict is None else verdict_document(verdict),
        policy=None if privacy is None else privacy.policy,
        detectors="" if privacy is None else _detectors(privacy),
        task_names={task.id: task.name for task in parts.store.tasks()},
        keys=parts.store.keys(),
        callers=settings.callers,
        keeping=_keeping(settings),
    )


def _detectors(privacy: PrivacySettings) -> str:
    """What the settings have look; of plug-ins the names, since only one that runs tells its version."""
    plugins = (section.name or section.kind for section in privacy.detectors)
    return " ".join((RULES_VERSIONS, *plugins))


def _read(folder: Path, until: datetime | None, warnings: list[str]) -> Iterator[Entry]:
    """The entries up to the first that can't be read; that there was one is a warning."""
    try:
        yield from entries(folder, until=until)
    except LedgerError as error:
        warnings.append(f"The sums below lack what follows a line of the ledger that can't be read: {error}.")


def _keeping(settings: Settings) -> Keeping:
    privacy = settings.privacy
    return Keeping(
        content_days=settings.file.retention.content_days,
        class_days={} if privacy is None else {one.label: days for one, days in privacy.retention_days.items()},
        keep_content=settings.capture.keep_content,
        encrypted=privacy is not None and privacy.content_key is not None,
        checkpoints=privacy is not None and privacy.checkpoints is not None,
    )
