"""The audit of traffic that is larger than the sample it looks for frames in, on a real store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_request, a_response, after, an_inference
from tests.unit.curation.logs import tickets
from tests.unit.curation.test_frames import TOPIC_PROMPT
from tierwright.core.ids import InferenceId
from tierwright.core.inference import Content
from tierwright.curation.audit import audit
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import Store

MOOD_PROMPT = "Judge the mood of the writer in this shop's chat. Answer calm or cross, in lower case, and nothing else."
STRANGE = ("a story of two foxes please", "what is the height of this tower in feet", "name one river of Peru")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store."""
    opened = open_store(f"sqlite:///{tmp_path / 'test.db'}")
    yield opened
    opened.close()


def asked(pairs: list[tuple[str, str]], system: str, *, prefix: str, start: int = 0) -> list[Inference]:
    """Inferences of (input, answer) pairs behind a system message."""
    return [
        an_inference(
            id=InferenceId(f"{prefix}{start + n:05d}"),
            created_at=after(start + n),
            request=a_request(text, system=system),
            response=a_response(answer),
        )
        for n, (text, answer) in enumerate(pairs)
    ]


def mixed() -> list[Inference]:
    """Two jobs, the second rare, and three requests of none."""
    moods = [(text, ("calm", "cross")[n % 2]) for n, (text, _) in enumerate(tickets(60, 5))]
    tail = [(text, f"well, {text}") for text in STRANGE]
    return [
        *asked(tickets(600, 4), TOPIC_PROMPT, prefix="t"),
        *asked(moods, MOOD_PROMPT, prefix="m"),
        *asked(tail, "", prefix="x"),
    ]


def test_a_sample_finds_what_the_whole_holds(store: Store, tmp_path: Path) -> None:
    """With a sample of a fifth, every request gets the task that it gets when all are looked at, with its figures."""
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    given = mixed()
    store.append(given)
    other.append(given)
    whole, sampled = audit(store, seed=1), audit(other, seed=1, sample=130)
    other.close()
    assert sampled.assignments == whole.assignments
    assert sampled.unassigned == whole.unassigned == len(STRANGE)
    for one, same in zip(sampled.tasks, whole.tasks, strict=True):
        assert (one.requests, one.distinct_outputs) == (same.requests, same.distinct_outputs)
        assert sorted(one.task.contract.labels) == sorted(same.task.contract.labels)
        assert (one.traffic.input_key == same.traffic.input_key).all()
        assert (one.traffic.answer_key == same.traffic.answer_key).all()
        assert one.traffic.cost_usd == same.traffic.cost_usd
        assert [r.input for r in one.traffic.sample] == [r.input for r in same.traffic.sample]


def test_labels_outside_the_sample_are_known(store: Store) -> None:
    """A label that is given now and then, and not in the sample, is in the contract; one slip is not."""
    pairs = tickets(900, 6)
    rare = [(text, "fraud") for text, _ in pairs[:4]]
    slip = [(pairs[4][0], "I am not sure")]
    store.append(asked([*rare, *slip, *pairs[5:]], TOPIC_PROMPT, prefix="t"))
    # With this seed the sample has none of the five; were one drawn, the test would have nothing to show.
    found = audit(store, seed=3, sample=100)
    assert set(found.tasks[0].task.contract.labels) == {"account", "billing", "delivery", "returns", "fraud"}


def test_a_known_wording_that_is_not_found_again_keeps_its_requests(store: Store) -> None:
    """What an earlier audit found stays recognised when too little of it is left to be found anew."""
    moods = [(text, ("calm", "cross")[n % 2]) for n, (text, _) in enumerate(tickets(60, 5))]
    first = asked(moods, MOOD_PROMPT, prefix="m")
    store.append(first)
    task = audit(store, seed=1).tasks[0].task
    store.expire_inferences(after(57))
    store.append(asked(tickets(200, 4), TOPIC_PROMPT, prefix="t", start=100))
    again = audit(store, seed=1)
    assert [(finding.task.id == task.id, finding.requests) for finding in again.tasks] == [(False, 200), (True, 3)]
    assert again.unassigned == 0
    assert store.task(task.id) == task


def test_requests_whose_content_is_gone_stay_where_they_were(store: Store) -> None:
    """Expired content does not take a request from its task; a failed request of no task is counted and in none."""
    given = asked(tickets(200, 4), TOPIC_PROMPT, prefix="t")
    store.append(given)
    task = audit(store, seed=1).tasks[0].task
    store.expire_content(after(20))
    store.append([replace(given[0], id=InferenceId("failed"), error_code="upstream_timeout", content=Content.KEPT)])
    again = audit(store, seed=1)
    assert again.refused == {"no_content": 20, "failed": 1}
    assert [(finding.task.id, finding.requests) for finding in again.tasks] == [(task.id, 200)]
    assert (again.tasks[0].traffic.input_key == 0).sum() == 20
    assert again.assignments[InferenceId("failed")] is None
    assert again.unassigned == 1


def test_progress_says_how_far_each_stage_is(store: Store) -> None:
    """Every counted stage ends with all of it done, and stages come one after another."""
    store.append(mixed())
    said: list[tuple[str, int, int | None]] = []
    audit(store, seed=1, sample=130, progress=lambda *word: said.append(word))
    last = {stage: (done, total) for stage, done, total in said}
    assert all(done == total for done, total in last.values() if total is not None)
    stages = [stage for stage, _, _ in said]
    assert len(last) == sum(one != other for one, other in zip(["", *stages], stages, strict=False))
    assert {"reading the traffic", "describing the tasks", "assigning requests"} <= set(last)
