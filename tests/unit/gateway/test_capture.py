"""The queue between answers and the store: bounded, patient, and honest about what it loses."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import inferences
from tierwright.core.errors import StoreError
from tierwright.core.inference import Content
from tierwright.gateway.capture import Capture, CaptureState
from tierwright.gateway.config import CaptureConfig
from tierwright.gateway.record import Record, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tierwright.core.inference import Inference
    from tierwright.core.protocols import InferenceStore


@dataclass
class Memory:
    """A store in memory that `refuses` some groups; `go_on` lets it work at all."""

    refuses: Callable[[Sequence[Inference]], Exception | None] = lambda _: None
    groups: list[list[str]] = field(default_factory=list)
    stored: list[Inference] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def append(self, batch: Sequence[Inference]) -> int:
        """Keeps a group or raises."""
        assert self.go_on.wait(10)
        error = self.refuses(batch)
        if error is not None:
            raise error
        self.groups.append([inference.id for inference in batch])
        self.stored += batch
        return len(batch)

    @property
    def kept(self) -> list[str]:
        """Everything kept, in order."""
        return [name for group in self.groups for name in group]

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the capture has no business with {name}")


@dataclass(frozen=True)
class Drafted:
    """A draft of an inference, said to hold so many bytes."""

    made: Inference
    size_bytes: int
    broken: bool = False
    traceparent: str | None = None

    def record(self) -> list[bytes]:
        """The bytes of the inference."""
        return encode(Record(self.made))

    def without_content(self) -> Drafted:
        """The ledger's part."""
        return Drafted(replace(self.made, request=None, response=None, content=Content.DROPPED), 0)

    def unkept(self) -> Drafted:
        """With an error in the answer's place."""
        return replace(self, made=replace(self.made, status=503))

    def inference(self) -> Inference:
        """The inference, or a failure that quotes somebody."""
        if self.broken:
            raise ValueError("a secret prompt")
        return self.made


def restored(record: bytes) -> Drafted:
    """The draft in the bytes of a journal."""
    return Drafted(decode(record).inference, 0)


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

    def start(store: InferenceStore, **changes: Any) -> Capture:
        config = CaptureConfig(**{"max_delay_ms": 1.0, "close_timeout_s": 0.5, **changes})
        started.append(Capture(store, config, restored=restored))
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
        assert capture.put(Drafted(inference, 10))
    state = flushed(capture)
    assert memory.kept == [inference.id for inference in inferences(100)]
    assert max(map(len, memory.groups)) == 7
    assert (state.captured, state.waiting, state.dropped, state.store_error) == (100, 0, 0, None)


def test_the_queue_is_bounded(capturing: Callable[..., Capture]) -> None:
    """While the store hangs and there is no journal only so many wait; the rest is refused at once and counted."""
    hanging = Memory()
    capture = capturing(hanging, queue_limit=3)
    taken = [capture.put(Drafted(inference, 10)) for inference in inferences(5)]
    assert taken == [True, True, True, False, False]
    state = capture.state()
    assert (state.waiting, state.dropped) == (3, 2)
    hanging.go_on.set()
    assert flushed(capture).captured == 3


def test_beyond_the_bound_of_bytes_the_ledger_is_kept_without_content(capturing: Callable[..., Capture]) -> None:
    """Content that has no room is dropped and counted, and says so in the store; no line of the ledger is lost."""
    hanging = Memory()
    capture = capturing(hanging, queue_limit_bytes=30)
    assert all(capture.put(Drafted(inference, 10)) for inference in inferences(5))
    hanging.go_on.set()
    state = flushed(capture)
    assert (state.captured, state.content_dropped, state.dropped) == (5, 2, 0)
    assert [one.content for one in hanging.stored] == [Content.KEPT] * 3 + [Content.DROPPED] * 2
    assert [one.request is None for one in hanging.stored] == [False] * 3 + [True] * 2


def test_beyond_the_bound_of_the_queue_the_journal_holds_the_rest(
    capturing: Callable[..., Capture], tmp_path: Path
) -> None:
    """While the store hangs memory is bounded and nothing is lost: content and all come from the journal, in order."""
    hanging = Memory()
    # The writer is not to begin before all of them are there, however slow the machine is.
    capture = capturing(hanging, queue_limit=3, max_delay_ms=60_000.0, spool=tmp_path)
    given = inferences(50)
    assert all(capture.put(Drafted(inference, 10)) for inference in given)
    state = capture.state()
    assert (state.waiting, state.spilled, state.dropped) == (50, 47, 0)
    hanging.go_on.set()
    assert flushed(capture).captured == 50
    assert hanging.stored == given


def test_what_the_store_does_not_take_until_the_end_is_stored_at_the_next_start(
    memory: Memory, capturing: Callable[..., Capture], tmp_path: Path
) -> None:
    """A store that is down until the end of one run gets everything in the next, once, and the journal is gone."""
    memory.refuses = lambda _: StoreError("gone")
    first = capturing(memory, close_timeout_s=0.2, spool=tmp_path)
    for inference in inferences(5):
        first.put(Drafted(inference, 1))
    first.close()
    assert first.state().dropped == 0
    memory.refuses = lambda _: None
    second = capturing(memory, spool=tmp_path)
    second.put(Drafted(inferences(1, prefix="new")[0], 1))
    flushed(second)
    assert sorted(memory.kept) == [*(one.id for one in inferences(5)), "new-000000"]
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_used_costs_nothing(
    memory: Memory, capturing: Callable[..., Capture], tmp_path: Path
) -> None:
    """Where the spool is no folder the capture works from memory, and the state says so."""
    (tmp_path / "spool").write_text("a file", encoding="utf-8")
    capture = capturing(memory, spool=tmp_path / "spool")
    assert capture.put(Drafted(inferences(1)[0], 1))
    state = flushed(capture)
    assert (state.captured, state.dropped) == (1, 0)
    assert state.journal_error is not None


def test_failed_store_is_tried_until_it_recovers(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """A store that fails several times in a row gets everything in the end, and nothing twice."""
    failures = iter([StoreError("locked"), OSError("odd"), StoreError("locked"), StoreError("locked"), None])
    memory.refuses = lambda _: next(failures, None)
    capture = capturing(memory)
    for inference in inferences(10):
        capture.put(Drafted(inference, 1))
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
        capture.put(Drafted(inference, 1))
    later = inferences(30, prefix="later")
    stop = threading.Event()

    def keep_coming() -> None:
        for inference in later:
            capture.put(Drafted(inference, 1))
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
    capture = capturing(memory)
    capture.put(Drafted(inferences(1)[0], 1, broken=True))
    capture.put(Drafted(inferences(1)[0], 1))
    state = flushed(capture)
    assert (state.captured, state.dropped) == (1, 1)
    assert "secret" not in caplog.text


def test_closing_stores_what_is_left(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """Closing does not wait for the delay, stores all, and takes no more."""
    capture = capturing(memory, max_delay_ms=60_000.0)
    for inference in inferences(3):
        capture.put(Drafted(inference, 1))
    capture.close()
    assert len(memory.kept) == 3
    assert not capture.put(Drafted(inferences(1)[0], 1))
    assert capture.state().dropped == 1
    capture.close()


def test_closing_on_a_dead_store_ends_and_counts(memory: Memory, capturing: Callable[..., Capture]) -> None:
    """A store that fails until the end does not hold the shutdown for longer than allowed; the loss is counted."""
    memory.refuses = lambda _: StoreError("gone")
    capture = capturing(memory, close_timeout_s=0.2)
    for inference in inferences(3):
        capture.put(Drafted(inference, 1))
    capture.close()
    state = capture.state()
    assert (state.captured, state.waiting, state.dropped) == (0, 0, 3)


def test_flush_says_when_it_takes_too_long(capturing: Callable[..., Capture]) -> None:
    """A flush that can't finish says so instead of hanging."""
    hanging = Memory()
    capture = capturing(hanging)
    capture.put(Drafted(inferences(1)[0], 1))
    assert not asyncio.run(capture.flush(0.05))
    hanging.go_on.set()
    assert flushed(capture).captured == 1
