"""What is peculiar to each make of model server, as data.

Owns the differences between servers that speak nearly the same API: where the key goes, which paths there are, which
members of a request they don't know. Sources are the providers' API references of 2026; a server that needs something
else is set up with `openai` and the settings' own `headers` and `query`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Speech(StrEnum):
    """Which API a server speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendKind:
    """One make of model server."""

    name: str
    speaks: Speech = Speech.OPENAI
    #: Header that carries the key.
    key_header: str = "authorization"
    #: What stands before the key in it.
    key_prefix: str = "Bearer "
    #: Sent with every request.
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    #: Whether it has OpenAI's Responses API; otherwise such requests reach it as chats.
    has_responses: bool = False
    #: Whether a stream can be asked to end with its usage (`stream_options.include_usage`).
    streams_usage: bool = True
    #: Members of a chat request that it knows by another name.
    renamed: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


_OLD_LIMIT = MappingProxyType({"max_completion_tokens": "max_tokens"})

#: By the name that `kind` has in the settings.
KINDS: Mapping[str, BackendKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            BackendKind(name="openai", has_responses=True),
            # The v1 API: base_url https://RESOURCE.openai.azure.com/openai/v1, models are names of deployments.
            BackendKind(name="azure", key_header="api-key", key_prefix="", has_responses=True),
            BackendKind(
                name="anthropic",
                speaks=Speech.ANTHROPIC,
                key_header="x-api-key",
                key_prefix="",
                headers=MappingProxyType({"anthropic-version": "2023-06-01"}),
            ),
            # base_url https://bedrock-runtime.REGION.amazonaws.com/openai/v1 with a Bedrock API key: no signing needed.
            BackendKind(name="bedrock"),
            # base_url https://generativelanguage.googleapis.com/v1beta/openai
            BackendKind(name="gemini"),
            # Refuses members it does not know (HTTP 422), and sends the usage of streams unasked.
            BackendKind(name="mistral", streams_usage=False, renamed=_OLD_LIMIT),
            BackendKind(name="groq", has_responses=True),
            BackendKind(name="openrouter", has_responses=True),
            BackendKind(name="deepseek", renamed=_OLD_LIMIT),
            BackendKind(name="vllm", has_responses=True),
            BackendKind(name="llamacpp", renamed=_OLD_LIMIT),
            BackendKind(name="ollama", renamed=_OLD_LIMIT),
        )
    }
)
