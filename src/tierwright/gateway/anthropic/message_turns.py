"""The conversation of a chat request as Anthropic wants it: a system prompt, and turns of user and assistant by turns.

Owns the order: messages of one role that follow each other are one turn, results of tools stand first in it. Messages
of the system that stand later in the conversation are joined to the system prompt, as Anthropic's own layer for
OpenAI's clients does it, or stay behind the turn of the user they belong to, where the model takes that.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.members import a_list, a_text, an_object, tool_input
from tierwright.gateway.anthropic.parts import text_blocks, user_blocks

_SYSTEM = frozenset({"system", "developer"})
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


def conversation(messages: object, *, system_turns: bool) -> dict[str, Any]:
    """The members `system` and `messages` of a Messages request; `system` is absent where there is none.

    `system_turns`: whether the model takes turns of the system behind turns of the user (Claude Opus 4.8 and later).
    Raises InputError, naming the member, for what can't be said in a Messages request.
    """
    items = a_list(messages, "messages")
    _refuse_names(items)
    turns = _Turns(system_turns=system_turns)
    last: Mapping[str, Any] = {}
    for place, item in enumerate(items):
        where = f"messages[{place}]"
        last = an_object(item, where)
        turns.take(last, where)
    if last.get("role") == "assistant" and last.get("prefix") is not True:
        raise InputError(
            f"'messages[{len(items) - 1}]' is an answer, which Anthropic would continue; end with a message of the "
            'user, or say "prefix": true where it is the beginning of the answer wanted'
        )
    turns.end_user()
    if not turns.done:
        raise InputError("'messages' holds nothing that a user said; send at least one message that is not empty")
    found: dict[str, Any] = {"system": _plain(turns.system)} if turns.system else {}
    return found | {"messages": [turn | {"content": _plain(turn["content"])} for turn in turns.done]}


class _Turns:
    """The turns so far, and what the user, the tools and the system have said since the last answer."""

    __slots__ = ("_later", "_results", "_said", "_system_turns", "done", "system")

    def __init__(self, *, system_turns: bool) -> None:
        self._system_turns = system_turns
        self._results: list[dict[str, Any]] = []
        self._said: list[dict[str, Any]] = []
        self._later: list[dict[str, Any]] = []
        self.system: list[dict[str, Any]] = []
        self.done: list[dict[str, Any]] = []

    def take(self, message: Mapping[str, Any], where: str) -> None:
        role, content = message.get("role"), message.get("content")
        if role == "user":
            self._said += _with_hint(user_blocks(content, f"{where}.content"), message)
        elif role == "tool":
            self._results.append(_tool_result(message, where))
        elif role == "assistant":
            self.end_user()
            self._add("assistant", _with_hint(_answer(message, where), message))
        elif isinstance(role, str) and role in _SYSTEM:
            begun = bool(self.done or self._said or self._results)
            blocks = _with_hint(text_blocks(content, f"{where}.content"), message)
            (self._later if begun and self._system_turns else self.system).extend(blocks)
        else:
            raise InputError(
                f"'{where}.role' is none of system, developer, user, assistant and tool; send one of these"
            )

    def end_user(self) -> None:
        """Ends what was said since the last answer."""
        self._add("user", self._results + self._said)
        if self._results or self._said:
            self._add("system", self._later)
        else:
            # A turn of the system can only stand behind one of the user.
            self.system += self._later
        self._results, self._said, self._later = [], [], []

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if self.done and self.done[-1]["role"] == role:
            self.done[-1]["content"] += blocks
        else:
            self.done.append({"role": role, "content": blocks})


def _refuse_names(messages: list[Any]) -> None:
    """A name tells the users of a conversation apart; where there is only one, nothing is lost with it."""
    names: dict[str, int] = {}
    for place, message in enumerate(messages):
        name = message.get("name") if isinstance(message, Mapping) and message.get("role") == "user" else None
        if isinstance(name, str) and name:
            names.setdefault(name, place)
    if len(names) > 1:
        place = list(names.values())[1]
        raise InputError(
            f"'messages[{place}].name' tells users apart, which Anthropic's API can't; write the names into the texts"
        )


def _with_hint(blocks: list[dict[str, Any]], message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A hint on caching that stands at a message belongs to its last block."""
    if blocks and message.get("cache_control") is not None:
        blocks[-1].setdefault("cache_control", message["cache_control"])
    return blocks


def _answer(message: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    if message.get("audio") is not None:
        raise InputError(f"'{where}.audio' is sound, which Anthropic's models don't take; send its transcript as text")
    if message.get("function_call") is not None:
        raise InputError(f"'{where}.function_call' is the old form of tool calls; send 'tool_calls'")
    found: list[dict[str, Any]] = []
    thoughts = message.get("thinking_blocks")
    if thoughts is not None:
        # Exactly what Anthropic sent, signatures and all; thoughts without a signature it refuses.
        found += [
            dict(an_object(each, f"{where}.thinking_blocks")) for each in a_list(thoughts, f"{where}.thinking_blocks")
        ]
    found += text_blocks(message.get("content"), f"{where}.content")
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip() and not message.get("content"):
        found.append({"type": "text", "text": refusal})
    calls = message.get("tool_calls")
    for place, call in enumerate(a_list(calls, f"{where}.tool_calls") if calls is not None else ()):
        found.append(_tool_use(call, f"{where}.tool_calls[{place}]"))
    return found


def _tool_use(call: object, where: str) -> dict[str, Any]:
    members = an_object(call, where)
    function = members.get("function")
    if function is None:
        raise InputError(f"'{where}' calls no function; Anthropic's models know tools that are functions only")
    function = an_object(function, f"{where}.function")
    arguments = function.get("arguments")
    return {
        "type": "tool_use",
        "id": _tool_use_id(members.get("id"), f"{where}.id"),
        "name": a_text(function.get("name"), f"{where}.function.name"),
        # Some servers send the arguments as an object, and take them back so.
        "input": dict(arguments)
        if isinstance(arguments, Mapping)
        else tool_input(a_text(arguments, f"{where}.function.arguments")),
    }


def _tool_result(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": _tool_use_id(message.get("tool_call_id"), f"{where}.tool_call_id"),
    }
    blocks = text_blocks(message.get("content"), f"{where}.content")
    if blocks:
        found["content"] = _plain(blocks)
    if message.get("cache_control") is not None:
        found["cache_control"] = message["cache_control"]
    return found


def _tool_use_id(identity: object, where: str) -> str:
    """The id as Anthropic takes it: letters, digits, `_` and `-`; ids that differ stay different."""
    name = a_text(identity, where)
    if not name:
        raise InputError(f"'{where}' is empty; a result is told from another by the id of its call")
    clean = _NOT_IN_IDS.sub("_", name)
    return name if clean == name else f"{clean}-{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}"


def _plain(blocks: list[dict[str, Any]]) -> list[dict[str, Any]] | str:
    """The blocks, or the text where they are nothing more."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks
