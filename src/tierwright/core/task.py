"""A task and the frames by which its requests are recognised.

Owns matching a request against a known frame; refuses to know how frames are found (curation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.chat import ChatRequest, Message
    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import FrameId, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text with gaps: fixed pieces around the variable ones."""

    #: One more than there are slots; the first and the last are anchored and may be empty.
    literals: tuple[str, ...]

    @property
    def slots(self) -> int:
        """Number of variable pieces."""
        return len(self.literals) - 1

    def match(self, text: str) -> tuple[str, ...] | None:
        """The variable pieces of a text, in order; None where the text does not have this form.

        Between the anchors each fixed piece is taken where it first occurs.
        """
        first, last = self.literals[0], self.literals[-1]
        if self.slots == 0:
            return () if text == first else None
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return None
        found: list[str] = []
        at = len(first)
        for literal in self.literals[1:-1]:
            place = text.find(literal, at, end)
            if place < 0:
                return None
            found.append(text[at:place])
            at = place + len(literal)
        found.append(text[at:end])
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The fixed part of one wording of a task's request."""

    #: Hash of everything below.
    id: FrameId
    #: The leading system and developer messages; literals ("",) where there are none.
    system: Template
    #: The last user message.
    user: Template
    #: Names of the tools offered.
    tools: tuple[str, ...] = ()
    #: Canonical JSON of the response format; None: not given.
    response_format: str | None = None

    def match(self, request: ChatRequest) -> str | None:
        """The input of the request: its variable parts, joined by newlines; None where the frame does not fit.

        Earlier turns of a conversation are part of the input, before the last message.
        """
        if request.tools != self.tools or request.response_format != self.response_format:
            return None
        turns = request.turns
        if not turns or turns[-1].role != "user" or turns[-1].opaque:
            return None
        asked = self.user.match(turns[-1].text)
        if asked is None:
            return None
        given = self.system.match(request.system)
        if given is None:
            return None
        return "\n".join([*given, *_history(turns[:-1]), *asked])


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A recurring job an application gives to a model."""

    id: TaskId
    #: Unique, for people: proposed by the audit, changed by `task name`.
    name: str
    contract: OutputContract
    #: The wordings seen, oldest first; empty for a task made from labelled history, which is only known by its name.
    frames: tuple[Frame, ...]
    #: First request of the task that was seen.
    created_at: datetime
    #: Whether a person chose the name, so that an audit must keep it.
    named_by_person: bool = False

    def input_of(self, request: ChatRequest) -> str | None:
        """The input of a request of this task; None where no frame fits."""
        for frame in self.frames:
            found = frame.match(request)
            if found is not None:
                return found
        return None


def checked_name(name: str) -> str:
    """The name a person gives to a task; raises InputError where it can't be one."""
    if not name.strip() or any(character.isspace() for character in name):
        raise InputError(f"a task's name must not be empty or hold white space; {name!r} does")
    return name


def _history(turns: tuple[Message, ...]) -> list[str]:
    return [f"{turn.role}: {turn.text}" for turn in turns]
