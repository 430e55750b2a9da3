"""Removes what is older than the settings let it be: by age, by class, and of both the shorter.

Owns the order and what the ledger is told; refuses to know how anything is removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from tierwright.app.ledger_notes import noting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.app.wiring import Parts
    from tierwright.core.privacy import DataClass

    #: Told what is removed, how many so far, and how many there are at most.
    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed."""

    #: Contents, however old they may be by the class.
    contents: int
    #: Those of them that went because of their class, by its label.
    by_class: dict[str, int]
    inferences: int
    #: Keys of days whose content has expired.
    keys: int


def prune(
    parts: Parts, *, content_days: int | None = None, ledger_days: int | None = None, progress: Progress
) -> Pruned:
    """Removes contents and inferences; None: as many days as the settings say, 0: none are removed by age.

    A class of `[privacy.retention_days]` is removed earlier where that says so, whatever is given here. Raises
    LedgerError, and removes nothing, where the ledger can't be written.
    """
    retention = parts.settings.file.retention
    days = retention.content_days if content_days is None else content_days
    now, most = parts.clock(), parts.store.count()

    def removed(what: str, expire: Callable[[], int]) -> int:
        count = 0
        while found := expire():
            count += found
            progress(what, count, most)
        return count

    with noting(parts) as note:
        by_class: dict[str, int] = {}
        for data_class, limit in _limits(parts).items():
            if days and limit >= days:
                continue
            before, among = now - timedelta(days=limit), _with_undeclared(parts, data_class)
            by_class[data_class.label] = removed(
                f"{data_class.label} contents", partial(parts.store.expire_content, before, classes=among)
            )
        contents = keys = inferences = 0
        if days:
            before = now - timedelta(days=days)
            contents = removed("contents", lambda: parts.store.expire_content(before))
            keys = parts.store.expire_keys(before)
        kept = retention.ledger_days if ledger_days is None else ledger_days
        if kept:
            oldest = now - timedelta(days=kept)
            inferences = removed("inferences", lambda: parts.store.expire_inferences(oldest))
        done = Pruned(contents=contents + sum(by_class.values()), by_class=by_class, inferences=inferences, keys=keys)
        note(
            "retention",
            {"contents": done.contents, "by_class": by_class, "inferences": inferences, "keys": keys, "days": days},
        )
    return done


def _limits(parts: Parts) -> dict[DataClass, int]:
    return {} if parts.settings.privacy is None else dict(parts.settings.privacy.retention_days)


def _with_undeclared(parts: Parts, data_class: DataClass) -> set[DataClass | None]:
    """The class, and what nobody declared where that counts as it."""
    privacy = parts.settings.privacy
    undeclared = privacy is not None and privacy.policy.default_class is data_class
    return {data_class, None} if undeclared else {data_class}
