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
    #: The last user message, or the result of a tool.
    user: Template
    #: Names of the tools offered.
    tools: tuple[str, ...] = ()
    #: Canonical JSON of the response format; None: not given.
    response_format: str | None = None
    #: A step of an agent: the tool whose result the request ends with; None: it ends with a user message.
    after: str | None = None
    #: The first user message of a conversation under way, where the instructions stand there; None: it may be any.
    opening: Template | None = None

    def match(self, request: ChatRequest) -> str | None:
        """The input of the request: its variable parts, joined by newlines; None where the frame does not fit.

        Earlier turns of a conversation, calls and results of tools among them, are part of the input, before the last
        message. A request with anything besides text and tools in it, such as a picture, fits no frame: its input is
        more than the text.
        """
        turns = request.turns
        if not self._has_shape(request) or not turns:
            return None
        asked, given = self.user.match(turns[-1].text), self.system.match(request.system)
        if asked is None or given is None:
            return None
        before = turns[:-1]
        if self.opening is not None:
            opened = self.opening.match(before[0].text) if before and before[0].role == "user" else None
            if opened is None:
                return None
            given, before = (*given, *opened), before[1:]
        last = asked if self.after is None else [f"{turns[-1].role}: {piece}" for piece in asked]
        return "\n".join([*given, *_history(before), *last])

    def _has_shape(self, request: ChatRequest) -> bool:
        """Whether it ends as it should, offers the tools and wants the format."""
        last = request.messages[-1]
        return (
            request.response_format == self.response_format
            and last.tool == self.after
            and (self.after is not None or (last.role == "user" and not last.opaque))
            and (request.tools == self.tools or request.toolset == tuple(sorted(self.tools)))
            and not request.media
        )


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
    #: Name of the process that it is a step of, such as an agent's loop, the same for all its steps; None: of none.
    process: str | None = None

    @property
    def is_servable(self) -> bool:
        """Whether a specialist can answer in the form that is expected: it gives texts, to requests of texts.

        False where an answer ever was the call of a tool, or where a request ends with the result of one.
        """
        return not self.contract.calls and all(frame.after is None for frame in self.frames)

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
    return [f"{turn.role}: {_said(turn)}" for turn in turns]


def _said(turn: Message) -> str:
    calls = [f"{call.name}({call.arguments})" for call in turn.calls]
    return "\n".join([*([turn.text] if turn.text or not calls else []), *calls])
