"""Reads rows out of a Parquet file.

Owns what Arrow's values become; the only module that imports pyarrow, which is the extra `parquet`.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError, ServiceError
from tierwright.curation.tables import Row, missing_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tierwright.curation.tables import Stream

#: Rows that are in memory at a time.
_BATCH_ROWS = 2000


def read_parquet(path: Path, stream: Stream, columns: Sequence[str], *, packed: bool) -> Iterator[Row]:
    """The rows of a Parquet file, whose bytes `stream` gives; what is `packed` goes to a temporary file first.

    Raises InputError where it lacks a column or is damaged, ServiceError where pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise ServiceError(
            f"{path} is Parquet, which needs the package {error.name}; say `pip install 'tierwright[parquet]'`, or "
            "export the table as CSV or JSON Lines"
        ) from error
    with tempfile.TemporaryFile() if packed else nullcontext(stream) as whole:
        if packed:
            # A Parquet file begins at its end, where an inflater comes last.
            shutil.copyfileobj(stream, whole)
            whole.seek(0)
        try:
            file = parquet.ParquetFile(whole, memory_map=False)
            there = file.schema_arrow.names
            missing = [name for name in columns if name not in there]
            if missing:
                raise missing_columns(path, missing, there)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
                for values in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                    number += 1
                    yield Row(number, tuple(map(_plain, values)))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} is no Parquet file that can be read; get a whole copy of it") from error


def _plain(value: object) -> object:
    """A value as JSON has it; what JSON has no type for as text."""
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
