"""Tokens of a chat whose provider sent no counts, so that it is not taken for free.

Owns the estimate and says that it is one. Counts with OpenAI's own vocabulary (o200k_base, which travels in the package
`bpe-openai`; nothing is downloaded) and its published overhead: three tokens a message, one a role, three before the
answer (OpenAI cookbook, "How to count tokens with tiktoken"). Other makers' vocabularies differ. Pictures, sound and
tools are not counted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from tierwright.core.chat import Usage

if TYPE_CHECKING:
    from tierwright.core.chat import ChatRequest

_ENCODING = "o200k_base"
#: Around each message, for its role, and before the answer.
_PER_MESSAGE, _PER_ROLE, _BEFORE_ANSWER = 3, 1, 3
#: Longer texts are counted by their beginning: the rest is taken to have as many tokens for a character.
_MOST_CHARACTERS = 500_000


class _Vocabulary(Protocol):
    def encode_ordinary(self, text: str, /) -> list[int]:
        """The tokens of a text."""


def estimate_usage(request: ChatRequest, answer: str | None) -> Usage:
    """What a provider would have counted, marked as an estimate. Takes half a second the first time."""
    messages = sum(_tokens(message.text) + _PER_MESSAGE + _PER_ROLE for message in request.messages)
    return Usage(
        prompt_tokens=messages + _BEFORE_ANSWER,
        completion_tokens=0 if answer is None else _tokens(answer),
        estimated=True,
    )


def _tokens(text: str) -> int:
    counted = text[:_MOST_CHARACTERS]
    # A lone surrogate, which JSON can hold, is no text to a tokenizer.
    found = len(_vocabulary().encode_ordinary(counted.encode("utf-8", "replace").decode("utf-8")))
    return found if len(counted) == len(text) else round(found * len(text) / len(counted))


@lru_cache(maxsize=1)
def _vocabulary() -> _Vocabulary:
    # Imported here because it takes half a second, and most gateways never need it.
    import bpe_openai  # noqa: PLC0415 - late, see above

    vocabulary: _Vocabulary = bpe_openai.get_encoding(_ENCODING)
    return vocabulary
