"""Joining new wordings to known tasks, on a real store."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import agent_traffic
from tests.fakes import a_call, a_request, a_response, a_task, after, an_inference
from tests.unit.curation.logs import tickets
from tests.unit.curation.test_frames import TOPIC_PROMPT, TOPIC_PROMPT_2
from tierwright.core.chat import decode_request
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.errors import NotEnoughData
from tierwright.core.ids import InferenceId, ModelVersionId, TaskId
from tierwright.curation.audit import audit
from tierwright.curation.joining import EPOCH, MIN_NEW_INPUTS, Joiner
from tierwright.gateway.recognise import TaskIndex
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store."""
    opened = open_store(f"sqlite:///{tmp_path / 'test.db'}")
    yield opened
    opened.close()


def asked(pairs: list[tuple[str, str]], system: str, *, start: int, user: str = "{}") -> list[Inference]:
    """Inferences of (input, answer) pairs behind a system message."""
    return [
        an_inference(
            id=InferenceId(f"r{start + n}"),
            created_at=after(start + n),
            request=a_request(user.replace("{}", text), system=system),
            response=a_response(answer),
            task_id=None,
        )
        for n, (text, answer) in enumerate(pairs)
    ]


def test_reworded_prompt_joins_between_audits(store: Store) -> None:
    """A new wording joins its task as soon as enough different inputs were seen, and its requests are assigned."""
    pairs = tickets(420, 21)
    store.append(asked(pairs[:300], TOPIC_PROMPT, start=0))
    found = audit(store, seed=1)
    joiner = Joiner(store, since=found.period.until, seed=1)
    reworded = asked(pairs[300:], TOPIC_PROMPT_2, start=300, user="Message: {}")

    store.append(reworded[: MIN_NEW_INPUTS - 1])
    assert joiner.look() == []
    store.append(reworded[MIN_NEW_INPUTS - 1 :])
    joined = joiner.look()

    assert [one.task.id for one in joined] == [found.tasks[0].task.id]
    assert len(store.tasks()[0].frames) == 2
    assert sum(1 for _ in store.scan(task_id=found.tasks[0].task.id)) == 420
    assert joiner.look() == []


def test_another_job_does_not_join(store: Store) -> None:
    """A new prompt about the same texts with other answers joins nothing and founds nothing; it is proposed."""
    pairs = tickets(420, 22)
    store.append(asked(pairs[:300], TOPIC_PROMPT, start=0))
    joiner = Joiner(store, since=audit(store, seed=1).period.until, seed=1)
    other = "Say how the customer feels. Answer with one word: calm, cross or neutral. Nothing but the word."
    moods = [(text, ("calm", "cross", "neutral")[n % 3]) for n, (text, _) in enumerate(pairs[300:])]
    store.append(asked(moods, other, start=300))
    assert joiner.look() == []
    assert len(store.tasks()) == 1

    (new,) = joiner.proposed()
    assert (len(new.members), new.inputs, len(new.task.frames)) == (120, 120, 1)
    assert set(new.task.contract.labels) == {"calm", "cross", "neutral"}
    assert joiner.found() == [new]
    assert {task.id for task in store.tasks()} > {new.task.id}
    assert sum(1 for _ in store.scan(task_id=new.task.id)) == 120
    assert (joiner.look(), Joiner(store, since=EPOCH, seed=1).look()) == ([], [])
    assert {finding.task.id: finding.requests for finding in audit(store, seed=1).tasks}[new.task.id] == 120


def test_audit_again_keeps_ids_and_people_s_names(store: Store) -> None:
    """A later audit finds the same task again, with its id, the name a person gave it, and the new wording."""
    pairs = tickets(500, 23)
    store.append(asked(pairs[:250], TOPIC_PROMPT, start=0))
    first = audit(store, seed=1).tasks[0].task
    store.put_task(replace(first, name="ticket-topic", named_by_person=True))
    store.append(asked(pairs[250:], TOPIC_PROMPT_2, start=250))
    again = audit(store, seed=1)
    assert [finding.task.id for finding in again.tasks] == [first.id]
    assert again.tasks[0].task.name == "ticket-topic"
    assert len(again.tasks[0].task.frames) == 2
    assert again.unassigned == 0


def test_audit_leaves_tasks_of_labelled_history(store: Store) -> None:
    """A task without frames keeps name, contract and what named it; where its traffic is found it gets the wording."""
    labels = OutputContract(kind=ContractKind.LABEL, labels=("billing", "fraud"))
    other = a_task(id=TaskId("task-other"), name="other", contract=labels, frames=(), named_by_person=True)
    topics = replace(other, id=TaskId("task-topics"), name="topics")
    store.put_task(other)
    store.put_task(topics)
    pairs = tickets(300, 25)
    by_name = [replace(one, task_id=topics.id) for one in asked(pairs[:200], TOPIC_PROMPT, start=0)]
    strange = replace(asked([("a story please", "once")], "Tell a story {}", start=900)[0], task_id=other.id)
    store.append([*by_name, *asked(pairs[200:], TOPIC_PROMPT, start=200), strange])
    found = audit(store, seed=1)
    assert store.task("other") == other
    assert store.get(strange.id).task_id == other.id
    assert [finding.task.id for finding in found.tasks] == [topics.id]
    kept = store.task("topics")
    assert (kept.named_by_person, len(kept.frames)) == (True, 1)
    assert set(kept.contract.labels) == {"account", "billing", "delivery", "fraud", "returns"}


def test_specialist_s_answers_are_no_evidence(store: Store) -> None:
    """What a specialist answered is not taken for what the frontier model would say."""
    pairs = tickets(420, 24)
    store.append(asked(pairs[:300], TOPIC_PROMPT, start=0))
    found = audit(store, seed=1)
    own = [
        an_inference(
            id=InferenceId(f"own{n}"),
            created_at=after(1000 + n),
            request=a_request(text, system=TOPIC_PROMPT),
            response=a_response("returns"),
            task_id=found.tasks[0].task.id,
            calls=(a_call(backend="specialist", model_version_id=ModelVersionId("v")),),
        )
        for n, (text, _) in enumerate(tickets(600, 25))
    ]
    store.append(own)
    joiner = Joiner(store, since=found.period.until, seed=1)
    store.append(asked(pairs[300:], TOPIC_PROMPT_2, start=5000))
    assert [one.task.id for one in joiner.look()] == [found.tasks[0].task.id]


def test_audit_without_traffic(store: Store) -> None:
    """An empty store is said to be empty, with what to do."""
    with pytest.raises(NotEnoughData, match="import a log"):
        audit(store, seed=1)


def test_a_reworded_agent_joins_step_by_step(store: Store) -> None:
    """Each step of an agent's new wording joins the task that it was, and its process stays one."""
    played = agent_traffic.one_application(agent_traffic.support, 31, conversations=240)
    begun = sum(agent_traffic.SUPPORT_2.encode() not in (one.request or b"") for one in played.inferences)
    store.append(played.inferences[:begun])
    found = audit(store, seed=1)
    joiner = Joiner(store, since=found.period.until, seed=1)
    store.append(played.inferences[begun:])
    joined = {one.task.name for one in joiner.look()}
    tasks = {task.name: task for task in store.tasks()}
    assert len({task.process for task in tasks.values()}) == 1
    assert {len(tasks[name].frames) for name in joined} == {2}
    assert len(joined) >= 3
    assert all(len({frame.after for frame in task.frames}) == 1 for task in tasks.values())


def test_an_agent_that_came_since_is_proposed_as_one_process(store: Store) -> None:
    """Steps of an agent that no audit has seen are proposed as tasks of one process, and found when asked for."""
    store.append(asked(tickets(60, 21), TOPIC_PROMPT, start=0))
    found = audit(store, seed=1)
    joiner = Joiner(store, since=found.period.until, seed=1)
    played = agent_traffic.one_application(agent_traffic.planner, 33, conversations=80)
    store.append(played.inferences)
    assert joiner.look() == []
    new = joiner.found()
    assert {one.task.frames[0].after for one in new} == {None, "find_slot", "book_room"}
    assert len({one.task.process for one in new}) == 1
    assert new[0].task.process is not None
    assert not any(one.task.is_servable for one in new)
    assert joiner.proposed() == []
    index = TaskIndex(store.tasks())
    assert all(index.recognise(decode_request(one.request or b"")) for one in played.inferences)


def test_an_audit_tells_processes_and_what_it_left_out(store: Store) -> None:
    """Steps and chats are stored with their process and found again; what can't be read is counted."""
    played = agent_traffic.traffic(32, conversations=30)
    picture = [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    shown = json.dumps({"model": "m", "messages": [{"role": "user", "content": picture}]}).encode()
    store.append([*played.inferences, an_inference(id=InferenceId("shown"), request=shown, task_id=None)])
    first = audit(store, seed=1)
    assert first.refused == {"not_text": 1}
    assert first.assignments[InferenceId("shown")] is None
    tasks = {task.id: task for task in store.tasks()}
    again = audit(store, seed=1)
    assert {task.id: task for task in store.tasks()} == tasks
    assert again.assignments == first.assignments
    index = TaskIndex(tasks.values())
    for one in played.inferences:
        recognised = index.recognise(decode_request(one.request or b""))
        assert (recognised.task.id if recognised else None) == first.assignments[one.id]
    steps = [task for task in tasks.values() if task.process is not None]
    assert len({task.process for task in steps}) == len(set(played.process.values()))
    assert not any(task.is_servable for task in steps if task.frames[0].after or task.contract.calls)
