"""Which of many frames a request has, in well under a millisecond.

Owns the index; the matching itself is `core.task.Frame.match`, so that what the audit counts, what is trained on and
what is served were cut alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierwright.core.chat import ChatRequest
    from tierwright.core.task import Frame, Template


class _Candidate(NamedTuple):
    number: int
    frame: Frame
    #: The anchors of the user and the system template: cheap to test before the whole.
    user: tuple[str, str]
    system: tuple[str, str]


#: The tools offered, sorted, the response format, and the tool whose result a request ends with.
_Shape = tuple[tuple[str, ...], str | None, str | None]


class FrameIndex:
    """Finds the frame of a request among those it was built from.

    Of several frames that fit, the one with the longest fixed text wins, and one with a fixed system text before one
    with slots in it; among equals the one given first. A step of an agent is told by the tool whose result it follows.
    """

    def __init__(self, frames: Iterable[Frame] = ()) -> None:
        fixed: dict[tuple[_Shape, str], list[_Candidate]] = {}
        slotted: dict[_Shape, list[_Candidate]] = {}
        for number, frame in enumerate(frames):
            candidate = _Candidate(number, frame, _anchors(frame.user), _anchors(frame.system))
            shape = (tuple(sorted(frame.tools)), frame.response_format, frame.after)
            if frame.system.slots == 0:
                fixed.setdefault((shape, frame.system.literals[0]), []).append(candidate)
            else:
                slotted.setdefault(shape, []).append(candidate)
        self._fixed = {key: tuple(sorted(found, key=_fixed_text, reverse=True)) for key, found in fixed.items()}
        self._slotted = {key: tuple(sorted(found, key=_fixed_text, reverse=True)) for key, found in slotted.items()}

    def find(self, request: ChatRequest) -> tuple[int, str] | None:
        """The place of the request's frame among those given, and its input; None: it has none of them."""
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


def _first_match(candidates: Sequence[_Candidate], request: ChatRequest, system: str) -> tuple[int, str] | None:
    text = request.messages[-1].text
    for number, frame, (user_head, user_tail), (system_head, system_tail) in candidates:
        if (
            text.startswith(user_head)
            and text.endswith(user_tail)
            and system.startswith(system_head)
            and system.endswith(system_tail)
            and frame.user.match(text) is not None
        ):
            found = frame.match(request)
            if found is not None:
                return number, found
    return None


def _anchors(template: Template) -> tuple[str, str]:
    return template.literals[0], template.literals[-1]


def _fixed_text(candidate: _Candidate) -> int:
    frame = candidate.frame
    templates = (frame.user, frame.system, *(() if frame.opening is None else (frame.opening,)))
    return sum(len(piece) for template in templates for piece in template.literals)
