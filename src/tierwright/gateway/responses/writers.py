"""Output items of a streamed Response while they are written: each knows its events and, at any time, its item.

Owns the order of events inside of one item. Refuses to number them: that is the stream's.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from tierwright.gateway.responses.items import (
    call_item,
    item_id,
    message_item,
    reasoning_item,
    refusal_part,
    summary_part,
    text_part,
)

Event = dict[str, Any]
_Part = TypeVar("_Part", "_TextPart", "_RefusalPart")


class Writer(Protocol):
    """One item of the output."""

    def item(self, status: str) -> dict[str, Any]:
        """The item as far as it is written."""
        ...

    def close(self, status: str) -> list[Event]:
        """The events that end it; called once."""
        ...


class ReasoningWriter:
    """What the model thinks, told as the one part of a summary."""

    __slots__ = ("_at", "_id", "_texts")

    def __init__(self, response_id: str, place: int) -> None:
        self._id = item_id("reasoning", response_id, place)
        self._at = {"item_id": self._id, "output_index": place, "summary_index": 0}
        self._texts: list[str] = []

    def open(self) -> list[Event]:
        """The events that begin it."""
        return [
            _item_event("added", self._at, reasoning_item(self._id, "in_progress", [])),
            {"type": "response.reasoning_summary_part.added", **self._at, "part": summary_part("")},
        ]

    def think(self, text: str) -> list[Event]:
        """More of the thoughts."""
        self._texts.append(text)
        return [{"type": "response.reasoning_summary_text.delta", **self._at, "delta": text}]

    def item(self, status: str) -> dict[str, Any]:
        """The item as far as it is written."""
        return reasoning_item(self._id, status, [summary_part("".join(self._texts))])

    def close(self, status: str) -> list[Event]:
        """The events that end it."""
        item = self.item(status)
        part = item["summary"][0]
        return [
            {"type": "response.reasoning_summary_text.done", **self._at, "text": part["text"]},
            {"type": "response.reasoning_summary_part.done", **self._at, "part": part},
            _item_event("done", self._at, item),
        ]


class MessageWriter:
    """A message: text, then perhaps a refusal, in one part each for as long as neither is interrupted."""

    __slots__ = ("_at", "_id", "_parts")

    def __init__(self, response_id: str, place: int) -> None:
        self._id = item_id("message", response_id, place)
        self._at = {"item_id": self._id, "output_index": place}
        self._parts: list[_TextPart | _RefusalPart] = []

    def open(self) -> list[Event]:
        """The events that begin it."""
        return [_item_event("added", self._at, message_item(self._id, "in_progress", []))]

    def say(self, text: str, logprobs: list[Any]) -> list[Event]:
        """More of the text; `logprobs` are those of its tokens."""
        events: list[Event] = []
        part = self._text_part(events)
        part.logprobs += logprobs
        part.texts.append(text)
        tokens = [
            {
                "token": token.get("token"),
                "logprob": token.get("logprob"),
                "top_logprobs": [
                    {"token": other.get("token"), "logprob": other.get("logprob")} for other in token["top_logprobs"]
                ],
            }
            for token in logprobs
        ]
        events.append({"type": "response.output_text.delta", **part.at, "delta": text, "logprobs": tokens})
        return events

    def refuse(self, text: str) -> list[Event]:
        """More of a refusal."""
        events: list[Event] = []
        part = self._parts[-1] if self._parts else None
        if not isinstance(part, _RefusalPart):
            part = self._next(_RefusalPart(self._at | {"content_index": len(self._parts)}), events)
        part.texts.append(text)
        events.append({"type": "response.refusal.delta", **part.at, "delta": text})
        return events

    def cite(self, annotation: dict[str, Any]) -> list[Event]:
        """A citation of the text so far."""
        events: list[Event] = []
        part = self._text_part(events)
        events.append(
            {
                "type": "response.output_text.annotation.added",
                **part.at,
                "annotation_index": len(part.annotations),
                "annotation": annotation,
            }
        )
        part.annotations.append(annotation)
        return events

    def item(self, status: str) -> dict[str, Any]:
        """The item as far as it is written."""
        return message_item(self._id, status, [part.whole() for part in self._parts])

    def close(self, status: str) -> list[Event]:
        """The events that end it; a message in which nothing was said has an empty text."""
        events: list[Event] = []
        if not self._parts:
            self._text_part(events)
        return [*events, *self._parts[-1].close(), _item_event("done", self._at, self.item(status))]

    def _text_part(self, events: list[Event]) -> _TextPart:
        part = self._parts[-1] if self._parts else None
        if isinstance(part, _TextPart):
            return part
        return self._next(_TextPart(self._at | {"content_index": len(self._parts)}), events)

    def _next(self, part: _Part, events: list[Event]) -> _Part:
        if self._parts:
            events += self._parts[-1].close()
        self._parts.append(part)
        events.append({"type": "response.content_part.added", **part.at, "part": part.whole()})
        return part


class CallWriter:
    """A call of a tool; its text is what the tool is given."""

    __slots__ = ("_at", "_call", "_custom", "_id", "_name", "_texts")

    def __init__(self, response_id: str, place: int, *, call: str, name: str, custom: bool) -> None:
        self._id = item_id("custom_tool_call" if custom else "function_call", response_id, place)
        self._at = {"item_id": self._id, "output_index": place}
        self._call, self._name, self._custom = call, name, custom
        self._texts: list[str] = []

    def open(self) -> list[Event]:
        """The events that begin it."""
        return [_item_event("added", self._at, self.item("in_progress"))]

    def tell(self, text: str) -> list[Event]:
        """More of what the tool is given."""
        self._texts.append(text)
        return [{"type": f"response.{self._text_name}.delta", **self._at, "delta": text}]

    def item(self, status: str) -> dict[str, Any]:
        """The item as far as it is written."""
        return call_item(
            custom=self._custom,
            identity=self._id,
            status=status,
            call=self._call,
            name=self._name,
            text="".join(self._texts),
        )

    def close(self, status: str) -> list[Event]:
        """The events that end it."""
        member = "input" if self._custom else "arguments"
        return [
            {"type": f"response.{self._text_name}.done", **self._at, member: "".join(self._texts)},
            _item_event("done", self._at, self.item(status)),
        ]

    @property
    def _text_name(self) -> str:
        return "custom_tool_call_input" if self._custom else "function_call_arguments"


class _TextPart:
    __slots__ = ("annotations", "at", "logprobs", "texts")

    def __init__(self, at: dict[str, Any]) -> None:
        self.at = at
        self.texts: list[str] = []
        self.logprobs: list[Any] = []
        self.annotations: list[Any] = []

    def whole(self) -> dict[str, Any]:
        return text_part("".join(self.texts), list(self.logprobs), list(self.annotations))

    def close(self) -> list[Event]:
        part = self.whole()
        return [
            {"type": "response.output_text.done", **self.at, "text": part["text"], "logprobs": part["logprobs"]},
            {"type": "response.content_part.done", **self.at, "part": part},
        ]


class _RefusalPart:
    __slots__ = ("at", "texts")

    def __init__(self, at: dict[str, Any]) -> None:
        self.at = at
        self.texts: list[str] = []

    def whole(self) -> dict[str, Any]:
        return refusal_part("".join(self.texts))

    def close(self) -> list[Event]:
        part = self.whole()
        return [
            {"type": "response.refusal.done", **self.at, "refusal": part["refusal"]},
            {"type": "response.content_part.done", **self.at, "part": part},
        ]


def _item_event(what: str, at: dict[str, Any], item: dict[str, Any]) -> Event:
    return {"type": f"response.output_item.{what}", "output_index": at["output_index"], "item": item}
