"""Agents and chats in more traffic than a sample holds, on a real store."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sklearn.metrics import adjusted_rand_score

from tests import agent_traffic
from tests.fakes import a_request, a_response, after, an_inference
from tests.unit.curation.logs import tickets
from tests.unit.curation.test_frames import TOPIC_PROMPT
from tierwright.core.ids import InferenceId
from tierwright.curation.audit import audit
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.core.protocols import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store."""
    opened = open_store(f"sqlite:///{tmp_path / 'test.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize("sample", [500, 1_000])
def test_steps_and_processes_are_found_from_samples(store: Store, sample: int) -> None:
    """A sample of a part of the traffic finds the same steps, chats and processes as a look at all of it."""
    played = agent_traffic.traffic(41, conversations=80)
    assert len(played.inferences) > 2 * sample
    store.append(played.inferences)
    found = audit(store, seed=1, sample=sample)
    process_of = {task.id: task.process or task.id for task in store.tasks()}
    got = {one: "-" if task is None else task for one, task in found.assignments.items()}
    assert adjusted_rand_score([played.key[one] for one in got], list(got.values())) > 0.99
    steps = [one for one in got if one in played.process]
    told = [process_of.get(got[one], "-") for one in steps]  # type: ignore[call-overload]  # a task's id is a text
    assert adjusted_rand_score([played.process[one] for one in steps], told) > 0.99
    assert not any(played.key[one] == agent_traffic.LONG_TAIL and task != "-" for one, task in got.items())


def test_one_call_outside_the_sample_keeps_specialists_away(store: Store) -> None:
    """A tool that was called once in traffic that nobody sampled makes the task one for the frontier model."""
    pairs = tickets(900, 42)
    given = [
        an_inference(
            id=InferenceId(f"r{n}"),
            created_at=after(n),
            request=a_request(text, system=TOPIC_PROMPT),
            response=a_response(answer),
            task_id=None,
        )
        for n, (text, answer) in enumerate(pairs)
    ]
    call = {"id": "a", "type": "function", "function": {"name": "ask_human", "arguments": "{}"}}
    called = json.dumps({"id": "x", "choices": [{"message": {"content": None, "tool_calls": [call]}}]}).encode()
    store.append([*given[:-1], replace(given[-1], response=called)])
    whole = audit(store, seed=1, sample=30_000)
    assert whole.tasks[0].task.contract.calls == ("ask_human",)
    sampled = audit(store, seed=1, sample=100)
    assert sampled.tasks[0].requests == 900
    assert sampled.tasks[0].task.contract.calls == ("ask_human",)
    assert not store.tasks()[0].is_servable


def test_a_step_that_is_seldom_seen_keeps_its_known_task(store: Store, tmp_path: Path) -> None:
    """Of a known step, requests too few to found it again stay with it, and with its process."""
    played = agent_traffic.one_application(agent_traffic.planner, 43, conversations=120)
    store.append(played.inferences)
    first = audit(store, seed=1)
    tasks = {task.id: task for task in store.tasks()}
    assert len({task.process for task in tasks.values()}) == 1
    (step,) = [task.id for task in tasks.values() if task.frames[0].after == "book_room"]
    of_it = [one for one, task in first.assignments.items() if task == step]
    gone = set(of_it[3:])
    later = open_store(f"sqlite:///{tmp_path / 'later.db'}")
    for task in tasks.values():
        later.put_task(task)
    later.append([one for one in played.inferences if one.id not in gone])
    again = audit(later, seed=1)
    assert [again.assignments[one] for one in of_it[:3]] == [step] * 3
    assert {task.id: task.process for task in later.tasks()} == {task.id: task.process for task in tasks.values()}
    later.close()
