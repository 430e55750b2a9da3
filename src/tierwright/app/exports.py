"""Whether what is kept may be written to a file: not above the class that the settings, or whoever exports, allow.

Owns the refusal and the note in the ledger. What nobody looked at counts as restricted. Refuses to write anything.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tierwright.app.ledger_notes import noting, who
from tierwright.core.errors import ExportRefused
from tierwright.core.privacy import DataClass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset
    from tierwright.core.inference import Inference


class Export:
    """One export: what is in it must be admitted before it is written."""

    def __init__(self, what: str, limit: DataClass | None) -> None:
        """`what` it is in words; `limit`: the highest class that it may hold, None: any."""
        self._what, self._limit = what, limit
        #: The highest class that was admitted; None: nothing was.
        self.highest: DataClass | None = None

    def admit(self, data_class: DataClass | None) -> None:
        """Raises ExportRefused where something of this class may not be in it; None: the class is not known."""
        known = DataClass.RESTRICTED if data_class is None else data_class
        if self._limit is not None and known > self._limit:
            holds = "of a class that is not known" if data_class is None else known.label
            raise ExportRefused(
                f"export_refused: {self._what} holds what is {holds}, and privacy.export_up_to is "
                f"{self._limit.label}; say --up-to {known.label} if it may be written all the same, which is noted in "
                "the ledger"
            )
        self.highest = known if self.highest is None else max(self.highest, known)

    def admit_dataset(self, dataset: Dataset) -> None:
        """The same for all that a dataset holds."""
        self.admit(dataset.data_class)

    def admit_inference(self, inference: Inference) -> None:
        """The same for what was asked and answered once."""
        self.admit(inference.data_class)


@contextmanager
def export(parts: Parts, what: str, up_to: DataClass | None = None) -> Iterator[Export]:
    """An export, which the ledger knows of when it is done; without a table [privacy] all is allowed.

    `up_to` is what whoever exports allows, over the settings. Raises LedgerError where nothing can be written down.
    """
    privacy = parts.settings.privacy
    if privacy is None:
        yield Export(what, None)
        return
    with noting(parts) as note:
        made = Export(what, privacy.export_up_to if up_to is None else up_to)
        yield made
        facts = {
            "who": who(),
            "what": what,
            "class": None if made.highest is None else made.highest.label,
            "up_to": None if up_to is None else up_to.label,
        }
        note("read", facts)
