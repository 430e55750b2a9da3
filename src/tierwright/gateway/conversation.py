"""Which conversation a request belongs to, so that all its turns are answered by the same models.

Owns where a request says so, in the order it is believed: a header, a member of its metadata, the conversation of
OpenAI's Responses, and else the beginning of a chat of several turns, which stays the same while the chat grows. The
first turn of such a chat looks like any single request and is drawn by itself. Refuses to draw (`policy`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tierwright.gateway import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import ChatRequest
    from tierwright.gateway.dialects.dialect import Asked

#: Members of `metadata` that name a conversation.
_METADATA = ("conversation_id", "session_id", "thread_id")
#: Members of a request that name the person behind it: OpenAI's two, then Anthropic's inside `metadata`.
_PERSON = ("safety_identifier", "user")


def conversation_of(
    asked: Asked, headers: Mapping[bytes, bytes], client_id: str, *, by_person: bool = False
) -> str | None:
    """The conversation of a request, one name for all its turns; None: it is on its own.

    `by_person`: where it names no conversation, all requests of the person it names are taken for one. An application
    that names itself there instead of people would get all or nothing of a share.
    """
    named = wire.conversation_of(headers)
    if named is not None:
        # As it is: draws made before stay what they were.
        return named
    payload = asked.payload
    metadata = payload.get("metadata")
    members = metadata if isinstance(metadata, dict) else {}
    for name in _METADATA:
        if found := _text(members.get(name)):
            return f"{client_id}\x00{found}"
    conversation = payload.get("conversation")
    if found := _text(conversation.get("id") if isinstance(conversation, dict) else conversation):
        return f"{client_id}\x00{found}"
    people = [_text(payload.get(name)) for name in _PERSON] + [_text(members.get("user_id"))]
    person = next((one for one in people if one), "")
    if by_person and person:
        return f"{client_id}\x00{person}"
    return None if asked.chat is None else _beginning(asked.chat, client_id, person)


def _beginning(chat: ChatRequest, client_id: str, person: str) -> str | None:
    """A name made of what a chat of several turns began with; None: it has one turn."""
    if not any(message.role == "assistant" for message in chat.messages):
        return None
    first = next((message.text for message in chat.messages if message.role == "user"), "")
    text = f"{client_id}\x00{person}\x00{first}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
