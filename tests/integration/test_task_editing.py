"""Merges and splits of tasks, kept by later audits, on a real store."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, a_dataset, a_deployment, a_key, a_version, after, an_evaluation
from tests.integration.test_joining import asked
from tests.unit.curation.logs import tickets
from tests.unit.curation.test_frames import TOPIC_PROMPT, TOPIC_PROMPT_2
from tierwright.core.deployment import Stage
from tierwright.core.errors import GateError, InputError, NotFound
from tierwright.curation import editing
from tierwright.curation.audit import audit
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.core.task import Task
    from tierwright.store.sql import SqlStore

MOOD_PROMPT = "Say how the customer feels. Answer with one word: calm, cross or neutral. Nothing but the word."
MOODS = ("calm", "cross", "neutral")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A SQLite store with an audit of 200 requests in two wordings of one task and 90 of another."""
    opened = open_store(f"sqlite:///{tmp_path / 'test.db'}")
    pairs = tickets(310, 21)
    moods = [(text, MOODS[n % 3]) for n, (text, _) in enumerate(pairs[200:290])]
    opened.append(asked(pairs[:120], TOPIC_PROMPT, start=0))
    opened.append(asked(pairs[120:200], TOPIC_PROMPT_2, start=200, user="Message: {}"))
    opened.append(asked(moods, MOOD_PROMPT, start=400))
    audit(opened, seed=1)
    yield opened
    opened.close()


def merge(store: SqlStore, *names: str, **options: Any) -> editing.Edited:
    """A merge at noon."""
    return editing.merge(store, names, **{"into": None, "force": True, "at": NOON, "entropy": bytes(10)} | options)


def both(store: SqlStore) -> tuple[Task, Task]:
    """The task with two wordings and the other."""
    one, other = sorted(store.tasks(), key=lambda task: -len(task.frames))
    return one, other


def sizes(store: SqlStore) -> dict[str | None, int]:
    """Requests by task id."""
    return dict(Counter(inference.task_id for inference in store.scan()))


def test_a_merge_is_kept_by_later_audits(store: SqlStore) -> None:
    """Two tasks are one, with the labels of both, and an audit of more traffic finds that one under its name."""
    one, other = both(store)
    found = merge(store, one.name, other.name, into="desk")
    assert (found.moved, sizes(store)) == (90, {one.id: 290})
    assert set(found.tasks[0].contract.labels) == {*one.contract.labels, *MOODS}
    store.append(asked([(f"{text} once more", "calm") for text, _ in tickets(40, 5)], MOOD_PROMPT, start=600))
    again = audit(store, seed=1)
    assert [(task.task.id, task.task.name, task.requests) for task in again.tasks] == [(one.id, "desk", 330)]
    assert len(again.tasks[0].task.frames) == 3


def test_tools_that_answers_call_are_remembered(store: SqlStore) -> None:
    """A task that calls a tool makes the one it is merged into, or split into, no specialist's either."""
    one, other = both(store)
    store.put_task(replace(other, contract=replace(other.contract, calls=("find",))))
    merged = merge(store, one.name, other.name).tasks[0]
    assert merged.contract.calls == ("find",)
    frame = merged.frames[0].id
    parts = editing.split(store, merged.name, [frame], new_name=None, at=after(1), entropy=bytes([1] * 10)).tasks
    assert not any(task.is_servable for task in parts)


def test_a_split_is_kept_by_later_audits(store: SqlStore) -> None:
    """A reworded prompt that a person took out stays a task of its own, and its requests with it."""
    one, other = both(store)
    found = editing.split(store, one.name, [one.frames[1].id], new_name="second", at=NOON, entropy=bytes(10))
    stays, fresh = found.tasks
    assert (found.moved, found.unread) == (80, 0)
    assert sizes(store) == {one.id: 120, fresh.id: 80, other.id: 90}
    assert (len(stays.frames), fresh.frames, fresh.name) == (1, (one.frames[1],), "second")
    again = audit(store, seed=1)
    assert {(task.task.id, task.requests) for task in again.tasks} == {(one.id, 120), (fresh.id, 80), (other.id, 90)}


def test_undoing_puts_everything_back(store: SqlStore) -> None:
    """A merge and a split, undone, leave tasks and requests as they were, and the next audit finds the same."""
    before, counts = store.tasks(), sizes(store)
    one, other = both(store)
    split = editing.split(store, one.id, [one.frames[0].id], new_name=None, at=NOON, entropy=bytes(10))
    merged = merge(store, other.id, split.tasks[1].id, into="odd", entropy=bytes([1] * 10), at=after(1))
    with pytest.raises(GateError, match=f"edit {merged.edit.id} came later"):
        editing.undo(store, split.edit.id)
    assert editing.undo(store, None).moved == 120
    assert editing.undo(store, split.edit.id).moved == 120
    assert {task.id: (task.name, task.contract) for task in store.tasks()} == {
        task.id: (task.name, task.contract) for task in before
    }
    assert sizes(store) == counts
    assert {task.task.id: task.requests for task in audit(store, seed=1).tasks} == counts
    with pytest.raises(NotFound, match="no task was merged or split"):
        editing.undo(store, None)


def test_models_keep_their_meaning(store: SqlStore) -> None:
    """A task with models is never merged away; it can take in another, unless a specialist of it serves."""
    one, other = both(store)
    store.add_dataset(a_dataset(task_id=other.id), [])
    store.add_version(a_version(task_id=other.id))
    with pytest.raises(GateError, match=f"--into {other.name}"):
        merge(store, one.name, other.name, into=one.name)
    store.add_evaluation(an_evaluation(task_id=other.id))
    store.add_deployment(a_deployment(task_id=other.id))
    with pytest.raises(GateError, match="is live and would be asked"):
        merge(store, one.name, other.name)
    store.add_deployment(a_deployment(id="deployment-2", task_id=other.id, stage=Stage.RETIRED))
    store.add_key(a_key(tasks=(one.name,)))
    found = merge(store, one.name, other.name)
    assert found.tasks[0].id == other.id
    assert [note.split()[0] for note in found.notes] == ["the", "key"]


def test_two_tasks_with_models_stay_two(store: SqlStore) -> None:
    """Neither can be merged away."""
    for number, task in enumerate(both(store)):
        store.add_dataset(a_dataset(id=f"dataset-{number}", task_id=task.id), [])
    with pytest.raises(GateError, match="both"):
        merge(store, *(task.name for task in both(store)))
    assert len(store.tasks()) == 2


def test_different_answers_need_force(store: SqlStore) -> None:
    """Two label sets that share nothing are not merged without being told to."""
    one, other = both(store)
    with pytest.raises(GateError, match="share 0 of their 3 and 4 labels"):
        merge(store, one.name, other.name, force=False)
    assert (store.task_edits(), len(store.tasks())) == ([], 2)


def test_what_can_be_no_edit_is_refused(store: SqlStore) -> None:
    """One task alone, a wording that is not the task's, and all of its wordings."""
    one, other = both(store)
    with pytest.raises(InputError, match="two different tasks"):
        merge(store, one.name, one.id)
    for frames, message in (
        ([other.frames[0].id], "is no wording"),
        (["frame_"], "names several"),
        ([frame.id for frame in one.frames], "leaves others"),
        ([], "leaves others"),
    ):
        with pytest.raises(InputError, match=message):
            editing.split(store, one.name, frames, new_name=None, at=NOON, entropy=bytes(10))
    assert store.task_edits() == []


def test_requests_without_content_stay(store: SqlStore) -> None:
    """What can't be read can't be told apart: it stays and is counted."""
    one, _ = both(store)
    assert store.expire_content(after(10)) == 10
    found = editing.split(store, one.id, [one.frames[0].id], new_name=None, at=NOON, entropy=bytes(10))
    assert (found.moved, found.unread) == (110, 10)
