"""Imports a recorded traffic log into a store, line by line.

Owns batches, progress and what happens to lines that are bad and files that break off: what is set aside, and what is
taken with a reservation, each counted. Refuses to know what a line says (`log_format`) and how files are read
(`log_lines`). Lines may come in any order: a store is read by time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError, StoreError
from tierwright.gateway.log_format import other_currency, read_line
from tierwright.gateway.log_lines import LONGEST_LINE_BYTES, LineReader
from tierwright.gateway.rejects import Reject, Rejects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore
    from tierwright.gateway.log_format import Count, Price
    from tierwright.gateway.log_lines import Line

    #: Told bytes of the file read, bytes it has, and records read.
    Progress = Callable[[int, int, int], None]

#: No LLM was asked over an API before: an earlier time is a clock that was not set, or another unit.
_FIRST_YEAR = datetime(2015, 1, 1, tzinfo=UTC)
#: How far a machine's clock may run ahead of ours.
_AHEAD = timedelta(days=1)
#: Numbers of lines that a report names.
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of the records of a log: `read` is the sum of the next three."""

    #: Lines that were not blank.
    read: int
    #: New inferences.
    added: int
    #: Records whose response id was known already, from an earlier import or an earlier line.
    already_there: int
    #: Of these, records that say something else than the one that is kept: the first counts.
    conflicting: int
    #: Lines that were set aside.
    rejected: int
    #: Where they are, each with its number and what is wrong; None: there are none.
    rejects_path: Path | None
    #: The first few of them.
    first_rejects: tuple[Reject, ...]
    #: The first few lines that say something else than what is kept under their id.
    first_conflicts: tuple[int, ...] = ()
    #: Lines before whose time another line's lay; they are taken.
    out_of_order: int = 0
    #: New records whose tokens are an estimate of ours, for want of a usage that can be believed.
    estimated: int = 0
    #: New records whose cost is given in another currency; amounts in a log are not read.
    other_currency: int = 0
    #: New records without a price, by model, the most first.
    unpriced: Mapping[str, int] = field(default_factory=dict)


def import_log(
    path: Path,
    store: InferenceStore,
    *,
    price: Price,
    count: Count | None = None,
    now: datetime | None = None,
    batch: int = 500,
    rejects: Path | None = None,
    progress: Callable[[int, int, int], None] = lambda _done, _total, _rows: None,
) -> ImportReport:
    """Adds the records of a log (JSON Lines, plain or gzip) to a store, `batch` of them in each transaction.

    Repeating an import adds nothing twice: a record is known by its response's id. Lines that are no record, and those
    of a time before 2015 or more than a day after `now` (None: any later time is taken), go to `rejects` (None: a file
    beside the log, named after it). `count` estimates the tokens of records without a usage that can be believed.

    Raises InputError where the file can't be read, holds no record at all, or breaks off; in the last case what could
    be read is in the store, and the message says so. Raises StoreFull or another StoreError where the store fails:
    whole batches before it are kept, and the message says how much that is.
    """
    reader = LineReader(path)
    with Rejects(rejects or path.with_name(f"{path.name}.rejects.jsonl")) as aside:
        tally = _Tally(path, store, aside)
        pending: list[_Record] = []
        for line in reader:
            inference = _inference(line, price, count, now, aside)
            if inference is None:
                continue
            pending.append(_Record(inference, line.number, other_currency(line.raw)))
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


@dataclass(frozen=True, slots=True)
class _Record:
    """A good line."""

    inference: Inference
    line: int
    other_currency: bool


class _Tally:
    """Keeps batches and counts what became of them."""

    def __init__(self, path: Path, store: InferenceStore, aside: Rejects) -> None:
        self._path = path
        self._store = store
        self._aside = aside
        self._good = 0
        self._added = 0
        self._latest: datetime | None = None
        self._out_of_order = self._estimated = self._other_currency = self._conflicting = 0
        self._conflicts: list[int] = []
        self._unpriced: Counter[str] = Counter()

    @property
    def read(self) -> int:
        """Records read so far, those set aside included."""
        return self._good + self._aside.count

    def keep(self, records: Sequence[_Record]) -> None:
        """Appends a batch; where the store fails, its error also says how far the import came."""
        inferences = [record.inference for record in records]
        try:
            before = self._store.found([inference.id for inference in inferences])
            self._added += self._store.append(inferences)
        except StoreError as error:
            raise type(error)(
                f"{error} The import of {self._path} stopped after {self._good:,} records, {self._added:,} of them "
                "new: they are in the store. Import the file again to go on; nothing is added twice."
            ) from error
        self._good += len(inferences)
        kept = dict(before)
        for record in records:
            self._note_order(record.inference)
            first = kept.setdefault(record.inference.id, record.inference)
            if first is record.inference:
                self._note_new(record)
            elif _differ(first, record.inference):
                self._conflicting += 1
                if len(self._conflicts) < _NAMED:
                    self._conflicts.append(record.line)

    def _note_order(self, inference: Inference) -> None:
        if self._latest is not None and inference.created_at < self._latest:
            self._out_of_order += 1
        else:
            self._latest = inference.created_at

    def _note_new(self, record: _Record) -> None:
        call = record.inference.calls[0]
        self._estimated += call.usage_estimated
        self._other_currency += record.other_currency
        if call.cost_usd is None:
            self._unpriced[call.model] += 1

    def report(self) -> ImportReport:
        return ImportReport(
            read=self.read,
            added=self._added,
            already_there=self._good - self._added,
            conflicting=self._conflicting,
            rejected=self._aside.count,
            rejects_path=self._aside.path,
            first_rejects=tuple(self._aside.first),
            first_conflicts=tuple(self._conflicts),
            out_of_order=self._out_of_order,
            estimated=self._estimated,
            other_currency=self._other_currency,
            unpriced=dict(self._unpriced.most_common()),
        )


def _differ(kept: Inference, given: Inference) -> bool:
    """Whether two records of one id are not the same; content that is no longer kept can't be compared."""
    if kept.created_at != given.created_at:
        return True
    # A database can't hold every name, and keeps one it can't hold in another form.
    names = ((kept.client_id, given.client_id), (kept.model, given.model))
    if any(new.isprintable() and old != new for old, new in names):
        return True
    pairs = ((kept.request, given.request), (kept.response, given.response))
    return any(old is not None and old != new for old, new in pairs)


def _inference(line: Line, price: Price, count: Count | None, now: datetime | None, aside: Rejects) -> Inference | None:
    """The inference in a line; None for a blank line and for one that was set aside."""
    if not line.raw.strip():
        return None
    if line.too_long:
        reason = f"it has more than {LONGEST_LINE_BYTES >> 20} MiB; only its beginning is kept here"
        aside.add(line.number, reason, line.raw)
        return None
    try:
        inference = read_line(line.raw, price, count)
        _check_time(inference.created_at, now)
    except InputError as error:
        aside.add(line.number, str(error), line.raw)
        return None
    return inference


def _check_time(at: datetime, now: datetime | None) -> None:
    if at < _FIRST_YEAR:
        raise InputError(f"'timestamp' lies before {_FIRST_YEAR.year}; it counts seconds since 1970")
    if now is not None and at > now + _AHEAD:
        raise InputError("'timestamp' lies more than a day in the future; it counts seconds since 1970, in UTC")


def _nothing_in(path: Path, report: ImportReport) -> str:
    expected = 'one {"timestamp": …, "client_id": …, "request": {…}, "response": {…}} on each line, plain or gzip'
    if not report.first_rejects:
        return f"{path} holds nothing but blank lines; a traffic log has {expected}"
    first = report.first_rejects[0]
    return (
        f"{path} holds no traffic record: all of its {report.rejected:,} lines were refused, line {first.line} because "
        f"{first.reason}. A traffic log has {expected}. The lines and what is wrong with them: {report.rejects_path}"
    )
