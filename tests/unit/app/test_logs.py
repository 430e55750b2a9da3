"""What a line of the log looks like, and that nobody waits for it."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path
from select import PIPE_BUF
from typing import Any

import pytest

from tests.fakes import an_inference
from tierwright.app.logs import JsonLines, LogSection, Outlet, TextLines, check_log, members_of
from tierwright.core.errors import SettingsError
from tierwright.gateway.request_log import MEMBERS, summary


def a_record(message: str, *arguments: Any, name: str = "tierwright.gateway.capture", **more: Any) -> logging.LogRecord:
    """A record as `logging` makes it."""
    record = logging.LogRecord(name, logging.WARNING, "module.py", 1, message, arguments, more.pop("exc_info", None))
    record.created = 1_790_000_000.25
    record.__dict__.update(more)
    return record


def failed(text: str) -> Any:
    """What `logging` has of an error whose message holds this text."""
    try:
        int(text)
    except ValueError:
        return sys.exc_info()
    raise AssertionError(text)


@pytest.fixture
def pipe() -> Any:
    """A pipe: the end to read from, the end to write to."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_json_line_is_one_object_in_ascii() -> None:
    """It has the documented members, and no line end or control character gets through as itself."""
    line = JsonLines().format(a_record("two\nlines %s", "é\x1b[2J\ud83d"))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {
        "time": "2026-09-21T14:13:20.250+00:00",
        "level": "warning",
        "logger": "tierwright.gateway.capture",
        "message": "two\nlines é\x1b[2J\ud83d",
    }


def test_a_text_line_is_one_line() -> None:
    """Whatever a caller calls its model, a line stays a line and obeys nobody."""
    members = {"model": "gpt\n4 \x1b[2J", "route": "requested", "cost_usd": 0.25, "task": None, "note": 'a="b"'}
    line = TextLines().format(a_record("req\nuest", **{MEMBERS: members}))
    assert line == (
        "2026-09-21T14:13:20.250+00:00 WARNING tierwright.gateway.capture req\\nuest "
        'model="gpt\\n4 \\u001b[2J" route=requested cost_usd=0.25 note="a=\\"b\\""'
    )


def test_of_an_exception_its_class_and_place_are_said() -> None:
    """Its message could hold text of a prompt."""
    record = a_record("it failed", exc_info=failed("the patient's name is Ann"))
    for formatter in (JsonLines(), TextLines()):
        line = formatter.format(record)
        assert "Ann" not in line
        assert "ValueError" in line
        assert f"{Path(__file__).name}:" in line


@pytest.mark.parametrize("name", ["asyncio", "aiohttp.client", "tierwrightly"])
def test_of_a_library_only_the_fixed_part_is_said(name: str) -> None:
    """Its arguments, and all lines after the first, could hold text of a prompt; other names than ours are foreign."""
    record = a_record("never retrieved %s\nfuture: <Task exception=ValueError('Ann')>", "Ann", name=name)
    assert members_of(record)["message"] == "never retrieved %s"


def test_a_line_of_a_request_holds_no_content() -> None:
    """Of a prompt and an answer there is nothing in it."""
    inference = an_inference(request=b'{"a": "swordfish"}', response=b'{"b": "swordfish"}', model="m" * 1000)
    line = json.dumps(summary(inference, "intent"))
    assert "swordfish" not in line
    assert json.loads(line) == {
        "id": "chatcmpl-1",
        "at": inference.created_at.isoformat(),
        "client": "helpdesk",
        "key_id": None,
        "endpoint": "chat.completions",
        "task": "intent",
        "model": "m" * 128,
        "route": "requested",
        "backend": "openai",
        "backend_model": "gpt-4o",
        "status": 200,
        "error": None,
        "streamed": False,
        "calls": 1,
        "latency_ms": 815.0,
        "overhead_ms": 2.5,
        "first_token_ms": None,
        "input_tokens": 100,
        "output_tokens": 5,
        "tokens_estimated": False,
        "cost_usd": 0.0003,
    }


def test_lines_are_written_in_order_until_the_end(pipe: tuple[int, int]) -> None:
    """Closing an outlet writes what was waiting."""
    outlet = Outlet(pipe[1])
    outlet.setFormatter(JsonLines())
    for number in range(100):
        outlet.emit(a_record("line %d", number))
    outlet.close()
    written = [json.loads(line)["message"] for line in os.read(pipe[0], 65_536).splitlines()]
    assert written == [f"line {number}" for number in range(100)]


def test_who_logs_does_not_wait_for_a_reader(pipe: tuple[int, int]) -> None:
    """While nobody reads, lines beyond the room are dropped; the next reader is told how many."""
    outlet = Outlet(pipe[1], room=5)
    outlet.setFormatter(JsonLines())
    # Far more than a pipe holds: without the thread this would never return.
    for _ in range(200):
        outlet.emit(a_record("x" * 4000))
    said = ""
    while (told := sum(map(int, re.findall(r"(\d+) lines of the log", said))) + said.count('xxx"}\n')) < 200:
        said += os.read(pipe[0], 65_536).decode()
    outlet.close()
    assert told == 200
    assert "were dropped: standard error did not take them in time" in said


def test_lines_of_several_processes_do_not_mix(pipe: tuple[int, int]) -> None:
    """What is written at once is whole lines and no more than a pipe takes in one piece (POSIX: 512 bytes or more)."""
    outlet = Outlet(pipe[1])
    outlet.setFormatter(JsonLines())
    written: list[bytes] = []
    outlet._write = written.append  # type: ignore[method-assign]
    for number in range(300):
        outlet.emit(a_record("x" * (number * 20)))
    outlet.close()
    assert sum(block.count(b"\n") for block in written) == 300
    assert all(block.endswith(b"\n") for block in written)
    assert all(len(block) <= PIPE_BUF or block.count(b"\n") == 1 for block in written)
    assert len(written) < 300


def test_a_line_that_cannot_be_made_is_counted(pipe: tuple[int, int]) -> None:
    """A mistake in a call of the log costs its caller nothing, and does not pass unseen."""
    outlet = Outlet(pipe[1])
    outlet.setFormatter(JsonLines())
    outlet.emit(a_record("%d", "no number"))
    outlet.close()
    assert "1 lines of the log were dropped" in json.loads(os.read(pipe[0], 65_536))["message"]


@pytest.mark.parametrize(
    ("section", "says"),
    [
        (LogSection(format="xml"), 'log.format is \'xml\'; write one of "text", "json"'),
        (LogSection(level="loud"), "log.level is 'loud'; write one of \"debug\""),
    ],
)
def test_what_is_not_known_is_refused(section: LogSection, says: str) -> None:
    """The error names the key, the value and what may be written."""
    with pytest.raises(SettingsError) as found:
        check_log(section, Path("tierwright.toml"))
    assert says in str(found.value)
