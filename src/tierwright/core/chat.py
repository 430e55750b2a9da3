"""What a chat request and its answer say, read from exact OpenAI payloads.

Owns the reading only: the payload itself is kept as bytes in an `Inference` and travels unchanged. Refuses to know
about HTTP, streams and providers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierwright.core.calls import ToolCall, read_calls
from tierwright.core.errors import InputError

_SYSTEM_ROLES = frozenset({"system", "developer"})
#: Who says a tool's result; the second in OpenAI's first form.
_RESULT_ROLES = frozenset({"tool", "function"})
#: A tool whose name a request does not tell.
UNNAMED_TOOL = "unknown"
#: What providers call their normal price class: OpenAI, Anthropic, Groq.
_NORMAL_TIERS = frozenset({"auto", "default", "standard", "standard_only", "on_demand"})
#: Members of a message that hold what a model wrote besides its content; servers name thoughts differently.
_ALOUD = ("refusal", "reasoning_content", "reasoning")
_NO_MEMBERS: Mapping[str, object] = {}
# What a JSON object or list may be; the plain type first, since asking an abstract class takes a microsecond.
_OBJECT = (dict, Mapping)
_LIST = (list, Sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, reduced to its role and its text."""

    #: system, developer, user, assistant, tool, …
    role: str
    #: The text parts, joined by newlines; empty where there is none.
    text: str
    #: Whether something besides text is in it: images, audio, files, tool calls.
    opaque: bool = False
    #: Whether part of that is neither text nor a call of a tool: images, audio, files.
    media: bool = False
    #: The tools that it calls, in order.
    calls: tuple[ToolCall, ...] = ()
    #: The tool whose result it is, `UNNAMED_TOOL` where the request does not tell; None: it is no result.
    tool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat.completions request, as far as it tells one task from another."""

    #: The model the caller asked for.
    model: str
    #: In the order sent; never empty.
    messages: tuple[Message, ...]
    #: Names of the tools offered, in the order sent.
    tools: tuple[str, ...] = ()
    #: Canonical JSON of `response_format`; None: not given.
    response_format: str | None = None
    #: Whether the caller wants server-sent events.
    stream: bool = False
    #: Number of answers wanted.
    n: int = 1

    @property
    def system(self) -> str:
        """The text of the leading system and developer messages, joined by blank lines."""
        leading: list[str] = []
        for message in self.messages:
            if message.role not in _SYSTEM_ROLES:
                break
            leading.append(message.text)
        return "\n\n".join(leading)

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages after the leading system and developer ones."""
        first = next((i for i, m in enumerate(self.messages) if m.role not in _SYSTEM_ROLES), len(self.messages))
        return self.messages[first:]

    @property
    def opaque(self) -> bool:
        """Whether any message holds something besides text."""
        return any(message.opaque for message in self.messages)

    @property
    def media(self) -> bool:
        """Whether any message holds something that is neither text nor a call of a tool."""
        return any(message.media for message in self.messages)

    @property
    def toolset(self) -> tuple[str, ...]:
        """Names of the tools offered, sorted: the order they are sent in says nothing."""
        return tuple(sorted(self.tools))

    @property
    def after(self) -> str | None:
        """The tool whose result the request ends with, of several the last; None: it ends with none."""
        return self.messages[-1].tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, as the provider counted them."""

    #: Everything read: the parts below are in it.
    prompt_tokens: int
    #: Everything written: the parts below are in it.
    completion_tokens: int
    #: Part of `prompt_tokens` that was read from the provider's cache.
    cached_tokens: int = 0
    #: Part of `prompt_tokens` that was written to the provider's cache, where that has a price of its own.
    cache_write_tokens: int = 0
    #: Part of `cache_write_tokens` that is kept for an hour rather than minutes, which costs more.
    cache_write_1h_tokens: int = 0
    #: Part of `prompt_tokens` that was sound.
    audio_prompt_tokens: int = 0
    #: Part of `completion_tokens` that was thinking.
    reasoning_tokens: int = 0
    #: Part of `completion_tokens` that was sound.
    audio_completion_tokens: int = 0
    #: The provider's price class for this call, such as "flex", "priority" or "batch"; None: the normal one.
    service_tier: str | None = None
    #: Whether the provider sent no counts and they are an estimate of ours.
    estimated: bool = False
    #: Whether the answer broke off before the provider had counted `completion_tokens`, which then say nothing.
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """A chat.completion, as far as anyone but the caller needs it."""

    #: The provider's id of the answer; None: not given.
    id: str | None
    #: The model that answered; None: not said.
    model: str | None
    #: Text of the first choice; None: there is none (a tool call, a refusal, an error).
    text: str | None
    #: Why the first choice ended; None: not said.
    finish_reason: str | None
    #: None: the provider sent none.
    usage: Usage | None
    #: The tools that the first choice calls, in order.
    calls: tuple[ToolCall, ...] = ()


def read_request(payload: object) -> ChatRequest:
    """The request in a decoded JSON payload.

    Raises InputError, naming the member that is wrong, where it is not a chat.completions request.
    """
    if not isinstance(payload, _OBJECT):
        raise InputError('the request body is not a JSON object; send {"model": …, "messages": […]}')
    model, messages = payload.get("model"), _items(payload.get("messages"))
    if not isinstance(model, str) or not model:
        raise InputError("'model' is missing or not a string; name the model that should answer")
    if not messages:
        raise InputError("'messages' is missing or empty; send at least one message")
    response_format = payload.get("response_format")
    n = payload.get("n")
    return ChatRequest(
        model=model,
        messages=_messages(messages),
        tools=tuple(_tool_names(payload.get("tools"))),
        response_format=None if response_format is None else canonical_json(response_format),
        stream=payload.get("stream") is True,
        n=n if isinstance(n, int) else 1,
    )


def read_answer(payload: object) -> ChatAnswer:
    """The answer in a decoded JSON payload; what is missing or of another type reads as None, never as an error."""
    said = _members(payload)
    text, calls = read_said(said)
    return ChatAnswer(
        id=_text_or_none(said.get("id")),
        model=_text_or_none(said.get("model")),
        text=text,
        finish_reason=_text_or_none(_first_choice(said).get("finish_reason")),
        usage=read_usage(said.get("usage"), said.get("service_tier")),
        calls=calls,
    )


def read_said(payload: object) -> tuple[str | None, tuple[ToolCall, ...]]:
    """The `text` and the `calls` of `read_answer`, for those who read millions and need nothing else."""
    message = _first_choice(payload).get("message")
    return (_answer_text(message.get("content")), read_calls(message)) if isinstance(message, _OBJECT) else (None, ())


def read_usage(payload: object, service_tier: object = None) -> Usage | None:
    """The usage object of an answer; None where it is missing or not countable.

    Reads what these send, each by its own names: OpenAI's chat completions (and those who speak them: Azure, Groq,
    Mistral, OpenRouter, Gemini's OpenAI endpoint, xAI, vLLM), embeddings, responses and transcriptions, DeepSeek, and
    Anthropic's messages, whose `input_tokens` leave out what the cache read and wrote and are summed here. Anthropic's
    streams say the input in `message_start` and the output in `message_delta`: join the two objects first. A part that
    is larger than its whole is not believed. `service_tier` stands beside the usage in OpenAI's answers.
    """
    if not isinstance(payload, _OBJECT):
        return None
    get = payload.get
    prompt = get("prompt_tokens")
    if prompt is None:
        return _input_usage(payload, service_tier)
    completion, total = get("completion_tokens"), get("total_tokens")
    if completion is None and type(total) is int:
        # Embeddings write nothing and say nothing of it.
        completion = 0
    if type(prompt) is not int or type(completion) is not int or prompt < 0 or completion < 0:
        return None
    inside = _members(get("prompt_tokens_details"))
    written = _members(get("completion_tokens_details"))
    reasoning = _part(written.get("reasoning_tokens"), completion)
    if type(total) is int and (unseen := total - prompt - completion) > 0:
        # Gemini and xAI leave thinking out of the completion, count it in the total, and bill it as output.
        completion, reasoning = completion + unseen, unseen
    cached = inside.get("cached_tokens")
    if cached is None:
        # DeepSeek's name, and that of Moonshot and Together.
        cached = get("prompt_cache_hit_tokens", get("cached_tokens"))
    cached_tokens = _part(cached, prompt)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached_tokens,
        cache_write_tokens=_part(inside.get("cache_write_tokens"), prompt - cached_tokens),
        audio_prompt_tokens=_part(inside.get("audio_tokens"), prompt),
        reasoning_tokens=reasoning,
        audio_completion_tokens=_part(written.get("audio_tokens"), completion - reasoning),
        service_tier=_tier(service_tier),
    )


def _input_usage(payload: Mapping[str, object], service_tier: object) -> Usage | None:
    """Usage that counts `input_tokens` and `output_tokens`: OpenAI's responses, Anthropic's messages."""
    get = payload.get
    fresh, written = get("input_tokens"), get("output_tokens")
    if type(fresh) is not int or type(written) is not int or fresh < 0 or written < 0:
        return None
    inside = _members(get("input_tokens_details") or get("input_token_details"))
    outside = _members(get("output_tokens_details") or get("output_token_details"))
    cache_read, cache_write = _count(get("cache_read_input_tokens")), _count(get("cache_creation_input_tokens"))
    prompt = fresh + cache_read + cache_write
    cached = cache_read or _part(inside.get("cached_tokens"), prompt)
    cache_write = cache_write or _part(inside.get("cache_write_tokens"), prompt - cached)
    thinking = outside.get("reasoning_tokens", outside.get("thinking_tokens"))
    reasoning = _part(thinking, written)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=written,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=_part(_members(get("cache_creation")).get("ephemeral_1h_input_tokens"), cache_write),
        audio_prompt_tokens=_part(inside.get("audio_tokens"), prompt),
        reasoning_tokens=reasoning,
        audio_completion_tokens=_part(outside.get("audio_tokens"), written - reasoning),
        service_tier="fast" if get("speed") == "fast" else _tier(get("service_tier") or service_tier),
    )


def decode_request(raw: bytes) -> ChatRequest:
    """`read_request` of JSON bytes; InputError also where they are no JSON, or nested too deeply."""
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the request body is not JSON ({error.__class__.__name__})") from error
    try:
        return read_request(payload)
    except RecursionError as error:
        raise InputError("the request body is nested too deeply") from error


def decode_answer(raw: bytes) -> ChatAnswer:
    """`read_answer` of JSON bytes; bytes that are no JSON read as an answer that says nothing."""
    try:
        return read_answer(json.loads(raw))
    except (ValueError, RecursionError):
        return read_answer(None)


def written(raw: bytes) -> str | None:
    """Everything that the model wrote in the bytes of a chat.completion, one piece a line; None: nothing.

    Text, refusals and thoughts of every choice, and the names and arguments of tool calls: what it is paid for.
    """
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    pieces: list[str] = []
    for choice in _items(_members(payload).get("choices")):
        message = _members(_members(choice).get("message"))
        pieces += _texts([_answer_text(message.get("content")), *(message.get(name) for name in _ALOUD)])
        for call in _items(message.get("tool_calls")):
            function = _members(_members(call).get("function"))
            pieces += _texts([function.get("name"), function.get("arguments")])
    return "\n".join(pieces) or None


def canonical_json(value: object) -> str:
    """The one JSON text of a value: keys sorted, no spaces, no escapes that are not needed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _messages(items: Sequence[object]) -> tuple[Message, ...]:
    names: dict[str, str] = {}
    messages: list[Message] = []
    for place, item in enumerate(items):
        message = _message(item, place, names)
        for call in message.calls:
            names[call.id] = call.name
        messages.append(message)
    return tuple(messages)


def _message(item: object, place: int, names: Mapping[str, str]) -> Message:
    """`names`: the tools that were called before, by the call's id."""
    if not isinstance(item, _OBJECT) or not isinstance(role := item.get("role"), str):
        raise InputError(f"'messages[{place}]' is not an object with a 'role'")
    content = item.get("content")
    is_result = role in _RESULT_ROLES
    # Some clients send every member they know, as null or empty.
    has_calls = bool(item.get("tool_calls") or item.get("function_call"))
    text, opaque = "", is_result or has_calls
    # What a model said aloud is no more than its text to anybody who reads on.
    media = False
    if isinstance(content, str):
        text = content
    elif isinstance(content, _LIST):
        parts = [part.get("text") if part.get("type") == "text" else None for part in map(_members, content)]
        text = "\n".join(part for part in parts if isinstance(part, str))
        media = role != "assistant" and any(part is None for part in parts)
        opaque = opaque or any(part is None for part in parts)
    elif content is not None:
        raise InputError(f"'messages[{place}].content' is neither a string nor a list of parts")
    if not opaque:
        return Message(role=role, text=text)
    tool = item.get("name") or names.get(str(item.get("tool_call_id"))) if is_result else None
    return Message(
        role=role,
        text=text,
        opaque=True,
        media=media,
        calls=read_calls(item) if has_calls else (),
        tool=tool if isinstance(tool, str) else UNNAMED_TOOL if is_result else None,
    )


def _answer_text(content: object) -> str | None:
    if not isinstance(content, list):
        return _text_or_none(content)
    # Models that think aloud answer in parts, of which the thoughts are no text.
    parts = [part.get("text") for part in content if isinstance(part, _OBJECT) and part.get("type") == "text"]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if texts else None


def _tool_names(tools: object) -> list[str]:
    names: list[str] = []
    for tool in _items(tools):
        name = _members(_members(tool).get("function")).get("name")
        names.append(name if isinstance(name, str) else canonical_json(tool))
    return names


def _texts(values: Sequence[object]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value]


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _first_choice(payload: object) -> Mapping[str, object]:
    choices = _items(_members(payload).get("choices"))
    return _members(choices[0]) if choices else _NO_MEMBERS


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, _LIST) and not isinstance(value, str) else ()


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, _OBJECT) else _NO_MEMBERS


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _part(value: object, whole: int) -> int:
    """A count of something that is part of a whole; 0 where it is none or can't be."""
    return value if type(value) is int and 0 < value <= whole else 0


def _tier(value: object) -> str | None:
    return value if isinstance(value, str) and value and value not in _NORMAL_TIERS else None
