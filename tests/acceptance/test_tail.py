"""`tierwright traffic tail`: what was asked last, and what is asked from now on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import PROGRAM, Cli
from tests.fakes import an_inference
from tierwright.core.ids import InferenceId
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

TEXT = "the word is swordfish \x1b[2J"
BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}]}).encode()


def add(cli: Cli, *names: str, status: int = 200) -> None:
    """Stores inferences, as a gateway would."""
    store = open_store(f"sqlite:///{cli.folder / 'tierwright.db'}")
    store.append(
        [
            an_inference(
                id=InferenceId(name), created_at=datetime.now(UTC), request=BODY, status=status, client_id=name
            )
            for name in names
        ]
    )
    store.close()


@contextmanager
def following(cli: Cli, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`traffic tail --follow` as a process of its own, which hears Ctrl-C.

    A shell lets what it starts in the background ignore SIGINT, and what these tests start would inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(
            [PROGRAM, "traffic", "tail", "--follow", *options],
            cwd=cli.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def test_the_latest_one_line_each(cli: Cli) -> None:
    """Ten unless told otherwise, the newest last; a JSON object each with `--json`; content with `--content` only."""
    for number in range(12):
        add(cli, f"c{number:02d}")
    shown = cli("traffic", "tail")
    assert shown.code == 0, shown.err
    assert [line.split("  ")[2] for line in shown.out.splitlines()] == [f"c{number:02d}" for number in range(2, 12)]
    objects = [json.loads(line) for line in cli("traffic", "tail", "-n", "3", "--json").out.splitlines()]
    assert [found["client"] for found in objects] == ["c09", "c10", "c11"]
    assert "swordfish" not in shown.out + json.dumps(objects)
    told = cli("traffic", "tail", "-n", "1", "--content").out.splitlines()
    assert told[1] == "    > the word is swordfish \\x1b[2J"


def test_only_what_is_asked_for(cli: Cli) -> None:
    """By caller, model, task and error; a task nobody knows is explained."""
    add(cli, "good")
    add(cli, "bad", status=500)

    def clients(*options: str) -> list[str]:
        ran = cli("traffic", "tail", "--json", *options)
        assert ran.code == 0, ran.err
        return [json.loads(line)["client"] for line in ran.out.splitlines()]

    assert clients() == ["good", "bad"]
    assert clients("--errors") == ["bad"]
    assert clients("--client", "good") == ["good"]
    assert clients("--client", "good", "--errors") == []
    assert clients("--model", "o3") == []
    ran = cli("traffic", "tail", "--task", "nowhere")
    assert (ran.code, "nowhere" in ran.err) == (2, True)


def test_following_ends_in_peace(cli: Cli) -> None:
    """What is stored meanwhile is shown at once; Ctrl-C ends it with exit code 0 and without a word."""
    add(cli, "first")
    with following(cli, "--json") as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["client"] == "first"
        add(cli, "second", "third")
        assert [json.loads(running.stdout.readline())["client"] for _ in range(2)] == ["second", "third"]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
        assert (running.returncode, out, err) == (0, "", "")


def test_a_reader_may_leave(cli: Cli) -> None:
    """Whoever reads the pipe has enough: the command ends with exit code 0 and without a traceback."""
    add(cli, "first")
    with following(cli) as running:
        assert running.stdout is not None
        assert "first" in running.stdout.readline()
        running.stdout.close()
        add(cli, "second")
        assert running.stderr is not None
        assert running.stderr.read() == ""
        assert running.wait(30) == 0
