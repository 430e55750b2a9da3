"""Notes of every inference what is measured of its task later, in columns: about two hundred bytes a request.

Owns the columns while they are filled; refuses to hold texts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tierwright.core.inference import Content
from tierwright.curation.observation import Refusal
from tierwright.curation.task_traffic import NOT_SAID, TaskTraffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.traffic import TrafficRow
    from tierwright.curation.task_traffic import SampledRequest

_Number = TypeVar("_Number", bound=np.generic)
#: Money in the columns is in pico-dollars, as in the store; a nano-dollar is a thousand of them.
_PICO, _PICO_OF_NANO = Decimal(1_000_000_000_000), 1000
#: In a column of numbers that stand for something: nothing.
NONE = -1


class TrafficTable:
    """One row for each inference, in the order noted: that of time."""

    def __init__(self) -> None:
        self.ids: list[InferenceId] = []
        #: Requests that no frame can be read from, by row.
        self.refused: dict[int, Refusal] = {}
        self._at, self._latency = array("d"), array("f")
        self._prompt, self._completion, self._pico = array("q"), array("q"), array("q")
        self._client, self._model, self._unpriced = array("q"), array("q"), array("q")
        self._before = array("q")
        self._clients: dict[str, int] = {}
        self._models: dict[str, int] = {}
        self._tasks: dict[TaskId, int] = {}
        self._names: list[TaskId] = []
        #: Found by `mark`; grow with the rows.
        self._input, self._answer, self._frame = array("Q"), array("Q"), array("q")

    def __len__(self) -> int:
        return len(self.ids)

    def note(self, row: TrafficRow) -> None:
        """Adds a row."""
        if row.error_code is not None:
            self.refused[len(self.ids)] = Refusal.FAILED
        elif row.content is not Content.KEPT:
            self.refused[len(self.ids)] = Refusal.NO_CONTENT
        self.ids.append(row.id)
        self._at.append(row.created_at.timestamp())
        self._latency.append(float("nan") if row.latency_ms is None else row.latency_ms)
        self._prompt.append(NOT_SAID if row.prompt_tokens is None else row.prompt_tokens)
        self._completion.append(NOT_SAID if row.completion_tokens is None else row.completion_tokens)
        self._pico.append(NONE if row.cost_usd is None else int(row.cost_usd * _PICO))
        self._unpriced.append(row.unpriced_calls)
        self._client.append(self._clients.setdefault(row.client_id, len(self._clients)))
        self._model.append(self._models.setdefault(row.model, len(self._models)))
        self._before.append(NONE if row.task_id is None else self._task(row.task_id))
        self._input.append(0)
        self._answer.append(0)
        self._frame.append(NONE)

    def _task(self, task_id: TaskId) -> int:
        code = self._tasks.setdefault(task_id, len(self._names))
        if code == len(self._names):
            self._names.append(task_id)
        return code

    def mark(self, row: int, frame: int, given: str, answer_key: int) -> None:
        """Says which frame a request has, with its input and the key of its answer's form."""
        self._frame[row] = frame
        self._input[row] = text_key(given)
        self._answer[row] = answer_key

    def at(self, row: int) -> float:
        """When it was asked, in seconds since 1970, UTC."""
        return self._at[row]

    def is_readable(self) -> NDArray[np.bool_]:
        """Of each row, whether it is not refused."""
        kept = np.ones(len(self), dtype=bool)
        kept[list(self.refused)] = False
        return kept

    def frames(self) -> NDArray[np.int64]:
        """The frame of each row, `NONE` where there is none: a view, to be read when all rows are noted."""
        return _column(self._frame, np.int64)

    def inputs(self) -> NDArray[np.uint64]:
        """The key of each row's input, 0 where there is none: a view, as `frames`."""
        return _column(self._input, np.uint64)

    def unmark(self, frames: Sequence[int]) -> NDArray[np.int64]:
        """Takes the marks back that rows have with these frames; returns the rows, ascending."""
        rows = np.flatnonzero(np.isin(self.frames(), frames))
        for row in rows.tolist():
            self._frame[row], self._input[row], self._answer[row] = NONE, 0, 0
        return rows

    def tasks_before(self, rows: NDArray[np.int64]) -> Counter[TaskId]:
        """The tasks that these rows belonged to before, the most frequent first; those of no task are left out."""
        found = Counter(_column(self._before, np.int64)[rows].tolist())
        return Counter({self._names[code]: count for code, count in found.most_common() if code != NONE})

    def was_of(self, task_id: TaskId) -> NDArray[np.bool_]:
        """Of each row, whether it belonged to a task before."""
        code = self._tasks.get(task_id, NONE - 1)
        return np.equal(_column(self._before, np.int64), code)

    def changed(self, tasks: Sequence[TaskId | None]) -> Iterator[tuple[InferenceId, TaskId | None]]:
        """Those ids with their tasks, one for each row, that belonged to another task before."""
        for inference_id, code, task_id in zip(self.ids, self._before, tasks, strict=True):
            if (None if code == NONE else self._names[code]) != task_id:
                yield inference_id, task_id

    def refusals(self) -> dict[str, int]:
        """How many requests no frame can be read from, by reason."""
        return {reason.value: count for reason, count in Counter(self.refused.values()).most_common()}

    def traffic(self, rows: NDArray[np.int64], sample: Iterable[SampledRequest]) -> TaskTraffic:
        """The traffic of some rows, which are ascending."""
        pico = _column(self._pico, np.int64)[rows]
        priced = pico[pico != NONE]
        return TaskTraffic(
            at=_column(self._at, np.float64)[rows],
            input_key=_column(self._input, np.uint64)[rows],
            answer_key=_column(self._answer, np.uint64)[rows],
            latency_ms=_column(self._latency, np.float32)[rows],
            prompt_tokens=_column(self._prompt, np.int64)[rows],
            completion_tokens=_column(self._completion, np.int64)[rows],
            cost_nano_usd=np.where(pico == NONE, NONE, pico // _PICO_OF_NANO),
            cost_usd=_dollars(priced) if len(priced) else None,
            unpriced_calls=int(_column(self._unpriced, np.int64)[rows].sum()),
            clients=_counted(self._clients, _column(self._client, np.int64)[rows]),
            models=_counted(self._models, _column(self._model, np.int64)[rows]),
            sample=tuple(sample),
        )


def _column(values: array[Any], kind: type[_Number]) -> NDArray[_Number]:
    """A view of a column; the rows that are taken from it are copies."""
    return np.frombuffer(values, dtype=kind)


def _dollars(pico: NDArray[np.int64]) -> Decimal:
    """The exact sum."""
    # By Python's own integers: sums of millions of them may need more than 64 bits.
    return Decimal(sum(pico.tolist())) / _PICO


def text_key(text: str) -> int:
    """A 64-bit digest of a text, never 0; 0 for the empty text."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def _counted(codes: dict[str, int], found: NDArray[np.int64]) -> dict[str, int]:
    names = list(codes)
    return {names[code]: count for code, count in Counter(found.tolist()).most_common()}
