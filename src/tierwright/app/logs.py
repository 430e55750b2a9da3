"""Where log lines go and what they look like: one line each on standard error, as text or as JSON.

Owns the form of a line. What may hold text of a prompt is not in one: of an exception only its class and place are
said, and of what libraries log only the fixed part. Whoever logs never waits for standard error: a thread writes, and
what has no room to wait is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from select import PIPE_BUF
from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.app.printable import printable
from tierwright.core.errors import SettingsError
from tierwright.gateway.request_log import MEMBERS, NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OURS = "tierwright"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FORMATS = ("text", "json")
#: Lines that may wait for standard error.
_ROOM = 10_000
#: Characters of a library's message, whose end may not be meant for us.
_LONGEST_FOREIGN = 200
#: Seconds the end waits for standard error.
_LAST_S = 2.0
#: Seconds until a standard error that is full is tried again.
_PAUSE_S = 0.01


class LogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[log]`."""

    #: "text" or "json".
    format: str = "text"
    #: From which on lines are written: "debug", "info", "warning" or "error".
    level: str = "info"
    #: Whether every request that is captured has a line, whatever the level.
    requests: bool = False


def check_log(section: LogSection, path: Path) -> None:
    """Raises SettingsError where the table says what is not known."""
    for name, value, known in (("format", section.format, _FORMATS), ("level", section.level, tuple(_LEVELS))):
        if value not in known:
            one_of = ", ".join(f'"{one}"' for one in known)
            raise SettingsError(f"{path}: log.{name} is {value!r}; write one of {one_of}")


def configure_logs(section: LogSection) -> None:
    """Sends the log lines of this process to standard error, from now on to its end."""
    outlet = Outlet(sys.stderr.fileno())
    outlet.setFormatter(JsonLines() if section.format == "json" else TextLines())
    level = _LEVELS[section.level]
    root = logging.getLogger()
    root.handlers[:] = [outlet]
    # Libraries' own steps are of no use to whoever runs a gateway.
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(_OURS).setLevel(level)
    logging.getLogger(NAME).setLevel(logging.INFO)
    log = logging.getLogger(__name__)
    sys.excepthook = lambda kind, error, place: log.critical("ended unexpectedly", exc_info=(kind, error, place))
    threading.excepthook = lambda found: log.critical(
        "a thread ended unexpectedly",
        exc_info=(found.exc_type, found.exc_value or found.exc_type(), found.exc_traceback),
    )


def members_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says, in JSON types: time, level, logger and message; then what its record holds besides."""
    ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
    # A library may put anything into its arguments, a request's body for one.
    message = record.getMessage() if ours else str(record.msg).partition("\n")[0][:_LONGEST_FOREIGN]
    members: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message,
        **getattr(record, MEMBERS, {}),
    }
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, found = record.exc_info
        frames = traceback.extract_tb(found)
        members["exception"] = kind.__name__
        members["place"] = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
    return members


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """The line without its end."""
        return json.dumps(members_of(record))


class TextLines(logging.Formatter):
    """Time, level, logger, message, and what there is besides as NAME=VALUE."""

    def format(self, record: logging.LogRecord) -> str:
        """The line without its end."""
        members = members_of(record)
        head = (members.pop("time"), members.pop("level").upper(), members.pop("logger"))
        more = (f"{name}={_value(value)}" for name, value in members.items() if name != "message" and value is not None)
        return " ".join((*head, printable(members["message"]), *more))


class Outlet(logging.Handler):
    """Writes lines to a file descriptor in a thread of its own, so that whoever logs never waits for a reader."""

    def __init__(self, descriptor: int, *, room: int = _ROOM) -> None:
        """`room`: lines that may wait; more are dropped, and a line says how many."""
        super().__init__()
        self._descriptor = descriptor
        self._room = room
        self._changed = threading.Condition()
        # All below are guarded by `_changed`.
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._closing = False
        self._writer = threading.Thread(target=self._run, name="tierwright-log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line; one that can't be made is counted as dropped."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - whatever is wrong with a line, whoever wrote it goes on
            line = None
        with self._changed:
            if line is None or len(self._waiting) >= self._room:
                self._dropped += 1
            else:
                self._waiting.append(line)
            self._changed.notify()

    def close(self) -> None:
        """Writes what is waiting, for at most two seconds; called at the end of the process."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(_LAST_S)
        super().close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._dropped or self._closing)
                lines, dropped = list(self._waiting), self._dropped
                self._waiting.clear()
                self._dropped = 0
                if not lines and not dropped:
                    return
            if dropped:
                lines.append(self.format(_note_of(dropped)))
            for block in _blocks(lines):
                self._write(block)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            except OSError:
                # Nobody reads any more.
                return


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines with their ends, as many together as a pipe takes in one piece: several processes may write to it."""
    block = b""
    for line in lines:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        if block and len(block) + len(data) > PIPE_BUF:
            yield block
            block = b""
        block += data
    if block:
        yield block


def _note_of(dropped: int) -> logging.LogRecord:
    message = "%d lines of the log were dropped: standard error did not take them in time"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, (dropped,), None)


def _value(value: object) -> str:
    """A value of a text line: quoted where it could be taken for something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    return (
        value
        if value and value.isascii() and value.isprintable() and not set(value) & set(' "=')
        else json.dumps(value)
    )
