"""Notes of every inference what is measured of its task later, in columns: tens of bytes a request.

Owns the columns while they are filled; refuses to hold texts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tierwright.curation.task_traffic import NOT_SAID, TaskTraffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.curation.task_traffic import SampledRequest

_NANO = Decimal(1_000_000_000)


class TrafficTable:
    """One row for each inference, in the order noted."""

    def __init__(self) -> None:
        #: The row of each inference.
        self.row_of: dict[InferenceId, int] = {}
        self._at, self._latency = array("d"), array("f")
        self._prompt, self._completion, self._nano = array("q"), array("q"), array("q")
        self._client, self._model, self._unpriced = array("l"), array("l"), array("l")
        self._cost: list[Decimal | None] = []
        self._clients: dict[str, int] = {}
        self._models: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.row_of)

    def note(self, inference: Inference) -> None:
        """Adds a row."""
        # What was asked a second time belongs to those who run the gateway, and is not what the job costs.
        calls = [call for call in inference.calls if not call.role.is_second]
        priced = [call.cost_usd for call in calls if call.cost_usd is not None]
        cost = sum(priced, Decimal(0)) if priced else None
        answering = inference.answering_call
        self.row_of[inference.id] = len(self.row_of)
        self._at.append(inference.created_at.timestamp())
        self._latency.append(float("nan") if inference.latency_ms is None else inference.latency_ms)
        self._prompt.append(_tokens(None if answering is None else answering.prompt_tokens))
        self._completion.append(_tokens(None if answering is None else answering.completion_tokens))
        self._nano.append(-1 if cost is None else int(cost * _NANO))
        self._cost.append(cost)
        self._unpriced.append(len(calls) - len(priced))
        self._client.append(self._clients.setdefault(inference.client_id, len(self._clients)))
        model = "" if answering is None else answering.model
        self._model.append(self._models.setdefault(model, len(self._models)))

    def traffic(
        self, ids: Sequence[InferenceId], texts: dict[InferenceId, tuple[str, str]], sample: Sequence[SampledRequest]
    ) -> TaskTraffic:
        """The traffic of some inferences; `texts` holds the input and the canonical answer where there are any."""
        ids = sorted(ids, key=lambda i: self._at[self.row_of[i]])
        rows = np.array([self.row_of[i] for i in ids], dtype=np.int64)
        costs = [found for row in rows if (found := self._cost[row]) is not None]
        return TaskTraffic(
            at=np.array(self._at)[rows],
            input_key=_keys([texts.get(i, ("", ""))[0] for i in ids]),
            answer_key=_keys([texts.get(i, ("", ""))[1] for i in ids]),
            latency_ms=np.array(self._latency, dtype=np.float32)[rows],
            prompt_tokens=np.array(self._prompt, dtype=np.int64)[rows],
            completion_tokens=np.array(self._completion, dtype=np.int64)[rows],
            cost_nano_usd=np.array(self._nano, dtype=np.int64)[rows],
            cost_usd=sum(costs, Decimal(0)) if costs else None,
            unpriced_calls=int(np.array(self._unpriced, dtype=np.int64)[rows].sum()),
            clients=_counted(self._clients, np.array(self._client)[rows]),
            models=_counted(self._models, np.array(self._model)[rows]),
            sample=tuple(sample),
        )


def _tokens(count: int | None) -> int:
    return NOT_SAID if count is None else count


def _keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([text_key(text) for text in texts], dtype=np.uint64)


def text_key(text: str) -> int:
    """A 64-bit digest of a text, never 0; 0 for the empty text."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def _counted(codes: dict[str, int], found: NDArray[np.int64]) -> dict[str, int]:
    names = {code: name for name, code in codes.items()}
    return {names[code]: count for code, count in Counter(found.tolist()).most_common()}
