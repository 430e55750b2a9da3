"""Predictions off the event loop: whoever waits for the same specialist at the same time is predicted together.

Owns threads, batches and deadlines; adds no delay of its own. Fails open: a specialist that raises or hangs costs a
request its deadline at most, and the requests after it nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.gateway import problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future

    from tierwright.core.model import Prediction
    from tierwright.core.protocols import Predictor

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A prediction and the machine time it took."""

    prediction: Prediction
    #: This input's share of its batch's seconds.
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A specialist that gave no prediction."""

    #: SPECIALIST_FAILED or SPECIALIST_TIMEOUT.
    code: str


Outcome = Predicted | Failed


class PredictionQueue:
    """The requests waiting for one specialist; used on one event loop."""

    def __init__(self, predictor: Predictor, *, name: str, executor: Executor, timeout_s: float, limit: int) -> None:
        self._predictor = predictor
        self._name = name
        self._executor = executor
        self._timeout_s = timeout_s
        self._limit = limit
        self._waiting: deque[tuple[str, asyncio.Future[Outcome]]] = deque()
        #: When the batch under way began; None: none is.
        self._began: float | None = None

    async def predict(self, text: str) -> Outcome:
        """The specialist's answer to an input within the deadline, or why there is none; never raises."""
        if self._began is not None and time.monotonic() - self._began > self._timeout_s:
            # The batch under way hangs: waiting behind it would cost this request the deadline, too.
            return Failed(code=problems.SPECIALIST_TIMEOUT)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._waiting.append((text, future))
        if self._began is None:
            self._begin(loop)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await future
        except TimeoutError:
            return Failed(code=problems.SPECIALIST_TIMEOUT)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts a batch with all who wait and have not given up."""
        batch: list[tuple[str, asyncio.Future[Outcome]]] = []
        while self._waiting and len(batch) < self._limit:
            item = self._waiting.popleft()
            if not item[1].done():
                batch.append(item)
        if not batch:
            return
        try:
            job = self._executor.submit(_predict, self._predictor, [text for text, _ in batch], self._name)
        except RuntimeError:
            # The executor is shut down: this specialist was just replaced, or the gateway stops.
            _settle(batch, [Failed(code=problems.SPECIALIST_FAILED)] * len(batch))
            return
        self._began = time.monotonic()

        def report(done: Future[list[Outcome]]) -> None:
            # A loop that has closed meanwhile has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end, loop, batch, done)

        job.add_done_callback(report)

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[str, asyncio.Future[Outcome]]],
        done: Future[list[Outcome]],
    ) -> None:
        self._began = None
        outcomes = [Failed(code=problems.SPECIALIST_FAILED)] * len(batch) if done.cancelled() else done.result()
        _settle(batch, outcomes)
        self._begin(loop)


def _settle(batch: Sequence[tuple[str, asyncio.Future[Outcome]]], outcomes: Sequence[Outcome]) -> None:
    for (_, future), outcome in zip(batch, outcomes, strict=True):
        if not future.done():
            future.set_result(outcome)


def _predict(predictor: Predictor, texts: list[str], name: str) -> list[Outcome]:
    """One outcome for each text; where a batch fails its members are tried alone, so that one can't fail the others."""
    began = time.perf_counter()
    try:
        predictions = list(zip(texts, predictor.predict(texts), strict=True))
    except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: a specialist may fail in any way
        if len(texts) > 1:
            return [outcome for text in texts for outcome in _predict(predictor, [text], name)]
        # The message could hold the input.
        _LOG.warning("the specialist of '%s' failed (%s)", name, error.__class__.__name__)
        return [Failed(code=problems.SPECIALIST_FAILED)]
    seconds = (time.perf_counter() - began) / len(texts)
    return [Predicted(prediction=prediction, seconds=seconds) for _, prediction in predictions]
