"""The input items of a Responses request as the messages of a chat.completions request.

Owns the joining of an assistant's turn, which Responses splits into reasoning, messages and calls, and the parts of
messages. What has no chat form is noted, and stays in the messages as a part that is no text, so that every reader
sees that text is not all there is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.gateway.needs import Needs

_TEXTS = frozenset({"input_text", "output_text", "text"})
#: What each type of call is in chat.completions, and what it calls the text that is given to the tool.
_CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
_CALL_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


def chat_messages(given: object, needs: Needs) -> list[dict[str, Any]]:
    """The messages that an `input` makes, in its order; empty where it is an empty list.

    Raises InputError, naming the item, where it is no input.
    """
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list):
        raise InputError("'input' is neither a text nor a list of items; send one of them")
    turns = _Turns()
    for place, item in enumerate(given):
        if not isinstance(item, dict):
            raise InputError(f"'input[{place}]' is not an object; send a text, or a list of items")
        _add(item, f"input[{place}]", turns, needs)
    return turns.messages


class _Turns:
    """Messages under construction; the assistant's last one stays open until someone else speaks."""

    __slots__ = ("_open", "messages")

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None

    def say(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._open = None

    def answer(self, content: Any) -> None:
        turn = self._open
        if turn is None or (turn["content"] is not None and "tool_calls" not in turn):
            self._begin()["content"] = content
        elif turn["content"] is None:
            turn["content"] = content
        else:
            # Nothing may stand between the calls of a turn and their outputs.
            turn["content"] = [*_as_parts(turn["content"]), *_as_parts(content)]

    def call(self, call: dict[str, Any]) -> None:
        turn = self._open or self._begin()
        turn.setdefault("tool_calls", []).append(call)

    def think(self, text: str) -> None:
        turn = self._open
        if turn is None or (turn["content"] is not None and "tool_calls" not in turn):
            turn = self._begin()
        known = turn.get("reasoning_content")
        turn["reasoning_content"] = text if known is None else f"{known}\n\n{text}"

    def _begin(self) -> dict[str, Any]:
        self._open = {"role": "assistant", "content": None}
        self.messages.append(self._open)
        return self._open


def _add(item: dict[str, Any], where: str, turns: _Turns, needs: Needs) -> None:
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    if not isinstance(kind, str):
        raise InputError(f"'{where}.type' is not a text; name the type of the item")
    if kind == "message":
        role = item.get("role")
        if not isinstance(role, str):
            raise InputError(f"'{where}' is a message without a 'role'; say who speaks")
        content = _content(item.get("content"), f"{where}.content", needs)
        if role == "assistant":
            turns.answer(content)
        else:
            turns.say({"role": role, "content": content})
    elif kind in _CALLS:
        turns.call(_call(item, where))
    elif kind in _CALL_OUTPUTS:
        output = _content(item.get("output"), f"{where}.output", needs)
        turns.say({"role": "tool", "tool_call_id": item.get("call_id"), "content": output})
    elif kind == "reasoning":
        # What is encrypted is for its provider only; chat.completions never carries thoughts from turn to turn.
        text = reasoning_text(item)
        if text:
            turns.think(text)
    else:
        needs.note(
            f"'{where}' is an item of type {kind[:60]!r}, which only the provider that made "
            "it can read; leave it out, or ask for a model whose backend has the Responses API"
        )
        turns.say({"role": "assistant", "content": [item]})


def reasoning_text(item: dict[str, Any]) -> str:
    """What a reasoning item says: its summary, or the reasoning itself where there is no summary; may be empty."""
    for name in ("summary", "content"):
        parts = item.get(name)
        texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        found = "\n\n".join(text for text in texts if isinstance(text, str) and text)
        if found:
            return found
    return ""


def _call(item: dict[str, Any], where: str) -> dict[str, Any]:
    kind, told = _CALLS[item["type"]]
    name, text = item.get("name"), item.get(told)
    if not isinstance(name, str):
        raise InputError(f"'{where}' is a call without a 'name'; name the tool")
    if not isinstance(text, str):
        try:
            text = json.dumps(text, ensure_ascii=False)
        except RecursionError as error:
            raise InputError(f"'{where}.{told}' is nested too deep; send it as a text") from error
    return {"id": item.get("call_id"), "type": kind, kind: {"name": name, told: text}}


def _content(content: object, where: str, needs: Needs) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InputError(f"'{where}' is neither a text nor a list of parts; send one of them")
    parts = [_part(part, f"{where}[{place}]", needs) for place, part in enumerate(content)]
    if not parts:
        return ""
    # One text is sent as a text: every chat server understands that.
    return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts


def _part(part: object, where: str, needs: Needs) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise InputError(f'\'{where}\' is not an object; send parts like {{"type": "input_text", "text": …}}')
    kind = part.get("type")
    if not isinstance(kind, str):
        raise InputError(f"'{where}.type' is missing or not a text; name the type of the part")
    if kind in _TEXTS:
        if not isinstance(text := part.get("text"), str):
            raise InputError(f"'{where}.text' is not a text; send one")
        chat: dict[str, Any] = {"type": "text", "text": text}
    elif (form := _FORMS.get(kind)) is not None:
        chat = form(part, where, needs)
    else:
        _refuse_part(f"'{where}' is of type {kind[:60]!r}", needs)
        return part
    if "prompt_cache_breakpoint" in part:
        chat["prompt_cache_breakpoint"] = part["prompt_cache_breakpoint"]
    return chat


def _refusal(part: dict[str, Any], where: str, needs: Needs) -> dict[str, Any]:  # noqa: ARG001 - as all of _FORMS
    return {"type": "refusal", "refusal": part.get("refusal")}


def _image(part: dict[str, Any], where: str, needs: Needs) -> dict[str, Any]:
    url, detail = part.get("image_url"), part.get("detail")
    if not isinstance(url, str):
        _refuse_part(f"'{where}' is an image without an 'image_url'", needs)
        return part
    image = {"url": url}
    if isinstance(detail, str):
        # "original" is the one detail that chat.completions has not.
        image["detail"] = "high" if detail == "original" else detail
    return {"type": "image_url", "image_url": image}


def _file(part: dict[str, Any], where: str, needs: Needs) -> dict[str, Any]:
    file = {name: part[name] for name in ("file_data", "file_id", "filename") if part.get(name) is not None}
    if "file_data" not in file and "file_id" not in file:
        _refuse_part(f"'{where}' is a file without 'file_data'", needs)
        return part
    return {"type": "file", "file": file}


def _audio(part: dict[str, Any], where: str, needs: Needs) -> dict[str, Any]:  # noqa: ARG001 - as all of _FORMS
    return {"type": "input_audio", "input_audio": part.get("input_audio")}


_FORMS: dict[str, Callable[[dict[str, Any], str, Needs], dict[str, Any]]] = {
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _refuse_part(what: str, needs: Needs) -> None:
    needs.note(
        f"{what}, which a chat.completions backend can't be sent; send text, an image's URL or a file's data, "
        "or ask for a model whose backend has the Responses API"
    )


def _as_parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
