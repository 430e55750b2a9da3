"""Merging, splitting and proposing tasks, on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.curation.logs import tickets
from tests.unit.curation.test_frames import TOPIC_PROMPT, TOPIC_PROMPT_2

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = pytest.mark.slow

MOOD_PROMPT = "Say how the customer feels. Answer with one word: calm, cross or neutral. Nothing but the word."


def write_log(path: Path, rows: list[tuple[str, str, str]], *, start: datetime, prefix: str) -> Path:
    """A log of (system message, text, answer) rows, a minute apart."""
    with path.open("w", encoding="utf-8") as file:
        for number, (system, text, answer) in enumerate(rows):
            messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
            message = {"role": "assistant", "content": answer}
            line = {
                "timestamp": (start + timedelta(minutes=number)).timestamp(),
                "client_id": "desk",
                "request": {"model": "gpt-4o", "messages": messages},
                "response": {
                    "id": f"{prefix}-{number}",
                    "object": "chat.completion",
                    "model": "gpt-4o",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 90, "completion_tokens": 3, "total_tokens": 93},
                },
            }
            file.write(json.dumps(line) + "\n")
    return path


def sizes(audit: Any) -> dict[str, int]:
    """Requests by the name of their task."""
    return {task["name"]: task["requests"] for task in audit["tasks"]}


def test_people_put_tasks_together_and_take_them_apart(cli: Cli) -> None:
    """A split, a merge and their undoing, each kept by the audits that follow."""
    pairs = tickets(200, 41)
    rows = [(TOPIC_PROMPT, *pair) for pair in pairs[:120]] + [(TOPIC_PROMPT_2, *pair) for pair in pairs[120:]]
    now = datetime.now(UTC)
    log = write_log(cli.folder / "log.jsonl", rows, start=now - timedelta(days=2), prefix="a")
    assert cli("traffic", "import", str(log)).code == 0
    first = cli("task", "audit", "--no-scores", "--json").document
    (task,) = first["tasks"]
    assert (task["requests"], first["proposed_groups"]) == (200, [])
    assert cli("task", "name", task["id"], "topics").code == 0

    frames = cli("task", "show", "topics", "--json").document["frames"]
    split = cli("task", "split", "topics", "--frame", frames[1], "--name", "topics-2", "--json")
    assert split.code == 0, split.err
    assert (split.document["moved"], split.document["unread"], split.document["undone"]) == (80, 0, False)
    assert sizes(cli("task", "audit", "--no-scores", "--json").document) == {"topics": 120, "topics-2": 80}

    merged = cli("task", "merge", "topics", "topics-2", "--into", "everything", "--json")
    assert merged.code == 0, merged.err
    assert sizes(cli("task", "audit", "--no-scores", "--json").document) == {"everything": 200}
    listed = cli("task", "edits", "--json").document
    assert [edit["kind"] for edit in listed] == ["split", "merge"]
    assert cli("task", "undo", listed[0]["id"]).code == 1
    assert cli("task", "undo", "--json").document["moved"] == 80
    assert cli("task", "undo").code == 0
    assert sizes(cli("task", "audit", "--no-scores", "--json").document) == {"topics": 200}
    assert cli("task", "undo").code == 2


def test_new_tasks_are_proposed_between_audits(cli: Cli) -> None:
    """A prompt that is no known job is proposed, kept when it is asked for, and found again by the next audit."""
    pairs = tickets(200, 41)
    now = datetime.now(UTC)
    rows = [(TOPIC_PROMPT, *pair) for pair in pairs[:120]]
    log = write_log(cli.folder / "log.jsonl", rows, start=now - timedelta(days=2), prefix="a")
    assert cli("traffic", "import", str(log)).code == 0
    (topics,) = cli("task", "audit", "--no-scores", "--json").document["tasks"]
    moods = [(MOOD_PROMPT, text, ("calm", "cross", "neutral")[n % 3]) for n, (text, _) in enumerate(pairs[140:])]
    more = write_log(cli.folder / "more.jsonl", moods, start=now - timedelta(hours=9), prefix="b")
    assert cli("traffic", "import", str(more)).code == 0

    assert "a new task" in cli("task", "audit", "--new").out
    founded = cli("task", "audit", "--new", "--found", "--json").document
    assert founded["joined"] == []
    (new,) = founded["proposed"]
    assert (new["requests"], new["inputs"], new["contract"], new["founded"]) == (60, 60, "label", True)
    assert {one["id"] for one in cli("task", "list", "--json").document} == {topics["id"], new["id"]}
    refused = cli("task", "merge", topics["name"], new["name"])
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert sizes(cli("task", "audit", "--no-scores", "--json").document) == {topics["name"]: 120, new["name"]: 60}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("merge", "nothing", "more"), 2, "there is no task 'nothing'"),
        (("split", "nothing", "--frame", "x"), 2, "there is no task 'nothing'"),
        (("undo", "edit_1"), 2, "there is no edit 'edit_1'"),
        (("audit", "--found"), 2, "--found is said with --new"),
    ],
)
def test_what_is_refused(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    """Tasks and edits that are not there, and options that say nothing together."""
    ran = cli("task", *arguments)
    assert (ran.code, message in ran.err) == (code, True), ran.err
