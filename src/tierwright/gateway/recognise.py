"""Which task a request belongs to, and what its input is, among hundreds of tasks and well under a millisecond.

Owns the index; the matching itself is `core.task.Frame.match`, so that what is served was cut exactly as what was
trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierwright.core.chat import ChatRequest
    from tierwright.core.task import Frame, Task, Template


class Recognised(NamedTuple):
    """A task and the input that a request gives it."""

    task: Task
    #: The variable parts of the request.
    input: str


class _Candidate(NamedTuple):
    task: Task
    frame: Frame
    #: The anchors of the user and the system template: cheap to test before the whole.
    user: tuple[str, str]
    system: tuple[str, str]


#: The tools offered, sorted, the response format, and the tool whose result a request ends with.
_Shape = tuple[tuple[str, ...], str | None, str | None]


class TaskIndex:
    """Recognises the requests of the tasks it was built from.

    Of several frames that fit, the one with the longest fixed text wins, and one with a fixed system text before one
    with slots in it; among equals the older task. A step of an agent is recognised by the tool whose result it ends
    with; whether a specialist may answer is for others to say (`Task.is_servable`).
    """

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        fixed: dict[tuple[_Shape, str], list[_Candidate]] = {}
        slotted: dict[_Shape, list[_Candidate]] = {}
        for task in sorted(tasks, key=lambda task: (task.created_at, task.id)):
            for frame in task.frames:
                candidate = _Candidate(task, frame, _anchors(frame.user), _anchors(frame.system))
                shape = (tuple(sorted(frame.tools)), frame.response_format, frame.after)
                if frame.system.slots == 0:
                    fixed.setdefault((shape, frame.system.literals[0]), []).append(candidate)
                else:
                    slotted.setdefault(shape, []).append(candidate)
        self._fixed = {key: tuple(sorted(found, key=_fixed_text, reverse=True)) for key, found in fixed.items()}
        self._slotted = {key: tuple(sorted(found, key=_fixed_text, reverse=True)) for key, found in slotted.items()}

    def recognise(self, request: ChatRequest) -> Recognised | None:
        """The task of a request with its input; None: it is of no known task."""
        after, last = request.after, request.messages[-1]
        if after is None and (last.role != "user" or last.opaque):
            return None
        shape = (request.toolset, request.response_format, after)
        system = request.system
        for candidates in (self._fixed.get((shape, system)), self._slotted.get(shape)):
            if candidates is not None:
                found = _first_match(candidates, request, system)
                if found is not None:
                    return found
        return None


def _first_match(candidates: Sequence[_Candidate], request: ChatRequest, system: str) -> Recognised | None:
    text = request.messages[-1].text
    for task, frame, (user_head, user_tail), (system_head, system_tail) in candidates:
        if (
            text.startswith(user_head)
            and text.endswith(user_tail)
            and system.startswith(system_head)
            and system.endswith(system_tail)
            and frame.user.match(text) is not None
        ):
            found = frame.match(request)
            if found is not None:
                return Recognised(task, found)
    return None


def _anchors(template: Template) -> tuple[str, str]:
    return template.literals[0], template.literals[-1]


def _fixed_text(candidate: _Candidate) -> int:
    frame = candidate.frame
    templates = (frame.user, frame.system, *(() if frame.opening is None else (frame.opening,)))
    return sum(len(piece) for template in templates for piece in template.literals)
