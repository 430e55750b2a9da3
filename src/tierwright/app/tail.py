"""What was asked last, and what is asked from now on, as the store learns of it.

Owns the way to follow a store that grows: an inference is stored when its answer has ended, with the time it began, so
one that took long comes behind others that began later. Each look therefore goes back a little, and every few looks as
far as an answer can take; what was given before is remembered and not given again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from tierwright.app.printable import printable, shortened
from tierwright.core.chat import decode_answer, decode_request
from tierwright.core.errors import InputError
from tierwright.gateway.request_log import summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.inference import Inference, Wanted
    from tierwright.core.protocols import Store

#: How long after its end an inference may reach the store: groups wait, clocks of several gateways differ.
_LATE = timedelta(seconds=5)
#: What most answers take at most: each look goes back as far.
_USUAL = timedelta(seconds=30)
#: Looks of which one goes back as far as an answer can take.
_FAR_EVERY = 10
#: Inferences of one look.
_MOST = 1_000
#: Characters of a prompt or an answer: in a line, and as a member of an object.
_IN_LINE, _IN_OBJECT = 200, 4_000
#: Characters of a name in a line.
_NAME = 60


class News(NamedTuple):
    """What one look has found."""

    #: The oldest first.
    inferences: list[Inference]
    #: Whether there was more than one look takes, so that some were passed over.
    passed_over: bool


class Tail:
    """Follows the inferences that are wanted; not to be shared between threads."""

    def __init__(
        self,
        store: Store,
        wanted: Wanted,
        *,
        clock: Callable[[], datetime],
        longest: timedelta,
        content: bool = False,
    ) -> None:
        """`longest`: what an answer may take. `content`: whether requests and answers are read at all."""
        self._store = store
        self._wanted = wanted
        self._clock = clock
        self._longest = longest
        self._content = content
        self._names: dict[TaskId, str] = {}
        self._looks = 0
        #: The latest end known: when the last look was taken, and the last that went far back. None: nothing was there.
        self._near: datetime | None = None
        self._far: datetime | None = None
        #: Ends of those given that a look may find again.
        self._given: dict[InferenceId, datetime] = {}

    def last(self, count: int) -> list[Inference]:
        """So many of the newest, the oldest of them first; following begins behind them."""
        self._near = self._far = self._newest_end()
        found = self._store.latest(count, wanted=self._wanted, content=self._content) if count else []
        if self._near is not None:
            ended_since = self._near - _LATE
            already = self._store.latest(
                _MOST, wanted=self._wanted, since=ended_since - self._longest, ended_since=ended_since
            )
            self._given = {inference.id: _end(inference) for inference in (*already, *found)}
        return found[::-1]

    def news(self) -> News:
        """What was stored since it was asked before."""
        newest = self._newest_end()
        if newest is None:
            return News([], passed_over=False)
        self._looks += 1
        far = self._looks % _FAR_EVERY == 0
        before = self._far if far else self._near
        # A store that was empty has only new ones.
        ended_since = None if before is None else before - _LATE
        back = self._longest if far else min(self._longest, _USUAL)
        began_since = None if ended_since is None else ended_since - back
        found = self._store.latest(
            _MOST, wanted=self._wanted, since=began_since, ended_since=ended_since, content=self._content
        )
        new = [inference for inference in found if inference.id not in self._given]
        self._near = newest if self._near is None else max(self._near, newest)
        if far or self._far is None:
            self._far = self._near
        self._given.update((inference.id, _end(inference)) for inference in new)
        horizon = self._far - _LATE
        self._given = {name: end for name, end in self._given.items() if end >= horizon}
        return News(new[::-1], passed_over=len(new) == _MOST)

    def described(self, inference: Inference) -> dict[str, Any]:
        """As `request_log.summary`; where content is read also `prompt` and `answer`, shortened, or None."""
        described = summary(inference, self._task(inference.task_id))
        if self._content:
            for name, text in zip(("prompt", "answer"), texts_of(inference), strict=True):
                described[name] = None if text is None else shortened(text, _IN_OBJECT)
        return described

    def line(self, inference: Inference) -> str:
        """An inference as one line, with two more where content is read. Nothing in it can be obeyed by a terminal."""
        known = summary(inference, self._task(inference.task_id))
        served = "-" if known["backend"] is None else f"{known['backend']}/{known['backend_model']}"
        parts = (
            f"{inference.created_at:%Y-%m-%d %H:%M:%S}Z",
            known["status"],
            _named(known["client"]),
            _named(known["task"]),
            f"{_named(known['model'])} > {_named(served)} ({known['route']})",
            _unit(known["latency_ms"], "ms"),
            f"{_unit(known['input_tokens'])}+{_unit(known['output_tokens'])} tokens",
            "unpriced" if inference.cost_usd is None else f"${inference.cost_usd:.6f}",
            *((_named(known["error"]),) if known["error"] else ()),
            printable(inference.id, 2 * _NAME),
        )
        lines = ["  ".join(map(str, parts))]
        if self._content:
            lines += (
                f"    {mark} {printable(text, _IN_LINE)}"
                for mark, text in zip("><", texts_of(inference), strict=True)
                if text is not None
            )
        return "\n".join(lines)

    def _newest_end(self) -> datetime | None:
        newest = self._store.latest(1)
        # One whose clock is ahead must not hide what comes after it.
        return min(_end(newest[0]), self._clock()) if newest else None

    def _task(self, task_id: TaskId | None) -> str | None:
        if task_id is None:
            return None
        if task_id not in self._names:
            self._names = {task.id: task.name for task in self._store.tasks()}
            self._names.setdefault(task_id, task_id)
        return self._names[task_id]


def texts_of(inference: Inference) -> tuple[str | None, str | None]:
    """The last message of a request and the text of its answer; None: not kept, or there is none.

    What is no chat is given as its JSON.
    """
    request, response = inference.request, inference.response
    if request is None:
        return None, None
    try:
        prompt = decode_request(request).messages[-1].text
    except InputError:
        return _raw(request), None if response is None else _raw(response)
    if response is None:
        return prompt, None
    # An error, and an answer that only calls tools, have no text.
    return prompt, decode_answer(response).text or _raw(response)


def _end(inference: Inference) -> datetime:
    return inference.created_at + timedelta(milliseconds=inference.latency_ms or 0.0)


def _raw(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _named(name: str | None) -> str:
    return "-" if name is None else printable(name, _NAME)


def _unit(number: float | None, unit: str = "") -> str:
    return "?" if number is None else f"{number:,.0f} {unit}".rstrip()
