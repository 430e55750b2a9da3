"""Writes the traffic in a store as a log that `log_import` reads.

Owns the file. Refuses to know what a line says (`log_format`).
"""

from __future__ import annotations

import errno
import gzip
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from tierwright.core.errors import InputError, StoreFull
from tierwright.gateway.log_format import write_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tierwright.core.ids import TaskId
    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore

#: Inferences between two words on the progress.
_STEP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written."""

    #: Records.
    written: int
    #: Inferences that are in no log, because their content is not kept or nobody answered them.
    without_content: int


def export_log(
    store: InferenceStore,
    target: Path | IO[bytes],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    task_id: TaskId | None = None,
    admit: Callable[[Inference], None] = lambda _inference: None,
    progress: Callable[[int], None] = lambda _rows: None,
) -> ExportReport:
    """Writes the inferences with since <= created_at < until, in order of time, as JSON Lines.

    A path that ends in `.gz` becomes gzip, and a file appears under its name when it is whole; a stream is written to
    as it is. Errors answered to callers are not exported: a log holds answers. `admit` raises what it will where
    something may not be written, and no file appears. Raises InputError where the target can't be written, StoreFull
    where its disk is full.
    """
    written = without_content = 0
    with _opened(target) as file:
        for inference in store.scan(since=since, until=until, task_id=task_id):
            line = write_line(inference) if inference.status < 400 else None
            if line is None:
                without_content += 1
                continue
            admit(inference)
            file.write(line)
            written += 1
            if written % _STEP == 0:
                progress(written)
    progress(written)
    return ExportReport(written=written, without_content=without_content)


@contextmanager
def _opened(target: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if not isinstance(target, Path):
        yield target
        return
    if target.exists() and not target.is_file() and not target.is_dir():
        # A device or a pipe is written to; it must not be replaced by a file.
        with target.open("wb") as stream:
            yield stream
        return
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        try:
            with unfinished.open("wb") as raw:
                if target.suffix == ".gz":
                    # No name and no time in the header: the same traffic is the same file.
                    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                        yield cast("IO[bytes]", packed)
                else:
                    yield raw
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(f"there is no space left to write {target}; free some, then export again") from error
        raise InputError(
            f"{target} can't be written ({error.strerror}); name a file in a directory you may write to"
        ) from error
