"""Every error the gateway itself answers with: OpenAI-shaped, with a stable code.

Owns the codes. A message says what is wrong, where, and what to do; it never holds text of a prompt or an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tierwright.core.errors import BackendError, BackendLost, BackendTimeout, BackendUnavailable

INVALID_API_KEY = "invalid_api_key"
FORBIDDEN_ORIGIN = "forbidden_origin"
INVALID_REQUEST = "invalid_request"
INVALID_JSON = "invalid_json"
UNSUPPORTED_ENCODING = "unsupported_content_encoding"
TOO_LARGE = "request_too_large"
MODEL_NOT_FOUND = "model_not_found"
UNKNOWN_URL = "unknown_url"
METHOD_NOT_ALLOWED = "method_not_allowed"
UPSTREAM_UNAVAILABLE = "upstream_unavailable"
UPSTREAM_LOST = "upstream_lost"
UPSTREAM_TIMEOUT = "upstream_timeout"
UPSTREAM_BROKEN = "upstream_broken"
INTERNAL_ERROR = "internal_error"
INVALID_FEEDBACK = "invalid_feedback"
STORE_UNAVAILABLE = "store_unavailable"

# Codes of what went wrong that only captures hold: no body of ours says them.
UPSTREAM_ERROR = "upstream_error"
CLIENT_DISCONNECTED = "client_disconnected"
SHUT_DOWN = "shut_down"
SPECIALIST_FAILED = "specialist_failed"
SPECIALIST_TIMEOUT = "specialist_timeout"

_CALLER = "invalid_request_error"
_UPSTREAM = "upstream_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error answer."""

    #: HTTP status.
    status: int
    #: Stable, for programs.
    code: str
    #: Class of the error, as OpenAI names them.
    type: str
    #: For people.
    message: str
    #: The request member that is wrong; None: none or unknown.
    param: str | None = None

    def body(self) -> bytes:
        """The JSON body of an answer."""
        return msgspec.json.encode(
            {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}
        )

    def event(self) -> bytes:
        """The same as a server-sent event, for an answer that has already begun."""
        return b"data: " + self.body() + b"\n\n"


def unauthorized(what: str) -> Problem:
    """401."""
    return Problem(
        status=401,
        code=INVALID_API_KEY,
        type="authentication_error",
        message=f"{what}; send a key of this gateway as 'Authorization: Bearer KEY'",
    )


def forbidden_origin() -> Problem:
    """403: a web page of elsewhere calls a gateway that has no callers configured."""
    return Problem(
        status=403,
        code=FORBIDDEN_ORIGIN,
        type="permission_error",
        message="this gateway has no callers configured and answers programs on its own machine only; "
        "configure a caller with a key to use it from elsewhere",
    )


def invalid_request(message: str, *, code: str = INVALID_REQUEST, param: str | None = None) -> Problem:
    """400."""
    return Problem(status=400, code=code, type=_CALLER, message=message, param=param)


def unsupported_encoding() -> Problem:
    """415."""
    return Problem(
        status=415,
        code=UNSUPPORTED_ENCODING,
        type=_CALLER,
        message="the request body is compressed; send it without a Content-Encoding",
    )


def too_large(limit_bytes: int) -> Problem:
    """413."""
    return Problem(
        status=413,
        code=TOO_LARGE,
        type=_CALLER,
        message=f"the request body is larger than {limit_bytes} bytes; send less, or raise max_body_bytes in [server]",
    )


def model_not_found(model: str) -> Problem:
    """404: no backend serves the model."""
    return Problem(
        status=404,
        code=MODEL_NOT_FOUND,
        type=_CALLER,
        message=f"no backend serves the model {model[:100]!r}; GET /v1/models lists what is served",
        param="model",
    )


def unknown_url(method: str, path: str) -> Problem:
    """404: no such address."""
    return Problem(
        status=404,
        code=UNKNOWN_URL,
        type=_CALLER,
        message=f"unknown address ({method} {path[:200]}); this gateway serves POST /v1/chat/completions, "
        "GET /v1/models, GET /health/liveliness and GET /health/readiness",
    )


def method_not_allowed(method: str, path: str, allowed: str) -> Problem:
    """405."""
    return Problem(
        status=405, code=METHOD_NOT_ALLOWED, type=_CALLER, message=f"{method} is not allowed on {path}; use {allowed}"
    )


def upstream_failed(error: BackendError) -> Problem:
    """502 or 504: the model server failed; the message is the error's."""
    if isinstance(error, BackendTimeout):
        status, code = 504, UPSTREAM_TIMEOUT
    elif isinstance(error, BackendUnavailable):
        status, code = 502, UPSTREAM_UNAVAILABLE
    elif isinstance(error, BackendLost):
        status, code = 502, UPSTREAM_LOST
    else:
        status, code = 502, UPSTREAM_BROKEN
    return Problem(status=status, code=code, type=_UPSTREAM, message=str(error))


def store_unavailable(what: str) -> Problem:
    """503: something was to be kept and could not be."""
    return Problem(
        status=503,
        code=STORE_UNAVAILABLE,
        type="server_error",
        message=f"the {what} could not be stored; send it again later: the same word twice is kept once",
    )


def internal_error() -> Problem:
    """500."""
    return Problem(
        status=500,
        code=INTERNAL_ERROR,
        type="server_error",
        message="the gateway failed on this request; its log names the place. Please report it",
    )
