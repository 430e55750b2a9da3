"""One Response out of the events of a stream, as the server would have sent it in one piece.

Owns the putting together where the stream broke off or its last event leaves the output out; reads events leniently,
since whatever arrived is worth keeping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Events that hold a whole Response and are followed by none.
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_FIRST = frozenset({"response.created", "response.queued", "response.in_progress"})
#: How far the provider's own tools say they are.
_PROGRESS = frozenset({"in_progress", "searching", "interpreting", "generating", "completed", "failed"})
#: The list of an item that holds the parts of each kind, by the name of their events without `.added` and `.done`.
_PARTS = {"response.content_part": "content", "response.reasoning_summary_part": "summary"}


class _Text(NamedTuple):
    """Where the text of an event belongs."""

    #: Type of the item.
    item: str
    #: List of the item that holds the part; None: the text is the item's own.
    parts: str | None
    #: Type of the part; None as above.
    part: str | None
    #: The member that is the text.
    member: str


#: By the name of their events without `.delta` and `.done`.
_TEXTS = {
    "response.output_text": _Text("message", "content", "output_text", "text"),
    "response.refusal": _Text("message", "content", "refusal", "refusal"),
    "response.reasoning_text": _Text("reasoning", "content", "reasoning_text", "text"),
    "response.reasoning_summary_text": _Text("reasoning", "summary", "summary_text", "text"),
    "response.function_call_arguments": _Text("function_call", None, None, "arguments"),
    "response.custom_tool_call_input": _Text("custom_tool_call", None, None, "input"),
    "response.mcp_call_arguments": _Text("mcp_call", None, None, "arguments"),
    "response.code_interpreter_call_code": _Text("code_interpreter_call", None, None, "code"),
}
#: Place of the item, name of the events, place of the part.
_Key = tuple[int, str, int]


class WholeResponse:
    """Collects the events of one answer; what the last event holds is put together from nothing else."""

    __slots__ = ("_first", "_items", "_last", "_logprobs", "_texts", "failed", "finished")

    def __init__(self) -> None:
        self._first: dict[str, Any] = {}
        self._last: dict[str, Any] | None = None
        self._items: dict[int, dict[str, Any]] = {}
        self._texts: dict[_Key, list[str]] = {}
        self._logprobs: dict[_Key, list[Any]] = {}
        #: Whether the last event of an answer has arrived: completed, incomplete, failed or cancelled.
        self.finished = False
        #: Whether the server reported an error: `response.failed` or `error`.
        self.failed = False

    def feed(self, event: Mapping[str, Any]) -> None:
        """Takes the next event."""
        kind = event.get("type")
        if not isinstance(kind, str):
            return
        response = event.get("response")
        if kind in _LAST and isinstance(response, dict):
            self.finished = True
            self.failed = self.failed or kind == "response.failed"
            self._last = response
            if response.get("output"):
                self._forget()
        elif kind in _FIRST and isinstance(response, dict):
            self._first |= response
        elif kind == "error":
            self.failed = True
            self._first["error"] = {name: event.get(name) for name in ("code", "message", "param")}
        elif isinstance(place := event.get("output_index"), int):
            self._take(event, kind, place)

    def response(self) -> dict[str, Any] | None:
        """The Response; None where no event held anything of one.

        One that never ended is incomplete without a reason, or failed where the server reported an error.
        """
        output = self._output()
        if self._last is not None:
            return self._last | {"output": output} if output else self._last
        if not self._first and not output:
            return None
        whole = {"object": "response"} | self._first
        whole["output"] = output
        whole["status"] = "failed" if self.failed else "incomplete"
        return whole

    def _take(self, event: Mapping[str, Any], kind: str, place: int) -> None:
        name, _, what = kind.rpartition(".")
        if name in _TEXTS:
            self._take_text(event, name, what, place)
        elif name == "response.output_item":
            if isinstance(found := event.get("item"), dict):
                self._items[place] = _copied(found)
                for key in [key for key in self._texts if key[0] == place]:
                    del self._texts[key]
                    self._logprobs.pop(key, None)
        elif name in _PARTS:
            part = event.get("part")
            item = self._items.setdefault(place, {"id": event.get("item_id")})
            if isinstance(part, dict):
                _part(item, _PARTS[name], _part_place(event)).update(part)
        elif kind == "response.output_text.annotation.added":
            item = self._items.setdefault(place, {"id": event.get("item_id"), "type": "message"})
            part = _part(item, "content", _part_place(event))
            known = part.get("annotations")
            part["annotations"] = [*(known if isinstance(known, list) else ()), event.get("annotation")]
        elif what in _PROGRESS and place in self._items:
            self._items[place]["status"] = what

    def _take_text(self, event: Mapping[str, Any], name: str, what: str, place: int) -> None:
        where = _TEXTS[name]
        text = event.get("delta" if what == "delta" else where.member)
        if not isinstance(text, str):
            return
        if place not in self._items:
            self._items[place] = {"id": event.get("item_id"), "type": where.item}
        key = (place, name, _part_place(event))
        if what != "delta":
            self._texts[key] = [text]
        elif (known := self._texts.get(key)) is not None:
            known.append(text)
        else:
            self._texts[key] = [text]
        logprobs = event.get("logprobs")
        if what == "delta" and isinstance(logprobs, list) and logprobs:
            self._logprobs.setdefault(key, []).extend(logprobs)

    def _output(self) -> list[dict[str, Any]]:
        items = {place: _copied(item) for place, item in self._items.items()}
        for key in sorted(self._texts):
            place, name, part_place = key
            where = _TEXTS[name]
            holder = items[place]
            if where.parts is not None:
                holder = _part(holder, where.parts, part_place)
                holder.setdefault("type", where.part)
                if key in self._logprobs and not holder.get("logprobs"):
                    holder["logprobs"] = self._logprobs[key]
            holder[where.member] = "".join(self._texts[key])
        return [items[place] for place in sorted(items)]

    def _forget(self) -> None:
        self._items.clear()
        self._texts.clear()
        self._logprobs.clear()


def _copied(item: dict[str, Any]) -> dict[str, Any]:
    """The item with parts that may be given other members; what is deeper inside is never changed."""
    copy = dict(item)
    for name in _PARTS.values():
        if isinstance(parts := copy.get(name), list):
            copy[name] = [dict(part) if isinstance(part, dict) else part for part in parts]
    return copy


def _part_place(event: Mapping[str, Any]) -> int:
    place = event.get("content_index", event.get("summary_index"))
    return place if isinstance(place, int) and place > 0 else 0


def _part(item: dict[str, Any], list_name: str, place: int) -> dict[str, Any]:
    """The part at a place of an item's list; a new one at its end where it has none there."""
    parts = item.get(list_name)
    if not isinstance(parts, list):
        parts = item[list_name] = []
    if place >= len(parts):
        parts.append({})
        place = len(parts) - 1
    if not isinstance(parts[place], dict):
        parts[place] = {}
    found: dict[str, Any] = parts[place]
    return found
