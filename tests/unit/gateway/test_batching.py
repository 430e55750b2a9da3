"""Predictions that wait together are made together, and fail alone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tierwright.core.model import Prediction
from tierwright.gateway.batching import Outcome, Predicted, PredictionQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence


@dataclass
class Echo:
    """Predicts the input itself, once it may; raises on 'bad'."""

    go_on: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)
    short: bool = False

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction each."""
        self.batches.append(list(inputs))
        assert self.go_on.wait(10)
        if "bad" in inputs:
            raise ValueError("a secret prompt")
        found = [Prediction(output=text, confidence=0.5) for text in inputs]
        return found[1:] if self.short else found


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """Two threads."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


def run(
    echo: Echo,
    executor: ThreadPoolExecutor,
    story: Callable[[PredictionQueue], Awaitable[list[Outcome]]],
    *,
    timeout_s: float = 10.0,
) -> list[Outcome]:
    """What a story with a queue comes to."""

    async def main() -> list[Outcome]:
        return await story(PredictionQueue(echo, name="t", executor=executor, timeout_s=timeout_s, limit=4))

    return asyncio.run(main())


def outputs(outcomes: Sequence[Outcome]) -> list[str]:
    """The outputs, or the codes of failures."""
    return [one.prediction.output if isinstance(one, Predicted) else one.code for one in outcomes]


async def all_at_once(queue: PredictionQueue, texts: Sequence[str], echo: Echo) -> list[Outcome]:
    """Asks for all while the first is under way."""
    waiting = [asyncio.create_task(queue.predict(text)) for text in texts]
    await asyncio.sleep(0.02)
    echo.go_on.set()
    return list(await asyncio.gather(*waiting))


def test_those_who_wait_are_gathered_up_to_the_limit(executor: ThreadPoolExecutor) -> None:
    """The first goes at once and alone; those who came meanwhile go together, at most four at a time."""
    echo = Echo()
    texts = [f"t{number}" for number in range(8)]
    found = run(echo, executor, lambda queue: all_at_once(queue, texts, echo))
    assert outputs(found) == texts
    assert [len(batch) for batch in echo.batches] == [1, 4, 3]
    assert all(one.seconds >= 0 for one in found if isinstance(one, Predicted))


def test_one_bad_input_fails_alone(executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    """A batch that fails is tried one by one: only the input that fails goes without, and it is not logged."""
    echo = Echo()
    found = run(echo, executor, lambda queue: all_at_once(queue, ["a", "b", "bad", "c"], echo))
    assert outputs(found) == ["a", "b", "specialist_failed", "c"]
    assert "secret" not in caplog.text


def test_predictor_that_answers_too_few_has_failed(executor: ThreadPoolExecutor) -> None:
    """Answers that can't be matched with their inputs are not given to anyone."""
    echo = Echo(short=True)
    found = run(echo, executor, lambda queue: all_at_once(queue, ["a", "b", "c"], echo))
    assert outputs(found) == ["specialist_failed"] * 3


def test_deadline_passes_and_the_queue_recovers(executor: ThreadPoolExecutor) -> None:
    """A hanging batch costs those in it their deadline, those after it nothing, and is forgotten when it ends."""
    echo = Echo()

    async def story(queue: PredictionQueue) -> list[Outcome]:
        first = await queue.predict("slow")
        second = await asyncio.wait_for(queue.predict("next"), 0.05)
        echo.go_on.set()
        third = first
        for _ in range(1000):
            await asyncio.sleep(0.01)
            third = await queue.predict("after")
            if isinstance(third, Predicted):
                break
        return [first, second, third]

    found = run(echo, executor, story, timeout_s=0.1)
    assert outputs(found) == ["specialist_timeout", "specialist_timeout", "after"]


def test_those_who_gave_up_are_not_predicted(executor: ThreadPoolExecutor) -> None:
    """A request that was cancelled while it waited is left out of the next batch."""
    echo = Echo()

    async def story(queue: PredictionQueue) -> list[Outcome]:
        first = asyncio.create_task(queue.predict("a"))
        gone = asyncio.create_task(queue.predict("gone"))
        stays = asyncio.create_task(queue.predict("b"))
        await asyncio.sleep(0.02)
        gone.cancel()
        echo.go_on.set()
        return [await first, await stays]

    assert outputs(run(echo, executor, story)) == ["a", "b"]
    assert echo.batches == [["a"], ["b"]]


def test_queue_of_a_stopped_gateway_fails_at_once() -> None:
    """When the threads are gone a prediction fails instead of waiting for ever."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()

    async def story(queue: PredictionQueue) -> list[Outcome]:
        return [await queue.predict("a")]

    assert outputs(run(Echo(), pool, story)) == ["specialist_failed"]
