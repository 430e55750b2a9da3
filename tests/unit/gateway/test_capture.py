"""The queue between answers and the store: bounded, patient, and honest about what it loses."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.fakes import inferences
from tierwright.core.errors import StoreError
from tierwright.gateway.capture import Capture, CaptureState
from tierwright.gateway.config import CaptureConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore


@dataclass
class Memory:
    """A store in memory that `refuses` some groups; `go_on` lets it work at all."""

    refuses: Callable[[Sequence[Inference]], Exception | None] = lambda _: None
    groups: list[list[str]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def append(self, batch: Sequence[Inference]) -> int:
        """Keeps a group or raises."""
        assert self.go_on.wait(10)
        error = self.refuses(batch)
        if error is not None:
            raise error
        self.groups.append([inference.id for inference in batch])
        return len(batch)

    @property
    def kept(self) -> list[str]:
        """Everything kept, in order."""
        return [name for group in self.groups for name in group]

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the capture has no business with {name}")


@pytest.fixture
def memory() -> Memory:
    """A store that works."""
    found = Memory()
    found.go_on.set()
    return found


@pytest.fixture
def capturing() -> Iterator[Callable[..., Capture]]:
    """Starts captures; closes them at the end."""
    started: list[Capture] = []

    def start(store: InferenceStore, **changes: float) -> Capture:
        config = CaptureConfig(**{"max_delay_ms": 1.0, "close_timeout_s": 0.5, **changes})  # type: ignore[arg-type]
        started.append(Capture(store, config))
        started[-1].start()
        return started[-1]

    yield start
    for capture in started:
        capture.close()


def flushed(capture: Capture) -> CaptureState:
    """The state when everything put so far is settled."""
    assert asyncio.run(capture.flush(20))
    return capture.state()


def test_everything_is_stored_once_and_in_order(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """What is put is stored, in its order, in groups no larger than allowed."""
    capture = capturing(memory, batch_limit=7, max_delay_ms=10_000.0)
    for inference in inferences(100):
        assert capture.put(lambda one=inference: one, 10)
    state = flushed(capture)
    assert memory.kept == [inference.id for inference in inferences(100)]
    assert max(map(len, memory.groups)) == 7
    assert (state.captured, state.waiting, state.dropped, state.store_error) == (100, 0, 0, None)


@pytest.mark.parametrize("limit", [{"queue_limit": 3}, {"queue_limit_bytes": 30}])
def test_bounds_hold_by_count_and_by_bytes(capturing: Callable[..., Capture], limit: dict[str, int]) -> None:
    """While the store hangs only so much waits; the rest is refused at once and counted."""
    hanging = Memory()
    capture = capturing(hanging, **limit)
    taken = [capture.put(lambda one=inference: one, 10) for inference in inferences(5)]
    assert taken == [True, True, True, False, False]
    state = capture.state()
    assert (state.waiting, state.dropped) == (3, 2)
    hanging.go_on.set()
    assert flushed(capture).captured == 3


def test_failed_store_is_tried_until_it_recovers(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """A store that fails several times in a row gets everything in the end, and nothing twice."""
    failures = iter([StoreError("locked"), OSError("odd"), StoreError("locked"), StoreError("locked"), None])
    memory.refuses = lambda _: next(failures, None)
    capture = capturing(memory)
    for inference in inferences(10):
        capture.put(lambda one=inference: one, 1)
    state = flushed(capture)
    assert sorted(memory.kept) == [inference.id for inference in inferences(10)]
    assert (state.captured, state.dropped, state.store_error) == (10, 0, None)


def test_one_inference_the_store_never_takes_does_not_stop_the_others(
    memory: Memory, capturing: Callable[..., Capture]
) -> None:
    """A poisonous inference is given up after several tries alone; all others are stored, later ones too."""
    memory.refuses = lambda batch: StoreError("bad row") if any(one.id == "i-000002" for one in batch) else None
    capture = capturing(memory)
    for inference in inferences(5):
        capture.put(lambda one=inference: one, 1)
    later = inferences(30, prefix="later")
    stop = threading.Event()

    def keep_coming() -> None:
        for inference in later:
            capture.put(lambda one=inference: one, 1)
            stop.wait(0.1)

    coming = threading.Thread(target=keep_coming)
    coming.start()
    coming.join()
    state = flushed(capture)
    assert state.dropped == 1
    assert set(memory.kept) == {one.id for one in [*inferences(5), *later]} - {"i-000002"}
    assert len(memory.kept) == 34


def test_broken_draft_is_counted_and_harms_no_other(
    memory: Memory, capturing: Callable[..., Capture], caplog: pytest.LogCaptureFixture
) -> None:
    """An inference that can't be put together is dropped and counted; its message is not logged."""

    def broken() -> Inference:
        raise ValueError("a secret prompt")

    capture = capturing(memory)
    capture.put(broken, 1)
    capture.put(lambda: inferences(1)[0], 1)
    state = flushed(capture)
    assert (state.captured, state.dropped) == (1, 1)
    assert "secret" not in caplog.text


def test_closing_stores_what_is_left(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """Closing does not wait for the delay, stores all, and takes no more."""
    capture = capturing(memory, max_delay_ms=60_000.0)
    for inference in inferences(3):
        capture.put(lambda one=inference: one, 1)
    capture.close()
    assert len(memory.kept) == 3
    assert not capture.put(lambda: inferences(1)[0], 1)
    assert capture.state().dropped == 1
    capture.close()


def test_closing_on_a_dead_store_ends_and_counts(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """A store that fails until the end does not hold the shutdown for longer than allowed; the loss is counted."""
    memory.refuses = lambda _: StoreError("gone")
    capture = capturing(memory, close_timeout_s=0.2)
    for inference in inferences(3):
        capture.put(lambda one=inference: one, 1)
    capture.close()
    state = capture.state()
    assert (state.captured, state.waiting, state.dropped) == (0, 0, 3)


def test_flush_says_when_it_takes_too_long(capturing: Callable[..., Capture]) -> None:
    """A flush that can't finish says so instead of hanging."""
    hanging = Memory()
    capture = capturing(hanging)
    capture.put(lambda: inferences(1)[0], 1)
    assert not asyncio.run(capture.flush(0.05))
    hanging.go_on.set()
    assert flushed(capture).captured == 1
