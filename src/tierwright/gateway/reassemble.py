"""One chat.completion out of the chunks of a stream, as the server would have sent it in one piece.

Owns the merging; reads chunks leniently, since whatever arrived is worth keeping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierwright.gateway.lenient_json import encoded
from tierwright.gateway.wire import object_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Members of a chunk that say nothing about the whole answer: padding that hides how long its text is.
_OF_CHUNKS = frozenset({"obfuscation", "p"})
#: Members of a choice that are made of deltas; some servers send an empty message beside each delta.
_BUILT_HERE = frozenset({"index", "message"})
#: Members that some servers repeat in every piece of an object: of them too the last word counts.
_LABELS = frozenset({"id", "type", "index", "format"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassembled:
    """A stream as one answer."""

    #: A chat.completion; None: the stream held no chunk of an answer.
    body: bytes | None
    #: Whether every choice that began has said why it ended.
    finished: bool


class _Text:
    """Text that is continued: joined at its end, since joining at each piece would copy all of it each time."""

    __slots__ = ("pieces",)

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)


def reassemble(payloads: Sequence[bytes], *, answer_id: str | None = None) -> Reassembled:
    """The answer in the JSON of a stream's chunks, in their order; what is no chunk of an answer is left out.

    `answer_id`: its id, whatever the chunks say; None: as they say. Needs about three times the memory of the text.
    There is none where the chunks are nested deeper than the interpreter follows.
    """
    try:
        return _reassemble(payloads, answer_id)
    except RecursionError:
        return Reassembled(body=None, finished=False)


def _reassemble(payloads: Sequence[bytes], answer_id: str | None) -> Reassembled:
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in _chunks(payloads):
        for name, value in chunk.items():
            if name not in _OF_CHUNKS and (value is not None or name not in whole):
                whole[name] = value
        for index, part in _parts(chunk):
            _merge_choice(choices, index, part)
    if not whole:
        return Reassembled(body=None, finished=False)
    whole["object"] = "chat.completion"
    # Each is let go when its text is joined.
    whole["choices"] = [_closed(choices.pop(index)) for index in sorted(choices)]
    if whole.get("usage") is None:
        whole.pop("usage", None)
    if answer_id is not None:
        whole = {**whole, "id": answer_id} if "id" in whole else {"id": answer_id, **whole}
    return Reassembled(body=encoded(whole), finished=_all_ended(choice["finish_reason"] for choice in whole["choices"]))


def finished(payloads: Sequence[bytes]) -> bool:
    """As `Reassembled.finished`, without putting the answer together."""
    reasons: dict[int, object] = {}
    for chunk in _chunks(payloads):
        for index, part in _parts(chunk):
            reason = part.get("finish_reason")
            reasons[index] = reasons.get(index) if reason is None else reason
    return _all_ended(reasons.values())


def _all_ended(reasons: Iterable[object]) -> bool:
    found = list(reasons)
    return bool(found) and None not in found


def _chunks(payloads: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The chunks of an answer among what was sent."""
    for payload in payloads:
        chunk = object_in(payload)
        if chunk is not None and isinstance(chunk.get("choices"), list):
            yield chunk


def _parts(chunk: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The choices of a chunk with their numbers."""
    for place, part in enumerate(chunk["choices"]):
        if isinstance(part, Mapping):
            index = part.get("index")
            yield (index if isinstance(index, int) else place), part


def _merge_choice(choices: dict[int, dict[str, Any]], index: int, part: Mapping[str, Any]) -> None:
    choice = choices.setdefault(
        index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
    )
    for name, value in part.items():
        if name == "delta":
            if isinstance(value, Mapping):
                _merge_delta(choice["message"], value)
        elif name == "logprobs":
            choice["logprobs"] = _merged(choice.get("logprobs"), value)
        elif name not in _BUILT_HERE and value is not None:
            choice[name] = value


def _merge_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            if isinstance(value, list) and value:
                _merge_tool_calls(message.setdefault("tool_calls", []), value)
        elif name == "role":
            message["role"] = value or message["role"]
        elif name == "content":
            message["content"] = _joined(message.get("content"), value)
        else:
            message[name] = _merged(message.get(name), value)


def _merge_tool_calls(calls: list[dict[str, Any]], deltas: list[Any]) -> None:
    for delta in deltas:
        if not isinstance(delta, Mapping):
            continue
        index = delta.get("index")
        call = next((call for call in calls if isinstance(index, int) and call["index"] == index), None)
        if call is None and not isinstance(index, int):
            # Some servers number nothing: a new id begins a new call, anything else continues the last one.
            call = calls[-1] if calls and delta.get("id") in (None, "", calls[-1].get("id")) else None
        if call is None:
            call = {"index": index if isinstance(index, int) else len(calls)}
            calls.append(call)
        for name, value in delta.items():
            if name == "function" and isinstance(value, Mapping):
                _merge_function(call.setdefault("function", {"name": "", "arguments": ""}), value)
            elif name != "index" and value not in (None, ""):
                call[name] = value


def _merge_function(function: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        # Some servers repeat the name in every chunk.
        if name != "name" or value != function["name"]:
            merged = _merged(function.get(name), value)
            function[name] = _settled(merged) if name == "name" else merged


def _joined(known: Any, value: Any) -> Any:
    """Content, which models that think aloud send as a list of parts and then as text."""
    if isinstance(known, _Text) and isinstance(value, list):
        known = _settled(known)
    if isinstance(known, list) and isinstance(value, str):
        value = [{"type": "text", "text": value}] if value else []
    elif isinstance(known, str) and isinstance(value, list):
        known = [{"type": "text", "text": known}] if known else []
    if not isinstance(known, list) or not isinstance(value, list):
        return _merged(known, value)
    parts = list(known)
    for part in value:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("text", "thinking") and parts and isinstance(parts[-1], Mapping) and parts[-1].get("type") == kind:
            parts[-1] = {**parts[-1], **part, kind: _joined(parts[-1].get(kind), part.get(kind))}
        else:
            parts.append(part)
    return parts


def _merged(known: Any, value: Any) -> Any:
    """Text is continued, lists are extended, objects are merged by member; of anything else the last word counts.

    Objects in lists that bear the same index are pieces of one.
    """
    if value is None or known is None:
        return known if value is None else value
    if isinstance(known, _Text) and isinstance(value, str):
        known.pieces.append(value)
        return known
    if isinstance(known, str) and isinstance(value, str):
        return _Text(known, value)
    if isinstance(known, list) and isinstance(value, list):
        return _extended(known, value)
    if isinstance(known, Mapping) and isinstance(value, Mapping):
        return {**known, **{name: _merged_member(name, known.get(name), value[name]) for name in value}}
    return value


def _merged_member(name: str, known: Any, value: Any) -> Any:
    return value if name in _LABELS and value is not None else _merged(known, value)


def _extended(known: list[Any], value: list[Any]) -> list[Any]:
    places = {item["index"]: place for place, item in enumerate(known) if _is_indexed(item)}
    if not places:
        return known + value
    items = list(known)
    for item in value:
        place = places.get(item["index"]) if _is_indexed(item) else None
        if place is None:
            items.append(item)
        else:
            items[place] = _merged(items[place], item)
    return items


def _is_indexed(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("index"), int)


def _settled(value: Any) -> Any:
    """The same with every text in one piece."""
    if isinstance(value, _Text):
        return "".join(value.pieces)
    if isinstance(value, Mapping):
        return {name: _settled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_settled(item) for item in value]
    return value


def _closed(open_choice: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = _settled(open_choice)
    calls = choice["message"].get("tool_calls")
    if calls:
        choice["message"]["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"}
            for call in sorted(calls, key=lambda call: call["index"])
        ]
    return choice
