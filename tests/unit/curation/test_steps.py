"""Agents are processes of steps, chats are one job, applications behind one key are several."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest
from sklearn.metrics import adjusted_rand_score

from tests import agent_traffic
from tests.fakes import a_task
from tests.unit.curation.logs import seen, tickets
from tierwright.core.chat import Message
from tierwright.core.contract import ContractKind
from tierwright.core.ids import TaskId
from tierwright.curation.contracts import is_closed
from tierwright.curation.observation import observe
from tierwright.curation.steps import (
    continued,
    contract_of,
    find_groups,
    jobs_among,
    processes_among,
    step_names,
    with_processes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.agent_traffic import Traffic
    from tierwright.core.ids import InferenceId
    from tierwright.curation.frames import FrameGroup
    from tierwright.curation.observation import Observation


class Jobs(NamedTuple):
    """What is found in some traffic."""

    jobs: list[list[FrameGroup]]
    #: Number of the process that each job is a step of; None: of none.
    processes: list[int | None]


def find_jobs(observations: Iterable[Observation]) -> Jobs:
    """The recurring jobs, and which of them are steps of one process."""
    found = find_groups(observations, is_closed=is_closed, seed=1)
    jobs = jobs_among(found, seed=1)
    return Jobs(jobs, processes_among(jobs, found.links))


def jobs_of(played: Traffic) -> Jobs:
    """The jobs in generated traffic."""
    return find_jobs(observe(played.inferences))


def assigned(played: Traffic, found: Jobs) -> dict[InferenceId, str]:
    """The job that each request is found in, `-` for none."""
    number = {one.id: str(n) for n, job in enumerate(found.jobs) for group in job for one in group.members}
    return {one.id: number.get(one.id, "-") for one in played.inferences}


def agreement(played: Traffic, found: Jobs) -> float:
    """Adjusted Rand index of the jobs found against the generator's key."""
    got = assigned(played, found)
    return float(adjusted_rand_score([played.key[i] for i in got], list(got.values())))


@pytest.mark.parametrize(
    ("play", "jobs", "processes"),
    [
        (agent_traffic.support, 5, 1),
        (agent_traffic.coding, 5, 1),
        (agent_traffic.gatekeeper, 1, 0),
        (agent_traffic.tutor, 1, 0),
        (agent_traffic.manual, 1, 0),
        (agent_traffic.letter, 1, 0),
        (agent_traffic.planner, 3, 1),
        (agent_traffic.incident, 4, 1),
        (agent_traffic.tail, 0, 0),
    ],
)
def test_every_application_is_found(play: Callable[[Traffic, float], None], jobs: int, processes: int) -> None:
    """An agent is one process whose steps are jobs, a chat is one job whatever the turn, small talk is none."""
    played = agent_traffic.one_application(play, 71, conversations=160)
    found = jobs_of(played)
    assert len(found.jobs) == jobs
    assert agreement(played, found) == 1.0
    numbers = Counter(found.processes)
    assert numbers[None] == (0 if processes else jobs)
    assert len(set(found.processes) - {None}) == processes


@pytest.mark.parametrize(
    "plays",
    [(agent_traffic.planner, agent_traffic.analyst), (agent_traffic.auditor, agent_traffic.stocker)],
)
def test_two_applications_behind_one_key_stay_two(plays: tuple[Callable[[Traffic, float], None], ...]) -> None:
    """Other tools behind one system message, or other instructions for the same tools: two processes, nothing mixed."""
    played = agent_traffic.Traffic(Random(72))
    for number in range(160):
        plays[number % 2](played, 0.0)
    assert len({one.client_id for one in played.inferences}) == 1
    found = jobs_of(played)
    assert agreement(played, found) == 1.0
    process_of = dict(zip(map(str, range(len(found.jobs))), found.processes, strict=True))
    got = assigned(played, found)
    assert adjusted_rand_score([played.process[i] for i in got], [process_of[job] for job in got.values()]) == 1.0


def test_a_reworded_agent_is_the_same_process() -> None:
    """A new system message half-way gives every step a second frame, and no second job."""
    found = jobs_of(agent_traffic.one_application(agent_traffic.support, 73, conversations=200))
    assert {len(job) for job in found.jobs} == {2}
    assert len(set(found.processes)) == 1


def test_turns_whose_beginning_was_not_seen_belong_to_the_same_chat() -> None:
    """Where every other request was lost, no later turn founds a job of its own."""
    for play in (agent_traffic.letter, agent_traffic.tutor, agent_traffic.manual):
        played = agent_traffic.one_application(play, 74, conversations=120)
        played.inferences = played.inferences[::2]
        assert agreement(played, jobs_of(played)) == 1.0


def test_requests_that_go_on_know_from_what() -> None:
    """A conversation's requests are a chain, also over calls of tools whose ids and spacing the client changed."""
    played = agent_traffic.one_application(agent_traffic.support, 75, conversations=8)
    everything = list(observe(played.inferences))
    parents = continued(everything)
    begun = [one for one in everything if one.id not in parents]
    assert len(begun) == 8
    assert all(len(one.request.turns) == 1 for one in begun)
    before = {one.id: one for one in everything}
    for child, parent in parents.items():
        assert before[parent].request.messages == before[child].request.messages[: len(before[parent].request.messages)]


def test_examples_in_turns_are_no_conversation() -> None:
    """A prompt that shows its examples as turns is a job although it never begins with the question."""
    pairs = tickets(60, 76)
    shown = seen(pairs, system="Name the topic of the customer's message, one word: billing, delivery or account.")
    example = Message(role="user", text="My invoice is wrong")
    asked = []
    for one in shown:
        system, question = one.request.messages
        turns = (system, example, Message(role="assistant", text="billing"), question)
        asked.append(replace(one, request=replace(one.request, messages=turns)))
    found = find_jobs(asked)
    assert [len(group.members) for job in found.jobs for group in job] == [60]


def test_the_contract_of_calls() -> None:
    """A choice among tools is a label, the arguments of one tool are fields or copied, and the tools are named."""
    chosen = _called(["page", "file"] * 20)
    contract = contract_of([(one, f"text {n}") for n, one in enumerate(chosen)], "")
    assert (contract.kind, contract.calls, set(contract.labels)) == (
        ContractKind.LABEL,
        ("page", "file"),
        {"page", "file"},
    )
    copied = _called([f'{{"tool": "find", "id": "N-{n}"}}' for n in range(40)])
    contract = contract_of([(one, f"where is N-{n}?") for n, one in enumerate(copied)], "")
    assert (contract.kind, [spec.name for spec in contract.fields]) == (ContractKind.SPANS, ["tool", "id"])
    assert contract.canonical(copied[3].answer) == copied[3].answer


def test_steps_are_named_after_their_process() -> None:
    """Names of steps tell the process and the tool, and no two are the same."""
    found = jobs_of(agent_traffic.one_application(agent_traffic.planner, 77, conversations=80))
    names = step_names(found.jobs, found.processes, ["plan", "plan-2", "plan-3"])
    assert sorted(names) == ["plan", "plan-after-book_room", "plan-after-find_slot"]


def test_a_process_keeps_its_name() -> None:
    """A later audit gives the steps it knows, and new ones beside them, the name the process had."""
    tasks = [a_task(id=TaskId(f"t{n}"), name=f"n{n}") for n in range(4)]
    first = with_processes(tasks, [0, 0, None, 2], [])
    assert [task.process for task in first] == ["n0", "n0", None, "n3"]
    renamed = [a_task(id=TaskId(f"t{n}"), name=f"x{n}") for n in range(4)]
    assert [task.process for task in with_processes(renamed, [5, 7, 7, 7], first)] == ["n0", "n3", "n3", "n3"]


def _called(answers: list[str]) -> list[Observation]:
    """Observations with these answers, which call tools."""
    shown = seen([(f"text {n}", answer) for n, answer in enumerate(answers)])
    names = ["find" if "find" in answer else answer for answer in answers]
    return [replace(one, calls=(name,)) for one, name in zip(shown, names, strict=True)]
