"""Errors of the two APIs, each in the other's shape; which of Anthropic's types goes with which HTTP status.

Owns the shapes and the types, after Anthropic's page on errors. Messages are passed on as the server wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwright.gateway.anthropic.members import text_of

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
#: OpenAI's `type` and `code` for each of Anthropic's types.
_CHAT_TYPES = {
    "invalid_request_error": ("invalid_request_error", None),
    "authentication_error": ("authentication_error", "invalid_api_key"),
    "billing_error": ("insufficient_quota", "insufficient_quota"),
    "permission_error": ("permission_error", None),
    "not_found_error": ("invalid_request_error", "not_found"),
    "conflict_error": ("invalid_request_error", "conflict"),
    "request_too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit_error": ("rate_limit_error", "rate_limit_exceeded"),
    "api_error": ("server_error", None),
    "timeout_error": ("server_error", "timeout"),
    "overloaded_error": ("server_error", "overloaded"),
}
#: What OpenAI-compatible servers say inside of streams, where there is no status left to say it.
_TYPES_BY_WORD = {
    "rate_limit_exceeded": "rate_limit_error",
    "insufficient_quota": "billing_error",
    "invalid_api_key": "authentication_error",
    "model_not_found": "not_found_error",
    "server_error": "api_error",
    "internal_server_error": "api_error",
    "overloaded": "overloaded_error",
    "service_unavailable": "overloaded_error",
    "timeout": "timeout_error",
    "upstream_timeout": "timeout_error",
}
#: How Anthropic's message about a full context window begins; clients that shorten their conversation look for it.
_TOO_LONG = "prompt is too long"
_CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
#: How Anthropic's message about a model of unknown name begins.
_NO_MODEL = "model:"


def error_type(status: int) -> str:
    """Anthropic's type for an HTTP status that is an error."""
    return _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def status_of(error_type: str) -> int:
    """The HTTP status that goes with one of Anthropic's types; 500 for a type of unknown name."""
    return _STATUSES.get(error_type, 500)


def error_body(error_type: str, message: str, *, request_id: str | None = None) -> dict[str, Any]:
    """The body of an error of Anthropic's API, which is also the data of its `error` event."""
    found: dict[str, Any] = {"type": "error", "error": {"type": error_type, "message": message}}
    return found if request_id is None else found | {"request_id": request_id}


def messages_error(body: object, *, status: int | None, request_id: str | None = None) -> dict[str, Any]:
    """An error of a chat server as Anthropic's API says it.

    `body` is OpenAI-shaped; whatever else a server sends is an error without a message. `status` is the HTTP status;
    None: the error came inside of a stream, and its own words say what kind it is.
    """
    error = body.get("error") if isinstance(body, Mapping) else None
    members = error if isinstance(error, Mapping) else {"message": error}
    message = text_of(members.get("message")) or "the model server reported an error"
    if members.get("code") == _CONTEXT_LENGTH_EXCEEDED and not message.startswith(_TOO_LONG):
        message = f"{_TOO_LONG}: {message}"
    kind = _spoken_type(members) if status is None else error_type(status)
    return error_body(kind, message, request_id=request_id)


def chat_error(body: object) -> dict[str, Any]:
    """An error of Anthropic's API as OpenAI's says it; whatever else a server sends is an error without a message."""
    error = body.get("error") if isinstance(body, Mapping) else None
    members = error if isinstance(error, Mapping) else {"message": error}
    message = text_of(members.get("message")) or "the model server reported an error"
    kind, code = _CHAT_TYPES.get(text_of(members.get("type")), ("server_error", None))
    if message.startswith(_TOO_LONG):
        code = _CONTEXT_LENGTH_EXCEEDED
    elif message.startswith(_NO_MODEL):
        code = "model_not_found"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _spoken_type(error: Mapping[str, Any]) -> str:
    for name in ("code", "type"):
        word = error.get(name)
        if isinstance(word, int) and 400 <= word < 600:
            return error_type(word)
        if isinstance(word, str):
            if word in _STATUSES:
                return word
            if len(word) == 3 and word.isdecimal() and 400 <= int(word) < 600:
                return error_type(int(word))
            if word in _TYPES_BY_WORD:
                return _TYPES_BY_WORD[word]
            if word == _CONTEXT_LENGTH_EXCEEDED:
                return "invalid_request_error"
    return "api_error"
