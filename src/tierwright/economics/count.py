"""How many tokens a call took whose provider does not say.

Owns the choice of a vocabulary and the overhead of a chat. Refuses to know who made the call: what it says is an
estimate and marked as one, since only the provider's own count is what is paid. Vocabularies come with the package
`splintr-rs`; nothing here uses the network.

References:
    OpenAI cookbook, "How to count tokens with tiktoken", section 6: 3 tokens around each message, its role and its
    content, and 3 that open the answer (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from tierwright.core.chat import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierwright.core.chat import ChatRequest

#: Vocabularies by the model's name without the provider, the first that fits; any other model is counted by the last.
_VOCABULARIES = (
    (re.compile(r"gpt-4(?!o|\.)|gpt-3|text-embedding-"), "cl100k_base"),
    (re.compile(r"(meta-)?llama-?[34]"), "llama3"),
    (re.compile(r"deepseek"), "deepseek_v3"),
    (re.compile(r"qwen|qwq"), "qwen3"),
    # Mistral's newer models have a vocabulary that is close to no other here; Gemini has Gemma's.
    (re.compile(r"mistral-7b|mixtral"), "mistral_v3"),
    (re.compile(r"gemma|gemini"), "gemma3"),
    (re.compile(r""), "o200k_base"),
)
_AROUND_MESSAGE = 3
_OPENS_ANSWER = 3
#: Characters counted at once: the time is quadratic in one very long word, and other threads wait for it.
_PIECE = 2048
#: A prompt rarely has more tokens than its characters over this.
_CHARACTERS_PER_TOKEN = 3


class TokenCounter:
    """Counts tokens offline, by the vocabulary a model has or most likely has.

    Exact for the text of OpenAI's models; their tool definitions are rewritten by the provider, and thinking, pictures
    and sound are not seen at all. Other providers tokenise and frame a chat in their own way: on recorded calls the
    median count is 13 to 17 % too small for Anthropic's text, and far too small where a provider adds instructions of
    its own to tools (`benchmarks/token_counts.py`). Thread-safe; meant for the thread that writes captures, not for an
    event loop: a first count loads a vocabulary (20 to 80 ms, during which other threads wait), and counting takes
    about 20 ms a megabyte.
    """

    def __init__(self) -> None:
        self._encoder = lru_cache(maxsize=None)(_load)

    def preload(self, models: Iterable[str]) -> None:
        """Loads what these models are counted by, so that no call waits for it."""
        for model in models:
            self._encoder(_vocabulary(model))

    def estimate(
        self, request: ChatRequest, answer_text: str | None, model: str, *, definitions: str | None = None
    ) -> Usage:
        """The usage of a call, marked as estimated.

        `answer_text` is everything the model wrote: text, and the names and arguments of tool calls; None: nothing.
        `definitions` is the JSON text of the tools offered, which `ChatRequest` does not hold; without it only their
        names are counted. A `response_format` counts as its JSON text.
        """
        count = self._encoder(_vocabulary(model))
        prompt = _OPENS_ANSWER
        for message in request.messages:
            prompt += _AROUND_MESSAGE + 1 + _counted(message.text, count)
        for text in (definitions if definitions is not None else "\n".join(request.tools), request.response_format):
            prompt += _counted(text or "", count)
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=_counted(answer_text or "", count),
            estimated=True,
        )

    def count(self, text: str, model: str) -> int:
        """Tokens of a text alone, such as an input of an embedding."""
        return _counted(text, self._encoder(_vocabulary(model)))


def prompt_estimate(characters: int, messages: int = 1) -> int:
    """Tokens to set aside for a prompt of so many characters, in no time; a budget is settled by the real count.

    `characters` are those of all text sent, tool definitions too. Above the real count for nearly all recorded prompts
    of OpenAI's models and for three in four of all providers, some of which add instructions of their own; below it
    for Chinese and Japanese, which have about one token for each character.
    """
    return -(-characters // _CHARACTERS_PER_TOKEN) + (_AROUND_MESSAGE + 1) * messages + _OPENS_ANSWER


def _vocabulary(model: str) -> str:
    name = model.rpartition("/")[2].casefold()
    return next(vocabulary for pattern, vocabulary in _VOCABULARIES if pattern.match(name))


def _load(vocabulary: str) -> Callable[[str], list[int]]:
    # Imported here because most gateways never need it: their providers count.
    from splintr import Tokenizer  # noqa: PLC0415 - late, see above

    return Tokenizer.from_pretrained(vocabulary).encode_ordinary


def _counted(text: str, encode: Callable[[str], list[int]]) -> int:
    if not text.isascii():
        # Halves of surrogate pairs, which JSON can hold and no tokenizer can.
        text = text.encode("utf-8", "replace").decode()
    total = start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            # Between two words, so that none is counted as two.
            end = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end), start) or end
            end = start + _PIECE if end == start else end
        total += len(encode(text[start:end]))
        start = end
    return total
