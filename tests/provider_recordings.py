"""Exchanges with real model servers, recorded elsewhere; tests that need them skip where they are not at hand."""

from __future__ import annotations

import gzip
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A query, or a fragment with which a recorder tells streams apart.
_ADDITION = re.compile("[?#]")


@cache
def _exchanges(path: Path) -> tuple[dict[str, Any], ...]:
    with gzip.open(path, "rt") as lines:
        return tuple(json.loads(line) for line in lines)


def recorded(path_end: str) -> list[dict[str, Any]]:
    """The exchanges at addresses that end so; each has `host`, `status`, `request` and `response`."""
    here = Path(os.environ.get("TIERWRIGHT_DATA", "../shared/data")) / "provider_wire_log" / "wire_log.jsonl.gz"
    if not here.is_file():
        pytest.skip(f"no recordings of providers at {here}; set TIERWRIGHT_DATA to where they are")
    return [
        exchange
        for exchange in _exchanges(here.resolve())
        if exchange["method"] == "POST"
        and _ADDITION.split(exchange["path"] or "")[0].endswith(path_end)
        # It echoes requests, and is no model server.
        and not exchange["host"].startswith("demo-endpoints.")
        and isinstance(exchange["request"], dict)
        and isinstance(exchange["response"], dict)
    ]


def stream_of(exchange: dict[str, Any]) -> str | None:
    """The text of the event stream; None: the answer came in one piece."""
    return exchange["response"].get("_stream_text")


def events_of(stream: str) -> Iterator[dict[str, Any]]:
    """The JSON of a stream's events, in order."""
    for line in stream.splitlines():
        if line.startswith("data:") and line[5:].strip().startswith("{"):
            yield json.loads(line[5:])
