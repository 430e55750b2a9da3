"""A Messages request as the chat.completions request that asks for the same, and back.

Owns the members of the two requests; `chat_turns`, `message_turns` and `tools` own what is inside of some. Members of
unknown name are passed on: a server that does not know them says so. What the other API has no word for is an error
where it would change the answer, and left out where it would change the cost or the pace only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from tierwright.core.errors import InputError
from tierwright.gateway.anthropic.chat_turns import chat_messages, loaded_tools, system_messages
from tierwright.gateway.anthropic.members import a_text, an_object
from tierwright.gateway.anthropic.message_turns import conversation
from tierwright.gateway.anthropic.needs import note, note_others
from tierwright.gateway.anthropic.tools import chat_tool_choice, chat_tools, messages_tool_choice, messages_tools
from tierwright.gateway.needs import Needs

#: Members of a Messages request that ask for what only Anthropic has, and what to do instead.
_AT_ANTHROPIC = {
    "container": "run the code yourself, as a tool",
    "mcp_servers": "call the server yourself, as a tool",
    "inference_geo": "leave it out, or send the request to a backend that is where the data may go",
}
#: Members of a Messages request that are translated, or left out for these reasons: `cache_control`, `diagnostics`,
#: `speed`, `user_profile_id` and `workspace_id` change what is billed and how fast; `context_management` matters only
#: where the conversation is too long, which the backend will say; `thinking` counts tokens or leaves the choice to the
#: model, for neither of which chat has a word: models that think do so by default; `betas` and the versions go with
#: Anthropic's own API.
_FROM_MESSAGES = frozenset(
    {
        "anthropic_beta",
        "anthropic_version",
        "betas",
        "cache_control",
        "context_management",
        "diagnostics",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "stream_options",
        "system",
        "thinking",
        "tool_choice",
        "tools",
        "user_profile_id",
        "workspace_id",
        *_AT_ANTHROPIC,
    }
)
#: Members of a chat request that Anthropic has no equal of and that change the answer, with the values that don't and
#: with what to do instead.
_NOT_AT_ANTHROPIC: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((1,), "ask for one answer, several times"),
    "audio": ((), "ask for text"),
    "modalities": ((["text"],), "ask for text"),
    "logprobs": ((False,), "leave it out"),
    "top_logprobs": ((0,), "leave it out"),
    "logit_bias": (({},), "leave it out"),
    "frequency_penalty": ((0,), "leave it out"),
    "presence_penalty": ((0,), "leave it out"),
    "functions": (([],), "send 'tools'"),
    "function_call": ((), "send 'tool_choice'"),
    "web_search_options": ((), "offer a tool that searches"),
    "verbosity": (("medium",), "ask for it in the prompt"),
    "moderation": ((), "ask the moderation model yourself"),
}
#: Members of a chat request that are translated, or left out: `seed` is best effort, `prediction` saves time,
#: `prompt_cache_*` save money, `store` and `metadata` serve the provider's console, `stream_options` is for whoever
#: writes the stream.
_FROM_CHAT = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
        "user",
        *_NOT_AT_ANTHROPIC,
    }
)
#: Anthropic's "auto" takes priority capacity where there is some, "standard_only" never does.
_CHAT_TIERS = {"standard_only": "default"}
_MESSAGES_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only", "standard_only": "standard_only"}
#: Chat wants a name for the schema of an answer.
_SCHEMA_NAME = "answer"
#: OpenAI refuses longer ids of users; Claude Code's are about twice as long.
_LONGEST_CHAT_USER = 64
_LONGEST_MESSAGES_USER = 256


class Reading(NamedTuple):
    """A Messages request, read."""

    #: The chat.completions request that asks for the same, as far as chat can.
    request: dict[str, Any]
    #: What only Anthropic can honour, as an error message; None: the request says all that a model needs.
    needs: str | None


def chat_request(messages: Mapping[str, Any], *, strict: bool = True, keep_reasoning: bool = False) -> dict[str, Any]:
    """The chat.completions request that asks for the same as a Messages request (or one to count its tokens).

    `keep_reasoning`: thoughts of earlier turns are sent as `reasoning_content`, which some servers want back and
    others refuse. Raises InputError, naming the member, where it is no Messages request and, if `strict`, where it
    needs what only Anthropic has. If not `strict` that stays visible: tools as they are, blocks as parts of messages.
    """
    return _chat(messages, Needs(strict=strict), keep_reasoning=keep_reasoning)


def read(messages: Mapping[str, Any]) -> Reading:
    """The request with what only Anthropic can honour. Raises InputError where it is no Messages request."""
    needs = Needs(strict=False)
    return Reading(_chat(messages, needs, keep_reasoning=False), needs.first)


def messages_request(chat: Mapping[str, Any], *, default_max_tokens: int, system_turns: bool = False) -> dict[str, Any]:
    """The Messages request that asks for the same as a chat.completions request.

    `default_max_tokens` is the limit where the request has none: Anthropic wants one. `system_turns`: whether the
    model takes messages of the system within the conversation (Claude Opus 4.8 and later); they join the system
    prompt where it does not. Raises InputError, naming the member, where Anthropic has no word for what is asked.
    """
    asked = _payload(chat)
    for name, (harmless, instead) in _NOT_AT_ANTHROPIC.items():
        value = asked.get(name)
        if value is not None and value not in harmless:
            raise InputError(f"'{name}' asks for what Anthropic's API does not have; {instead}")
    if asked.get("system") is not None:
        raise InputError("'system' is no member of a chat request; send a message of the role system")
    limit = asked.get("max_completion_tokens")
    if limit is None:
        limit = asked.get("max_tokens")
    found: dict[str, Any] = {"model": asked["model"]} if "model" in asked else {}
    found["max_tokens"] = default_max_tokens if limit is None else limit
    found |= conversation(asked.get("messages"), system_turns=system_turns)
    found |= {name: value for name, value in asked.items() if value is not None and name not in _FROM_CHAT}
    tools = messages_tools(asked.get("tools"))
    if tools:
        found["tools"] = tools
    found |= messages_tool_choice(asked.get("tool_choice"), asked.get("parallel_tool_calls"), offered=bool(tools))
    stop = asked.get("stop")
    if stop:
        found["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if asked.get("stream") is not None:
        found["stream"] = asked["stream"]
    _add_user(asked, found)
    _add_messages_tier(asked.get("service_tier"), found)
    _add_output_config(asked, found)
    return found


def _payload(payload: object) -> Mapping[str, Any]:
    if not isinstance(payload, Mapping):
        raise InputError('the request body is not a JSON object; send {"model": …, "messages": […]}')
    return payload


def _chat(messages: object, needs: Needs, *, keep_reasoning: bool) -> dict[str, Any]:
    asked = _payload(messages)
    for name, instead in _AT_ANTHROPIC.items():
        if asked.get(name):
            note(needs, name, "is what only Anthropic has", instead)
    chat: dict[str, Any] = {"model": asked["model"]} if "model" in asked else {}
    chat["messages"] = [
        *system_messages(asked.get("system"), needs),
        *chat_messages(asked.get("messages"), needs, keep_reasoning=keep_reasoning),
    ]
    chat |= {name: value for name, value in asked.items() if value is not None and name not in _FROM_MESSAGES}
    if asked.get("max_tokens") is not None:
        chat["max_completion_tokens"] = asked["max_tokens"]
    if asked.get("stop_sequences"):
        chat["stop"] = asked["stop_sequences"]
    tools = chat_tools(asked.get("tools"), loaded_tools(asked.get("messages")), needs)
    if tools:
        chat["tools"] = tools
    chat |= chat_tool_choice(asked.get("tool_choice"), offered=bool(tools), needs=needs)
    _add_answer_form(asked, chat, needs)
    metadata, tier = asked.get("metadata"), asked.get("service_tier")
    if isinstance(metadata, Mapping) and metadata.get("user_id") is not None:
        chat["user"] = _user(metadata["user_id"], "metadata.user_id", _LONGEST_CHAT_USER)
    if isinstance(tier, str) and tier in _CHAT_TIERS:
        chat["service_tier"] = _CHAT_TIERS[tier]
    if asked.get("stream") is not None:
        chat["stream"] = asked["stream"]
        if asked["stream"] is True:
            # A stream of Messages always ends with the usage.
            chat["stream_options"] = {"include_usage": True}
    return chat


def _add_answer_form(asked: Mapping[str, Any], chat: dict[str, Any], needs: Needs) -> None:
    """Adds what `output_config` says, and `output_format`, as its format was called before."""
    config = asked.get("output_config")
    config = {} if config is None else an_object(config, "output_config")
    # A task's budget is advice to the model on how to pace itself; `max_tokens` still ends the answer.
    note_others(needs, config, ("effort", "format", "task_budget"), "output_config")
    if config.get("effort") is not None:
        chat["reasoning_effort"] = config["effort"]
    where = "output_config.format" if config.get("format") is not None else "output_format"
    form = config.get("format") if config.get("format") is not None else asked.get("output_format")
    if form is None:
        return
    form = an_object(form, where)
    if form.get("type") != "json_schema":
        raise InputError(f"'{where}.type' is not json_schema; send that, or leave '{where}' out")
    # Anthropic's answers always follow the schema, as chat's do where it is strict.
    schema = {"name": _SCHEMA_NAME, "schema": an_object(form.get("schema"), f"{where}.schema"), "strict": True}
    chat["response_format"] = {"type": "json_schema", "json_schema": schema}


def _add_user(asked: Mapping[str, Any], found: dict[str, Any]) -> None:
    metadata = asked.get("metadata")
    given = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    for user in (asked.get("user"), asked.get("safety_identifier"), given):
        if user is not None:
            found["metadata"] = {"user_id": _user(user, "user", _LONGEST_MESSAGES_USER)}
            return


def _user(user: object, where: str, longest: int) -> str:
    """The id of a user, or its SHA-256 where it is too long: it tells users apart, and says nothing else."""
    name = a_text(user, where)
    return name if len(name) <= longest else hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _add_messages_tier(tier: object, found: dict[str, Any]) -> None:
    if tier is None:
        return
    if not isinstance(tier, str) or tier not in _MESSAGES_TIERS:
        raise InputError("'service_tier' is nothing that Anthropic sells; send auto, default or priority")
    found["service_tier"] = _MESSAGES_TIERS[tier]


def _add_output_config(asked: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Adds the form of the answer and the effort; what the caller says in Anthropic's own words counts more."""
    config: dict[str, Any] = {}
    effort, form = asked.get("reasoning_effort"), asked.get("response_format")
    if effort == "none":
        found.setdefault("thinking", {"type": "disabled"})
    elif effort is not None:
        # "low" is the least that Anthropic has.
        config["effort"] = "low" if effort == "minimal" else effort
    if form is not None:
        form = an_object(form, "response_format")
        if form.get("type") == "json_schema":
            config["format"] = {"type": "json_schema", "schema": _answer_schema(form)}
        elif form.get("type") != "text":
            raise InputError(
                "'response_format' asks for JSON of no schema, which Anthropic's models can't promise; "
                "send a json_schema, or ask for JSON in the prompt"
            )
    own = asked.get("output_config")
    if own is not None:
        config |= an_object(own, "output_config")
    if config:
        found["output_config"] = config


def _answer_schema(form: Mapping[str, Any]) -> dict[str, Any]:
    where = "response_format.json_schema"
    described = an_object(form.get("json_schema"), where)
    schema = dict(an_object(described.get("schema"), f"{where}.schema"))
    if isinstance(described.get("description"), str):
        schema.setdefault("description", described["description"])
    return schema
