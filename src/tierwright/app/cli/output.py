"""What every command has in common: its options, how it shows an outcome, and how it reports progress and errors.

The outcome goes to standard output, as text or as one JSON document; everything else goes to standard error.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tierwright.app.settings import FILE_NAME, load_settings
from tierwright.app.wiring import Parts, open_parts
from tierwright.core.errors import InputError, ServiceError, TierwrightError
from tierwright.core.estimate import Estimate, UsdEstimate
from tierwright.core.privacy import DataClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
ConfigOption = Annotated[Path, typer.Option("--config", help="The settings file.")]
DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Its id.")]
UpToOption = Annotated[
    str | None,
    typer.Option("--up-to", metavar="CLASS", help="Highest class to write; default: the settings' export_up_to."),
]
EncodingOption = Annotated[str, typer.Option(help="Of a text file.")]
QuotesOption = Annotated[bool, typer.Option("--quotes/--no-quotes", help="Whether quotation marks enclose values.")]

#: Columns of text that goes into a file or a pipe.
_PIPED_WIDTH = 112
#: What `--config` is when it is not given.
DEFAULT_CONFIG = Path(FILE_NAME)


@contextmanager
def opened(config: Path) -> Iterator[Parts]:
    """The parts that a settings file describes."""
    with open_parts(load_settings(config, os.environ)) as parts:
        yield parts


def show(document: Any, *, as_json: bool, text: Callable[[Console], None]) -> None:
    """The outcome of a command: the document as JSON, or what `text` writes."""
    if as_json:
        sys.stdout.write(plain_json(document) + "\n")
        sys.stdout.flush()
        return
    from rich.console import Console  # noqa: PLC0415 - a JSON document needs none

    terminal = sys.stdout.isatty()
    # Names and reasons are people's own words: brackets in them are no markup.
    text(Console(highlight=False, markup=False, emoji=False, width=None if terminal else _PIPED_WIDTH))


def plain_json(document: Any) -> str:
    """The document as JSON, as commands print it."""
    return json.dumps(document, default=_plain, ensure_ascii=False, indent=2)


def table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; columns whose name begins with `>` are aligned to the right."""
    from rich.box import SIMPLE  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    shown = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE, pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        shown.add_column(column.removeprefix(">"), justify=justify, overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(shown)


def estimate_json(estimate: Estimate | None) -> dict[str, Any] | None:
    """An estimate as JSON types."""
    return None if estimate is None else asdict(estimate)


def percent(estimate: Estimate | None) -> str:
    """A share with its interval, as people read it."""
    if estimate is None:
        return "-"
    return f"{100 * estimate.value:.1f} % ({100 * estimate.ci_low:.1f} to {100 * estimate.ci_high:.1f})"


def usd(amount: Decimal | None) -> str:
    """An amount, with as many digits as it needs."""
    if amount is None:
        return "unpriced"
    digits = 2 if abs(amount) >= 1 or amount == 0 else 4 if abs(amount) >= Decimal("0.001") else 7
    return f"${amount:,.{digits}f}"


@contextmanager
def streaming_out() -> Iterator[Callable[[str], None]]:
    """Writes lines to standard output as they come; Ctrl-C, and a reader who leaves, end the block in peace."""

    def write(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        yield write
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # What is left in the buffer must not fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def class_named(label: str | None) -> DataClass | None:
    """The class that `--data-class` or `--up-to` names; None: it was not given. Raises InputError where it is none."""
    try:
        return None if label is None else DataClass.of(label)
    except ValueError as error:
        raise InputError(str(error)) from error


def unwritable(path: Path, error: OSError, *, then: str) -> TierwrightError:
    """What to raise where a file can't be written; `then` says what became of its content."""
    if error.errno == errno.ENOSPC:
        return ServiceError(f"there is no space left to write {path}; free some, then repeat the command: {then}")
    return InputError(f"{path} can't be written ({error.strerror}); name a file in a folder of yours: {then}")


def say(line: str) -> None:
    """A line of progress on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Ticker:
    """Progress of something that is counted: a line that is rewritten on a terminal, a line now and then elsewhere."""

    def __init__(self, what: str, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._what, self._timer = what, timer
        self._begun = self._shown = timer()
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """So many are done."""
        now = self._timer()
        if now - self._shown < (0.2 if self._live else 5.0) and done < total:
            return
        if not self._live and now - self._begun < 2.0:
            return
        self._shown = now
        left = (now - self._begun) * (total - done) / done if done else 0.0
        text = f"{self._what}: {done:,} of {total:,}, {left:.0f} s left"
        sys.stderr.write(f"\r\x1b[K{text}" if self._live else f"{text}\n")
        if self._live and done >= total:
            sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class Stages:
    """Progress of work in several stages: a `Ticker` for each that is counted, a line for each that is not."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._stage = ""
        self._ticker: Ticker | None = None
        self._live = sys.stderr.isatty()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """So many are done in a stage; None: how many there are can't be known."""
        if stage != self._stage:
            self._stage, self._ticker = stage, None
            if total is None:
                sys.stderr.write(f"\r\x1b[K{stage} …" if self._live else f"{stage}\n")
                sys.stderr.flush()
            else:
                self._ticker = Ticker(stage, timer=self._timer)
        if self._ticker is not None and total is not None:
            self._ticker(done, total)


def _plain(value: object) -> object:
    """Values that JSON has no type for."""
    if isinstance(value, Estimate):
        return estimate_json(value)
    if isinstance(value, UsdEstimate):
        return asdict(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
