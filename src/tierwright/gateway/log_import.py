"""Imports a recorded traffic log into a store, line by line.

Owns batches, progress and what happens to lines that are bad and files that break off. Refuses to know what a line
says (`log_format`) and how files are read (`log_lines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError, StoreError
from tierwright.gateway.log_format import read_line
from tierwright.gateway.log_lines import LONGEST_LINE_BYTES, LineReader
from tierwright.gateway.rejects import Reject, Rejects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore
    from tierwright.gateway.log_format import Price
    from tierwright.gateway.log_lines import Line

    #: Told bytes of the file read, bytes it has, and records read.
    Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of the records of a log: `read` is the sum of the next three."""

    #: Lines that were not blank.
    read: int
    #: New inferences.
    added: int
    #: Records whose response id was known already, from an earlier import or an earlier line.
    already_there: int
    #: Lines that were set aside.
    rejected: int
    #: Where they are, each with its number and what is wrong; None: there are none.
    rejects_path: Path | None
    #: The first few of them.
    first_rejects: tuple[Reject, ...]


def import_log(
    path: Path,
    store: InferenceStore,
    *,
    price: Price,
    batch: int = 500,
    rejects: Path | None = None,
    progress: Callable[[int, int, int], None] = lambda _done, _total, _rows: None,
) -> ImportReport:
    """Adds the records of a log (JSON Lines, plain or gzip) to a store, `batch` of them in each transaction.

    Repeating an import adds nothing twice: a record is known by its response's id. Lines that are no record go to
    `rejects` (None: a file beside the log, named after it).

    Raises InputError where the file can't be read, holds no record at all, or breaks off; in the last case what could
    be read is in the store, and the message says so. Raises StoreFull or another StoreError where the store fails:
    whole batches before it are kept, and the message says how much that is.
    """
    reader = LineReader(path)
    with Rejects(rejects or path.with_name(f"{path.name}.rejects.jsonl")) as aside:
        tally = _Tally(path, store, aside)
        pending: list[Inference] = []
        for line in reader:
            inference = _inference(line, price, aside)
            if inference is None:
                continue
            pending.append(inference)
            if len(pending) >= batch:
                tally.keep(pending)
                pending = []
                progress(reader.bytes_done, reader.bytes_total, tally.read)
        tally.keep(pending)
        progress(reader.bytes_done, reader.bytes_total, tally.read)
    report = tally.report()
    if reader.broken is not None:
        raise InputError(
            f"{path} can't be read beyond line {reader.lines}: {reader.broken}. The {report.added:,} new records up to "
            "there are imported; get a whole copy of the file and import it again, nothing is added twice"
        )
    if report.read == report.rejected:
        raise InputError(_nothing_in(path, report))
    return report


class _Tally:
    """Keeps batches and counts what became of them."""

    def __init__(self, path: Path, store: InferenceStore, aside: Rejects) -> None:
        self._path = path
        self._store = store
        self._aside = aside
        self._good = 0
        self._added = 0

    @property
    def read(self) -> int:
        """Records read so far, those set aside included."""
        return self._good + self._aside.count

    def keep(self, inferences: list[Inference]) -> None:
        """Appends a batch; where the store fails, its error also says how far the import came."""
        try:
            self._added += self._store.append(inferences)
        except StoreError as error:
            raise type(error)(
                f"{error} The import of {self._path} stopped after {self._good:,} records, {self._added:,} of them "
                "new: they are in the store. Import the file again to go on; nothing is added twice."
            ) from error
        self._good += len(inferences)

    def report(self) -> ImportReport:
        return ImportReport(
            read=self.read,
            added=self._added,
            already_there=self._good - self._added,
            rejected=self._aside.count,
            rejects_path=self._aside.path,
            first_rejects=tuple(self._aside.first),
        )


def _inference(line: Line, price: Price, aside: Rejects) -> Inference | None:
    """The inference in a line; None for a blank line and for one that was set aside."""
    if not line.raw.strip():
        return None
    if line.too_long:
        reason = f"it has more than {LONGEST_LINE_BYTES >> 20} MiB; only its beginning is kept here"
        aside.add(line.number, reason, line.raw)
        return None
    try:
        return read_line(line.raw, price)
    except InputError as error:
        aside.add(line.number, str(error), line.raw)
        return None


def _nothing_in(path: Path, report: ImportReport) -> str:
    expected = 'one {"timestamp": …, "client_id": …, "request": {…}, "response": {…}} on each line, plain or gzip'
    if not report.first_rejects:
        return f"{path} holds nothing but blank lines; a traffic log has {expected}"
    first = report.first_rejects[0]
    return (
        f"{path} holds no traffic record: all of its {report.rejected:,} lines were refused, line {first.line} because "
        f"{first.reason}. A traffic log has {expected}. The lines and what is wrong with them: {report.rejects_path}"
    )
