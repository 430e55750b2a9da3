"""Log lines for the demo's own parts.

Owns the reading of {timestamp, client_id, request, response, latency_ms} without parsing what it passes on: requests
and responses stay the bytes they were. Refuses to keep anything; importing a log into the store is another part's job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tierwright.core.errors import InputError
from tierwright.gateway.log_lines import LineReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class _Identity(msgspec.Struct):
    id: str


class LogLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the log."""

    #: Unix seconds.
    timestamp: float
    #: None: the log does not say.
    client_id: str | None = None
    #: The request's JSON, as it stands in the log.
    request: msgspec.Raw
    #: The response's JSON, as it stands in the log.
    response: msgspec.Raw
    #: None: not measured.
    latency_ms: float | None = None


def read_log(path: Path, *, on_bad_line: Callable[[int], None]) -> Iterator[tuple[str, LogLine]]:
    """Yield (id of the response, line) in the order of the log; `on_bad_line` gets the number of every other line.

    Raises:
        InputError: the file is missing or can't be read, or its compressed data are damaged or break off. What could
            be read until then has been yielded.

    """
    decode, identify = msgspec.json.Decoder(LogLine).decode, msgspec.json.Decoder(_Identity).decode
    lines = LineReader(path)
    for line in lines:
        if not line.raw or line.raw.isspace():
            continue
        try:
            # Requests and responses are not looked into here, but whoever does must not fail.
            line.raw.decode()
            read = decode(line.raw)
            identity = identify(read.response).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            on_bad_line(line.number)
        else:
            yield identity, read
    if lines.broken is not None:
        raise InputError(f"{path}: {lines.broken}, after line {lines.lines}; copy or make the log again")
