"""Tests of reading log lines for the demo's own parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tierwright.app.demo.driver import logged_requests
from tierwright.app.demo.logfile import read_log
from tierwright.app.demo.replay import ReplayIndex

if TYPE_CHECKING:
    from pathlib import Path

GOOD = json.dumps({"timestamp": 5, "client_id": "a", "request": {"model": "m"}, "response": {"id": "r1"}}).encode()
#: Deeper than any parser goes down.
DEEP = b'{"zz": ' + b"[" * 5000 + b"]" * 5000 + b", "


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b'{"timestamp": 1}',
        GOOD.replace(b'"id": "r1"', b'"id": 7'),
        GOOD.replace(b'"model": "m"', b'"model": "\xff\xfe"'),
        GOOD.replace(b'{"model"', DEEP + b'"model"'),
        GOOD.replace(b'{"id"', DEEP + b'"id"'),
    ],
    ids=["no json", "no record", "no id", "no utf-8", "deep request", "deep response"],
)
def test_bad_line_is_left_out_by_everyone(tmp_path: Path, bad: bytes) -> None:
    """A line that is no record, whatever is wrong with it, is named by its number and stops neither reader."""
    assert bad != GOOD
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join((GOOD, bad, b"", GOOD)))
    numbers: list[int] = []
    assert [log_id for log_id, _ in read_log(log, on_bad_line=numbers.append)] == ["r1", "r1"]
    assert [request.log_id for request in logged_requests(log, on_bad_line=numbers.append)] == ["r1", "r1"]
    index = ReplayIndex.from_log(log)
    assert (numbers, index.bad_lines, index.answers, index.models) == ([2, 2], [2], 2, ("m",))
