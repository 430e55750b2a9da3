"""Tests of the demo's people: names and labels from a key."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes import NOON
from tierwright.app.demo.labels import AUTHOR, KeyEntry, labels_from_key, names_from_key, read_key
from tierwright.core.errors import InputError
from tierwright.core.ids import InferenceId, TaskId

if TYPE_CHECKING:
    from pathlib import Path

LINES = [
    {"id": "r1", "task": "intent", "gold": "refund", "version": "v1"},
    {"id": "r2", "task": "chat", "gold": None},
    {"id": "r3", "task": "chat"},
]


def a_key(**tasks: str) -> dict[str, KeyEntry]:
    """A key with these tasks by id; the gold answer is the id's own."""
    return {log_id: KeyEntry(task=task, gold=f"gold-{log_id}") for log_id, task in tasks.items()}


@pytest.mark.parametrize("packed", [False, True])
def test_key_is_read_plain_and_packed(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """Each line's id, task and gold, whatever else stands in it; no gold is None; blank lines don't count."""
    text = "\n\n".join(json.dumps(line) for line in LINES).encode()
    path = tmp_path / "key.jsonl"
    path.write_bytes(gzip.compress(text) if packed else text)
    assert read_key(path) == {
        "r1": KeyEntry(task="intent", gold="refund"),
        "r2": KeyEntry(task="chat", gold=None),
        "r3": KeyEntry(task="chat", gold=None),
    }


@pytest.mark.parametrize(
    "bad",
    [b"{}", b"not json", b'{"id": "r2", "task": 7}', b'{"id": "r\xff", "task": "t"}', b'{"a":' + b"[" * 5000],
    ids=["no id", "no json", "wrong type", "no utf-8", "too deep"],
)
def test_bad_line_of_a_key_is_named(tmp_path: Path, bad: bytes) -> None:
    """A line that is no key line ends the reading with its number."""
    path = tmp_path / "key.jsonl"
    path.write_bytes(json.dumps(LINES[0]).encode() + b"\n" + bad)
    with pytest.raises(InputError, match=r"key\.jsonl, line 2"):
        read_key(path)


def test_damaged_or_missing_key(tmp_path: Path) -> None:
    """A key that is not there, breaks off or is damaged in the middle is refused by name."""
    whole = gzip.compress("\n".join(json.dumps(LINES[0]) for _ in range(500)).encode())
    damaged = bytearray(whole)
    damaged[20] ^= 0xFF
    for content in (None, whole[: len(whole) // 2], bytes(damaged)):
        path = tmp_path / "key.gz"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"key\.gz can't be read"):
            read_key(path)


def test_task_gets_the_name_of_most_of_its_requests() -> None:
    """More than half of a task's requests name it; requests that are not in the key count as others."""
    key = a_key(r1="intent", r2="intent", r3="chat")
    task = TaskId("t")
    assert names_from_key({task: ["r1", "r2", "r3"]}, key) == {task: "intent"}
    assert names_from_key({task: ["r1", "r3"]}, key) == {}
    assert names_from_key({task: ["r1", "x", "y"]}, key) == {}
    assert names_from_key({task: ["x"]}, key) == {}


def test_name_of_two_tasks_is_given_to_neither() -> None:
    """Where a job was found as two tasks nobody decides which of them has its name."""
    key = a_key(r1="intent", r2="intent", r3="chat")
    members = {TaskId("a"): ["r1"], TaskId("b"): ["r2"], TaskId("c"): ["r3"]}
    assert names_from_key(members, key) == {TaskId("c"): "chat"}


def pairs(count: int) -> list[tuple[InferenceId, str]]:
    """Inferences with their ids in the log."""
    return [(InferenceId(f"i{number}"), f"r{number:03d}") for number in range(count)]


def test_labels_are_within_the_budget_and_random() -> None:
    """As many labels as the budget allows, of different answers, others with another seed; all with a larger one."""
    key = a_key(**{log_id: "intent" for _, log_id in pairs(100)})

    def drawn(budget: int, seed: int) -> set[InferenceId]:
        labels = labels_from_key(pairs(100), key, budget=budget, seed=seed, at=NOON)
        assert len({label.id for label in labels}) == len(labels) == min(budget, 100)
        return {label.inference_id for label in labels}

    assert drawn(10, 1) != drawn(10, 2)
    assert len(drawn(10, 1) | drawn(10, 2)) > 10
    assert drawn(0, 1) == set()
    assert drawn(1000, 1) == {inference_id for inference_id, _ in pairs(100)}


def test_labels_depend_on_the_log_and_not_on_the_run() -> None:
    """The same log ids under other inference ids, in another order, give the same sample."""
    key = a_key(**{log_id: "intent" for _, log_id in pairs(50)})
    renamed = [(InferenceId(f"other-{log_id}"), log_id) for _, log_id in reversed(pairs(50))]
    first = {label.output for label in labels_from_key(pairs(50), key, budget=7, seed=3, at=NOON)}
    second = {label.output for label in labels_from_key(renamed, key, budget=7, seed=3, at=NOON)}
    assert first == second
    assert len(first) == 7


def test_only_answers_with_a_gold_are_labelled() -> None:
    """What nobody knows the right answer to is not labelled and costs no budget; the label is the key's word."""
    key = {"r000": KeyEntry(task="t", gold=None), "r002": KeyEntry(task="t", gold="refund")}
    (label,) = labels_from_key(pairs(3), key, budget=1, seed=1, at=NOON)
    assert (label.inference_id, label.output, label.author, label.created_at) == ("i2", "refund", AUTHOR, NOON)
