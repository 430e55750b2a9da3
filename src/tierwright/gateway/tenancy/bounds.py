"""The most that a request can use, told before it is made: what is reserved of its caller's limits.

Owns the rule. It is an upper bound wherever there is one; docs/gateway.md says where there is none, and what happens
then. Refuses to know who is asked (`catalogue`) and what is left (`quota`).

- A vocabulary of bytes, or one that falls back to them, has at most one token a byte, and a body holds its text. Tools
  may come with a provider's own instructions: Anthropic adds up to 530 tokens
  (platform.claude.com/docs/en/agents-and-tools/tool-use/overview, "Pricing").
- Pictures, sound and films are counted by what they show, which nobody knows here: a usual picture is set aside for
  each. OpenAI counts 765 to 1,445 tokens for one (platform.openai.com/docs/guides/images-vision), Anthropic up to about
  1,600 (platform.claude.com/docs/en/build-with-claude/vision).
- An answer has at most the tokens that the request, or else its model server, allows, and each of `n` answers may.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from tierwright.core.chat import Usage
from tierwright.core.inference import Endpoint
from tierwright.economics.count import prompt_estimate
from tierwright.gateway.wire import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tierwright.gateway.dialects.dialect import Asked
    from tierwright.gateway.trail import Price

_TOOL_INSTRUCTIONS = 1000
_PICTURE = 1600
#: What is set aside for an answer where neither the request nor its server says how long it may be.
_USUAL_ANSWER = 1024
#: Parts of messages that are no text, as OpenAI's two APIs, Anthropic and vLLM name them.
_SHOWN_OR_HEARD = frozenset(
    {"image_url", "input_image", "image", "input_audio", "audio_url", "audio", "video_url", "input_video", "video"}
)
#: Kinds of requests whose price is remembered.
_REMEMBERED = 4096
_WRITING = frozenset({Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.MESSAGES})


class Answerer(NamedTuple):
    """One who may answer a request."""

    #: The model, by the name its calls are recorded and priced by.
    model: str
    #: The model, as its server knows it: its price counts where `model` has none.
    upstream_model: str
    #: Tokens an answer has at most where the request does not say; None: not known.
    most_tokens: int | None


class Expected(NamedTuple):
    """Tokens of a request that is not made yet."""

    #: What it is likely to be counted with, sent and received: a rate of tokens is measured by it.
    usual: int
    #: What it can be counted with at most.
    prompt: int
    completion: int


def expected(asked: Asked, endpoint: Endpoint, answerers: Sequence[Answerer]) -> Expected:
    """The tokens that a request is counted with, whoever answers; takes microseconds."""
    if endpoint is Endpoint.COUNT_TOKENS:
        return Expected(0, 0, 0)
    shown, inline = _media(asked.payload) if _may_show(asked.body) else (0, 0)
    text, pictures = max(0, len(asked.body) - inline), shown * _PICTURE
    instructions = _TOOL_INSTRUCTIONS if "tools" in asked.payload else 0
    completion = _completion(asked, endpoint, answerers)
    return Expected(prompt_estimate(text) + pictures + completion, text + pictures + instructions, completion)


def most_usd(tokens: Expected, asked: Asked, answerers: Sequence[Answerer], price: Price, at: datetime) -> Decimal:
    """US dollars of the most tokens, of the dearest kinds, at the dearest of those who may answer.

    Answerers without a price, and kinds of tokens without one, are passed over; 0 where nothing has a price.
    """
    return _most(_kinds(tokens.prompt, tokens.completion, _dear(asked)), answerers, price, at)


class Dearest:
    """`most_usd` of requests that are much alike, worked out once for all of them.

    It is asked for with every request that has a budget, and takes several prices to work out. Alike are those with
    the same answerers, answer and price class in the same minute, whose prompts are as long but for a 64th; what is
    remembered is the most that any of them can cost.
    """

    def __init__(self, price: Price) -> None:
        self._price = price
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._most)

    def usd(self, tokens: Expected, asked: Asked, answerers: tuple[Answerer, ...], at: datetime) -> Decimal:
        """As `most_usd`, and at most a 64th of the prompt's price above it. Takes microseconds."""
        step = max(1, (1 << tokens.prompt.bit_length()) // 128)
        prompt = -(-tokens.prompt // step) * step
        minute = at.replace(second=0, microsecond=0)
        return self._remembered(prompt, tokens.completion, _dear(asked), answerers, minute)

    def _most(
        self, prompt: int, completion: int, dear: _Dear, answerers: tuple[Answerer, ...], minute: datetime
    ) -> Decimal:
        return _most(_kinds(prompt, completion, dear), answerers, self._price, minute)


def _most(kinds: Iterable[Usage], answerers: Sequence[Answerer], price: Price, at: datetime) -> Decimal:
    names: dict[str, set[str]] = {}
    for answerer in answerers:
        names.setdefault(answerer.model, set()).add(answerer.upstream_model)
    found = Decimal(0)
    for usage in kinds:
        for model, others in names.items():
            cost = price(model, usage, at)
            costs = [price(other, usage, at) for other in others] if cost is None else [cost]
            found = max([found, *(one for one in costs if one is not None)])
    return found


def _completion(asked: Asked, endpoint: Endpoint, answerers: Sequence[Answerer]) -> int:
    if endpoint not in _WRITING:
        return 0
    known = [answerer.most_tokens for answerer in answerers if answerer.most_tokens is not None]
    allowed = max(known) if known and len(known) == len(answerers) else None
    return (asked.max_completion_tokens or allowed or _USUAL_ANSWER) * max(1, whole_number(asked.payload.get("n")) or 1)


class _Dear(NamedTuple):
    """What a request asks for that has a price of its own."""

    #: A cache that is kept for an hour.
    hour: bool
    spoken: bool
    tier: str | None


def _dear(asked: Asked) -> _Dear:
    payload = asked.payload
    tier = "fast" if payload.get("speed") == "fast" else payload.get("service_tier")
    return _Dear(b'"1h"' in asked.body, payload.get("audio") is not None, tier if isinstance(tier, str) else None)


def _kinds(prompt: int, completion: int, dear: _Dear) -> list[Usage]:
    """The ways in which so many tokens can be dearer than plain ones."""
    plain = Usage(prompt_tokens=prompt, completion_tokens=completion)
    hour = prompt if dear.hour else 0
    prompts: list[dict[str, Any]] = [{}, {"cache_write_tokens": prompt, "cache_write_1h_tokens": hour}]
    completions: list[dict[str, Any]] = [{}]
    if completion:
        completions.append({"reasoning_tokens": completion})
        if dear.spoken:
            completions.append({"audio_completion_tokens": completion})
    tiers: list[dict[str, Any]] = [{}]
    if dear.tier is not None:
        tiers.append({"service_tier": dear.tier})
    return [replace(plain, **read, **written, **tier) for read, written, tier in product(prompts, completions, tiers)]


def _may_show(body: bytes) -> bool:
    """False: no member of a body says of what type something is, so that it holds text alone."""
    return b'"type"' in body or b"\\u" in body


def _media(payload: Mapping[str, Any]) -> tuple[int, int]:
    """How many pictures, sounds and films the messages of a request hold, and the characters they take in its body."""
    count = characters = 0
    left: list[Any] = [payload.get("messages"), payload.get("input")]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += [part for part in item if isinstance(part, (dict, list))]
        elif isinstance(item, dict):
            kind = item.get("type")
            if isinstance(kind, str) and kind in _SHOWN_OR_HEARD:
                count += 1
                characters += _longest_text(item)
            else:
                left += [part for part in item.values() if isinstance(part, (dict, list))]
    return count, characters


def _longest_text(part: Mapping[str, Any]) -> int:
    """Characters of the content of a picture or a sound: the longest text in it, or in a member of it."""
    texts = [value for value in part.values() if isinstance(value, str)]
    for value in part.values():
        if isinstance(value, dict):
            texts += [text for text in value.values() if isinstance(text, str)]
    return max(map(len, texts), default=0)
