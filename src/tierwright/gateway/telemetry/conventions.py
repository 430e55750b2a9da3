"""The words of OpenTelemetry's conventions for generative AI, and which of them holds for what Tierwright records.

Source: github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai (in development), and of HTTP, errors and
resources github.com/open-telemetry/semantic-conventions 1.42. There is no attribute here for text of a prompt or an
answer, and there shall be none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from tierwright.core.inference import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.core.inference import Inference, ModelCall
    from tierwright.gateway.config import BackendConfig

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
STREAM = "gen_ai.request.stream"
RESPONSE_ID = "gen_ai.response.id"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a name
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

#: What answers at this gateway, and our own models.
OURS = "tierwright"
#: What a model is called that neither the settings nor a server know.
OTHER = "other"
#: Characters of a name that a caller chose.
_LONGEST_NAME = 256
#: Well-known names of operations; for the last two the conventions have none.
_OPERATIONS = {
    Endpoint.CHAT: "chat",
    Endpoint.RESPONSES: "chat",
    Endpoint.MESSAGES: "chat",
    Endpoint.EMBEDDINGS: "embeddings",
    Endpoint.COUNT_TOKENS: "count_tokens",
    Endpoint.MODERATIONS: "moderations",
}
#: Well-known names of providers by the kind of a backend; a kind that is not here is its own name.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}


class Server(NamedTuple):
    """Who was asked."""

    provider: str
    #: None: it is no server.
    address: str | None = None
    port: int | None = None


_OWN_SERVER = Server(OURS)


class Servers:
    """Whom a call went to, by the name of its backend."""

    def __init__(self, config_of: Callable[[str], BackendConfig | None]) -> None:
        """`config_of` knows the backends of now; None: there is none of that name any more."""
        self._config_of = config_of

    def of(self, call: ModelCall) -> Server:
        """The server; of a backend that is gone only its name is known."""
        if call.model_version_id is not None:
            return _OWN_SERVER
        config = self._config_of(call.backend)
        if config is None:
            return Server(call.backend)
        address = urlsplit(config.base_url).hostname
        return Server(_PROVIDERS.get(config.kind, config.kind), address, config.port)


def operation_of(inference: Inference) -> str:
    """What was done."""
    return _OPERATIONS[inference.endpoint]


def clipped(name: str) -> str:
    """A name that a caller chose, as far as it is told, without what no UTF-8 text holds."""
    return name[:_LONGEST_NAME].encode("utf-8", "replace").decode()


def error_of(call: ModelCall) -> str | None:
    """The class of what went wrong with a call; None: nothing."""
    if call.error_code is not None:
        return call.error_code
    return str(call.status) if call.status is not None and call.status >= 400 else None


def counts_of(call: ModelCall) -> Mapping[str, int | None]:
    """A call's tokens by attribute. None: not known; of our own models, which read text and not tokens, nothing is."""
    if call.model_version_id is not None:
        return {}
    return {
        INPUT_TOKENS: call.prompt_tokens,
        OUTPUT_TOKENS: call.completion_tokens,
        CACHE_READ_TOKENS: call.cached_tokens,
        CACHE_CREATION_TOKENS: call.cache_write_tokens,
        REASONING_TOKENS: call.reasoning_tokens,
    }
