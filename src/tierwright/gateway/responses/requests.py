"""A Responses request as the chat.completions request that asks for the same.

Owns the members of the request; `inputs` and `tools` own what is inside of two of them. Refuses to guess: what chat
has no word for is an error where the translation is to be answered, and stays visible where it is only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tierwright.core.errors import InputError
from tierwright.gateway.needs import Needs
from tierwright.gateway.responses.inputs import chat_messages
from tierwright.gateway.responses.tools import chat_tool_choice, chat_tools

#: Members that refer to what only the provider has, and what to do instead.
_STORED = {
    "previous_response_id": "send the earlier items in 'input'",
    "conversation": "send the earlier items in 'input'",
    "prompt": "send the text in 'instructions' and 'input'",
}
#: Members that ask for what only the provider does, and what to do instead.
_PROVIDED = {
    "background": "wait for the answer, or stream it",
    "context_management": "shorten 'input' yourself",
    "moderation": "ask the moderation model yourself",
}
#: Members that are translated, or that ask for nothing a chat backend does: `max_tool_calls` limits the provider's
#: tools, `truncation` matters only where the input is too long, which the backend will say, `background_options` goes
#: with `background`.
_NOT_COPIED = frozenset(
    {
        "background_options",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "stream_options",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "truncation",
        *_STORED,
        *_PROVIDED,
    }
)
_LOGPROBS = "message.output_text.logprobs"


class Reading(NamedTuple):
    """A Responses request, read."""

    #: The chat.completions request that asks for the same, as far as chat can.
    request: dict[str, Any]
    #: What only the provider can honour, as an error message; None: the request says all that a model needs.
    needs: str | None


def chat_request(payload: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """The chat.completions request that asks for the same; members of unknown name are copied.

    Raises InputError, naming the member, where the payload is no Responses request and, if `strict`, where it needs
    what only a provider with the Responses API has. If not `strict` that stays in the request: members as they are,
    items, parts and state kept by the provider as parts of messages that are no text.
    """
    return _translated(payload, Needs(strict=strict))


def read(payload: Mapping[str, Any]) -> Reading:
    """The request with what only the provider can honour. Raises InputError where it is no Responses request."""
    needs = Needs(strict=False)
    return Reading(_translated(payload, needs), needs.first)


def self_contained(payload: Mapping[str, Any]) -> bool:
    """Whether a chat.completions backend or a specialist can be asked: `chat_request` would not raise."""
    try:
        return read(payload).needs is None
    except InputError:
        return False


def _translated(payload: object, needs: Needs) -> dict[str, Any]:
    if not isinstance(payload, Mapping):
        raise InputError('the request body is not a JSON object; send {"model": …, "input": …}')
    chat: dict[str, Any] = {"model": payload["model"]} if "model" in payload else {}
    chat["messages"] = _messages(payload, needs)
    # In both APIs null is the same as saying nothing, but chat does not take it for every member.
    chat |= {name: value for name, value in payload.items() if value is not None and name not in _NOT_COPIED}
    if payload.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = payload["max_output_tokens"]
    _add_tools(payload, chat, needs)
    _add_text(payload.get("text"), chat)
    _add_reasoning(payload.get("reasoning"), chat, needs)
    _add_logprobs(payload, chat)
    if payload.get("stream") is True:
        options = payload.get("stream_options")
        # A stream of Responses always ends with the usage.
        chat["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    for name, instead in _PROVIDED.items():
        if payload.get(name):
            needs.note(
                f"'{name}' asks for what only a provider with the Responses API does; {instead}, "
                "or ask for a model whose backend has that API"
            )
            chat[name] = payload[name]
    return chat


def _messages(payload: Mapping[str, Any], needs: Needs) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    instructions, given = payload.get("instructions"), payload.get("input")
    if isinstance(instructions, str):
        if instructions:
            messages.append({"role": "system", "content": instructions})
    elif instructions is not None:
        raise InputError("'instructions' is not a text; send a text, or leave it out")
    before = len(messages)
    for name, instead in _STORED.items():
        value = payload.get(name)
        if value is not None:
            needs.note(
                f"'{name}' refers to what only the provider has stored; {instead}, "
                "or ask for a model whose backend has the Responses API"
            )
            # Whoever reads the messages must see that they are not the whole conversation.
            messages.append({"role": "assistant", "content": [{"type": name, name: value}]})
    if given is not None:
        messages += chat_messages(given, needs)
    if len(messages) == before:
        raise InputError("'input' is missing or empty; send a text or a list of items")
    return messages


def _add_tools(payload: Mapping[str, Any], chat: dict[str, Any], needs: Needs) -> None:
    tools = chat_tools(payload.get("tools"), needs)
    choice, parallel = payload.get("tool_choice"), payload.get("parallel_tool_calls")
    if tools:
        chat["tools"] = tools
        if parallel is not None:
            chat["parallel_tool_calls"] = parallel
    # Chat servers refuse to choose among no tools, even where the choice is to call none.
    if choice is not None and (tools or choice not in ("auto", "none")):
        chat["tool_choice"] = chat_tool_choice(choice, needs)


def _add_text(text: object, chat: dict[str, Any]) -> None:
    if text is None:
        return
    if not isinstance(text, dict):
        raise InputError("'text' is not an object; send {\"format\": …}, or leave it out")
    form, verbosity = text.get("format"), text.get("verbosity")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type" and value is not None}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form is not None and form != {"type": "text"}:
        chat["response_format"] = form
    if verbosity is not None:
        chat["verbosity"] = verbosity


def _add_reasoning(reasoning: object, chat: dict[str, Any], needs: Needs) -> None:
    if not isinstance(reasoning, dict):
        return
    # A summary is a wish: an answer without one is still an answer.
    if reasoning.get("effort") is not None:
        chat["reasoning_effort"] = reasoning["effort"]
    if reasoning.get("mode") not in (None, "standard"):
        needs.note(
            "'reasoning.mode' asks for what only a provider with the Responses API does; leave it out, "
            "or ask for a model whose backend has that API"
        )


def _add_logprobs(payload: Mapping[str, Any], chat: dict[str, Any]) -> None:
    include, top = payload.get("include"), payload.get("top_logprobs")
    if top or (isinstance(include, list) and _LOGPROBS in include):
        chat["logprobs"] = True
    if top:
        chat["top_logprobs"] = top
