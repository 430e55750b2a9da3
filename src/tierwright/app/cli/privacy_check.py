"""`tierwright privacy check`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, Ticker, class_named, say, show, table
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from tierwright.app.privacy_check import Checked
    from tierwright.app.privacy_parts import Checks

#: Lines with findings that are shown; the sums count all.
_SHOWN = 50
#: Characters of a line at most; a longer one is no text that anybody sends.
_LONGEST_LINE = 64 * 1024 * 1024
#: Lines between two reports of progress.
_AT_A_TIME = 100
#: What the names of files end with that one might mean.
_FILES = frozenset({".csv", ".json", ".jsonl", ".log", ".txt"})
_NO_GATE = (
    "No privacy gate is configured (there is no table [privacy]): this is what one would say by the built-in policy; "
    "as it is, everything goes everywhere."
)


def check(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE", help="A text, or a file: JSON Lines or plain text, one line each.")
    ],
    data_class: Annotated[
        str | None, typer.Option("--data-class", metavar="CLASS", help="What its caller declares. Default: nothing.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say what the gate would make of a text and why; nothing is sent, and no value is repeated.

    In a file a line that is a JSON string is the text in it, one that is a JSON object is a request, and any other line
    is itself. Works without settings, by the built-in policy.
    """
    from tierwright.app.privacy_parts import checks  # noqa: PLC0415 - `--help` must not wait

    file = _file(text)
    with checks(_settings(config), class_named(data_class)) as looks:
        gated = looks.gated
        if file is None:
            found = looks.text(text)
            show(found.document(), as_json=as_json, text=lambda console: _explain(console, found, gated=gated))
        elif as_json:
            _print_json(looks, file)
        else:
            sums = _Sums()
            for number, one in enumerate(_checked(looks, file), start=1):
                sums.add(number, one)
            show(None, as_json=False, text=lambda console: _summarise(console, sums, gated=gated))


class _Sums:
    """What was found in a file, in bounded memory."""

    def __init__(self) -> None:
        self.lines = 0
        self.classes: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.permitted: Counter[str] = Counter()
        #: The first lines with findings, by number.
        self.first: list[tuple[int, Checked]] = []
        self.flagged = 0

    def add(self, number: int, one: Checked) -> None:
        """Counts a line."""
        self.lines = number
        self.classes[one.data_class.label] += 1
        self.types.update(place.found.type for place in one.places)
        self.permitted.update(one.permitted)
        if one.places or one.seen.unread or one.seen.failed:
            self.flagged += 1
            if len(self.first) < _SHOWN:
                self.first.append((number, one))


def _settings(config: Path) -> Path | None:
    """The settings file; None: none was named, and there is none."""
    return None if config == DEFAULT_CONFIG and not config.exists() else config


def _file(text: str) -> Path | None:
    """The file that an argument names; None: it is a text, and where it looks like a file's name that is said."""
    try:
        path = Path(text)
        if path.is_file():
            return path
    except (OSError, ValueError):  # too long for a name, or with characters that no name has
        return None
    if path.suffix in _FILES:
        say(f"there is no file {text}: the name itself is looked at")
    return None


def _checked(looks: Checks, file: Path) -> Iterator[Checked]:
    """The lines of a file in order, some at a time, with progress in bytes."""
    ticker, total, done = Ticker(f"bytes of {file.name} looked at"), file.stat().st_size, 0
    with _opened(file) as lines:
        while raw := list(islice(lines, _AT_A_TIME)):
            done += sum(map(len, raw))
            yield from looks.lines([line.rstrip(b"\r\n").decode("utf-8", "replace") for line in raw])
            ticker(min(done, total), total)


@contextmanager
def _opened(file: Path) -> Iterator[Iterator[bytes]]:
    try:
        with file.open("rb") as lines:
            yield iter(lambda: lines.readline(_LONGEST_LINE), b"")
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from error


def _print_json(looks: Checks, file: Path) -> None:
    """One JSON document, a list with an object for each line, written as it is made."""
    before = "[\n"
    for one in _checked(looks, file):
        sys.stdout.write(before + json.dumps(one.document(), ensure_ascii=False))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")
    sys.stdout.flush()


def _explain(console: Console, one: Checked, *, gated: bool) -> None:
    if not gated:
        console.print(_NO_GATE, style="bold red")
    console.print(f"{one.data_class.label}: {_why(one)}", style="bold")
    if one.places:
        rows = [_row(one, at) for at in range(len(one.places))]
        table(console, "Found", ("type", "place", ">from", ">to", "detector", "validated"), rows)
    if one.permitted:
        console.print(f"May see it: {', '.join(one.permitted)}.")
    else:
        console.print("No backend may see it." if one.excluded else "No backend is known here: there are no settings.")
    for name, lack in one.excluded.items():
        console.print(f"May not: {name}, because of: {lack}. {_MODES[one.modes[name]]}")


_MODES = {
    "block": "A request to it is refused (mode block).",
    "route": "A request to it goes to a backend that may see it, if there is one (mode route).",
    "pseudonymise": "What was found is replaced, and what is then left is looked at again (mode pseudonymise).",
}


def _row(one: Checked, at: int) -> tuple[object, ...]:
    place = one.places[at]
    found = place.found
    where = place.path or ("text" if found.end else "")
    return found.type, where, found.start, found.end, found.detector, "yes" if found.validated else "no"


def _why(one: Checked) -> str:
    """How the class came about."""
    from tierwright.privacy.gate import because  # noqa: PLC0415 - as above

    return because(one.declared, one.seen)


def _summarise(console: Console, sums: _Sums, *, gated: bool) -> None:
    if not gated:
        console.print(_NO_GATE, style="bold red")
    rows = [
        (
            f"{number:,}",
            one.data_class.label,
            ", ".join(f"{place.found.type} {place.found.start}-{place.found.end}" for place in one.places) or _why(one),
            ", ".join(one.permitted) or "nobody",
        )
        for number, one in sums.first
    ]
    if rows:
        table(console, "Lines in which something was found", (">line", "class", "found, with places", "may see"), rows)
    more = sums.flagged - len(rows)
    if more > 0:
        console.print(f"… and {more:,} more such lines; --json has them all.")
    console.print(f"{sums.lines:,} lines, {sums.flagged:,} with findings.", style="bold")
    table(console, "Classes", ("class", ">lines"), [(name, f"{n:,}") for name, n in sums.classes.most_common()])
    if sums.types:
        table(console, "Types", ("type", ">findings"), [(name, f"{n:,}") for name, n in sums.types.most_common()])
    if sums.permitted:
        seen = [(name, f"{n:,}") for name, n in sums.permitted.most_common()]
        table(console, "Backends", ("backend", ">may see lines"), seen)
